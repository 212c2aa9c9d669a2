//! The response head of an upstream, held to the same rules as a request's.

mod assemble;
mod error;

use std::mem::MaybeUninit;

use crate::controls::Controls;
use crate::diagnose;
use crate::field_error::FieldError;
use crate::fields::{Fields, Header, Span};
use crate::known::Known;
use crate::limits::{Limits, MAX_HEADERS};
use crate::message::{Framing, Parsed, Version};
use crate::scan;

pub use error::ResponseError;

/// The length of `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// A response head that keeps its memory from one response to the next.
///
/// Accessors are meaningful after [`ResponseHead::parse`] has returned [`Parsed::Complete`].
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    fields: Fields,
    status: u16,
    reason: Span,
    version: Version,
    controls: Controls,
}

impl ResponseHead {
    /// Parses the head at the start of `input`, which may hold more than the head.
    ///
    /// On [`Parsed::Partial`] call again with the same bytes and more. No empty line is skipped.
    ///
    /// # Errors
    /// A rule that the head breaks: the answer cannot be trusted, nor what follows it on the connection.
    pub fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<Parsed, ResponseError> {
        let (window, is_full) = limits.head_window(input);
        if matches!(window.first(), Some(b'\r' | b'\n')) {
            return Err(ResponseError::InvalidStatusLine);
        }
        if window.len() > diagnose::LOOK_FIRST_BYTES && !is_full && !diagnose::may_end(window) {
            return Ok(Parsed::Partial);
        }
        if let Some(len) = self.load_plain(window, limits) {
            self.conclude()?;
            return Ok(Parsed::Complete { consumed: len });
        }
        self.parse_any(window, is_full, limits)
    }

    /// The long way, for every head.
    fn parse_any(&mut self, window: &[u8], is_full: bool, limits: &Limits) -> Result<Parsed, ResponseError> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let slots = storage.get_mut(..limits.header_slots()).unwrap_or_default();
        let mut parsed = httparse::Response::new(&mut []);
        let outcome =
            httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, window, slots);
        match outcome {
            Ok(httparse::Status::Complete(len)) => {
                self.accept(window.get(..len).unwrap_or_default(), &parsed)?;
                Ok(Parsed::Complete { consumed: len })
            }
            Ok(httparse::Status::Partial) if !is_full => Ok(Parsed::Partial),
            Ok(httparse::Status::Partial) => {
                Err(field_violation(window, limits).unwrap_or(FieldError::TooLarge).into())
            }
            Err(error) => refused(window, error, limits),
        }
    }

    fn accept(&mut self, head: &[u8], parsed: &httparse::Response<'_, '_>) -> Result<(), ResponseError> {
        self.fields.load(head, parsed.headers)?;
        self.version = Version::from_minor(parsed.version);
        self.status = parsed.code.unwrap_or_default();
        self.reason = match head.get(STATUS_BYTES) {
            Some(b' ') => {
                let rest = head.get(STATUS_BYTES + 1..).unwrap_or_default();
                Span::new(STATUS_BYTES + 1, rest.iter().position(|&byte| byte == b'\r').unwrap_or(0))
            }
            _ => Span::default(),
        };
        self.conclude()
    }

    /// Takes over a head that is as nearly all are, and gives its length. `None` says nothing about the head.
    fn load_plain(&mut self, window: &[u8], limits: &Limits) -> Option<usize> {
        let code = window.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?;
        let status = std::str::from_utf8(code).ok().filter(|_| code.iter().all(u8::is_ascii_digit))?;
        let reason = window.get(STATUS_BYTES..)?.strip_prefix(b" ")?;
        let reason_len = scan::first_special(reason)?;
        let fields_at = STATUS_BYTES + 1 + reason_len + 2;
        if window.get(fields_at - 2..fields_at)? != b"\r\n" {
            return None;
        }
        let len = self.fields.load_plain(window, fields_at, limits.header_slots())?;
        self.version = Version::Http11;
        self.status = status.parse().ok()?;
        self.reason = Span::new(STATUS_BYTES + 1, reason_len);
        Some(len)
    }

    /// Reads what status and fields say, and checks it.
    fn conclude(&mut self) -> Result<(), ResponseError> {
        if self.status < 100 {
            return Err(ResponseError::InvalidStatus);
        }
        self.controls = Controls::read(&mut self.fields, self.version)?;
        let has_content = self.controls.chunked || self.controls.content_length.unwrap_or(0) > 0;
        if matches!(self.status, 100..=199 | 204) && has_content {
            return Err(ResponseError::ContentNotAllowed);
        }
        Ok(())
    }

    /// The status code, 100 to 999; codes from 600 on mean nothing to HTTP and are passed on.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase as received; often empty.
    pub fn reason(&self) -> &[u8] {
        self.fields.value(self.reason)
    }

    /// The version the upstream speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// An interim response, after which the real one follows: 1xx but for 101 (RFC 9110 section 15.2).
    pub fn is_interim(&self) -> bool {
        matches!(self.status, 100 | 102..=199)
    }

    /// All header fields in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields.iter()
    }

    /// Writes the fields that travel on, hop by hop ones left out, as far as `keep` wants them; in order, each written anew.
    pub fn write_fields(&self, out: &mut Vec<u8>, keep: impl Fn(&Header<'_>) -> bool) {
        self.fields.write(out, |header| !self.is_hop_by_hop(header) && keep(header));
    }

    /// The first value under a name, compared without case.
    pub fn header(&self, lower_name: &str) -> Option<&[u8]> {
        self.fields.first(lower_name)
    }

    /// All values under a known name, in order; costs nothing if there is none.
    pub fn values(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.fields.all(known)
    }

    /// Whether a known name occurs.
    pub fn has(&self, known: Known) -> bool {
        self.fields.has(known)
    }

    /// Whether a field concerns this connection alone and must not be forwarded (RFC 9110 section 7.6.1).
    ///
    /// `Content-Length` is end-to-end; the forwarder writes it anew, for an answer to HEAD from
    /// [`ResponseHead::content_length`].
    pub fn is_hop_by_hop(&self, header: &Header<'_>) -> bool {
        header.hop_by_hop
    }

    /// How the content of this answer to a request with `request_method` ends (RFC 9112 section 6.3).
    pub fn framing(&self, request_method: &str) -> Framing {
        let no_content = matches!(self.status, 100..=199 | 204 | 304) || request_method == "HEAD";
        let tunnel = request_method == "CONNECT" && matches!(self.status, 200..=299);
        match self.controls.content_length {
            _ if no_content || tunnel => Framing::None,
            _ if self.controls.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        }
    }

    /// The announced length, also where no content follows (an answer to HEAD, a 304).
    pub fn content_length(&self) -> Option<u64> {
        self.controls.content_length
    }

    /// Whether the upstream lets the connection live after this response, as far as its header fields say; it ends in
    /// any case after [`Framing::UntilClose`].
    pub fn keep_alive(&self) -> bool {
        self.controls.keep_alive(self.version)
    }

    /// The protocol that a 101 switches to; only if `Connection` names `upgrade`, over HTTP/1.1.
    pub fn upgrade(&self) -> Option<&str> {
        self.controls.upgrade(&self.fields)
    }
}

/// A head that the fast parser refused: say which rule it broke.
fn refused(window: &[u8], error: httparse::Error, limits: &Limits) -> Result<Parsed, ResponseError> {
    match error {
        httparse::Error::Version => version_error(window),
        httparse::Error::Status => Err(ResponseError::InvalidStatusLine),
        _ => Err(field_violation(window, limits).unwrap_or_else(|| diagnose::translate(error)).into()),
    }
}

/// Tells another version of HTTP from what is no HTTP; waits until eight bytes say which.
fn version_error(window: &[u8]) -> Result<Parsed, ResponseError> {
    const SHAPE: &[u8; 8] = b"HTTP/0.0";
    let token = window.get(..SHAPE.len()).unwrap_or(window);
    let fits =
        |(&byte, &shape): (&u8, &u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    match token.iter().zip(SHAPE).all(fits) {
        true if token.len() < SHAPE.len() => Ok(Parsed::Partial),
        true if !matches!(token, b"HTTP/1.0" | b"HTTP/1.1") => Err(ResponseError::UnsupportedVersion),
        _ => Err(ResponseError::InvalidStatusLine),
    }
}

/// The first rule that the header fields break.
fn field_violation(window: &[u8], limits: &Limits) -> Option<FieldError> {
    let line = window.iter().position(|&byte| byte == b'\n')?;
    if line > 0 && window.get(line - 1) != Some(&b'\r') {
        return Some(FieldError::BareLf);
    }
    diagnose::first_violation(window.get(line + 1..).unwrap_or_default(), limits.header_slots())
}

#[cfg(test)]
mod tests;
