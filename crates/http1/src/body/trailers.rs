//! The trailer section: collected within its bound, parsed like header fields, and stripped of what must not be there.

use crate::field_error::FieldError;
use crate::fields::Fields;
use crate::known::Known;
use crate::limits::{Limits, MAX_HEAD_BYTES, MAX_HEADERS};
use crate::{diagnose, syntax};

/// Fields that must not come as trailers: they frame, route, authenticate, modify the request or say how to read the
/// content (RFC 9110 section 6.5.1). Beside them: all that is hop-by-hop or names the client.
const FORBIDDEN: [&str; 31] = [
    "accept-encoding",
    "age",
    "allow",
    "alt-svc",
    "content-disposition",
    "content-language",
    "content-location",
    "content-range",
    "expires",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authentication-info",
    "range",
    "referer",
    "retry-after",
    "sec-websocket-accept",
    "sec-websocket-key",
    "strict-transport-security",
    "vary",
    "warning",
    "www-authenticate",
    "x-http-method-override",
];

/// What a field takes beside its name and value: a colon, a blank and the end of its line.
const FIELD_BYTES: usize = 4;

pub(super) struct Trailers {
    /// The section's bytes so far.
    section: Vec<u8>,
    line_start: bool,
    max_bytes: usize,
    max_fields: usize,
    fields: Fields,
}

/// Sizes alone: values may be secrets.
impl std::fmt::Debug for Trailers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trailers").field("bytes", &self.section.len()).finish_non_exhaustive()
    }
}

impl Trailers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            section: Vec::new(),
            line_start: true,
            // The empty line that ends the section does not count.
            max_bytes: limits.trailer_bytes.min(MAX_HEAD_BYTES) + 2,
            max_fields: limits.header_slots(),
            fields: Fields::default(),
        }
    }

    /// Takes one byte; true when the section has ended.
    pub(super) fn push(&mut self, byte: u8) -> Result<bool, FieldError> {
        if self.section.len() == self.max_bytes {
            return Err(FieldError::TooLarge);
        }
        let after_cr = self.section.last() == Some(&b'\r');
        self.section.push(byte);
        match (after_cr, byte) {
            (true, b'\n') if self.line_start => {
                self.parse()?;
                return Ok(true);
            }
            (true, b'\n') => self.line_start = true,
            (true, _) => return Err(FieldError::BareCr),
            (false, b'\n') => return Err(FieldError::BareLf),
            (false, b'\r') => {}
            (false, _) => self.line_start = false,
        }
        Ok(false)
    }

    fn parse(&mut self) -> Result<(), FieldError> {
        if self.section == b"\r\n" {
            return Ok(());
        }
        let mut storage = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let slots = storage.get_mut(..self.max_fields).unwrap_or_default();
        match httparse::parse_headers(&self.section, slots) {
            Ok(httparse::Status::Complete((_, headers))) => self.fields.load(&self.section, headers)?,
            Ok(httparse::Status::Partial) => return Err(FieldError::InvalidName),
            Err(error) => {
                let violation = diagnose::first_violation(&self.section, self.max_fields);
                return Err(violation.unwrap_or_else(|| diagnose::translate(error)));
            }
        }
        self.fields.retain(may_trail);
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|header| (header.name, header.value))
    }
}

/// Whether trailers that came as fields, over HTTP/2, keep to the bounds of a trailer section, counted as they are written over
/// HTTP/1: name and value, and four bytes for each field.
///
/// # Errors
/// [`FieldError::TooMany`] or [`FieldError::TooLarge`].
pub fn check_trailer_bounds<'a>(
    fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    limits: &Limits,
) -> Result<(), FieldError> {
    let mut left = limits.trailer_bytes.min(MAX_HEAD_BYTES);
    for (number, (name, value)) in fields.into_iter().enumerate() {
        if number == limits.header_slots() {
            return Err(FieldError::TooMany);
        }
        let length = name.len() + value.len() + FIELD_BYTES;
        left = left.checked_sub(length).ok_or(FieldError::TooLarge)?;
    }
    Ok(())
}

/// Whether a field may be forwarded as a trailer, whatever its case: it neither frames, routes, authenticates nor
/// modifies the message (RFC 9110 section 6.5.1). HTTP/2 trailers obey the same rule.
pub fn may_trail(name: &str) -> bool {
    let known = Known::of(name.as_bytes());
    let proxied =
        known.is_hop_by_hop() || known.is_end_to_end() || matches!(known, Known::Trailer | Known::Lookalike);
    let forwarded = syntax::has_prefix(name, "x-forwarded-") || syntax::has_prefix(name, "proxy-");
    !proxied && !forwarded && !FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}
