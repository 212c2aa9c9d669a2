//! Responses: JSON that ends with a newline, as APISIX sends it, and plain text.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

/// Says whether every gateway thread runs what was written: absent = yes, `pending` = not within the wait.
pub(crate) const APPLIED: HeaderName = HeaderName::from_static("x-tealgate-applied");
/// The store revision of a write.
pub(crate) const REVISION: HeaderName = HeaderName::from_static("x-tealgate-revision");

/// A JSON body and a newline.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    with_type(status, "application/json", format!("{value}\n"))
}

/// Plain text as it is.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    with_type(status, "text/plain; charset=utf-8", text.into())
}

/// No body at all.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A body of a given type.
pub(crate) fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
