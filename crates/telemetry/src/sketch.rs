//! Latency sketch: how many values fell into each of 464 fixed buckets; sketches add and subtract exactly.
//!
//! The buckets are log-linear, the idea of `HdrHistogram` (Gil Tene): each power of two is cut into 16 equal parts,
//! so a bucket is never wider than 1/16 of its lower edge. A bucket is reported by its middle, hence
//! **the relative error of a value read back is at most 1/32 (3.125 %)**. Values below 32 µs are exact; values of
//! 2³² µs (about 71 minutes) and more are counted in the last bucket, where the bound does not hold.
//!
//! Fixed buckets rather than a digest that adapts: any two sketches, of any threads and moments, can be added or
//! subtracted without a further error, so "since the switch" is as exact as "since the start".

use serde::{Deserialize, Serialize};

/// Parts into which each power of two is cut.
const PARTS: u64 = 16;
/// log2 of [`PARTS`].
const PARTS_LOG2: u32 = 4;
/// Number of buckets: 16 single values, then 16 parts for each of the powers 2⁴ to 2³¹.
pub const BUCKETS: usize = 464;
/// Largest value that has a bucket of its own size, microseconds.
pub const MAX_US: u64 = (1 << 32) - 1;

/// The bucket of a value in microseconds; always below [`BUCKETS`].
#[must_use]
pub fn bucket_of(value_us: u64) -> usize {
    let value = value_us.min(MAX_US);
    if value < PARTS {
        return value as usize;
    }
    let shift = value.ilog2() - PARTS_LOG2;
    (u64::from(shift) * PARTS + (value >> shift)) as usize
}

/// The middle of a bucket, microseconds; a bucket that does not exist answers for the last one.
#[must_use]
pub fn middle_of(bucket: usize) -> u64 {
    let bucket = bucket.min(BUCKETS - 1) as u64;
    if bucket < 2 * PARTS {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    let low = (bucket % PARTS + PARTS) << shift;
    low + (1 << shift) / 2
}

/// A sketch at rest: its non-empty buckets in rising order. In JSON: `[[bucket,count],...]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Sketch {
    buckets: Vec<(u16, u64)>,
}

/// Why a list of buckets is no sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSketch {
    /// A bucket number that no value has.
    #[error("bucket {0} is not below {BUCKETS}")]
    NoSuchBucket(u16),
    /// A bucket that is not greater than the one before it.
    #[error("bucket {0} is out of order")]
    OutOfOrder(u16),
    /// A bucket that is listed without a value in it.
    #[error("bucket {0} is empty")]
    Empty(u16),
}

impl TryFrom<Vec<(u16, u64)>> for Sketch {
    type Error = InvalidSketch;

    fn try_from(buckets: Vec<(u16, u64)>) -> Result<Self, InvalidSketch> {
        let mut above = None;
        for &(bucket, count) in &buckets {
            if usize::from(bucket) >= BUCKETS {
                return Err(InvalidSketch::NoSuchBucket(bucket));
            }
            if above.is_some_and(|last| bucket <= last) {
                return Err(InvalidSketch::OutOfOrder(bucket));
            }
            if count == 0 {
                return Err(InvalidSketch::Empty(bucket));
            }
            above = Some(bucket);
        }
        Ok(Sketch { buckets })
    }
}

impl From<Sketch> for Vec<(u16, u64)> {
    fn from(sketch: Sketch) -> Self {
        sketch.buckets
    }
}

impl Sketch {
    /// A sketch without values.
    #[must_use]
    pub fn new() -> Self {
        Sketch::default()
    }

    /// From the counts of all buckets, in order.
    pub(crate) fn from_dense(counts: impl Iterator<Item = u64>) -> Self {
        let numbered = (0..BUCKETS as u16).zip(counts);
        Sketch { buckets: numbered.filter(|&(_, count)| count > 0).collect() }
    }

    /// Counts one value, microseconds. For the request path there is [`crate::histogram::Histogram`].
    pub fn record(&mut self, value_us: u64) {
        let bucket = bucket_of(value_us) as u16;
        match self.buckets.binary_search_by_key(&bucket, |&(number, _)| number) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
            Err(at) => self.buckets.insert(at, (bucket, 1)),
        }
    }

    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// The value below or at which a share `q` (0 to 1) of the values lies, microseconds, within 3.125 %; `None`
    /// without values. `q = 0` is the smallest value, `q = 1` the greatest.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0_u64;
        for &(bucket, count) in &self.buckets {
            seen = seen.saturating_add(count);
            if seen >= rank {
                return Some(middle_of(usize::from(bucket)));
            }
        }
        None
    }

    /// How many values lie at or below a limit, microseconds. Exact but for values within 3.125 % of the limit.
    #[must_use]
    pub fn count_up_to(&self, limit_us: u64) -> u64 {
        let below =
            self.buckets.iter().take_while(|&&(bucket, _)| middle_of(usize::from(bucket)) <= limit_us);
        below.fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// An estimate of the sum of all values, microseconds: each bucket counts as its middle (within 3.125 %).
    #[must_use]
    pub fn sum_us(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, &(bucket, count)| {
            sum.saturating_add(middle_of(usize::from(bucket)).saturating_mul(count))
        })
    }

    /// Adds the values of another sketch.
    pub fn merge(&mut self, other: &Sketch) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else if !other.buckets.is_empty() {
            self.buckets = combine(&self.buckets, &other.buckets, u64::saturating_add);
        }
    }

    /// The values that came since an earlier snapshot of the same sketch.
    #[must_use]
    pub fn sub(&self, baseline: &Sketch) -> Sketch {
        Sketch { buckets: combine(&self.buckets, &baseline.buckets, u64::saturating_sub) }
    }
}

/// Joins two rising lists bucket by bucket; a bucket that is missing counts 0, an empty result is left out.
fn combine(left: &[(u16, u64)], right: &[(u16, u64)], join: fn(u64, u64) -> u64) -> Vec<(u16, u64)> {
    let mut joined = Vec::with_capacity(left.len().max(right.len()));
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    loop {
        let bucket = match (left.peek(), right.peek()) {
            (Some(&(a, _)), Some(&(b, _))) => a.min(b),
            (Some(&(bucket, _)), None) | (None, Some(&(bucket, _))) => bucket,
            (None, None) => return joined,
        };
        let ours = left.next_if(|&(number, _)| number == bucket).map_or(0, |(_, count)| count);
        let theirs = right.next_if(|&(number, _)| number == bucket).map_or(0, |(_, count)| count);
        let count = join(ours, theirs);
        if count > 0 {
            joined.push((bucket, count));
        }
    }
}

#[cfg(test)]
mod tests;
