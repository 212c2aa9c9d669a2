//! What would have been found: the other half of a pass.
//!
//! "No difference was found" says nothing without "and one of this size would have been". From the numbers of units
//! follows the smallest rate of Green at which the expected evidence (Wald 1945: number of failures × the
//! Kullback-Leibler divergence of each) reaches the bound. Only when that is small enough does silence mean a pass.

use crate::bound::{Bound, LIFTS};
use crate::tally::Tally;

/// Halvings of the interval; the result is exact to 10⁻¹².
const HALVINGS: u32 = 40;

/// By how much Green's rate would have to exceed what is tolerated (0 to 1), to be found on average with so many
/// units; `None`: with so few nothing would.
#[must_use]
pub fn excess(bound: &Bound, blue: Tally, green: Tally) -> Option<f64> {
    let (blue, green) = (Tally::new(blue.units, blue.failed), Tally::new(green.units, green.failed));
    if blue.units == 0 || green.units == 0 {
        return None;
    }
    // Half a failure more than were seen: of 50 good requests it does not follow that none can fail.
    let rate = (blue.failed as f64 + 0.5) / (blue.units as f64 + 1.0);
    let tolerated = (rate * bound.tolerance()).min(1.0);
    // A mixture of so many alternatives pays for not knowing which one is true.
    let needed = bound.log_threshold() + (LIFTS as f64).ln();
    let found = |excess: f64| expected(bound, blue.units, rate, green.units, tolerated + excess) >= needed;
    least(tolerated, found)
}

/// The least excess over the rate that is tolerated which is found; `None`: even a rate of 1 is not.
pub(crate) fn least(tolerated: f64, found: impl Fn(f64) -> bool) -> Option<f64> {
    let (mut low, mut high) = (0.0, 1.0 - tolerated);
    if !found(high) {
        return None;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if found(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// Expected evidence if Blue fails at `blue_rate` and Green at `green_rate`.
fn expected(bound: &Bound, blue: u64, blue_rate: f64, green: u64, green_rate: f64) -> f64 {
    let (blue, green) = (blue as f64, green as f64);
    let failures = [green * green_rate, blue * blue_rate];
    let exposure = [green * bound.tolerance(), blue];
    let total: f64 = failures.iter().sum();
    let exposed: f64 = exposure.iter().sum();
    let divergence = |(failures, exposure): (f64, f64)| {
        let ratio = (failures / total) / (exposure / exposed);
        if failures > 0.0 { failures * ratio.ln() } else { 0.0 }
    };
    failures.into_iter().zip(exposure).map(divergence).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use proptest::prelude::*;

    fn bound() -> Bound {
        Bound::new(5e-4).unwrap()
    }

    #[test]
    fn what_would_have_been_found_is_found() {
        for (blue, green) in [(9_000, 1_000), (500, 500), (100_000, 900)] {
            let excess = excess(&bound(), Tally::new(blue, 0), Tally::new(green, 0)).unwrap();
            let failed = (excess * green as f64 * 1.5).ceil() as u64;
            let mut evidence = Evidence::default();
            evidence.add(&bound(), Tally::new(blue, 0), Tally::new(green, failed));
            assert!(evidence.reaches(&bound()), "{failed} of {green}: {}", evidence.e_value());
        }
    }

    #[test]
    fn little_traffic_finds_nothing() {
        assert_eq!(excess(&bound(), Tally::new(27, 0), Tally::new(3, 0)), None);
        assert_eq!(excess(&bound(), Tally::new(0, 0), Tally::new(5_000, 0)), None);
    }

    proptest! {
        #[test]
        fn more_traffic_never_finds_less(
            blue in 1_u64..1_000_000, green in 1_u64..1_000_000, more in 1_u64..1_000_000,
        ) {
            let before = excess(&bound(), Tally::new(blue, 0), Tally::new(green, 0));
            let after = excess(&bound(), Tally::new(blue, 0), Tally::new(green + more, 0));
            let found = |excess: Option<f64>| excess.unwrap_or(1.0);
            prop_assert!(found(after) <= found(before) + 1e-9, "{before:?} {after:?}");
        }

        #[test]
        fn it_is_a_share_or_nothing(b in any::<u64>(), bf in any::<u64>(), g in any::<u64>(), gf in any::<u64>()) {
            let excess = excess(&bound(), Tally { units: b, failed: bf }, Tally { units: g, failed: gf });
            prop_assert!(excess.is_none_or(|excess| (0.0..=1.0).contains(&excess)), "{excess:?}");
        }
    }
}
