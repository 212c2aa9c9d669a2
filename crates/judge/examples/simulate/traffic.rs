//! Traffic: who gets which colour, as the gateway decides it, and how a look at the counters is taken.

use super::chance::Chance;
use judge::budget::{Budget, Terms, Unit};
use judge::metric::Metric;
use judge::tally::Tally;

/// Between two looks, milliseconds: what the guard does.
pub const LOOK_MS: u64 = 20;

/// The split of a release: within each cycle of 100 exactly the ordered share, in an order that is shuffled.
pub struct Split {
    cycle: Vec<bool>,
    next: usize,
    shuffled: bool,
}

impl Split {
    /// Green gets `percent` of the requests.
    pub fn new(percent: usize) -> Split {
        Split { cycle: (0..100).map(|place| place < percent).collect(), next: 100, shuffled: true }
    }

    /// The same in a fixed order, spread evenly, as plain round robin does it.
    pub fn in_order(percent: usize) -> Split {
        let every = 100 / percent.max(1);
        Split { cycle: (0..100).map(|place| place % every == 0).collect(), next: 0, shuffled: false }
    }

    /// Whether the next request is Green's.
    pub fn is_green(&mut self, chance: &mut Chance) -> bool {
        if self.next >= self.cycle.len() {
            self.next = 0;
            if self.shuffled {
                (1..self.cycle.len()).rev().for_each(|place| self.cycle.swap(place, chance.below(place + 1)));
            }
        }
        self.next += 1;
        self.cycle[self.next - 1]
    }
}

/// What each release of the simulation is judged by: failures and three quantiles, as by default.
pub fn terms(alpha: f64, unit: Unit) -> Terms {
    let slower = |percentile| Metric::Slower { percentile, threshold_us: 1 };
    let metrics = [Metric::Failures, slower(50), slower(90), slower(99)];
    Budget { alpha, ..Budget::default() }.terms(&metrics, unit).unwrap_or_default()
}

/// The counters of both colours, one tally a metric.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Blue's.
    pub blue: [Tally; 4],
    /// Green's.
    pub green: [Tally; 4],
}

impl Counters {
    /// Counts a request: whether it failed, and of a whole answer, which part of Blue's answers were faster before.
    pub fn count(&mut self, is_green: bool, failed: bool, quantile: f64) {
        let [failures, slower @ ..] = if is_green { &mut self.green } else { &mut self.blue };
        failures.units += 1;
        failures.failed += u64::from(failed);
        for (tally, percentile) in slower.iter_mut().zip([0.50, 0.90, 0.99]) {
            tally.units += 1;
            tally.failed += u64::from(quantile >= percentile);
        }
    }
}
