//! How requests of one key are counted. Pure: time is an argument, in microseconds.

/// How a window moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum WindowType {
    /// It begins with the first request and ends as a whole.
    Fixed,
    /// Windows follow each other; of the one before, the share that is younger than a window still counts.
    Sliding,
}

/// What holds for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// How many requests pass in a window; at least 1.
    pub(super) count: u64,
    /// The length of a window; at least 1.
    pub(super) window_us: u64,
    pub(super) window_type: WindowType,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) passes: bool,
    /// How many more would pass now.
    pub(super) remaining: u64,
    /// When the window ends, whole seconds from now, rounded up.
    pub(super) reset_s: u64,
}

/// The requests of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    /// When the window began.
    began_us: u64,
    /// When it ends.
    ends_us: u64,
    count: u64,
    /// Of the window before, for a sliding one.
    before: u64,
}

impl Counter {
    /// A counter whose first window is over already.
    pub(super) fn new() -> Counter {
        Counter { began_us: 0, ends_us: 0, count: 0, before: 0 }
    }

    /// Whether it can be forgotten: nothing of it would count.
    pub(super) fn is_over(&self, now_us: u64) -> bool {
        let length_us = self.ends_us.saturating_sub(self.began_us);
        now_us >= self.ends_us.saturating_add(length_us)
    }

    /// Counts a request, if it passes. A clock that lags behind that of another thread counts in the window that there
    /// is: no window begins twice.
    pub(super) fn take(&mut self, limit: &Limit, now_us: u64) -> Verdict {
        if now_us >= self.ends_us {
            self.move_on(limit, now_us);
        }
        let counted = match limit.window_type {
            WindowType::Fixed => self.count,
            WindowType::Sliding => self.count.saturating_add(self.carried_over(limit, now_us)),
        };
        let passes = counted < limit.count;
        if passes {
            self.count += 1;
        }
        Verdict {
            passes,
            remaining: limit.count.saturating_sub(counted.saturating_add(u64::from(passes))),
            reset_s: self.ends_us.saturating_sub(now_us).div_ceil(1_000_000),
        }
    }

    fn move_on(&mut self, limit: &Limit, now_us: u64) {
        let follows = limit.window_type == WindowType::Sliding && !self.is_over(now_us);
        let began_us = if follows { self.ends_us } else { now_us };
        self.before = if follows { self.count } else { 0 };
        self.count = 0;
        self.began_us = began_us;
        self.ends_us = began_us.saturating_add(limit.window_us);
    }

    /// What still counts of the window before, rounded up.
    fn carried_over(&self, limit: &Limit, now_us: u64) -> u64 {
        let left_us = self.ends_us.saturating_sub(now_us).min(limit.window_us);
        let share = u128::from(self.before) * u128::from(left_us);
        u64::try_from(share.div_ceil(u128::from(limit.window_us.max(1)))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    fn limit(count: u64, window_type: WindowType) -> Limit {
        Limit { count, window_us: 10 * SECOND, window_type }
    }

    fn passes(counter: &mut Counter, limit: &Limit, now_us: u64) -> bool {
        counter.take(limit, now_us).passes
    }

    #[test]
    fn a_fixed_window_begins_with_the_first_request_and_ends_as_a_whole() {
        let limit = limit(2, WindowType::Fixed);
        let mut counter = Counter::new();
        let told = |verdict: Verdict| (verdict.passes, verdict.remaining, verdict.reset_s);
        assert_eq!(told(counter.take(&limit, 3 * SECOND)), (true, 1, 10));
        assert_eq!(told(counter.take(&limit, 4 * SECOND + 1)), (true, 0, 9));
        assert_eq!(told(counter.take(&limit, 13 * SECOND - 1)), (false, 0, 1));
        assert_eq!(told(counter.take(&limit, 13 * SECOND)), (true, 1, 10));
    }

    #[test]
    fn a_clock_that_lags_behind_opens_no_second_window() {
        let limit = limit(1, WindowType::Fixed);
        let mut counter = Counter::new();
        assert!(passes(&mut counter, &limit, 20 * SECOND));
        assert!(!passes(&mut counter, &limit, 19 * SECOND));
        assert!(!passes(&mut counter, &limit, 0));
    }

    #[test]
    fn a_sliding_window_carries_over_what_is_young_enough() {
        let limit = limit(10, WindowType::Sliding);
        let mut counter = Counter::new();
        assert!((0..10).all(|_| passes(&mut counter, &limit, 0)));
        assert!(!passes(&mut counter, &limit, 10 * SECOND - 1));
        assert!(!passes(&mut counter, &limit, 10 * SECOND), "all of it still counts");
        // Half of the window before is still young enough.
        let half: Vec<bool> = (0..6).map(|_| passes(&mut counter, &limit, 15 * SECOND)).collect();
        assert_eq!(half, [true, true, true, true, true, false]);
        // After a window without requests everything is forgotten.
        assert!((0..10).all(|_| passes(&mut counter, &limit, 40 * SECOND)));
    }

    #[test]
    fn a_counter_is_over_when_nothing_of_it_counts() {
        let limit = limit(1, WindowType::Sliding);
        let mut counter = Counter::new();
        assert!(counter.is_over(0));
        counter.take(&limit, 0);
        assert!(!counter.is_over(20 * SECOND - 1));
        assert!(counter.is_over(20 * SECOND));
    }

    proptest! {
        #[test]
        fn no_more_pass_in_a_window_than_may(
            count in 1u64..6,
            sliding in any::<bool>(),
            steps in prop::collection::vec(0u64..4_000_000, 1..200),
        ) {
            let window_type = if sliding { WindowType::Sliding } else { WindowType::Fixed };
            let limit = limit(count, window_type);
            let mut counter = Counter::new();
            let mut now = 0;
            let mut in_window = (0, 0);
            for step in steps {
                now += step;
                let verdict = counter.take(&limit, now);
                if counter.began_us != in_window.0 {
                    in_window = (counter.began_us, 0);
                }
                in_window.1 += u64::from(verdict.passes);
                prop_assert!(in_window.1 <= count);
                prop_assert!(verdict.remaining < count);
                prop_assert!(verdict.passes || verdict.remaining == 0);
                prop_assert!((1..=10).contains(&verdict.reset_s));
            }
        }

        #[test]
        fn no_numbers_panic(count in any::<u64>(), window_us in 1u64.., times in prop::collection::vec(any::<u64>(), 1..20), sliding in any::<bool>()) {
            let window_type = if sliding { WindowType::Sliding } else { WindowType::Fixed };
            let mut counter = Counter::new();
            for now in times {
                counter.take(&Limit { count, window_us, window_type }, now);
                counter.is_over(now);
            }
        }
    }
}
