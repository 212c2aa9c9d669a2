//! When requests are sent, as arithmetic: no clock here.
//!
//! *Closed loop*: each connection sends its next request when it has the answer to the last. *Open loop*: requests
//! are due at fixed moments, whoever is slow, and a time counts from the moment at which the request was due, not from
//! when a connection was free for it. Otherwise a server that stalls would be asked less, and its stall would count as
//! one slow request (Gil Tene: "coordinated omission").

use std::time::{Duration, Instant};

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each connection as soon as it has its answer.
    Closed,
    /// So many per second over all connections, at equal distances.
    Open {
        /// Requests per second.
        per_second: f64,
    },
}

/// The moments at which the requests of a run are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    started: Instant,
    /// `None` for a closed loop.
    per_second: Option<f64>,
}

impl Schedule {
    pub(crate) fn new(pace: Pace, started: Instant) -> Self {
        let per_second = match pace {
            Pace::Closed => None,
            Pace::Open { per_second } => Some(per_second).filter(|rate| rate.is_normal()),
        };
        Schedule { started, per_second }
    }

    /// When the request with this number (from 0) is due; `None` for a closed loop: at once. Each moment is counted
    /// from the start, so that no rounding adds up.
    pub(crate) fn due(&self, turn: u64) -> Option<Instant> {
        let after = Duration::try_from_secs_f64(turn as f64 / self.per_second?).ok()?;
        self.started.checked_add(after)
    }

    /// How many requests were due by a moment; 0 for a closed loop.
    pub(crate) fn due_by(&self, moment: Instant) -> u64 {
        let Some(per_second) = self.per_second else { return 0 };
        let elapsed = moment.saturating_duration_since(self.started);
        (elapsed.as_secs_f64() * per_second) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Schedule};
    use std::time::Duration;

    #[test]
    fn requests_of_an_open_loop_are_due_at_equal_distances_from_the_start() {
        let start = crate::clock::now();
        let schedule = Schedule::new(Pace::Open { per_second: 200.0 }, start);
        assert_eq!(schedule.due(0), Some(start));
        assert_eq!(schedule.due(3), Some(start + Duration::from_millis(15)));
        for (elapsed_ms, due) in [(0, 1), (4, 1), (6, 2), (1_001, 201)] {
            assert_eq!(schedule.due_by(start + Duration::from_millis(elapsed_ms)), due, "{elapsed_ms} ms");
        }
    }

    #[test]
    fn the_moments_of_an_open_loop_stay_exact_over_days() {
        let start = crate::clock::now();
        let schedule = Schedule::new(Pace::Open { per_second: 3.0 }, start);
        for hours in [1, 24, 240] {
            assert_eq!(schedule.due(3 * 3_600 * hours), Some(start + Duration::from_secs(3_600 * hours)));
        }
    }

    #[test]
    fn requests_of_a_closed_loop_are_never_due() {
        let start = crate::clock::now();
        let schedule = Schedule::new(Pace::Closed, start);
        assert_eq!((schedule.due(7), schedule.due_by(start + Duration::from_secs(9))), (None, 0));
    }
}
