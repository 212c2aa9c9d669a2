//! The counters of all keys, shared by all threads of the process: exact, whichever thread a request comes to.
//!
//! A key is known by 128 bits of hashes that only this process can make, so that a counter has a size, whatever a
//! client sends as its key. Each shard has a lock of its own that is held for one lookup. There is a bound: when a
//! shard is full, counters that are over are thrown out, and if none is, some other one, whose key then begins anew.

use super::window::{Counter, Limit, Verdict};
use foldhash::HashMap;
use foldhash::quality::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Many more than threads, so that two rarely want the same one.
const SHARDS: usize = 64;
/// Between two searches of a full shard for counters that are over.
const SEARCH_US: u64 = 1_000_000;

/// The counters.
pub(super) struct Counters {
    shards: Box<[Mutex<Shard>]>,
    most_per_shard: usize,
    hashers: [RandomState; 2],
    /// When time begins: with the first request.
    epoch: OnceLock<Instant>,
}

#[derive(Default)]
struct Shard {
    counters: HashMap<(u64, u64), Counter>,
    /// No counter is searched for that is over before this.
    next_search_us: u64,
}

impl Counters {
    /// Room for so many keys, at least one for each shard.
    pub(super) fn new(most_keys: usize) -> Counters {
        Counters {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most_per_shard: most_keys.div_ceil(SHARDS).max(1),
            hashers: [RandomState::default(), RandomState::default()],
            epoch: OnceLock::new(),
        }
    }

    /// Counts a request of a key; `scope` says whose key it is.
    pub(super) fn take(&self, scope: u64, key: &[u8], limit: &Limit, now: Instant) -> Verdict {
        let since = now.saturating_duration_since(*self.epoch.get_or_init(|| now));
        let now_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let [one, other] = &self.hashers;
        let key = (one.hash_one((scope, key)), other.hash_one((scope, key)));
        let shard = usize::try_from(key.0 >> 32).unwrap_or_default() % SHARDS;
        let Some(shard) = self.shards.get(shard) else {
            // There are as many shards as are counted with.
            return Verdict { passes: true, remaining: 0, reset_s: 0 };
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = shard.counters.get_mut(&key) {
            return counter.take(limit, now_us);
        }
        if shard.counters.len() >= self.most_per_shard {
            shard.make_room(now_us);
        }
        shard.counters.entry(key).or_insert_with(Counter::new).take(limit, now_us)
    }

    /// How many keys are counted.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().counters.len()).sum()
    }
}

impl Shard {
    fn make_room(&mut self, now_us: u64) {
        let before = self.counters.len();
        if now_us >= self.next_search_us {
            self.next_search_us = now_us.saturating_add(SEARCH_US);
            self.counters.retain(|_, counter| !counter.is_over(now_us));
        }
        if self.counters.len() == before
            && let Some(some) = self.counters.keys().next().copied()
        {
            self.counters.remove(&some);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit_count::window::WindowType;
    use proptest::prelude::*;
    use std::time::Duration;

    fn limit(count: u64) -> Limit {
        Limit { count, window_us: 60_000_000, window_type: WindowType::Fixed }
    }

    /// Any point in time will do: nothing here waits.
    fn start() -> Instant {
        testkit::clock::now()
    }

    #[test]
    fn keys_and_scopes_are_counted_apart() {
        let counters = Counters::new(1_000);
        let now = start();
        let passes = |scope, key: &str| counters.take(scope, key.as_bytes(), &limit(1), now).passes;
        assert!(passes(1, "a") && passes(1, "b") && passes(2, "a") && passes(1, ""));
        assert!(!passes(1, "a") && !passes(1, "b") && !passes(2, "a") && !passes(1, ""));
    }

    #[test]
    fn the_number_of_keys_is_bounded_and_those_that_are_over_go_first() {
        let counters = Counters::new(SHARDS * 4);
        let now = start();
        for key in 0..10_000u32 {
            assert!(
                counters.take(0, &key.to_le_bytes(), &limit(1), now).passes,
                "a full table refuses nobody"
            );
        }
        assert_eq!(counters.len(), SHARDS * 4);
        // All are over by now: the first key that needs room throws out its shard's.
        let later = now + Duration::from_secs(121);
        for key in 0..1_000u32 {
            counters.take(1, &key.to_le_bytes(), &limit(1), later);
        }
        assert!(counters.len() <= SHARDS * 4);
        let kept = (0..1_000u32).filter(|key| !counters.take(1, &key.to_le_bytes(), &limit(1), later).passes);
        assert!(kept.count() > 0, "the young ones stay");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn across_threads_exactly_as_many_pass_as_may(count in 1u64..300, threads in 2usize..5, requests in 1usize..200, keys in 1usize..4) {
            let counters = Counters::new(1_000);
            let now = start();
            let passed: Vec<usize> = std::thread::scope(|scope| {
                let one = || (0..keys).map(|key| {
                    (0..requests).filter(|_| counters.take(7, &[key as u8], &limit(count), now).passes).count()
                }).collect::<Vec<_>>();
                let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
                let of_threads: Vec<_> = running.into_iter().map(|thread| thread.join().unwrap()).collect();
                (0..keys).map(|key| of_threads.iter().map(|passed| passed[key]).sum()).collect()
            });
            let may = usize::try_from(count).unwrap().min(threads * requests);
            prop_assert!(passed.iter().all(|passed| *passed == may), "{passed:?} of {may}");
        }
    }
}
