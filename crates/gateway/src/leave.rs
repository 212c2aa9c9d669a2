//! When what is open ends once the gateway is to end: not all of it at once, or its clients come back all at once.
//!
//! Pure: times are counted from the moment at which the gateway begins to drain.

use std::ops::Range;
use std::time::Duration;

/// How long connections that are idle may still send a request where nobody takes over.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// Between the end of the last stream and the end of all, for both sides to hear of it and to answer.
const FAREWELLS: Duration = Duration::from_secs(2);
/// How long a call of gRPC may go on in any case: most end by themselves.
const CALL_GRACE: Duration = Duration::from_secs(5);

/// When what is open ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// All of it.
    pub within: Duration,
    /// Connections that are idle: until then they get one more answer, with `Connection: close`.
    pub idle: Duration,
    /// Streams, spread evenly over this time.
    pub streams: Range<Duration>,
    /// Calls of gRPC, the same.
    pub calls: Range<Duration>,
}

impl Leave {
    /// The gateway ends and nobody is there in its place: streams end from the first second on, over `jitter` or as much of it
    /// as there is.
    #[must_use]
    pub fn soon(within: Duration, jitter: Duration) -> Leave {
        let last = last(within);
        let first = IDLE_GRACE.min(last);
        let idle = IDLE_GRACE.min(within);
        Leave::of(within, idle, first..first.saturating_add(jitter).min(last))
    }

    /// Another one has taken over: what is open stays for as long as it may. Streams end over `jitter` before that time is over, but
    /// never over more than half of it.
    #[must_use]
    pub fn late(within: Duration, jitter: Duration) -> Leave {
        let last = last(within);
        Leave::of(within, last, last.saturating_sub(jitter.min(last / 2))..last)
    }

    fn of(within: Duration, idle: Duration, streams: Range<Duration>) -> Leave {
        let last = last(within);
        let call = |time: Duration| time.max(CALL_GRACE).min(last);
        Leave { within, idle, calls: call(streams.start)..call(streams.end), streams }
    }
}

/// When the last stream ends.
fn last(within: Duration) -> Duration {
    within.saturating_sub(FAREWELLS.min(within / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_ends_begins_at_once_and_who_is_taken_over_from_waits() {
        let soon = Leave::soon(s(30), s(10));
        assert_eq!((soon.idle, soon.streams, soon.calls), (s(1), s(1)..s(11), s(5)..s(11)));
        let late = Leave::late(s(30), s(10));
        assert_eq!((late.idle, late.streams, late.calls), (s(28), s(18)..s(28), s(18)..s(28)));
        let short = Leave::late(s(20), s(60));
        assert_eq!(short.streams, s(9)..s(18), "no more than half of the time");
        let soon = Leave::soon(s(6), s(60));
        assert_eq!((soon.streams, soon.calls), (s(1)..s(4), s(4)..s(4)), "no more than there is");
    }

    proptest! {
        #[test]
        fn everything_ends_in_time(within in 0u64..100_000, jitter in 0u64..200_000) {
            let (within, jitter) = (Duration::from_millis(within), Duration::from_millis(jitter));
            for leave in [Leave::soon(within, jitter), Leave::late(within, jitter)] {
                prop_assert!(leave.idle <= within);
                for window in [&leave.streams, &leave.calls] {
                    prop_assert!(window.start <= window.end && window.end <= within, "{leave:?}");
                    prop_assert!(window.end - window.start <= jitter);
                    prop_assert!(within - window.end >= FAREWELLS.min(within / 2), "no time to say it: {leave:?}");
                }
            }
        }
    }
}
