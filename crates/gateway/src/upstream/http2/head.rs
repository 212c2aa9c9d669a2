//! The head of a request for HTTP/2, from the one that was written for HTTP/1: what is sent on, and as what, is decided
//! in one place for both.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Method, Request, Version};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// What no URI may have (RFC 3986, section 2) and HTTP/1 clients send all the same; HTTP/2 takes it encoded.
const NOT_IN_URI: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');
/// Fields that a head has beside those of its request: `te`.
const MORE_FIELDS: usize = 1;

/// A request cannot be said in HTTP/2: its host is no authority, or a field is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("request cannot be sent over HTTP/2")]
pub(crate) struct NotHttp2;

/// Reads the head that [`crate::headers::write_request`] has written. `trailers`: the client takes trailers, and the
/// node is told so, since `TE` itself does not travel on (RFC 9113, section 8.2.2).
///
/// # Errors
/// When its host or a field is nothing that HTTP/2 knows.
pub(crate) fn request(head: &[u8], tls: bool, trailers: bool) -> Result<Request<()>, NotHttp2> {
    // One copy, of which each value is a part.
    let head = Bytes::copy_from_slice(head);
    let mut lines = Lines { head: &head, at: 0 };
    let line = lines.next().ok_or(NotHttp2)?;
    let (method, target) = request_line(&line)?;
    let mut headers =
        HeaderMap::with_capacity(head.iter().filter(|byte| **byte == b'\n').count() + MORE_FIELDS);
    let mut authority = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = line.windows(2).position(|pair| pair == b": ").ok_or(NotHttp2)?;
        let (name, value) = (line.get(..colon).ok_or(NotHttp2)?, line.slice(colon + 2..));
        match HeaderName::from_bytes(name).map_err(|_| NotHttp2)? {
            http::header::HOST => {
                authority = Some(Authority::from_maybe_shared(value).map_err(|_| NotHttp2)?)
            }
            // The end of the stream is the end of the body.
            http::header::TRANSFER_ENCODING => {}
            name => {
                let value = HeaderValue::from_maybe_shared(value).map_err(|_| NotHttp2)?;
                headers.append(name, value);
            }
        }
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority.ok_or(NotHttp2)?);
    parts.path_and_query = Some(target);
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| NotHttp2)?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

fn request_line(line: &Bytes) -> Result<(Method, PathAndQuery), NotHttp2> {
    let space = line.iter().position(|byte| *byte == b' ').ok_or(NotHttp2)?;
    let end = line.iter().rposition(|byte| *byte == b' ').filter(|end| *end > space).ok_or(NotHttp2)?;
    let method = Method::from_bytes(line.get(..space).ok_or(NotHttp2)?).map_err(|_| NotHttp2)?;
    let target = line.slice(space + 1..end);
    let target = match PathAndQuery::from_maybe_shared(target.clone()) {
        Ok(target) => target,
        Err(_) => {
            let encoded = percent_encode(&target, NOT_IN_URI).to_string();
            PathAndQuery::from_maybe_shared(Bytes::from(encoded)).map_err(|_| NotHttp2)?
        }
    };
    Ok((method, target))
}

/// The lines of a head, without their ends.
struct Lines<'a> {
    head: &'a Bytes,
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let rest = self.head.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'\r')?;
        let line = self.head.slice(self.at..self.at + end);
        self.at += end + 2;
        Some(line)
    }
}
