//! What can be wrong with a response head. To the client each of these is a 502.

use crate::field_error::FieldError;

/// A response head that broke a rule. The connection must not be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The first line is no status line (RFC 9112 section 4).
    #[error("the first line is not a status line")]
    InvalidStatusLine,
    /// An HTTP version other than 1.0 and 1.1.
    #[error("an HTTP version other than 1.0 and 1.1")]
    UnsupportedVersion,
    /// A status code below 100; over HTTP/2, also one above 599 or 101 (RFC 9110 section 15, RFC 9113 section 8.6).
    #[error("a status code that is none")]
    InvalidStatus,
    /// A 1xx or 204 that announces content (RFC 9112 section 6.1, RFC 9110 section 8.6): what follows could be read as
    /// the answer to another request.
    #[error("a 1xx or 204 response that announces content")]
    ContentNotAllowed,
    /// A rule of header fields.
    #[error(transparent)]
    Field(#[from] FieldError),
}
