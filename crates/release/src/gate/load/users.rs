//! The live version's users while the load runs: whether they fare worse than just before. Pure.
//!
//! This compares now with before, so chance is not all that can be at work (a crowd may come by itself): a reason to stop
//! the load, never a verdict about the new version. Failures count at once. Times must have been worse in three
//! spans after each other, so that one pause of the machine stops nothing.

use super::side::milliseconds;
use judge::bound::{Bound, InvalidBound};
use judge::evidence::Evidence;
use judge::tally::Tally;
use std::collections::VecDeque;
use std::time::Duration;
use telemetry::counts::Counts;
use telemetry::sketch::Sketch;

/// Probability of stopping for nothing at one look.
const ALPHA: f64 = 1e-3;
/// How many times the odds of before are still like before.
const TOLERANCE: f64 = 2.0;
/// In which failures are looked for.
const LAST: Duration = Duration::from_secs(1);
/// One span of times, and how many of them after each other must be worse: a pause of less than a span touches two.
const SPAN: Duration = Duration::from_millis(500);
const SPANS: u32 = 3;
/// A rise of the p99 by less than this is nothing that a user notices, microseconds.
const NOTICED_US: u64 = 5_000;
/// Fewer requests just before the load are filled up with everything that was counted earlier.
const ENOUGH: u64 = 100;

/// What the gateways counted, over and over.
#[derive(Clone, Debug)]
pub(super) struct Users {
    bound: Bound,
    max_slowdown: f64,
    before: Counts,
    at_start: Counts,
    looks: VecDeque<(Duration, Counts)>,
}

impl Users {
    /// `earlier` was counted when the gate began, `at_start` when the load did.
    pub(super) fn new(earlier: &Counts, at_start: Counts, max_slowdown: f64) -> Result<Users, InvalidBound> {
        let watched = at_start.minus(earlier);
        let before = if watched.requests() < ENOUGH { at_start.clone() } else { watched };
        let bound = Bound::new(ALPHA)?.tolerating(TOLERANCE)?;
        let looks = VecDeque::from([(Duration::ZERO, at_start.clone())]);
        Ok(Users { bound, max_slowdown, before, at_start, looks })
    }

    /// Looks at what is counted now. `Some`: users suffer, and in which way.
    pub(super) fn look(&mut self, elapsed: Duration, now: Counts) -> Option<String> {
        self.looks.push_back((elapsed, now));
        while self.looks.get(1).is_some_and(|(at, _)| *at + SPANS * SPAN <= elapsed) {
            self.looks.pop_front();
        }
        let (_, now) = self.looks.back()?;
        let (_, oldest) = self.looks.front()?;
        if let Some(what) = self.fail_more(&now.minus(self.at(elapsed, LAST).unwrap_or(oldest))) {
            return Some(what);
        }
        let span = |number: u32| {
            let (newer, older) = (self.at(elapsed, SPAN * number)?, self.at(elapsed, SPAN * (number + 1))?);
            Some(newer.minus(older).latency)
        };
        let spans: Option<Vec<Sketch>> = (0..SPANS).map(span).collect();
        self.wait_longer(&spans?)
    }

    /// What was counted so long ago.
    fn at(&self, elapsed: Duration, ago: Duration) -> Option<&Counts> {
        let look = self.looks.iter().rev().find(|(at, _)| *at + ago <= elapsed)?;
        Some(&look.1)
    }

    fn fail_more(&self, last: &Counts) -> Option<String> {
        let [before, now] = [&self.before, last].map(|counts| Tally::new(counts.requests(), counts.failed()));
        self.is_worse(before, now).then(|| {
            let of = |tally: Tally| format!("{} of {}", tally.failed, tally.units);
            format!(
                "{} requests of its users failed in the last second, {} before the load",
                of(now),
                of(before)
            )
        })
    }

    fn wait_longer(&self, spans: &[Sketch]) -> Option<String> {
        let p99_us = self.before.latency.quantile(0.99)?;
        let limit_us = ((p99_us as f64 * self.max_slowdown) as u64).max(p99_us.saturating_add(NOTICED_US));
        let over = |times: &Sketch| {
            Tally::new(times.count(), times.count().saturating_sub(times.count_up_to(limit_us)))
        };
        let before = over(&self.before.latency);
        let worse = spans.iter().all(|times| {
            let p99 = times.quantile(0.99);
            p99.is_some_and(|p99| p99 > limit_us) && self.is_worse(before, over(times))
        });
        worse.then(|| {
            let now =
                spans.first().and_then(|last| last.quantile(0.99)).map(milliseconds).unwrap_or_default();
            format!("the p99 of its users is {now}, {} before the load", milliseconds(p99_us))
        })
    }

    fn is_worse(&self, before: Tally, now: Tally) -> bool {
        let mut evidence = Evidence::default();
        evidence.add(&self.bound, before, now);
        evidence.reaches(&self.bound)
    }

    /// One line for the report.
    pub(super) fn line(&self) -> String {
        let during = match self.looks.back() {
            Some((_, now)) => now.minus(&self.at_start),
            None => Counts::default(),
        };
        if self.before.requests() == 0 {
            return format!(
                "users of the live version: none before the load, {} during it; only its answers to the load were watched",
                during.requests()
            );
        }
        let told = |counts: &Counts| {
            let p99 = counts.latency.quantile(0.99).map(|us| format!(", p99 {}", milliseconds(us)));
            format!("{} requests, {} failed{}", counts.requests(), counts.failed(), p99.unwrap_or_default())
        };
        format!("users of the live version: before {}; during {}", told(&self.before), told(&during))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many good and bad answers, each with this time.
    fn counts(good: u64, bad: u64, took_us: u64) -> Counts {
        let mut counts = Counts { received: good + bad, ..Counts::default() };
        counts.whole = [0, good, 0, 0, bad];
        (0..good + bad).for_each(|_| counts.latency.record(took_us));
        counts
    }

    fn plus(a: &Counts, b: &Counts) -> Counts {
        let mut sum = a.clone();
        sum.merge(b);
        sum
    }

    fn tenth(number: u32) -> Duration {
        Duration::from_millis(100) * number
    }

    #[test]
    fn users_that_fare_as_before_stop_nothing() {
        let earlier = counts(5_000, 500, 900_000);
        let mut now = plus(&earlier, &counts(297, 3, 2_000));
        let mut users = Users::new(&earlier, now.clone(), 1.25).unwrap();
        for number in 1..100_u32 {
            now = plus(&now, &counts(10, u64::from(number.is_multiple_of(10)), 2_000));
            assert_eq!(users.look(tenth(number), now.clone()), None, "{number}");
        }
        let line = users.line();
        assert!(
            line.contains("before 300 requests, 3 failed, p99 2.0 ms; during 999 requests, 9 failed"),
            "{line}"
        );
    }

    #[test]
    fn failing_users_are_seen_at_once_however_long_it_went_well() {
        let mut now = counts(300, 0, 2_000);
        let mut users = Users::new(&Counts::default(), now.clone(), 1.25).unwrap();
        for number in 1..300 {
            now = plus(&now, &counts(10, 0, 2_000));
            assert_eq!(users.look(tenth(number), now.clone()), None);
        }
        now = plus(&now, &counts(5, 15, 2_000));
        let why = users.look(tenth(300), now).unwrap();
        assert!(why.contains("15 of 110 requests of its users failed"), "{why}");
    }

    #[test]
    fn a_p99_that_stays_up_is_seen_within_two_seconds_and_one_pause_is_not() {
        let seen = |pause: std::ops::Range<u32>| {
            let mut now = counts(300, 0, 2_000);
            let mut users = Users::new(&Counts::default(), now.clone(), 1.25).unwrap();
            (1..100).find(|number| {
                let took_us = if pause.contains(number) { 80_000 } else { 2_000 };
                now = plus(&now, &counts(10, 0, took_us));
                users.look(tenth(*number), now.clone()).is_some()
            })
        };
        assert_eq!(seen(30..35), None);
        let found = seen(30..100).unwrap();
        assert!((31..=46).contains(&found), "{found}");
    }

    #[test]
    fn without_users_there_is_nothing_to_compare_and_it_says_so() {
        let mut users = Users::new(&Counts::default(), Counts::default(), 1.25).unwrap();
        assert_eq!(users.look(tenth(1), counts(0, 10, 1_000)), None);
        assert!(users.line().contains("none before the load, 10 during it"), "{}", users.line());
    }
}
