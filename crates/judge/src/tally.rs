//! Tallies: how many units came, and of how many of them one thing is true. The only input of the judge.
//!
//! **The unit of evidence is the unit of assignment.** Where each request is assigned to a colour for itself, a request
//! is a unit. Where users keep their colour, a user is one ([`crate::keys`]): a thousand failures of one user are one
//! piece of evidence, because one draw put all of them on that side. Where what is asked is not independent from request to
//! request within a colour, all of a slot of time is one ([`crate::slot`]).

use serde::{Deserialize, Serialize};

/// Greatest count that is told apart from the next one, 2⁵³: what a double holds exactly. More is read as this many.
pub const MAX_UNITS: u64 = 1 << 53;

/// What was counted on one side: units, and those of them that failed (or whatever else is being asked of them).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Units that can be judged.
    pub units: u64,
    /// Of these, how many failed.
    pub failed: u64,
}

impl Tally {
    /// A tally; more failures than units are read as all of them.
    #[must_use]
    pub fn new(units: u64, failed: u64) -> Tally {
        let units = units.min(MAX_UNITS);
        Tally { units, failed: failed.min(units) }
    }

    /// The share of failures, 0 to 1; `None` without a unit.
    #[must_use]
    pub fn rate(self) -> Option<f64> {
        let Tally { units, failed } = Tally::new(self.units, self.failed);
        (units > 0).then(|| failed as f64 / units as f64)
    }

    /// `9 of 1020 (0.88 %)`.
    #[must_use]
    pub fn words(self) -> String {
        let rate = self.rate().map(|rate| format!(" ({})", crate::figures::percent(rate)));
        format!("{} of {}{}", self.failed, self.units, rate.unwrap_or_default())
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Tally) -> Tally {
        Tally::new(self.units.saturating_add(other.units), self.failed.saturating_add(other.failed))
    }

    /// What came since an earlier reading of the same counters; `None`: they went backwards, so they are not the same.
    pub(crate) fn since(self, earlier: Tally) -> Option<Tally> {
        let (units, failed) =
            (self.units.checked_sub(earlier.units)?, self.failed.checked_sub(earlier.failed)?);
        Some(Tally::new(units, failed))
    }
}
