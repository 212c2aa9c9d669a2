//! Heads on their way between HTTP/2 and the request path: a request's fields become the one kind of head that is
//! matched and forwarded, an upstream's head becomes a response of HTTP/2.

use crate::refusal::Refusal;
use bytes::{Buf, Bytes};
use http::header::{HeaderName, HeaderValue};
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

/// The head of a response, from the lines of one of HTTP/1: so there is one place that writes heads, whatever the client
/// speaks. The lines name nothing that concerns a connection.
///
/// # Errors
/// When the status or a field is none that HTTP/2 could carry.
pub(crate) fn of_lines(status: u16, lines: &[u8]) -> Result<Response<()>, Refusal> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Refusal::BadAnswer)?;
    let fields = response.headers_mut();
    fields.reserve(USUAL_FIELDS);
    // All values share one piece of memory.
    let mut rest = Bytes::copy_from_slice(lines);
    let mut is_field = false;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\r') {
        let mut line = rest.split_to(end);
        rest.advance(rest.len().min(2));
        let colon = line.iter().position(|byte| *byte == b':').filter(|_| is_field);
        is_field = true;
        let Some(colon) = colon else { continue };
        let name = HeaderName::from_bytes(&line.split_to(colon)).map_err(|_| Refusal::BadAnswer)?;
        line.advance(line.len().min(2));
        fields.append(name, HeaderValue::from_maybe_shared(line).map_err(|_| Refusal::BadAnswer)?);
    }
    Ok(response)
}
