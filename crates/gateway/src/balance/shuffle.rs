//! Weighted turns in a shuffled order: counts as exact over whole cycles as the wheel's, in an order without a period.
//!
//! The wheel's order is the same in every cycle. Where requests come in a pattern (a page and then its picture, a read
//! and then a write), each kind may then always meet the same choice, and a release would judge version 2 by its pictures.
//! Here each pick is drawn at random among what is left of the cycle, without replacement.

use crate::per_thread::PerThread;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Longest cycle that is shuffled: beyond it, counts would stray from the shares for too long.
pub(crate) const MAX_CYCLE: u64 = 1_000;

/// A list of weights and, per thread, what is left of the current cycle.
#[derive(Debug)]
pub struct Shuffled {
    /// Divided by their gcd.
    weights: Box<[u32]>,
    cycle: u32,
    cycles: PerThread<Cycle>,
}

/// A thread's cycle. Only its own thread writes it, so relaxed loads and stores (plain moves) are enough.
#[derive(Debug)]
struct Cycle {
    random: AtomicU64,
    left: AtomicU32,
    left_of_each: Box<[AtomicU32]>,
}

impl Shuffled {
    /// Turns over `weights` for `threads` threads, in an order that `seed` decides. `None`: there is nothing to shuffle
    /// (fewer than two weights above 0), or the cycle is longer than [`MAX_CYCLE`].
    #[must_use]
    pub fn new(weights: &[u32], threads: usize, seed: u64) -> Option<Shuffled> {
        let gcd = weights.iter().copied().fold(0, gcd).max(1);
        let cycle: u64 = weights.iter().map(|weight| u64::from(weight / gcd)).sum();
        if weights.iter().filter(|weight| **weight > 0).count() < 2 || cycle > MAX_CYCLE {
            return None;
        }
        let cycles = PerThread::new(threads, |thread| Cycle {
            random: AtomicU64::new(mixed(seed ^ mixed(thread as u64 + 1))),
            left: AtomicU32::new(0),
            left_of_each: weights.iter().map(|_| AtomicU32::new(0)).collect(),
        });
        let weights = weights.iter().map(|weight| weight / gcd).collect();
        Some(Shuffled { weights, cycle: u32::try_from(cycle).ok()?, cycles })
    }

    /// The next entry for this thread; never one of weight 0.
    #[must_use]
    pub fn next(&self, thread: usize) -> Option<usize> {
        let cycle = self.cycles.get(thread);
        let mut left = cycle.left.load(Relaxed);
        if left == 0 {
            left = self.cycle;
            for (left_of_one, weight) in cycle.left_of_each.iter().zip(&self.weights) {
                left_of_one.store(*weight, Relaxed);
            }
        }
        let mut drawn = cycle.draw(left);
        for (entry, left_of_one) in cycle.left_of_each.iter().enumerate() {
            let count = left_of_one.load(Relaxed);
            if drawn < count {
                left_of_one.store(count - 1, Relaxed);
                cycle.left.store(left - 1, Relaxed);
                return Some(entry);
            }
            drawn -= count;
        }
        None
    }
}

impl Cycle {
    /// A number below `bound`: SplitMix64 (Steele, Lea, Flood 2014), scaled.
    fn draw(&self, bound: u32) -> u32 {
        let state = self.random.load(Relaxed).wrapping_add(GOLDEN);
        self.random.store(state, Relaxed);
        #[allow(clippy::cast_possible_truncation, reason = "smaller than the bound")]
        let drawn = ((u128::from(mixed(state)) * u128::from(bound)) >> 64) as u32;
        drawn
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer of SplitMix64.
fn mixed(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::wheel::Wheel;
    use proptest::prelude::*;

    fn picks(shuffled: &Shuffled, thread: usize, count: usize) -> Vec<usize> {
        (0..count).map(|_| shuffled.next(thread).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn counts_are_exact_over_whole_cycles(
            weights in prop::collection::vec(0u32..60, 2..6), seed: u64, cycles in 1usize..5,
        ) {
            let Some(shuffled) = Shuffled::new(&weights, 1, seed) else {
                prop_assert!(weights.iter().filter(|weight| **weight > 0).count() < 2);
                return Ok(());
            };
            let gcd = weights.iter().copied().fold(0, gcd);
            let cycle: u32 = weights.iter().map(|weight| weight / gcd).sum();
            for _ in 0..cycles {
                let picks = picks(&shuffled, 0, cycle as usize);
                for (entry, weight) in weights.iter().enumerate() {
                    let count = picks.iter().filter(|pick| **pick == entry).count();
                    prop_assert_eq!(count, (weight / gcd) as usize);
                }
            }
        }

        #[test]
        fn the_order_is_that_of_the_seed_and_another_one_in_each_cycle_and_thread(seed: u64) {
            let made = || Shuffled::new(&[50, 50, 3], 2, seed).unwrap();
            let (one, same) = (made(), made());
            let first = picks(&one, 0, 103);
            prop_assert_eq!(&first, &picks(&same, 0, 103));
            prop_assert_ne!(&first, &picks(&one, 0, 103));
            prop_assert_ne!(&first, &picks(&one, 1, 103));
        }

        /// Two kinds of requests take turns; each kind meets the choices by their weights.
        #[test]
        fn alternating_requests_do_not_alias_with_the_choices(seed: u64, share in 1u32..100) {
            let shuffled = Shuffled::new(&[share, 100 - share], 1, seed).unwrap();
            let count = 20_000;
            let even = (0..count).filter(|n| shuffled.next(0) == Some(0) && n % 2 == 0).count();
            let (n, p) = (count as f64 / 2.0, f64::from(share) / 100.0);
            // Six standard deviations of independent draws; these deviate less.
            prop_assert!((even as f64 - n * p).abs() <= 6.0 * (n * p * (1.0 - p)).sqrt() + 1.0, "{even} of {n}");
        }
    }

    #[test]
    fn the_wheel_does_alias_which_is_why_this_exists() {
        let wheel = Wheel::new(&[50, 50], 1);
        let even: Vec<_> = (0..100).map(|_| wheel.next(0)).step_by(2).collect();
        assert!(even.windows(2).all(|pair| pair[0] == pair[1]), "one kind of request sees one choice only");
    }

    #[test]
    fn what_cannot_be_shuffled_is_not() {
        for weights in [&[][..], &[5], &[0, 0], &[7, 0], &[999, 2]] {
            assert!(Shuffled::new(weights, 1, 1).is_none(), "{weights:?}");
        }
        assert!(Shuffled::new(&[99_900, 100], 1, 1).is_some(), "the cycle is 1,000");
    }
}
