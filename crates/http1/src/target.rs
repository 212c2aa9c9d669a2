//! The normal form of a path: the one that routes are matched against **and** that is forwarded.
//!
//! One decoding, then dot segments and repeated slashes, as nginx makes its `$uri` (and so APISIX). Because the
//! upstream gets [`encode`] of the same bytes, no spelling (`%2e%2e`, `//`, `%2F`) matches one route and reaches
//! another. An encoded slash counts as a slash. What decodes to bytes that are not UTF-8 is kept as it is.

use crate::syntax;

/// A path that has no normal form. Answer 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The path does not start with `/`.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// A `%` that two hexadecimal digits do not follow (RFC 3986 section 2.1).
    #[error("a percent sign in the path is not followed by two hexadecimal digits")]
    InvalidPercent,
    /// `%00`.
    #[error("the path has an encoded NUL")]
    Nul,
    /// `..` leads above the root (RFC 3986 section 5.2.4 would stop there; nginx and we refuse).
    #[error("the path leads above the root")]
    AboveRoot,
}

/// Whether `path` is its own normal form and its own encoding, so that it can be matched and forwarded as it is.
///
/// False for some paths that are (`/.well-known`, `/caf%C3%A9`): they only take the longer way.
pub fn is_normal(path: &str) -> bool {
    let mut after_slash = false;
    let plain = path.bytes().all(|byte| {
        let dubious = after_slash && matches!(byte, b'/' | b'.');
        after_slash = byte == b'/';
        !dubious && syntax::is_path_byte(byte)
    });
    plain && path.starts_with('/')
}

/// Writes the normal form of the raw `path` (no query) to `out`, which is cleared first.
///
/// # Errors
/// [`TargetError`] if the path has none; `out` holds nothing of use then.
pub fn normalize(path: &str, out: &mut Vec<u8>) -> Result<(), TargetError> {
    out.clear();
    let mut rest = path.strip_prefix('/').ok_or(TargetError::NotAbsolute)?.as_bytes();
    out.reserve(path.len());
    out.push(b'/');
    let mut segment = out.len();
    while let Some((byte, after)) = decoded(rest)? {
        rest = after;
        if byte != b'/' {
            out.push(byte);
            continue;
        }
        close_segment(out, segment)?;
        if out.last() != Some(&b'/') {
            out.push(b'/');
        }
        segment = out.len();
    }
    close_segment(out, segment)
}

/// The next byte of a percent-encoded path, and what follows it.
fn decoded(path: &[u8]) -> Result<Option<(u8, &[u8])>, TargetError> {
    match path {
        [b'%', high, low, rest @ ..] => {
            let nibble = |digit: u8| char::from(digit).to_digit(16).ok_or(TargetError::InvalidPercent);
            let byte = (nibble(*high)? << 4 | nibble(*low)?) as u8;
            if byte == 0 { Err(TargetError::Nul) } else { Ok(Some((byte, rest))) }
        }
        [b'%', ..] => Err(TargetError::InvalidPercent),
        [byte, rest @ ..] => Ok(Some((*byte, rest))),
        [] => Ok(None),
    }
}

/// Resolves the last segment, which starts at `start`, if it is `.` or `..`. `out[..start]` ends in a slash.
fn close_segment(out: &mut Vec<u8>, start: usize) -> Result<(), TargetError> {
    match out.get(start..) {
        Some(b".") => out.truncate(start),
        Some(b"..") => {
            let parent = out.get(..start - 1).unwrap_or_default();
            let slash = parent.iter().rposition(|&byte| byte == b'/').ok_or(TargetError::AboveRoot)?;
            out.truncate(slash + 1);
        }
        _ => {}
    }
    Ok(())
}

/// Appends a normal path in the form in which it is sent: everything but the path characters of RFC 3986 section 3.3
/// is percent-encoded. [`normalize`] of the result is `path` again.
pub fn encode(path: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(path.len());
    for &byte in path {
        if syntax::is_path_byte(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
        }
    }
}
