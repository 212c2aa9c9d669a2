//! Whether a client keeps up: sends its body, or takes its answer, at least at a rate. A limit on the pause between two
//! pieces does not do: one byte now and then holds everything for ever.
//!
//! Only time is counted in which nothing but the client was waited for.

use crate::settings::Settings;
use crate::timer::ticks;

/// One direction's pace, looked at when bytes have moved. A client from which nothing comes is another limit's.
#[derive(Debug)]
pub(super) struct Pace {
    /// The tick since when the client alone is waited for, or at which it was last seen to keep up.
    since: u64,
    /// Bytes moved up to then.
    moved: u64,
    window_ticks: u64,
    least: u64,
}

impl Pace {
    pub(super) fn new(settings: &Settings, now: u64) -> Pace {
        let window_ms = settings.min_rate_window_ms;
        let least = settings.min_rate_bytes_per_s.saturating_mul(window_ms) / 1_000;
        Pace { since: now, moved: 0, window_ticks: ticks(window_ms), least }
    }

    /// Notes that `moved` bytes have moved in all, at the tick `now`. False: too few in the time for which the client is
    /// waited for.
    pub(super) fn keeps_up(&mut self, moved: u64, waits_for_client: bool, now: u64) -> bool {
        if waits_for_client && now.saturating_sub(self.since) < self.window_ticks {
            return true;
        }
        let enough = !waits_for_client || moved.saturating_sub(self.moved) >= self.least;
        (self.since, self.moved) = (now, moved);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(bytes_per_s: u64) -> Pace {
        let settings =
            Settings { min_rate_bytes_per_s: bytes_per_s, min_rate_window_ms: 10_000, ..Settings::default() };
        Pace::new(&settings, 0)
    }

    #[test]
    fn a_byte_now_and_then_does_not_keep_up() {
        let mut pace = pace(10);
        assert!(pace.keeps_up(1, true, 50));
        assert!(pace.keeps_up(2, true, 99));
        assert!(!pace.keeps_up(3, true, 140));
    }

    #[test]
    fn exactly_the_rate_keeps_up_for_ever() {
        let mut pace = pace(10);
        for second in 1..1_000 {
            assert!(pace.keeps_up(second * 10, true, second * 10), "{second}");
        }
    }

    #[test]
    fn a_fast_beginning_does_not_pay_for_what_follows() {
        let mut pace = pace(10);
        assert!(pace.keeps_up(1_000_000, true, 100));
        assert!(!pace.keeps_up(1_000_001, true, 200));
    }

    #[test]
    fn time_in_which_something_else_is_waited_for_does_not_count() {
        let mut pace = pace(10);
        for minute in 1..100 {
            assert!(pace.keeps_up(minute, false, minute * 600));
            assert!(pace.keeps_up(minute, true, minute * 600 + 99));
        }
    }

    #[test]
    fn without_a_rate_everyone_keeps_up() {
        let mut pace = pace(0);
        assert!((1..100).all(|minute| pace.keeps_up(0, true, minute * 600)));
    }
}
