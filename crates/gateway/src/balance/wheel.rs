//! Weighted round robin as APISIX's (`resty.roundrobin`, APISIX §2.4): gcd-interleaved, exact over whole cycles.
//!
//! Each thread has a cursor of its own, as APISIX's workers have: over Σw/gcd picks of one thread every entry is hit
//! exactly w/gcd times, and any share is within threads × entries requests of exact.

use crate::per_thread::PerThread;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A list of weights and, per thread, where the last pick stood.
#[derive(Debug)]
pub struct Wheel {
    weights: Box<[u32]>,
    gcd: u32,
    max: u32,
    cursors: PerThread<Cursor>,
}

/// Where a thread's last pick stood: the entry, and the current weight that entries must reach. Only its own thread
/// writes it, so relaxed loads and stores (plain moves) are enough.
#[derive(Debug)]
struct Cursor {
    last: AtomicU32,
    current: AtomicU32,
}

impl Wheel {
    /// A wheel over `weights` for `threads` threads.
    #[must_use]
    pub fn new(weights: &[u32], threads: usize) -> Wheel {
        let gcd = weights.iter().copied().fold(0, gcd);
        let max = weights.iter().copied().max().unwrap_or(0);
        let last = u32::try_from(weights.len().saturating_sub(1)).unwrap_or(0);
        let cursors =
            PerThread::new(threads, |_| Cursor { last: AtomicU32::new(last), current: AtomicU32::new(0) });
        Wheel { weights: weights.into(), gcd, max, cursors }
    }

    /// The next entry for this thread; `None` if there are no entries.
    ///
    /// A single entry is always picked, whatever its weight; with all weights 0 the entries take turns; otherwise an
    /// entry of weight 0 is never picked.
    #[must_use]
    pub fn next(&self, thread: usize) -> Option<usize> {
        let entries = self.weights.len();
        if entries <= 1 {
            return (entries == 1).then_some(0);
        }
        let cursor = self.cursors.get(thread);
        let mut last = cursor.last.load(Relaxed) as usize;
        let mut current = cursor.current.load(Relaxed);
        // One turn lowers the bar by the gcd; after max/gcd turns it is at the top again, so this ends.
        loop {
            last += 1;
            if last >= entries {
                last = 0;
                current = if current <= self.gcd { self.max } else { current - self.gcd };
            }
            if self.weights.get(last).is_some_and(|weight| *weight >= current) {
                #[allow(clippy::cast_possible_truncation, reason = "an index of a short list")]
                cursor.last.store(last as u32, Relaxed);
                cursor.current.store(current, Relaxed);
                return Some(last);
            }
        }
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(weights: &[u32], picks: usize) -> Vec<usize> {
        let wheel = Wheel::new(weights, 1);
        let mut counts = vec![0; weights.len()];
        for _ in 0..picks {
            counts[wheel.next(0).expect("not empty")] += 1;
        }
        counts
    }

    #[test]
    fn six_picks_of_two_to_one_are_four_and_two() {
        assert_eq!(counts(&[2, 1], 6), [4, 2]);
    }

    #[test]
    fn a_weight_of_zero_beside_a_positive_one_is_never_chosen() {
        assert_eq!(counts(&[100, 0], 10), [10, 0]);
        assert_eq!(counts(&[0, 100], 10), [0, 10]);
    }

    #[test]
    fn only_zero_weights_take_turns() {
        assert_eq!(counts(&[0, 0], 10), [5, 5]);
    }

    #[test]
    fn a_single_entry_is_always_chosen() {
        assert_eq!(counts(&[0], 3), [3]);
    }

    #[test]
    fn each_thread_turns_on_its_own() {
        let wheel = Wheel::new(&[1, 1], 2);
        assert_eq!([wheel.next(0), wheel.next(1), wheel.next(0)], [Some(0), Some(0), Some(1)]);
    }

    proptest! {
        #[test]
        fn counts_are_exact_over_whole_cycles(weights in prop::collection::vec(0u32..50, 2..8), cycles in 1usize..4) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let gcd = weights.iter().copied().fold(0, gcd);
            let cycle: u32 = weights.iter().map(|w| w / gcd).sum();
            let expected: Vec<usize> = weights.iter().map(|w| (w / gcd) as usize * cycles).collect();
            prop_assert_eq!(counts(&weights, cycle as usize * cycles), expected);
        }
    }
}
