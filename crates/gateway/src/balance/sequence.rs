//! A low-discrepancy sequence: points that fill an interval so evenly that after any number of them every share of the
//! interval holds its share of the points, within a few.
//!
//! It is the additive recurrence by the golden ratio (Weyl; Kuipers and Niederreiter, *Uniform Distribution of
//! Sequences*, section 2.3): x(n+1) = x(n) + 1/φ mod 1. Of n points the number below p differs from n·p by less than
//! 2 + log₂ n. Independent random points would stray by √(n·p·(1 − p)).

use crate::per_thread::PerThread;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// 2⁶⁴/φ, odd, so that the whole period of 2⁶⁴ is run through.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A sequence for each thread; points are fractions of 2⁶⁴.
#[derive(Debug)]
pub(crate) struct Sequence {
    last: PerThread<AtomicU64>,
}

impl Sequence {
    /// Sequences that begin where `start` says for each thread.
    pub(crate) fn new(threads: usize, start: impl Fn(usize) -> u64) -> Sequence {
        Sequence { last: PerThread::new(threads, |thread| AtomicU64::new(start(thread))) }
    }

    /// The next point. Only the thread itself calls this, so a plain load and store are enough.
    pub(crate) fn next(&self, thread: usize) -> u64 {
        let last = self.last.get(thread);
        let point = last.load(Relaxed).wrapping_add(STEP);
        last.store(point, Relaxed);
        point
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn after_any_number_of_points_each_share_holds_its_share(start: u64, share in 1u64..100, count in 1u32..3_000) {
            let sequence = Sequence::new(1, |_| start);
            let bound = u64::MAX / 100 * share;
            let below = (0..count).filter(|_| sequence.next(0) < bound).count();
            let exact = f64::from(count) * share as f64 / 100.0;
            let allowed = 2.0 + f64::from(count).log2();
            prop_assert!((below as f64 - exact).abs() <= allowed, "{below} of {count}, not {exact}");
        }
    }
}
