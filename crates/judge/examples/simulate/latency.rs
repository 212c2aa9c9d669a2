//! How soon a slower Green is found: exceedance of Blue's quantiles, frozen before Green gets traffic.

use super::chance::Chance;
use super::detection::quantile;
use super::traffic::{LOOK_MS, Split, terms};
use judge::budget::{DEFAULT_ALPHA, Unit};
use judge::metric::Metric;
use judge::panel::Panel;
use judge::tally::Tally;

/// Answers of Blue from which the quantiles are frozen.
const FROZEN_FROM: usize = 2_000;
/// Spread of the logarithm of an answer's time: p99 is four times the median.
const SPREAD: f64 = 0.6;

/// In which way Green is slower.
#[derive(Clone, Copy, Debug)]
pub enum Slower {
    /// Every answer takes 1.5 times as long.
    All,
    /// Only the slowest tenth does; p99 is 1.5 times Blue's, the median is the same.
    Tail,
}

/// Time of an answer of Blue, milliseconds.
fn answer_ms(chance: &mut Chance) -> f64 {
    40.0 * (SPREAD * chance.normal()).exp()
}

/// Milliseconds until Green is found to be slower, at so many requests per second and with this share.
pub fn play(slower: Slower, rps: f64, percent: usize, seed: u64, most_ms: u64) -> Option<u64> {
    let mut chance = Chance::new(seed);
    let before: Vec<f64> = (0..FROZEN_FROM).map(|_| answer_ms(&mut chance)).collect();
    let frozen = [50_u8, 90, 99].map(|percentile| {
        let frozen_ms = quantile(before.clone(), f64::from(percentile) / 100.0);
        match Metric::slower_than(percentile, (frozen_ms * 1_000.0) as u64) {
            Metric::Slower { threshold_us, .. } => threshold_us as f64 / 1_000.0,
            _ => frozen_ms,
        }
    });
    let slowest_tenth = 40.0 * (SPREAD * 1.2816).exp();
    let mut split = Split::new(percent);
    let mut panel = Panel::armed(&terms(DEFAULT_ALPHA, Unit::Request));
    let mut counted = [[Tally::default(); 4]; 2];
    let mut due = chance.unit();
    for at_ms in (0..most_ms).step_by(LOOK_MS as usize) {
        due += rps * LOOK_MS as f64 / 1_000.0;
        while due >= 1.0 {
            due -= 1.0;
            let is_green = split.is_green(&mut chance);
            let time = answer_ms(&mut chance);
            let is_slow = is_green && (matches!(slower, Slower::All) || time > slowest_tenth);
            let time = if is_slow { time * 1.5 } else { time };
            let [failures, slow @ ..] = &mut counted[usize::from(is_green)];
            failures.units += 1;
            for (tally, limit) in slow.iter_mut().zip(frozen) {
                tally.units += 1;
                tally.failed += u64::from(time > limit);
            }
        }
        let [blue, green] = &counted;
        if panel.observe(at_ms as i64, 1, blue, green).is_some() {
            return Some(at_ms + LOOK_MS);
        }
    }
    None
}
