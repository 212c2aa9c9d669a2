//! The rules for header and trailer fields that requests and responses share, as errors.

use crate::known::Known;

/// A field section that broke a rule. The connection is closed after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A line that starts with white space: obs-fold, or space before the first field (RFC 9112 sections 5.2, 2.2).
    #[error("a header line starts with white space (line folding is obsolete)")]
    LineFolding,
    /// White space in a field name or before its colon (RFC 9112 section 5.1).
    #[error("white space between a header name and its colon")]
    SpaceBeforeColon,
    /// A field name that is empty, has no colon, or is no token (RFC 9110 section 5.1).
    #[error("a header name is not a token")]
    InvalidName,
    /// NUL or another control character in a field value (RFC 9110 section 5.5).
    #[error("a header value has a control character")]
    InvalidValue,
    /// CR without LF (RFC 9112 section 2.2).
    #[error("a carriage return without a line feed")]
    BareCr,
    /// LF without CR (RFC 9112 section 2.2 lets a recipient accept it; we do not).
    #[error("a line feed without a carriage return")]
    BareLf,
    /// More fields than [`crate::Limits::headers`] (RFC 6585 section 5).
    #[error("too many header fields")]
    TooMany,
    /// More bytes than the head or the trailer section may have (RFC 6585 section 5).
    #[error("the header fields are too large")]
    TooLarge,
    /// A `Content-Length` that is not digits alone, or above 2^63 - 1 (RFC 9110 section 8.6).
    #[error("Content-Length is not a plain decimal number")]
    InvalidContentLength,
    /// More than one `Content-Length`, equal or not (RFC 9112 section 6.3, rule 5).
    #[error("more than one Content-Length")]
    RepeatedContentLength,
    /// A `Transfer-Encoding` whose last and only `chunked` is not its end (RFC 9112 section 6.1).
    #[error("Transfer-Encoding does not end in one chunked coding")]
    InvalidTransferEncoding,
    /// A transfer coding other than `chunked` (RFC 9112 section 6.1).
    #[error("a transfer coding other than chunked")]
    UnsupportedTransferCoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message (RFC 9112 section 6.1).
    #[error("Transfer-Encoding in an HTTP/1.0 message")]
    TransferEncodingInHttp10,
    /// Both framings at once (RFC 9112 section 6.1): the classic of request smuggling.
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndTransferEncoding,
    /// A `Connection` option that is no token, or too many of them (RFC 9110 section 7.6.1).
    #[error("Connection is not a short list of tokens")]
    InvalidConnection,
    /// `Connection` names a field that is not the connection's to remove (RFC 9110 section 7.6.1).
    #[error("Connection names the end-to-end header {}", .0.name())]
    ConnectionNamesEndToEnd(Known),
    /// A field of HTTP/1 connections in an HTTP/2 message (RFC 9113 section 8.2.2).
    #[error("{} in an HTTP/2 message", .0.name())]
    OfHttp1Connections(Known),
    /// An `Upgrade` that `Connection` names and that is repeated or no list of protocols (RFC 9110 section 7.8).
    #[error("Upgrade is not a list of protocols")]
    InvalidUpgrade,
}

impl FieldError {
    /// The status code that answers a request which broke this rule.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooMany | Self::TooLarge => 431,
            Self::UnsupportedTransferCoding => 501,
            _ => 400,
        }
    }
}
