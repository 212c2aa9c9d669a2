//! How many requests of the kind that is held are under way on each colour of a service.

use super::add;
use crate::per_thread::PerThread;
use http1::RequestHead;
use model::policy::HeldRequests;
use model::record::Answerer;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use tokio::sync::Notify;

/// Those of one service.
#[derive(Debug)]
pub(crate) struct Tallies {
    /// Which requests are counted.
    pub(crate) requests: HeldRequests,
    of: [Tally; 3],
    changed: Arc<Notify>,
    /// Holds that wait to hear of the last one. While a newer one takes the place of an older one, there are two.
    watched: AtomicUsize,
}

/// Of one answerer, on each thread.
#[derive(Debug)]
struct Tally {
    answerer: Answerer,
    open: PerThread<AtomicU64>,
}

/// A request that is counted while this is held.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    tallies: &'a Tallies,
    open: &'a AtomicU64,
}

impl Tallies {
    pub(super) fn new(requests: HeldRequests, threads: usize, changed: &Arc<Notify>) -> Tallies {
        let of = [Answerer::Blue, Answerer::Green, Answerer::Upstream];
        Tallies {
            requests,
            of: of.map(|answerer| Tally { answerer, open: PerThread::new(threads, |_| AtomicU64::new(0)) }),
            changed: Arc::clone(changed),
            watched: AtomicUsize::new(0),
        }
    }

    /// Whether a request is of the kind that waits and is waited for. One that asks for another protocol becomes a
    /// stream that may last for days.
    pub(crate) fn include(&self, head: &RequestHead) -> bool {
        self.requests.include(head.method()) && head.upgrade().is_none()
    }

    /// Counts a request that has claimed an answerer, on its own thread.
    pub(crate) fn count(&self, answerer: Answerer, thread: usize) -> Option<Counted<'_>> {
        let tally = self.of.iter().find(|tally| tally.answerer == answerer)?;
        let open = tally.open.get(thread);
        add(open, 1);
        Some(Counted { tallies: self, open })
    }

    /// While anybody watches, [`super::Holds::changed`] tells when a thread has none any more.
    pub(super) fn watch(&self) {
        self.watched.fetch_add(1, Release);
    }

    /// One that watched does so no more.
    pub(super) fn unwatch(&self) {
        self.watched.fetch_sub(1, Release);
    }

    /// How many are under way, by answerer.
    pub(super) fn open(&self) -> Vec<(Answerer, u64)> {
        let open = |tally: &Tally| tally.open.iter().map(|open| open.load(Acquire)).sum();
        self.of.iter().map(|tally| (tally.answerer, open(tally))).collect()
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let left = self.open.load(Relaxed).saturating_sub(1);
        self.open.store(left, Release);
        if left == 0 && self.tallies.watched.load(Relaxed) > 0 {
            self.tallies.changed.notify_one();
        }
    }
}
