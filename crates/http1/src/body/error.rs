//! What can be wrong with a body's framing.

use crate::field_error::FieldError;

/// A body that broke a rule or was cut off. The connection is closed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk size that is empty or not hexadecimal digits alone (RFC 9112 section 7.1).
    #[error("a chunk size is not hexadecimal")]
    InvalidChunkSize,
    /// A chunk size of more than 16 digits, or above 2^63 - 1 (RFC 9112 section 7.1 asks to prevent overflow).
    #[error("a chunk size is too large")]
    ChunkTooLarge,
    /// A chunk-size line longer than [`crate::Limits::chunk_line_bytes`].
    #[error("a chunk-size line is too long")]
    ChunkLineTooLong,
    /// Far more bytes of chunk extensions than of content (RFC 9112 section 7.1.1 asks for a limit).
    #[error("too many chunk extensions")]
    TooManyExtensions,
    /// A control character in a chunk extension.
    #[error("a chunk extension has a control character")]
    InvalidExtension,
    /// A chunk's data, or a chunk-size line, that is not followed by CRLF.
    #[error("a chunk is not followed by CRLF")]
    InvalidChunkEnd,
    /// A rule of trailer fields.
    #[error("trailer section: {0}")]
    Trailer(FieldError),
    /// The peer closed in the middle.
    #[error("the connection closed before the body ended")]
    Truncated,
}

impl BodyError {
    /// The status code that answers a request with this body, if an answer can still be given: 400 or 431.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Trailer(error) => error.status(),
            _ => 400,
        }
    }
}
