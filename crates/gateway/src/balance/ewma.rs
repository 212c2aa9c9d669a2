//! Response times, decayed (APISIX §2.6, `ewma`): each sample counts for as much as time has passed since the one
//! before, so that many quick samples in a row do not outweigh what was learned before.
//!
//! Kept per thread. A node without a sample has the best score, so it is tried.

use crate::health::Load;
use std::sync::atomic::Ordering::Relaxed;

/// The time in which what is known loses all but 1/e of its weight, microseconds (APISIX: 10 s).
const DECAY_US: f64 = 10_000_000.0;
/// What a failed try counts as, at least, microseconds; an answer that says that the server failed (5xx), too.
pub(crate) const FAILED_US: u64 = 1_000_000;

/// The mean after `since_us` and a sample. The first sample is the mean.
fn updated(mean_us: f64, since_us: u64, sample_us: u64) -> f64 {
    let kept = (-(since_us as f64) / DECAY_US).exp();
    mean_us * kept + sample_us as f64 * (1.0 - kept)
}

/// Takes a sample. Only the thread that the load belongs to may.
pub(crate) fn sample(load: &Load, took_us: u64, now_us: u64) {
    let mean_us = match load.sampled_us.load(Relaxed) {
        0 => took_us as f64,
        before => {
            let mean_us = f64::from_bits(load.response_bits.load(Relaxed));
            updated(mean_us, now_us.saturating_sub(before), took_us)
        }
    };
    load.response_bits.store(mean_us.to_bits(), Relaxed);
    load.sampled_us.store(now_us.max(1), Relaxed);
}

/// The score now, lower is better: the mean as if nothing had been waited for since. So who was slow long ago is
/// tried again.
pub(crate) fn score(load: &Load, now_us: u64) -> f64 {
    match load.sampled_us.load(Relaxed) {
        0 => 0.0,
        before => {
            let mean_us = f64::from_bits(load.response_bits.load(Relaxed));
            updated(mean_us, now_us.saturating_sub(before), 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn who_has_no_sample_is_better_than_all_others() {
        let (new, quick) = (Load::default(), Load::default());
        sample(&quick, 1, SECOND);
        assert!(score(&new, SECOND) < score(&quick, SECOND));
    }

    #[test]
    fn a_score_falls_to_a_third_in_ten_seconds() {
        let load = Load::default();
        sample(&load, 900_000, SECOND);
        let third = score(&load, 11 * SECOND);
        assert!((third - 900_000.0 / std::f64::consts::E).abs() < 1.0, "{third}");
    }

    #[test]
    fn a_failure_is_forgiven_in_time() {
        let (failed, slow) = (Load::default(), Load::default());
        sample(&failed, FAILED_US, 1);
        sample(&slow, 50_000, 1);
        assert!(score(&failed, 1) > score(&slow, 1));
        sample(&slow, 50_000, 60 * SECOND);
        assert!(score(&failed, 60 * SECOND) < score(&slow, 60 * SECOND));
    }

    proptest! {
        #[test]
        fn the_mean_stays_between_its_samples(samples in prop::collection::vec((1u64..SECOND, 0u64..SECOND), 1..50)) {
            let load = Load::default();
            let mut now = 1;
            for (took, after) in &samples {
                now += after;
                sample(&load, *took, now);
            }
            let mean = score(&load, now);
            let (low, high) = (samples.iter().map(|s| s.0).min(), samples.iter().map(|s| s.0).max());
            prop_assert!(mean >= low.unwrap_or(0) as f64 - 1e-6 && mean <= high.unwrap_or(0) as f64 + 1e-6);
        }
    }
}
