//! What can be wrong with a request head, and the status code that says so.

use crate::field_error::FieldError;

/// A request head that broke a rule. Answer [`RequestError::status`] and close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// More than one empty line before the request line (RFC 9112 section 2.2).
    #[error("more than one empty line before the request line")]
    EmptyLines,
    /// The method is no token (RFC 9110 section 9.1).
    #[error("the method is not a token")]
    InvalidMethod,
    /// The method is longer than 32 bytes.
    #[error("the method is longer than 32 bytes")]
    MethodTooLong,
    /// The target is in none of the four forms, or its method does not allow that form (RFC 9112 section 3.2).
    #[error("the request target is not valid for its method")]
    InvalidTarget,
    /// The target is longer than [`crate::Limits::target_bytes`] (RFC 9110 section 15.5.15).
    #[error("the request target is too long")]
    TargetTooLong,
    /// A `#` in the target (RFC 9112 section 3.2: no form has a fragment).
    #[error("the request target has a fragment")]
    FragmentInTarget,
    /// The end of the request line is no HTTP version (RFC 9112 section 2.3).
    #[error("the request line does not end in an HTTP version")]
    InvalidVersion,
    /// An HTTP version other than 1.0 and 1.1 (RFC 9110 section 15.6.6).
    #[error("an HTTP version other than 1.0 and 1.1")]
    UnsupportedVersion,
    /// The connection preface of HTTP/2 (RFC 9113 section 3.4).
    #[error("the connection preface of HTTP/2")]
    Http2Preface,
    /// An HTTP/1.1 request without `Host` (RFC 9112 section 3.2).
    #[error("Host is missing")]
    MissingHost,
    /// More than one `Host` (RFC 9112 section 3.2).
    #[error("more than one Host")]
    RepeatedHost,
    /// A `Host`, or an authority in the target, that is empty or no host with an optional port (RFC 9112 section 3.2).
    #[error("Host is empty or not a host with an optional port")]
    InvalidHost,
    /// The target's authority is not what `Host` says (RFC 9112 section 3.2.2).
    #[error("Host differs from the authority in the request target")]
    HostMismatch,
    /// A pseudo-header field that is missing or repeated, or holds what it must not (RFC 9113 section 8.3). The stream is
    /// reset instead of answered.
    #[error("a pseudo-header field is missing or malformed")]
    MalformedPseudo,
    /// A CONNECT that announces content (RFC 9110 section 9.3.6).
    #[error("CONNECT with content")]
    ContentInConnect,
    /// An `Expect` other than `100-continue` (RFC 9110 section 10.1.1).
    #[error("an expectation other than 100-continue")]
    UnknownExpectation,
    /// A rule of header fields.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl RequestError {
    /// The status code that answers the request: 400, 414, 417, 431, 501 or 505.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::UnknownExpectation => 417,
            Self::UnsupportedVersion | Self::Http2Preface => 505,
            Self::Field(error) => error.status(),
            _ => 400,
        }
    }
}
