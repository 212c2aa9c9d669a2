//! What is compared: each metric is a yes or no about a unit, so that one kind of evidence serves all of them.

use crate::bound::{Bound, InvalidBound};
use crate::slot::Slot;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Over a quantile of Blue's by so much an answer is not slow yet. With enough traffic any difference can be proven, and
/// one of some microseconds is none to a user.
const SLACK_RATIO: f64 = 1.05;
/// And at least by so much, microseconds.
const SLACK_US: f64 = 2_000.0;
/// Odds of not ending in time that are right at least, Green to Blue: who is somewhat slower stalls nobody.
const TOLERANCE_OF_ENDS: f64 = 2.0;
/// Odds of being slow that are right at least, Green to Blue: no two machines are alike.
const TOLERANCE_OF_TIMES: f64 = 1.2;
/// How long a slot of times lasts, milliseconds: longer than most pauses of a process, and a few reports of a gateway. A
/// pause that falls into two slots counts twice; with longer ones a minute has too few of them to find a p99 that is half
/// as long again.
const SLOT_MS: u32 = 500;

/// One question about every unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Metric {
    /// It failed, in whatever way: 5xx, answered by the gate because the colour failed, cut short.
    Failures,
    /// A check of the business said no: a response header, or a field of a JSON answer.
    Business {
        /// Name of the check.
        check: String,
    },
    /// A check of the business could not look at a good answer, whatever kept it from that.
    Unexamined {
        /// Name of the check.
        check: String,
    },
    /// An answer has begun and did not end in time ([`crate::unended`]).
    Unended {
        /// The time, milliseconds.
        after_ms: u64,
    },
    /// A whole answer took longer than a quantile of Blue's that was frozen before Green got traffic.
    Slower {
        /// Which quantile, percent: 50, 90, 99.
        percentile: u8,
        /// The limit, microseconds: its value when it was frozen, and some slack. Any value is right, it only may not
        /// change any more.
        threshold_us: u64,
    },
}

impl Metric {
    /// Slower than a quantile of Blue's (percent) that is now `frozen_us`, and noticeably so: by a twentieth and 2 ms.
    #[must_use]
    pub fn slower_than(percentile: u8, frozen_us: u64) -> Metric {
        let threshold_us = (frozen_us as f64).mul_add(SLACK_RATIO, SLACK_US) as u64;
        Metric::Slower { percentile, threshold_us }
    }

    /// The ratio of odds that is right whatever a policy says, at least 1.
    #[must_use]
    pub fn least_tolerance(&self) -> f64 {
        match self {
            Metric::Slower { .. } => TOLERANCE_OF_TIMES,
            Metric::Unended { .. } => TOLERANCE_OF_ENDS,
            Metric::Failures | Metric::Business { .. } | Metric::Unexamined { .. } => 1.0,
        }
    }

    /// Its bound at so many false alarms, where odds are tolerated that are so many times as high: at least
    /// [`Metric::least_tolerance`] times.
    ///
    /// # Errors
    /// One of the two is out of range.
    pub fn bound(&self, alpha: f64, tolerance: f64) -> Result<Bound, InvalidBound> {
        let tolerance = tolerance.max(self.least_tolerance());
        Bound::new(alpha)?.tolerating(tolerance)?.sensing(self.sensitivity())
    }

    /// Slots of time that count once each, where requests are not independent; `None`: each unit counts.
    ///
    /// Of a slot so many answers are drawn that among them one of Blue's is slow in about every third slot: a question that
    /// is always or never answered with yes teaches nothing.
    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        let drawn = match self {
            Metric::Failures
            | Metric::Business { .. }
            | Metric::Unexamined { .. }
            | Metric::Unended { .. } => {
                return None;
            }
            Metric::Slower { percentile: 0..=74, .. } => 1,
            Metric::Slower { percentile: 75..=94, .. } => 5,
            Metric::Slower { .. } => 32,
        };
        Some(Slot { length_ms: SLOT_MS, drawn })
    }

    /// Which part of the budget it gets, relative to the others: most where users are hurt most.
    #[must_use]
    pub fn weight(&self) -> f64 {
        match self {
            Metric::Failures => 4.0,
            Metric::Business { .. } => 2.0,
            _ => 1.0,
        }
    }

    /// How much higher a rate of Green must have been to be found, for a pass, 0 to 1. A median that is exceeded by
    /// 60 % instead of 50 % hurts less than failures at 10 %, and takes many more requests to be seen.
    #[must_use]
    pub fn sensitivity(&self) -> f64 {
        match self {
            Metric::Slower { percentile: 0..=74, .. } | Metric::Unexamined { .. } => 0.25,
            Metric::Slower { percentile: 75..=94, .. } => 0.15,
            _ => 0.05,
        }
    }
}

/// The word in the tree and the report: `failures`, `slower than 12.5 ms (p99 of blue)`.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Metric::Failures => f.write_str("failures"),
            Metric::Business { check } => write!(f, "failed check {check}"),
            Metric::Unexamined { check } => write!(f, "not examined by check {check}"),
            Metric::Unended { after_ms } => {
                write!(
                    f,
                    "answers not ended {} after they began",
                    crate::figures::milliseconds(*after_ms as f64)
                )
            }
            Metric::Slower { percentile, threshold_us } => {
                let threshold = crate::figures::milliseconds(*threshold_us as f64 / 1_000.0);
                write!(f, "slower than {threshold} (the p{percentile} of before)")
            }
        }
    }
}
