//! Counts by reason: one counter for each value of a closed list, which one thread writes.

use crate::cell::add;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the `N` values of a list, in its order.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Tally(std::array::from_fn(|_| AtomicU64::default()))
    }
}

impl<const N: usize> Tally<N> {
    /// Counts the value at this place; there is none beyond the list.
    pub(crate) fn count(&self, place: usize) {
        if let Some(counter) = self.0.get(place) {
            add(counter, 1, Ordering::Relaxed);
        }
    }

    /// Adds what was counted to `sums`, by the values' names. What was never counted is left out.
    pub(crate) fn add_to(&self, sums: &mut BTreeMap<String, u64>, names: &[&str]) {
        for (name, counter) in names.iter().zip(&self.0) {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                *sums.entry((*name).to_owned()).or_default() += count;
            }
        }
    }
}
