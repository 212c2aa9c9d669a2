//! Sample-ratio mismatch: do the colours get the shares that were ordered?
//!
//! Where they do not, something stands between the order and the traffic: a rule that bypasses the split, a cache, a
//! client that comes back only after good answers. Then a comparison of the colours compares different users, and no
//! verdict about them is worth anything. The same kind of e-process as for failures, against the ordered share, in
//! both directions (a grid in place of the Dirichlet mixture of Lindon, Malek 2022).
//!
//! A split that is exact over its cycles strays less than chance would, so the test is only more careful. Count what
//! was *claimed* for a colour, not what has ended: a version that hangs ends nothing. Where users keep their colour,
//! count each once.

use serde::{Deserialize, Serialize};

/// Odds of being sent to Green, as factors of what was ordered.
const FACTORS: [f64; 8] = [0.2, 0.5, 0.8, 0.95, 1.05, 1.25, 2.0, 5.0];

/// The check of one release's shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleRatio {
    alpha: f64,
    log_likelihoods: [f64; 8],
    expected_green: f64,
    /// Blue, Green.
    units: [u64; 2],
    crossed_at_ms: Option<i64>,
}

impl SampleRatio {
    /// A check that raises a false alarm with probability at most `alpha` ([`crate::budget::Terms::ratio_alpha`]). What
    /// is no probability never raises one.
    #[must_use]
    pub fn armed(alpha: f64) -> SampleRatio {
        SampleRatio {
            alpha,
            log_likelihoods: [0.0; 8],
            expected_green: 0.0,
            units: [0; 2],
            crossed_at_ms: None,
        }
    }

    /// Adds what came while Green's ordered share was `share`, 0 to 1. Returns when the bound was first crossed,
    /// from then on.
    pub fn add(&mut self, at_ms: i64, share: f64, blue: u64, green: u64) -> Option<i64> {
        if !(0.0..=1.0).contains(&share) {
            return self.crossed_at_ms;
        }
        let (blues, greens) = (blue as f64, green as f64);
        for (log, factor) in self.log_likelihoods.iter_mut().zip(FACTORS) {
            *log += greens * factor.ln() - (blues + greens) * (share * (factor - 1.0)).ln_1p();
        }
        self.expected_green += (blues + greens) * share;
        self.units = [self.units[0].saturating_add(blue), self.units[1].saturating_add(green)];
        if self.crossed_at_ms.is_none() && self.log_e_value() >= -self.alpha.ln() {
            self.crossed_at_ms = Some(at_ms);
        }
        self.crossed_at_ms
    }

    /// Natural logarithm of the e-value.
    #[must_use]
    pub fn log_e_value(&self) -> f64 {
        let greatest = self.log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.log_likelihoods.iter().map(|log| (log - greatest).exp()).sum();
        greatest + (sum / FACTORS.len() as f64).ln()
    }

    /// When the bound was crossed.
    #[must_use]
    pub fn crossed_at_ms(&self) -> Option<i64> {
        self.crossed_at_ms
    }

    /// Green's part of what came, and of what was ordered, 0 to 1; `None`: nothing came.
    #[must_use]
    pub fn shares(&self) -> Option<(f64, f64)> {
        let [blue, green] = self.units;
        let all = blue as f64 + green as f64;
        (all > 0.0).then(|| (green as f64 / all, self.expected_green / all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rule_that_bypasses_the_split_is_found() {
        let mut ratio = SampleRatio::armed(1e-4);
        let found = (1..=100).find(|second| ratio.add(second * 1_000, 0.1, 940, 60).is_some());
        assert!(found.is_some_and(|second| second <= 3), "{found:?}");
        let (is, ordered) = ratio.shares().unwrap();
        assert!((is - 0.06).abs() < 1e-9 && (ordered - 0.1).abs() < 1e-9);
    }

    #[test]
    fn traffic_beside_a_share_of_nothing_or_all_is_found() {
        let mut ratio = SampleRatio::armed(1e-4);
        assert!(ratio.add(1, 0.0, 1_000, 10).is_some(), "green has no share yet");
        let mut ratio = SampleRatio::armed(1e-4);
        assert!(ratio.add(1, 1.0, 10, 1_000).is_some(), "blue has no share any more");
    }

    #[test]
    fn shares_that_change_as_ordered_are_right() {
        let mut ratio = SampleRatio::armed(1e-4);
        for (second, share) in (1..).zip([0.01, 0.1, 0.5, 1.0]) {
            let green = (10_000.0 * share) as u64;
            assert_eq!(ratio.add(second, share, 10_000 - green, green), None);
        }
        assert!(ratio.log_e_value() < 0.0);
    }

    proptest! {
        #[test]
        fn the_mean_is_one_at_the_ordered_share(units in 1_u32..30, share in 0.0..1.0_f64) {
            let mut mean = 0.0;
            for green in 0..=units {
                let choose: f64 = (1..=green).map(|i| f64::from(units - green + i) / f64::from(i)).product();
                let blue = units - green;
                let probability = choose * share.powi(green as i32) * (1.0 - share).powi(blue as i32);
                let mut ratio = SampleRatio::armed(0.01);
                ratio.add(1, share, u64::from(blue), u64::from(green));
                mean += probability * ratio.log_e_value().exp();
            }
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }

        #[test]
        fn no_counts_lead_out_of_the_numbers(
            counts in prop::collection::vec((any::<u64>(), any::<u64>(), any::<f64>()), 1..10),
        ) {
            let mut ratio = SampleRatio::armed(0.01);
            for (blue, green, share) in counts {
                ratio.add(1, share, blue, green);
                prop_assert!(!ratio.log_e_value().is_nan());
            }
        }
    }
}
