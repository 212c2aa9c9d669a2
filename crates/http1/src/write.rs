//! Serializing: heads and chunked framing, appended to the caller's buffer.
//!
//! The plain functions are for values that a parser of this crate has checked; in debug builds they assert it. What
//! came from elsewhere (a plugin, a configuration) goes through [`checked_header`].

mod status;

pub use status::reason;

use crate::syntax;

/// What follows a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// What ends a body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A name or value that must not be written: it would be read as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldRefused {
    /// The name is no token.
    #[error("a header name is not a token")]
    Name,
    /// The value has CR, LF, NUL or another control character, or white space around it.
    #[error("a header value has a control character or white space around it")]
    Value,
}

/// `method target HTTP/1.1`.
pub fn request_line(out: &mut Vec<u8>, method: &str, target: &[u8]) {
    debug_assert!(syntax::is_token(method.as_bytes()), "the method is a token");
    debug_assert!(!target.is_empty() && target.iter().all(|&byte| syntax::is_target_byte(byte)), "a target");
    for part in [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
}

/// `HTTP/1.1 status` with the registered reason phrase.
pub fn status(out: &mut Vec<u8>, status: u16) {
    status_line(out, status, reason(status).as_bytes());
}

/// `HTTP/1.1 status reason`. `status` is within 100 to 999.
pub fn status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    debug_assert!((100..=999).contains(&status), "a status code");
    debug_assert!(reason.iter().all(|&byte| syntax::is_value_byte(byte)), "a reason phrase");
    if status == 200 && reason == b"OK" {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// One header field.
pub fn header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    debug_assert!(syntax::is_token(name.as_bytes()), "a header name");
    debug_assert!(syntax::is_field_value(value), "the value of {name}");
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// One header field whose value is a number.
pub fn number_header(out: &mut Vec<u8>, name: &str, number: u64) {
    debug_assert!(syntax::is_token(name.as_bytes()), "a header name");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    decimal(out, number);
    out.extend_from_slice(b"\r\n");
}

/// One header field whose name and value nobody has checked yet.
///
/// # Errors
/// [`FieldRefused`] if either could break out of its line; nothing is written then.
pub fn checked_header(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), FieldRefused> {
    check_field(name, value)?;
    header(out, name, value);
    Ok(())
}

/// Whether a header field may be written.
///
/// # Errors
/// [`FieldRefused`] says which half may not.
pub fn check_field(name: &str, value: &[u8]) -> Result<(), FieldRefused> {
    if !syntax::is_token(name.as_bytes()) {
        return Err(FieldRefused::Name);
    }
    if !syntax::is_field_value(value) {
        return Err(FieldRefused::Value);
    }
    Ok(())
}

/// Whether a value may be written.
#[must_use]
pub fn is_value(value: &[u8]) -> bool {
    syntax::is_field_value(value)
}

/// `Content-Length: length`.
pub fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// `Transfer-Encoding: chunked`.
pub fn chunked(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
}

/// The empty line that ends a head.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// The size line of a chunk; its data and [`CHUNK_END`] follow. `len` is not 0: that would end the body.
pub fn chunk_head(out: &mut Vec<u8>, len: u64) {
    debug_assert!(len > 0, "an empty chunk ends the body");
    let digits = (u64::BITS - len.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let nibble = (len >> (digit * 4) & 0xf) as u8;
        out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
    out.extend_from_slice(b"\r\n");
}

/// The last chunk, the trailer fields and the empty line that ends them.
pub fn last_chunk<'a>(out: &mut Vec<u8>, trailers: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        header(out, name, value);
    }
    end(out);
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
