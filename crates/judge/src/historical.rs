//! Before and after: when all users are on Green nobody is left to compare with, and Green now is compared with Blue
//! before the switch.
//!
//! The same question is asked (given how many failures there were in all, how many were Green's?), with two
//! differences that make it weaker. Time has passed: what changed besides the version is blamed on the version, so
//! a ratio is tolerated, 2 by default. And no α is promised: the budget covers concurrent comparison only. Whatever
//! comes of it is labelled historical. Better is a share that stays on Blue during the soak; then nothing here is used.

use crate::bound::{Bound, InvalidBound};
use crate::evidence::Evidence;
use crate::tally::Tally;
use crate::watch::Crossing;
use serde::{Deserialize, Serialize};

/// With what Green can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// With Blue at the same time: the budget's promise holds.
    Concurrent,
    /// With Blue before the switch: no promise.
    Historical,
    /// With a fixed number; no statistics.
    Absolute,
    /// With nothing: not enough is known of Blue.
    Nothing,
}

impl Basis {
    /// Whether anything may follow from it: what is only historical, or not compared at all, is told.
    #[must_use]
    pub fn decides(self) -> bool {
        matches!(self, Basis::Concurrent | Basis::Absolute)
    }
}

/// One comparison with Blue's last window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Historical {
    bound: Bound,
    before: Tally,
    evidence: Evidence,
    crossing: Option<Crossing>,
}

impl Historical {
    /// Compares with what Blue counted before the switch, by the same bound as the concurrent comparison but for the
    /// tolerance.
    ///
    /// # Errors
    /// It is no such ratio (1 to 1000).
    pub fn since(before: Tally, bound: Bound, tolerance: f64) -> Result<Historical, InvalidBound> {
        let bound = bound.tolerating(tolerance)?;
        Ok(Historical { bound, before, evidence: Evidence::default(), crossing: None })
    }

    /// Looks at what Green has counted since the switch, in all. From the first crossing on every look returns it.
    pub fn observe(&mut self, at_ms: i64, now: Tally) -> Option<Crossing> {
        if now.units.min(self.before.units) < self.bound.min_units() {
            return self.crossing;
        }
        // Blue's window is always the same, so nothing may be added up: it would count once per look.
        self.evidence = Evidence::default();
        self.evidence.add(&self.bound, self.before, now);
        if self.crossing.is_none() && self.evidence.reaches(&self.bound) {
            self.crossing = Some(Crossing::of(&self.evidence, &self.bound, at_ms));
        }
        self.crossing
    }

    /// What was found at the last look.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The first crossing.
    #[must_use]
    pub fn crossing(&self) -> Option<Crossing> {
        self.crossing
    }

    /// What it is judged by.
    #[must_use]
    pub fn bound(&self) -> &Bound {
        &self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(before: Tally) -> Historical {
        Historical::since(before, Bound::new(1e-3).unwrap(), 2.0).unwrap()
    }

    #[test]
    fn twice_as_many_failures_as_before_pass_for_the_time_of_day() {
        let mut comparison = since(Tally::new(60_000, 60));
        for second in 1..=600_u64 {
            assert_eq!(comparison.observe(0, Tally::new(1_000 * second, 2 * second)), None);
        }
    }

    #[test]
    fn ten_times_as_many_do_not() {
        let mut comparison = since(Tally::new(60_000, 60));
        let found = (1..=60_u64)
            .find(|second| comparison.observe(0, Tally::new(1_000 * second, 10 * second)).is_some());
        assert!(found.is_some_and(|second| second <= 3), "{found:?}");
    }

    #[test]
    fn looking_often_adds_nothing() {
        let mut comparison = since(Tally::new(1_000, 1));
        comparison.observe(0, Tally::new(1_000, 4));
        let once = *comparison.evidence();
        (0..100).for_each(|_| assert_eq!(comparison.observe(0, Tally::new(1_000, 4)), None));
        assert_eq!(*comparison.evidence(), once);
    }

    #[test]
    fn without_a_window_before_nothing_is_said() {
        let mut comparison = since(Tally::default());
        assert_eq!(comparison.observe(0, Tally::new(1_000, 900)), None);
        assert_eq!(comparison.evidence().windows(), 0);
    }
}
