//! The live form of a [`Sketch`]: one counter per bucket, written by one thread, read by anyone.

use crate::sketch::{BUCKETS, Sketch, bucket_of};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts values into buckets. Only one thread may record; see [`crate::cell`] for why there is no lock.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

impl Histogram {
    /// Counts one value, microseconds.
    pub fn record(&self, value_us: u64) {
        if let Some(count) = self.counts.get(bucket_of(value_us)) {
            count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// What was counted up to now.
    #[must_use]
    pub fn snapshot(&self) -> Sketch {
        Sketch::from_dense(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
