//! What the gate itself needs of gRPC over HTTP/2: the deadline of a call, and a status in trailers where an answer that
//! has begun cannot go on.

use crate::request::Request;
use http::header::{HeaderMap, HeaderValue};
use std::time::Duration;

/// The deadline of the call has passed.
pub(crate) const DEADLINE_EXCEEDED: u8 = 4;
/// A bound or a quota is used up.
pub(crate) const RESOURCE_EXHAUSTED: u8 = 8;
/// The call may be made again: another node, or the next colour, will take it.
pub(crate) const UNAVAILABLE: u8 = 14;

/// The most that a client's clock is taken to be ahead.
const MAX_TOLERANCE: Duration = Duration::from_millis(100);

/// Most digits of a `grpc-timeout`.
const MAX_DIGITS: usize = 8;

/// Whether a `Content-Type` is one of gRPC: `application/grpc`, with or without a format behind it.
pub(crate) fn is_kind(value: &[u8]) -> bool {
    value.starts_with(b"application/grpc")
}

/// How long a request may take, milliseconds: the setting's `total_ms` (0: no bound), and for a call of gRPC at most
/// what its client waits for.
pub(crate) fn limit_ms(request: &Request<'_>, total_ms: u64) -> u64 {
    if !request.is_grpc() {
        return total_ms;
    }
    match request.head.header("grpc-timeout").and_then(timeout_ms) {
        Some(timeout) if total_ms == 0 || timeout < total_ms => timeout,
        _ => total_ms,
    }
}

/// Whether a call whose client has left after `waited` had run out of the time that its client gives it. That client's clock has
/// begun before ours and it resets the call by itself, mostly before our deadline comes; that is no change of its mind.
pub(crate) fn is_overdue(request: &Request<'_>, waited: Duration) -> bool {
    request.is_grpc()
        && request.head.header("grpc-timeout").and_then(timeout_ms).is_some_and(|ms| has_used_up(ms, waited))
}

/// Whether a timeout is over, or nearly: a tenth of it is taken for what the call was under way to us, at most
/// [`MAX_TOLERANCE`].
fn has_used_up(timeout_ms: u64, waited: Duration) -> bool {
    let timeout = Duration::from_millis(timeout_ms);
    waited + (timeout / 10).min(MAX_TOLERANCE) >= timeout
}

/// Reads a `grpc-timeout`, rounded up to whole milliseconds, at least 1; `None` if it is none (gRPC over HTTP/2,
/// "Requests": up to eight digits and a unit).
fn timeout_ms(value: &[u8]) -> Option<u64> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let ms = match unit {
        b'H' => number * 3_600_000,
        b'M' => number * 60_000,
        b'S' => number * 1_000,
        b'm' => number,
        b'u' => number.div_ceil(1_000),
        b'n' => number.div_ceil(1_000_000),
        _ => return None,
    };
    Some(ms.max(1))
}

/// Trailers that end a call with a status of ours, and a `message` of visible ASCII and blanks without `%`.
pub(crate) fn trailers(status: u8, message: &'static str) -> Box<HeaderMap> {
    let mut trailers = Box::<HeaderMap>::default();
    trailers.insert("grpc-status", HeaderValue::from(u64::from(status)));
    trailers.insert("grpc-message", HeaderValue::from_static(message));
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_in_all_units_and_never_ends_early() {
        let read = |text: &str| timeout_ms(text.as_bytes());
        assert_eq!([read("2H"), read("3M"), read("4S")], [Some(7_200_000), Some(180_000), Some(4_000)]);
        assert_eq!([read("5m"), read("1001u"), read("1n"), read("0S")], [Some(5), Some(2), Some(1), Some(1)]);
        assert_eq!(read("99999999H"), Some(99_999_999 * 3_600_000));
    }

    #[test]
    fn a_client_may_be_ahead_by_a_tenth_of_its_timeout_and_no_more_than_a_hundred_milliseconds() {
        let over = |timeout_ms, waited_ms| has_used_up(timeout_ms, Duration::from_millis(waited_ms));
        assert_eq!([over(300, 269), over(300, 270), over(300, 400)], [false, true, true]);
        assert_eq!([over(60_000, 59_899), over(60_000, 59_900)], [false, true]);
        assert_eq!([over(1, 0), over(1, 1)], [false, true]);
        assert!(!over(99_999_999 * 3_600_000, 1_000));
    }

    #[test]
    fn what_is_no_timeout_bounds_nothing() {
        for text in ["", "S", "5", "5s", "-5S", "+5S", " 5S", "123456789S", "5.5S", "5SS"] {
            assert_eq!(timeout_ms(text.as_bytes()), None, "{text}");
        }
    }
}
