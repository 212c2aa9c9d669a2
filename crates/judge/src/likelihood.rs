//! The likelihood ratio of one window: how much better "Green is worse by this factor" explains on which side the
//! window's failures fell than "Green is not worse" does.
//!
//! Of a window only this is asked: given how many units each colour had, and how many failures there were in all, how
//! many of these were Green's? That depends neither on the load nor on the failure rate nor on the order, so all of
//! them may change from window to window, and bursts that hit both colours say nothing. With odds ratio ω the answer is
//! Fisher's noncentral hypergeometric distribution, P(g) = C(G,g)·C(B,k−g)·ωᵍ / Z(ω). The ratio of the alternative ω₁ to
//! the null ω₀ is (ω₁/ω₀)ᵍ·Z(ω₀)/Z(ω₁). At ω₀ = 1 this is the randomisation distribution itself: it holds exactly
//! however different the requests are, as long as chance decided which colour each one got.
//!
//! Where the sum Z has too many terms, each failure is taken as drawn for itself (a binomial instead of a
//! hypergeometric; exact for rare failures). A draw without replacement spreads less (Hoeffding 1963, theorem 4), so
//! for a convex function such as this one the binomial is the careful side: the mean under the null only falls.

use crate::bound::{Bound, LIFTS};
use crate::tally::Tally;

/// Most terms of Z that are added up; some 100 µs for all lifts.
const MAX_TERMS: u64 = 512;

/// The logarithm of the likelihood ratio of each lift in one window. Finite for any counts; 0 where one colour has
/// no unit.
#[must_use]
pub fn ratios(bound: &Bound, blue: Tally, green: Tally) -> [f64; LIFTS] {
    let (blue, green) = (Tally::new(blue.units, blue.failed), Tally::new(green.units, green.failed));
    let failed = blue.failed + green.failed;
    if failed == 0 || blue.units == 0 || green.units == 0 {
        return [0.0; LIFTS];
    }
    let least = failed.saturating_sub(blue.units);
    let most = failed.min(green.units);
    let null = bound.tolerance();
    if most - least >= MAX_TERMS {
        return bound.lifts().map(|lift| drawn_for_themselves(null, lift, blue, green));
    }
    // Only what lies above the least possible count is evidence.
    let beyond = (green.failed - least) as f64;
    let steps = Steps { blue: blue.units, green: green.units, failed, least, most };
    let at_null = steps.log_sum(null);
    bound.lifts().map(|lift| beyond * lift.ln() - (steps.log_sum(null * lift) - at_null))
}

/// g·ln(θ₁/θ₀) + b·ln((1−θ₁)/(1−θ₀)) with θ = Gω/(Gω+B), written so that nothing cancels.
fn drawn_for_themselves(null: f64, lift: f64, blue: Tally, green: Tally) -> f64 {
    let odds = green.units as f64 / blue.units as f64 * null;
    let both = (odds * (lift - 1.0) / (1.0 + odds)).ln_1p();
    green.failed as f64 * (lift.ln() - both) - blue.failed as f64 * both
}

/// The terms of Z: C(G,j)·C(B,k−j)·ωʲ for j from `least` to `most`.
struct Steps {
    blue: u64,
    green: u64,
    failed: u64,
    least: u64,
    most: u64,
}

impl Steps {
    /// ln of Z(ω), divided by its first term. From the last term backwards: Z = 1 + q₁(1 + q₂(1 + …)), in logarithms.
    fn log_sum(&self, odds: f64) -> f64 {
        (self.least..self.most).rev().fold(0.0, |sum, j| {
            let up = (self.green - j) as f64 * (self.failed - j) as f64;
            let down = (j + 1) as f64 * (self.blue + j + 1 - self.failed) as f64;
            one_plus_exp(sum + (odds * (up / down)).ln())
        })
    }
}

/// ln(1 + eˣ) without overflow.
fn one_plus_exp(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}
