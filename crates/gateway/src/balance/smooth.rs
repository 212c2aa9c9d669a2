//! Weighted round robin over a set that changes from pick to pick: each of the set moves ahead by its weight, the one
//! that is furthest ahead is picked and falls back by the sum. Over whole cycles of the same set the counts are exact.
//! It costs a step per node, so [`super::wheel`] is used while all nodes are up.

use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

/// One of the set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) node: usize,
    /// 0 counts as 1: a set of zeros takes turns.
    pub(super) weight: u64,
    /// How far it is ahead; of this thread only.
    pub(super) ahead: &'a AtomicI64,
}

/// Picks one; `None` of an empty set.
pub(super) fn pick<'a>(set: impl Iterator<Item = Entry<'a>>) -> Option<usize> {
    let mut sum = 0i64;
    let mut best: Option<(i64, Entry<'a>)> = None;
    for entry in set {
        let weight = i64::try_from(entry.weight.max(1)).unwrap_or(i64::MAX);
        sum = sum.saturating_add(weight);
        let ahead = entry.ahead.load(Relaxed).saturating_add(weight);
        entry.ahead.store(ahead, Relaxed);
        if best.is_none_or(|(other, _)| ahead > other) {
            best = Some((ahead, entry));
        }
    }
    let (ahead, entry) = best?;
    entry.ahead.store(ahead.saturating_sub(sum), Relaxed);
    Some(entry.node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(weights: &[u64], ahead: &[AtomicI64], without: Option<usize>) -> Option<usize> {
        let entries = weights.iter().zip(ahead).enumerate();
        let entries = entries.map(|(node, (weight, ahead))| Entry { node, weight: *weight, ahead });
        pick(entries.filter(|entry| Some(entry.node) != without))
    }

    #[test]
    fn an_empty_set_gives_nothing() {
        assert_eq!(turn(&[], &[], None), None);
    }

    proptest! {
        #[test]
        fn counts_are_exact_over_whole_cycles(weights in prop::collection::vec(1u64..20, 1..7)) {
            let ahead: Vec<AtomicI64> = weights.iter().map(|_| AtomicI64::new(0)).collect();
            let mut counts = vec![0u64; weights.len()];
            for _ in 0..weights.iter().sum::<u64>() {
                counts[turn(&weights, &ahead, None).expect("not empty")] += 1;
            }
            prop_assert_eq!(counts, weights);
        }

        /// Who comes back does not get at once what it has missed.
        #[test]
        fn who_was_away_comes_back_to_its_share(
            weights in prop::collection::vec(1u64..20, 2..7), away in 0usize..1_000)
        {
            let ahead: Vec<AtomicI64> = weights.iter().map(|_| AtomicI64::new(0)).collect();
            for _ in 0..away {
                prop_assert_ne!(turn(&weights, &ahead, Some(0)), Some(0));
            }
            let cycle: u64 = weights.iter().sum();
            let mut count = 0;
            for _ in 0..cycle {
                count += u64::from(turn(&weights, &ahead, None) == Some(0));
            }
            prop_assert!(count.abs_diff(weights[0]) <= 1, "{} of {}", count, weights[0]);
        }
    }
}
