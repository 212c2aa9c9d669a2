//! The frozen parameters of one comparison: what is asked, and how sure the answer must be.
//!
//! Frozen, because evidence may only be added up, and compared with its bound, under the same parameters from the
//! first request to the last. They are data: a plan holds them, a gateway is armed with them.

use serde::{Deserialize, Serialize};

/// How many alternatives are tried at once.
pub const LIFTS: usize = 8;

/// By which factors Green may be worse, in odds: the alternatives that are tried at once. From a regression that only
/// much traffic shows to a version that answers nothing right.
pub const DEFAULT_LIFTS: [f64; LIFTS] = [1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// Units of either colour that a window has at least. Evidence is weighed against the colours' actual shares of a
/// window; a window of one Green request would grant it a share that it never had. With 4 the loss is some 5 %.
pub const DEFAULT_MIN_UNITS: u64 = 4;

/// Greatest tolerance.
const MAX_TOLERANCE: f64 = 1_000.0;
/// Greatest factor.
const MAX_LIFT: f64 = 1e6;

/// The parameters of one comparison; always valid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Bound {
    parts: Parts,
}

/// A bound as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    alpha: f64,
    tolerance: f64,
    sensitivity: f64,
    min_units: u64,
    lifts: [f64; LIFTS],
}

/// Why parameters are no bound.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidBound {
    /// The probability of a false alarm.
    #[error("alpha is {0}, not between 0 and 1")]
    Alpha(f64),
    /// The ratio that is tolerated.
    #[error("tolerance is {0}, not 1 to {MAX_TOLERANCE}")]
    Tolerance(f64),
    /// What must have been found to pass.
    #[error("sensitivity is {0}, not more than 0 and at most 1")]
    Sensitivity(f64),
    /// The size of a window.
    #[error("a window needs at least 1 unit")]
    MinUnits,
    /// An alternative that is none.
    #[error("a lift is {0}, not more than 1 and at most {MAX_LIFT}")]
    Lift(f64),
}

impl Bound {
    /// A bound that is crossed with a probability of at most `alpha` (between 0 and 1) while Green is not worse, with
    /// tolerance 1, the default lifts and a sensitivity of 5 points.
    ///
    /// # Errors
    /// `alpha` is no such probability.
    pub fn new(alpha: f64) -> Result<Bound, InvalidBound> {
        let parts = Parts {
            alpha,
            tolerance: 1.0,
            sensitivity: 0.05,
            min_units: DEFAULT_MIN_UNITS,
            lifts: DEFAULT_LIFTS,
        };
        Bound::try_from(parts)
    }

    /// The same, but Green's odds of failing may be so many times Blue's (1 to 1000; for rare failures odds are rates).
    ///
    /// # Errors
    /// It is no such ratio.
    pub fn tolerating(self, tolerance: f64) -> Result<Bound, InvalidBound> {
        Bound::try_from(Parts { tolerance, ..self.parts })
    }

    /// The same, but to pass, a rate that is higher by `sensitivity` (0 to 1) must have been found; see
    /// [`crate::detectable`].
    ///
    /// # Errors
    /// It is no such share.
    pub fn sensing(self, sensitivity: f64) -> Result<Bound, InvalidBound> {
        Bound::try_from(Parts { sensitivity, ..self.parts })
    }

    /// The same with windows of at least so many units of either colour.
    ///
    /// # Errors
    /// It is 0.
    pub fn windows_of(self, min_units: u64) -> Result<Bound, InvalidBound> {
        Bound::try_from(Parts { min_units, ..self.parts })
    }

    /// Probability of a false alarm, however often one looks; more than 0, less than 1.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.parts.alpha
    }

    /// The ratio of odds, Green to Blue, that is still right; at least 1.
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        self.parts.tolerance
    }

    /// How much higher a rate of Green must have been to be found, for a pass; 0 to 1.
    #[must_use]
    pub fn sensitivity(&self) -> f64 {
        self.parts.sensitivity
    }

    /// Least units of either colour in a window.
    #[must_use]
    pub fn min_units(&self) -> u64 {
        self.parts.min_units
    }

    /// The alternatives: factors above the tolerance.
    #[must_use]
    pub fn lifts(&self) -> &[f64; LIFTS] {
        &self.parts.lifts
    }

    /// The e-value that is not reached with probability 1 - alpha while Green is not worse (Ville's inequality).
    #[must_use]
    pub fn threshold(&self) -> f64 {
        1.0 / self.parts.alpha
    }

    /// Its natural logarithm.
    #[must_use]
    pub fn log_threshold(&self) -> f64 {
        -self.parts.alpha.ln()
    }
}

impl TryFrom<Parts> for Bound {
    type Error = InvalidBound;

    fn try_from(parts: Parts) -> Result<Bound, InvalidBound> {
        // Below, 1/alpha is no longer a number that JSON can carry.
        if !(parts.alpha >= 1e-300 && parts.alpha < 1.0) {
            return Err(InvalidBound::Alpha(parts.alpha));
        }
        if !(1.0..=MAX_TOLERANCE).contains(&parts.tolerance) {
            return Err(InvalidBound::Tolerance(parts.tolerance));
        }
        if !(parts.sensitivity > 0.0 && parts.sensitivity <= 1.0) {
            return Err(InvalidBound::Sensitivity(parts.sensitivity));
        }
        if parts.min_units == 0 {
            return Err(InvalidBound::MinUnits);
        }
        match parts.lifts.iter().find(|lift| !(**lift > 1.0 && **lift <= MAX_LIFT)) {
            Some(lift) => Err(InvalidBound::Lift(*lift)),
            None => Ok(Bound { parts }),
        }
    }
}

impl From<Bound> for Parts {
    fn from(bound: Bound) -> Parts {
        bound.parts
    }
}
