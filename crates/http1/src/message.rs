//! What requests and responses share: version, framing, and the outcome of a parse.

/// The outcome of parsing a head from the bytes received so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The head is whole; the body, or the next message, starts at `input[consumed..]`.
    Complete {
        /// Bytes of the input that belong to the head, a leading empty line included.
        consumed: usize,
    },
    /// More bytes are needed. Call again with the same bytes and more.
    Partial,
}

/// The protocol version of a message. Everything else is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
    /// HTTP/2 (RFC 9113): of a request that was assembled, not parsed.
    Http2,
}

impl Version {
    /// As requests of HTTP/1 name it (RFC 9112, section 2.3), and as nginx's `$server_protocol` does.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }

    pub(crate) fn from_minor(minor: Option<u8>) -> Self {
        if minor == Some(0) { Self::Http10 } else { Self::Http11 }
    }
}

/// How the end of a message's content is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is no content.
    #[default]
    None,
    /// `Content-Length`: exactly this many bytes; 0 when the field said so.
    Length(u64),
    /// `Transfer-Encoding: chunked`; of an HTTP/2 request, content of a length that was not announced.
    Chunked,
    /// Until the peer closes; responses only.
    UntilClose,
}
