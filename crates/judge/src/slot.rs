//! Slots of time: the unit of evidence where requests are not independent within a colour.
//!
//! Slow answers come in clusters *within one colour*: a garbage collection, a pause of one process, a busy core makes
//! slow whatever is under way there, while the other colour has its pauses at other moments. Chance decided which
//! requests were hit, and then there is one piece of evidence, however many they were: a hundred slow answers of one pause
//! counted a hundred times would be proof of nothing. So the answers of a slot count once.
//!
//! Whether *any* of a slot's answers was slow would be asked of unequal numbers: of 99 answers one is slow sooner than of
//! one. Therefore equally many are drawn of either colour, m = min(`drawn`, Blue's, Green's), and of both draws it is
//! asked whether a slow answer is among them. Where odds are tolerated that are ρ times as high, more are drawn of Blue: j = ⌊ρm⌋,
//! and a ratio of c = ρm/j is left. Nothing is really drawn: the probability h of a slow one in the draw, 1 − C(N−n, m)/C(N, m)
//! with n slow ones of N, stands for all draws at once. Each lift r bets the part κ = (r−1)/(r+1) of what was won so far that
//! Green's draw is the slow one: the slot multiplies its evidence by 1 + κ/c·(h(Green) − c·h(Blue)).
//!
//! While the mean of h(Green) is at most c times that of h(Blue), whatever came before, the mean of this factor is at most 1,
//! so the product may be looked at continuously ([`crate::evidence`]). That is so in both cases:
//! * *Each request is slow for itself*, with odds of at most ρo where Blue's are o. Green's draw is hit with a probability of at
//!   most f(ρo), f(x) = 1 − (1 + x)⁻ᵐ; this is concave, so f(ρo) = f(c·jo/m) ≤ c·f(jo/m), and by Bernoulli's inequality
//!   f(jo/m) ≤ 1 − (1 + o)⁻ʲ, with which Blue's is. Where chance decided over the colours, both draws are draws from all
//!   answers, so that for ρ = 1 it holds exactly, however different the requests are.
//! * *Each colour stalls for itself*, by the same law: what happens within a slot may depend on each other in any way.
//!
//! Of stalls this is strictly true as long as slots are independent of each other. A stall that is under way when a slot ends makes
//! it more likely that the next one is hit. What is bet does not depend on that, so all it can do is to put more hit slots on
//! one side than chance would; what is left of the promise then is measured (`examples/simulate/stalls.rs`), not proven.
//!
//! It costs power: a slot is worth a factor below 2 and what it takes to be sure is slots, not requests. And a disturbance
//! that lasts longer counts once for each slot that it lasts.
//!
//! Gateways see the same stall of a version, so their counts are added before they get here. Evidence of slots of
//! different times is added, as that of windows.

use crate::bound::{Bound, LIFTS};
use crate::detectable::least;
use crate::tally::Tally;
use serde::{Deserialize, Serialize};

/// Most units of Blue that are drawn.
const MAX_DRAWN: f64 = 512.0;

/// How time is cut, and how many answers of a slot are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// A slot lasts at least so long, milliseconds; longer while a colour has too few units in it.
    pub length_ms: u32,
    /// How many of a colour's units are drawn at most; 1 at least.
    pub drawn: u8,
}

impl Slot {
    /// The logarithm of what a slot multiplies the evidence of each lift by. Finite for any counts; 0 where a colour has no
    /// unit.
    #[must_use]
    pub fn log_factors(self, bound: &Bound, blue: Tally, green: Tally) -> [f64; LIFTS] {
        let (blue, green) = (Tally::new(blue.units, blue.failed), Tally::new(green.units, green.failed));
        let drawn = u64::from(self.drawn).min(blue.units).min(green.units);
        let draws = Draws::of(bound, drawn as f64, blue.units as f64);
        let excess = hit(green, drawn) - draws.ratio * hit(blue, draws.blue as u64);
        bound.lifts().map(|lift| (draws.stake(lift) * excess).ln_1p())
    }

    /// By how much Green's rate would have to exceed what is tolerated (0 to 1), to be found on average in so many
    /// slots with these units in all; `None`: in so few nothing would. [`crate::detectable::excess`] is the same for requests.
    #[must_use]
    pub fn excess(self, bound: &Bound, slots: u64, blue: Tally, green: Tally) -> Option<f64> {
        let (blue, green) = (Tally::new(blue.units, blue.failed), Tally::new(green.units, green.failed));
        if slots == 0 || blue.units.min(green.units) < slots {
            return None;
        }
        let rate = (blue.failed as f64 + 0.5) / (blue.units as f64 + 1.0);
        let tolerated = (rate * bound.tolerance()).min(1.0);
        let sizes = [blue.units, green.units].map(|units| units as f64 / slots as f64);
        let needed = (bound.log_threshold() + (LIFTS as f64).ln()) / slots as f64;
        let found = |excess: f64| self.growth(bound, sizes, [rate, tolerated + excess]) >= needed;
        least(tolerated, found)
    }

    /// Expected evidence of one slot for the best lift, with so many units of Blue and Green and these rates: the mean of
    /// the logarithm, to the second order.
    fn growth(self, bound: &Bound, [blue, green]: [f64; 2], [of_blue, of_green]: [f64; 2]) -> f64 {
        let drawn = f64::from(self.drawn).min(blue).min(green);
        let draws = Draws::of(bound, drawn, blue);
        let hit = |rate: f64, drawn: f64| 1.0 - (1.0 - rate).powf(drawn);
        let (blue_hit, green_hit) = (hit(of_blue, draws.blue), hit(of_green, drawn));
        let excess = green_hit - draws.ratio * blue_hit;
        // Of more units more draws are made, whose mean strays less.
        let spread = green_hit * (1.0 - green_hit) * drawn / green
            + draws.ratio.powi(2) * blue_hit * (1.0 - blue_hit) * draws.blue / blue;
        let growths = bound.lifts().map(|lift| {
            let stake = draws.stake(lift);
            let mean = 1.0 + stake * excess;
            mean.ln() - stake.powi(2) * spread / (2.0 * mean.powi(2))
        });
        growths.into_iter().fold(0.0, f64::max)
    }
}

/// How a tolerance is granted: more are drawn of Blue, and a ratio that is left.
struct Draws {
    /// How many are drawn of Blue.
    blue: f64,
    /// How many times as often Green's draw may be hit; at least 1.
    ratio: f64,
}

impl Draws {
    /// For so many of Green, where Blue has so many units, no fewer.
    fn of(bound: &Bound, green: f64, units: f64) -> Draws {
        let tolerated = bound.tolerance() * green;
        let blue = tolerated.floor().min(MAX_DRAWN).min(units).max(green);
        Draws { blue, ratio: if blue > 0.0 { tolerated / blue } else { 1.0 } }
    }

    /// What a lift bets. Less than 1/ratio, so that no slot loses all.
    fn stake(&self, lift: f64) -> f64 {
        (lift - 1.0) / (lift + 1.0) / self.ratio
    }
}

/// The probability that of so many units, drawn without putting back, one has failed.
fn hit(tally: Tally, drawn: u64) -> f64 {
    let good = tally.units.saturating_sub(tally.failed);
    let none = |so_far: f64, nth: u64| {
        so_far * good.saturating_sub(nth) as f64 / tally.units.saturating_sub(nth).max(1) as f64
    };
    1.0 - (0..drawn.min(tally.units)).fold(1.0, none)
}

#[cfg(test)]
mod tests;
