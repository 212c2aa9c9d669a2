//! Numbers that look random, one sequence per thread: for choosing, not for secrets.

use crate::per_thread::PerThread;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A sequence per thread (SplitMix64, Steele et al. 2014). Only its own thread moves it on.
#[derive(Debug)]
pub(crate) struct Random(PerThread<AtomicU64>);

impl Random {
    pub(crate) fn new(seed: u64, threads: usize) -> Random {
        Random(PerThread::new(threads, |thread| AtomicU64::new(mixed(seed ^ (thread as u64) << 32))))
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&self, thread: usize, bound: usize) -> usize {
        let state = self.0.get(thread);
        let next = state.load(Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.store(next, Relaxed);
        // The upper half of the product is evenly spread over 0..bound.
        let wide = u128::from(mixed(next)) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_numbers_below_the_bound_come_about_equally_often() {
        let random = Random::new(7, 1);
        let mut counts = [0u32; 5];
        for _ in 0..50_000 {
            counts[random.below(0, 5)] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(random.below(0, 0), 0);
    }
}
