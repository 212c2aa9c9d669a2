//! Heads on their way between HTTP/2 and the request path: a request's fields become the one kind of head that is
//! matched and forwarded, an upstream's head becomes a response of HTTP/2.

use super::repeats::Repeats;
use crate::grpc;
use crate::refusal::Refusal;
use crate::upstream::broken::Broken;
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, StatusCode};
use http1::{Limits, Pseudo, RequestError, RequestHead};

/// Room for fields that is made at once.
const USUAL_FIELDS: usize = 12;

/// Takes a request's head over. Gives its size in bytes.
pub(super) fn read<B>(
    request: &Request<B>,
    has_content: bool,
    head: &mut RequestHead,
    limits: &Limits,
) -> Result<usize, RequestError> {
    let uri = request.uri();
    let pseudo = Pseudo {
        method: request.method().as_str(),
        scheme: uri.scheme_str().unwrap_or_default(),
        authority: uri.authority().map(Authority::as_str),
        // Without `:path` there is none, whatever stands in for it.
        path: uri.path_and_query().map(PathAndQuery::as_str).filter(|_| !uri.path().is_empty()),
    };
    let fields = || request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    head.assemble(pseudo, fields, has_content, limits)
}

/// Whether a request is a call of gRPC, also where its head is refused.
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    let kinds = request.headers().get_all(http::header::CONTENT_TYPE);
    kinds.iter().any(|kind| grpc::is_kind(kind.as_bytes()))
}

/// The head of a response, from the lines of one of HTTP/1: so there is one place that writes heads, whatever the client
/// speaks. The lines name nothing that concerns a connection.
///
/// # Errors
/// When the status or a field is none that HTTP/2 could carry.
pub(crate) fn of_lines(repeats: &Repeats, status: u16, mut lines: &[u8]) -> Result<Response<()>, Refusal> {
    let mut response = Response::new(());
    *response.status_mut() =
        StatusCode::from_u16(status).map_err(|_| Refusal::BadAnswer(Broken::NotHttp2))?;
    let fields = response.headers_mut();
    fields.reserve(USUAL_FIELDS);
    let mut is_field = false;
    while let Some(end) = memchr::memchr(b'\r', lines) {
        let (line, rest) = lines.split_at_checked(end).unwrap_or_default();
        lines = rest.get(2..).unwrap_or_default();
        let colon = memchr::memchr(b':', line).filter(|_| is_field);
        is_field = true;
        let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else { continue };
        let value = value.get(2..).unwrap_or_default();
        let (name, value) = repeats.field(name, value).ok_or(Refusal::BadAnswer(Broken::NotHttp2))?;
        fields.try_append(name, value).map_err(|_| Refusal::BadAnswer(Broken::NotHttp2))?;
    }
    Ok(response)
}
