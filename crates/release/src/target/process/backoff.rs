//! The pause before a restart: doubled from the first to the last, reset after a minute of quiet. Pure.

use model::target::Restart;
use std::time::Duration;

/// An instance that ran this long before it exited is not in a crash loop.
const QUIET: Duration = Duration::from_secs(60);

/// The pauses of one instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    min_ms: u64,
    max_ms: u64,
    next_ms: u64,
}

impl Backoff {
    pub(super) fn new(restart: &Restart) -> Backoff {
        let min_ms = restart.backoff_min_ms.max(1);
        Backoff { min_ms, max_ms: restart.backoff_max_ms.max(min_ms), next_ms: min_ms }
    }

    /// The pause before the next start, given how long the instance ran.
    pub(super) fn pause(&mut self, ran: Duration) -> Duration {
        if ran >= QUIET {
            self.next_ms = self.min_ms;
        }
        let pause = Duration::from_millis(self.next_ms);
        self.next_ms = self.next_ms.saturating_mul(2).min(self.max_ms);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOT_QUIET: Duration = Duration::from_secs(59);

    fn pauses(backoff: &mut Backoff, count: usize) -> Vec<u128> {
        (0..count).map(|_| backoff.pause(NOT_QUIET).as_millis()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff =
            Backoff::new(&Restart { backoff_min_ms: 250, backoff_max_ms: 1_500, ..Restart::default() });
        assert_eq!(pauses(&mut backoff, 5), [250, 500, 1_000, 1_500, 1_500]);
    }

    #[test]
    fn a_minute_of_quiet_begins_anew() {
        let mut backoff =
            Backoff::new(&Restart { backoff_min_ms: 250, backoff_max_ms: 30_000, ..Restart::default() });
        assert_eq!(pauses(&mut backoff, 4), [250, 500, 1_000, 2_000]);
        assert_eq!(backoff.pause(QUIET).as_millis(), 250);
        assert_eq!(backoff.pause(NOT_QUIET).as_millis(), 500);
    }

    #[test]
    fn a_pause_of_nothing_or_a_range_upside_down_still_pauses() {
        let mut backoff =
            Backoff::new(&Restart { backoff_min_ms: 0, backoff_max_ms: 0, ..Restart::default() });
        assert_eq!(pauses(&mut backoff, 2), [1, 1]);
    }
}
