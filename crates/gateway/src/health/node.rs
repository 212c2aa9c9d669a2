//! What is known of one node of one upstream, shared by all threads.

use super::counters::{Counters, Event};
use crate::clock;
use crate::per_thread::PerThread;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A node of an upstream, as it is seen.
#[derive(Debug)]
pub(crate) struct NodeState {
    /// Whose node it is: `upstreams/ID`, `services/ID` or `routes/ID`.
    pub(crate) owner: Arc<str>,
    /// `host:port`.
    pub(crate) address: String,
    /// [`Counters`], packed.
    counters: AtomicU64,
    /// When it came up, milliseconds since `origin` and at least 1; 0: long ago.
    came_up_ms: AtomicU64,
    origin: Instant,
    /// Counts what can change how nodes of this upstream are picked.
    changes: Arc<AtomicU64>,
    last: Mutex<Change>,
    /// Why the last check failed; empty if it did not.
    last_error: Mutex<String>,
    loads: PerThread<Load>,
}

/// The last change of the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Milliseconds since the Unix epoch; 0: there was none.
    pub(crate) at_ms: i64,
    /// What was seen; empty: nothing yet.
    pub(crate) why: String,
}

/// What one thread has seen of a node. Only that thread writes it, so relaxed loads and stores are enough.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Requests that are open at it.
    pub(crate) open: AtomicU32,
    /// Its response time, decayed: the bits of an `f64`, microseconds.
    pub(crate) response_bits: AtomicU64,
    /// When that was last updated, microseconds since the origin and at least 1; 0: never.
    pub(crate) sampled_us: AtomicU64,
    /// What it is ahead of its share.
    pub(crate) ahead: AtomicI64,
}

impl NodeState {
    /// A healthy node; one that comes up `now` is given its share little by little where that is configured.
    pub(crate) fn new(
        owner: Arc<str>,
        address: String,
        changes: Arc<AtomicU64>,
        threads: usize,
        origin: Instant,
        comes_up: Option<Instant>,
    ) -> NodeState {
        let state = NodeState {
            owner,
            address,
            counters: AtomicU64::new(Counters::default().pack()),
            came_up_ms: AtomicU64::new(0),
            origin,
            changes,
            last: Mutex::default(),
            last_error: Mutex::default(),
            loads: PerThread::new(threads, |_| Load::default()),
        };
        if let Some(now) = comes_up {
            state.came_up(now);
        }
        state
    }

    /// Its status and counters now.
    pub(crate) fn counters(&self) -> Counters {
        Counters::unpack(self.counters.load(Relaxed))
    }

    /// The last change of its status.
    pub(crate) fn last_change(&self) -> Change {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the last check of it failed; empty if it did not.
    pub(crate) fn last_error(&self) -> String {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A check of it has failed for this reason, or it has not.
    pub(super) fn checked(&self, error: Option<String>) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        *last = error.unwrap_or_default();
    }

    /// What a thread has seen of it.
    pub(crate) fn load(&self, thread: usize) -> &Load {
        self.loads.get(thread)
    }

    /// How long it has been up, milliseconds; `None`: long enough that nobody asks.
    pub(crate) fn up_for_ms(&self, now: Instant) -> Option<u64> {
        let came_up_ms = self.came_up_ms.load(Relaxed);
        (came_up_ms != 0).then(|| self.since_origin_ms(now).saturating_sub(came_up_ms))
    }

    /// Its share is whole from now on.
    pub(crate) fn is_settled(&self) {
        self.came_up_ms.store(0, Relaxed);
    }

    /// Counts an event of which `limit` in a row change the status. `why` says what was seen.
    pub(crate) fn count(&self, event: Event, limit: u8, now: Instant, why: impl FnOnce() -> String) {
        let mut word = self.counters.load(Relaxed);
        loop {
            let before = Counters::unpack(word);
            let after = before.after(event, limit);
            if after == before {
                return;
            }
            match self.counters.compare_exchange_weak(word, after.pack(), AcqRel, Relaxed) {
                Ok(_) if after.status == before.status => return,
                Ok(_) => return self.changed(before, after, now, why()),
                Err(other) => word = other,
            }
        }
    }

    /// Forgets what was counted: nobody looks at it any more, so nothing is known.
    pub(crate) fn forget(&self) {
        self.checked(None);
        let fresh = Counters::default().pack();
        if self.counters.swap(fresh, AcqRel) != fresh {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Change::default();
            self.changes.fetch_add(1, AcqRel);
        }
    }

    fn changed(&self, before: Counters, after: Counters, now: Instant, why: String) {
        let (owner, node, status) = (&*self.owner, self.address.as_str(), after.status.name());
        match (before.status.is_up(), after.status.is_up()) {
            (true, false) => tracing::warn!(upstream = owner, node, status, why, "node is down"),
            (false, true) => {
                self.came_up(now);
                tracing::info!(upstream = owner, node, status, why, "node is up again");
            }
            _ => tracing::debug!(upstream = owner, node, status, why, "status of a node has changed"),
        }
        let change = Change { at_ms: clock::unix_us() / 1_000, why };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = change;
        self.changes.fetch_add(1, AcqRel);
    }

    fn came_up(&self, now: Instant) {
        self.came_up_ms.store(self.since_origin_ms(now).max(1), Relaxed);
        self.changes.fetch_add(1, AcqRel);
    }

    fn since_origin_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}
