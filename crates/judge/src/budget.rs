//! The budget of false alarms: one probability α for a whole release, split over everything that can raise one.
//!
//! The parts add up to α (Bonferroni), so the promise holds whatever the metrics have to do with each other. It covers
//! concurrent comparison only: what compares today with yesterday ([`crate::historical`]) can be wrong for reasons
//! that no α bounds.

use crate::bound::{Bound, InvalidBound};
use crate::metric::Metric;
use serde::{Deserialize, Serialize};

/// False alarms per release that are accepted if nobody says otherwise: one in a thousand releases.
pub const DEFAULT_ALPHA: f64 = 1e-3;
/// The part that checks whether the shares are what was ordered, relative to the weights of metrics.
const RATIO_WEIGHT: f64 = 1.0;
/// Most metrics of a release.
pub const MAX_METRICS: usize = 32;

/// One comparison as it is armed: a question, its parameters, and in which unit it is counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// What is asked.
    pub metric: Metric,
    /// How sure the answer must be.
    pub bound: Bound,
    /// Of what.
    pub unit: Unit,
}

/// What is assigned to a colour, and so what counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Each request is assigned for itself.
    #[default]
    Request,
    /// Users keep their colour; each counts once per metric.
    User,
}

impl Unit {
    /// `1 request`, `20 users`.
    #[must_use]
    pub fn counted(self, number: u64) -> String {
        let name = match self {
            Unit::Request => "request",
            Unit::User => "user",
        };
        format!("{number} {name}{}", if number == 1 { "" } else { "s" })
    }
}

/// Why a budget cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidBudget {
    /// Parameters out of range.
    #[error("the budget is not valid")]
    Bound(#[from] InvalidBound),
    /// Too many metrics.
    #[error("{0} metrics are more than {MAX_METRICS}")]
    Metrics(usize),
    /// Nobody looks.
    #[error("a budget is for at least one gateway")]
    Gateways,
}

/// What one release may cost in false alarms, and what counts as worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Probability of any false alarm in the release, however often one looks; between 0 and 1.
    pub alpha: f64,
    /// Ratio of the odds of failing, Green to Blue, that is still right; 1 to 1000.
    pub tolerance: f64,
    /// How many gateways look at their own counters only and may raise an alarm alone. One that sees the sum is 1.
    pub gateways: u32,
    /// Whether the shares are checked, too ([`crate::sample_ratio`]).
    pub shares: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { alpha: DEFAULT_ALPHA, tolerance: 1.0, gateways: 1, shares: true }
    }
}

/// A budget that was split: what a release is judged by, from its first request to its last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The comparisons, in the order of the metrics.
    pub charges: Vec<Charge>,
    /// False alarms of the check of the shares ([`crate::sample_ratio`]); 0: they are not checked.
    pub ratio_alpha: f64,
}

impl Budget {
    /// Splits the budget over metrics and the check of the shares, by their weights.
    ///
    /// # Errors
    /// The budget is out of range, or there are too many metrics.
    pub fn terms(&self, metrics: &[Metric], unit: Unit) -> Result<Terms, InvalidBudget> {
        if metrics.len() > MAX_METRICS {
            return Err(InvalidBudget::Metrics(metrics.len()));
        }
        if self.gateways == 0 {
            return Err(InvalidBudget::Gateways);
        }
        let of_shares = if self.shares { RATIO_WEIGHT } else { 0.0 };
        let total = metrics.iter().map(Metric::weight).sum::<f64>() + of_shares;
        let alpha = Bound::new(self.alpha)?.tolerating(self.tolerance)?.alpha() / f64::from(self.gateways);
        let charge = |metric: &Metric| {
            let bound = metric.bound(alpha * metric.weight() / total, self.tolerance)?;
            Ok(Charge { metric: metric.clone(), bound, unit })
        };
        let charges = metrics.iter().map(charge).collect::<Result<_, InvalidBound>>()?;
        Ok(Terms { charges, ratio_alpha: alpha * of_shares / total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Vec<Metric> {
        vec![
            Metric::Failures,
            Metric::Slower { percentile: 99, threshold_us: 12_500 },
            Metric::Business { check: "paid".to_owned() },
        ]
    }

    #[test]
    fn the_parts_add_up_to_the_budget() {
        let terms = Budget::default().terms(&metrics(), Unit::Request).unwrap();
        let parts: f64 = terms.charges.iter().map(|charge| charge.bound.alpha()).sum();
        assert!((parts + terms.ratio_alpha - DEFAULT_ALPHA).abs() < 1e-15);
        let [failures, slower, _] = terms.charges.as_slice() else { panic!("three") };
        assert!((failures.bound.alpha() - 4.0 * slower.bound.alpha()).abs() < 1e-15);
    }

    #[test]
    fn gateways_that_decide_alone_share_it() {
        let alone = Budget { gateways: 4, ..Budget::default() }.terms(&metrics(), Unit::Request).unwrap();
        let one = Budget::default().terms(&metrics(), Unit::Request).unwrap();
        assert!((alone.ratio_alpha * 4.0 - one.ratio_alpha).abs() < 1e-15);
    }

    #[test]
    fn who_does_not_check_the_shares_keeps_that_part() {
        let terms = Budget { shares: false, ..Budget::default() }.terms(&[Metric::Failures], Unit::Request);
        let terms = terms.unwrap();
        assert!((terms.charges[0].bound.alpha() - DEFAULT_ALPHA).abs() < 1e-15);
        assert_eq!(terms.ratio_alpha, 0.0);
    }

    #[test]
    fn a_budget_out_of_range_is_refused() {
        for alpha in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(Budget { alpha, ..Budget::default() }.terms(&metrics(), Unit::Request).is_err());
        }
        let lax = Budget { tolerance: 0.5, ..Budget::default() };
        assert_eq!(
            lax.terms(&metrics(), Unit::User),
            Err(InvalidBudget::Bound(InvalidBound::Tolerance(0.5)))
        );
        assert!(Budget { gateways: 0, ..Budget::default() }.terms(&metrics(), Unit::User).is_err());
        assert!(Budget::default().terms(&vec![Metric::Failures; MAX_METRICS + 1], Unit::User).is_err());
    }

    #[test]
    fn terms_survive_being_written_down_and_bad_ones_are_not_read() {
        let terms = Budget::default().terms(&metrics(), Unit::User).unwrap();
        let text = serde_json::to_string(&terms).unwrap();
        assert_eq!(serde_json::from_str::<Terms>(&text).unwrap(), terms);
        let bad = text.replace("\"min_units\":4", "\"min_units\":0");
        assert_ne!(bad, text);
        assert!(serde_json::from_str::<Terms>(&bad).is_err());
    }
}
