//! The request line, byte by byte: names the first rule it breaks and enforces its bounds before it has ended.
//!
//! Runs only when a head is unfinished or refused. Like `diagnose`, it decides by the first wrong byte.

use super::error::RequestError;
use crate::field_error::FieldError;
use crate::limits::Limits;
use crate::scan;
use crate::syntax;

/// The longest method; the longest registered one has 16 bytes.
pub(super) const METHOD_BYTES: usize = 32;

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Where the request line starts: after at most one empty line. `None` if more bytes are needed to tell.
pub(super) fn skip_empty_line(input: &[u8]) -> Result<Option<usize>, RequestError> {
    match input {
        [] | [b'\r'] | [b'\r', b'\n'] => Ok(None),
        [b'\r', b'\n', b'\r' | b'\n', ..] => Err(RequestError::EmptyLines),
        [b'\r', b'\n', ..] => Ok(Some(2)),
        [b'\r', ..] => Err(FieldError::BareCr.into()),
        [b'\n', ..] => Err(FieldError::BareLf.into()),
        _ => Ok(Some(0)),
    }
}

/// Where method, target and fields lie in a window that begins with the request line of HTTP/1.1 as nearly all are: the
/// lengths of the first two, and the place of the third. `None` says nothing.
pub(super) fn plain(window: &[u8], limits: &Limits) -> Option<(usize, usize, usize)> {
    const VERSION: &[u8] = b" HTTP/1.1\r\n";
    let method = scan::first_of(window.get(..METHOD_BYTES + 1).unwrap_or(window), b' ')?;
    let rest = window.get(method + 1..)?;
    let target = scan::first_of(rest, b' ')?;
    let is_plain = syntax::is_token(window.get(..method)?)
        && (1..=limits.target_bytes).contains(&target)
        && rest.get(..target)?.iter().fold(true, |plain, &byte| plain & syntax::is_plain_target_byte(byte))
        && rest.get(target..)?.starts_with(VERSION);
    is_plain.then_some((method, target, method + 1 + target + VERSION.len()))
}

/// The quick check of a request line that the fast parser took: bounds, and the target's bytes.
pub(super) fn is_plain(method: &str, target: &str, limits: &Limits) -> bool {
    method.len() <= METHOD_BYTES
        && target.len() <= limits.target_bytes
        && target.bytes().fold(true, |plain, byte| plain & syntax::is_target_byte(byte))
}

/// The length of the request line with its CRLF, or `None` if it has not ended yet.
pub(super) fn check(window: &[u8], limits: &Limits) -> Result<Option<usize>, RequestError> {
    if window.starts_with(PREFACE) {
        return Err(RequestError::Http2Preface);
    }
    if PREFACE.starts_with(window) {
        return Ok(None);
    }
    let Some(method) = method(window)? else { return Ok(None) };
    let rest = window.get(method + 1..).unwrap_or_default();
    let Some(target) = target(rest, limits)? else { return Ok(None) };
    let rest = rest.get(target + 1..).unwrap_or_default();
    let Some(version) = version(rest)? else { return Ok(None) };
    match rest.get(version..).unwrap_or_default() {
        [b'\r', b'\n', ..] => Ok(Some(method + 1 + target + 1 + version + 2)),
        [] | [b'\r'] => Ok(None),
        [b'\r', ..] => Err(FieldError::BareCr.into()),
        [b'\n', ..] => Err(FieldError::BareLf.into()),
        _ => Err(RequestError::InvalidVersion),
    }
}

/// The length of the method, once the space after it is there.
fn method(line: &[u8]) -> Result<Option<usize>, RequestError> {
    let end = line.iter().take(METHOD_BYTES + 1).position(|&byte| !syntax::is_token_byte(byte));
    match end.map(|at| (at, line.get(at))) {
        None if line.len() > METHOD_BYTES => Err(RequestError::MethodTooLong),
        None => Ok(None),
        Some((at, Some(b' '))) if at > 0 => Ok(Some(at)),
        Some(_) => Err(RequestError::InvalidMethod),
    }
}

/// The length of the target, once the space after it is there.
fn target(rest: &[u8], limits: &Limits) -> Result<Option<usize>, RequestError> {
    let end = rest
        .iter()
        .take(limits.target_bytes.saturating_add(1))
        .position(|&byte| !syntax::is_target_byte(byte));
    match end.map(|at| (at, rest.get(at))) {
        None if rest.len() > limits.target_bytes => Err(RequestError::TargetTooLong),
        None => Ok(None),
        Some((at, Some(b' '))) if at > 0 => Ok(Some(at)),
        Some((_, Some(b'#'))) => Err(RequestError::FragmentInTarget),
        Some(_) => Err(RequestError::InvalidTarget),
    }
}

/// The length of the version, once it is whole.
fn version(rest: &[u8]) -> Result<Option<usize>, RequestError> {
    const SHAPE: &[u8; 8] = b"HTTP/0.0";
    let token = rest.get(..SHAPE.len()).unwrap_or(rest);
    let fits =
        |(&byte, &shape): (&u8, &u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if !token.iter().zip(SHAPE).all(fits) {
        return Err(RequestError::InvalidVersion);
    }
    match token {
        b"HTTP/1.0" | b"HTTP/1.1" => Ok(Some(token.len())),
        _ if token.len() < SHAPE.len() => Ok(None),
        _ => Err(RequestError::UnsupportedVersion),
    }
}
