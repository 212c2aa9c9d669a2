//! How soon a worse Green is found, and how many users have suffered by then.

use super::chance::Chance;
use super::traffic::{LOOK_MS, Split, terms};
use judge::bound::Bound;
use judge::budget::{DEFAULT_ALPHA, Unit};
use judge::evidence::Evidence;
use judge::tally::Tally;
use judge::watch::Watch;

/// A release that is worse.
#[derive(Clone, Copy, Debug)]
pub struct Worse {
    /// Requests per second.
    pub rps: f64,
    /// Green's share, percent.
    pub percent: usize,
    /// Blue's rate of failures.
    pub blue: f64,
    /// Green's rate of failures.
    pub green: f64,
}

/// When it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Milliseconds after Green got traffic.
    pub after_ms: u64,
    /// Milliseconds after its first failure.
    pub after_first_failure_ms: u64,
    /// Failed Green requests until then.
    pub failed: u64,
}

/// How the bound of failures is set by default.
pub fn bound_of_failures() -> Bound {
    let terms = terms(DEFAULT_ALPHA, Unit::Request);
    terms.charges[0].bound
}

impl Worse {
    /// Plays one release of at most `most_ms`.
    pub fn play(&self, seed: u64, most_ms: u64) -> Option<Found> {
        let mut chance = Chance::new(seed);
        let mut split = Split::new(self.percent);
        let mut watch = Watch::armed(bound_of_failures());
        let (mut blue, mut green) = (Tally::default(), Tally::default());
        let (mut due, mut first_failure_ms) = (chance.unit(), None);
        for at_ms in (0..most_ms).step_by(LOOK_MS as usize) {
            due += self.rps * LOOK_MS as f64 / 1_000.0;
            while due >= 1.0 {
                due -= 1.0;
                let (tally, rate) = match split.is_green(&mut chance) {
                    true => (&mut green, self.green),
                    false => (&mut blue, self.blue),
                };
                tally.units += 1;
                tally.failed += u64::from(chance.yes(rate));
            }
            if green.failed > 0 {
                first_failure_ms.get_or_insert(at_ms);
            }
            if watch.observe(at_ms as i64, 1, blue, green).is_some() {
                let after_ms = at_ms + LOOK_MS;
                let after_first_failure_ms = after_ms - first_failure_ms.unwrap_or(at_ms);
                return Some(Found { after_ms, after_first_failure_ms, failed: green.failed });
            }
        }
        None
    }

    /// Plays many, each with a seed of its own; those that were not found are left out.
    pub fn play_all(&self, releases: u64, most_ms: u64) -> Vec<Found> {
        (0..releases).filter_map(|seed| self.play(seed, most_ms)).collect()
    }

    /// Failed Green requests that a test needs on average which knows the rates beforehand (Wald 1945): the number of
    /// failures is ⌈ln(1/α)/KL(θ₁‖θ₀)⌉, and θ₁ of them are Green's.
    pub fn wald(&self) -> f64 {
        let share = self.percent as f64 / 100.0;
        let green = share * self.green / (share * self.green + (1.0 - share) * self.blue);
        let divergence = green * (green / share).ln() + (1.0 - green) * ((1.0 - green) / (1.0 - share)).ln();
        green * (bound_of_failures().log_threshold() / divergence).ceil()
    }

    /// The evidence over time, as pairs of seconds and log₁₀ of the e-value, one each `every_ms`.
    pub fn trace(&self, seed: u64, most_ms: u64, every_ms: u64) -> Vec<(f64, f64)> {
        let mut chance = Chance::new(seed);
        let mut split = Split::new(self.percent);
        let (bound, mut evidence) = (bound_of_failures(), Evidence::default());
        let mut trace = vec![(0.0, 0.0)];
        for at_ms in (every_ms..=most_ms).step_by(every_ms as usize) {
            let (mut blue, mut green) = (Tally::default(), Tally::default());
            for _ in 0..(self.rps * every_ms as f64 / 1_000.0) as u64 {
                let (tally, rate) = match split.is_green(&mut chance) {
                    true => (&mut green, self.green),
                    false => (&mut blue, self.blue),
                };
                tally.units += 1;
                tally.failed += u64::from(chance.yes(rate));
            }
            evidence.add(&bound, blue, green);
            trace.push((at_ms as f64 / 1_000.0, evidence.log_e_value() / std::f64::consts::LN_10));
            if evidence.reaches(&bound) {
                break;
            }
        }
        trace
    }
}

/// The value below which a share of the values lies; 0 without values.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (share * values.len() as f64) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// The mean; 0 without values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
