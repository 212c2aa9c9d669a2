//! The hold: while a share moves, requests wait until the colour that they would have gone to has finished others.
//!
//! A hold stands in the rule of a split ([`model::traffic_split::HoldRule`]), so it comes and goes with a table. On each
//! thread it begins with the swap to a table that has it, and ends with the swap to one that has it no more, or when its
//! budget is over: then the thread lets everyone go on by itself, whoever wrote the hold and then died. A hold that
//! has ended on a thread never begins there again, and one that stood already when the gateway started never begins:
//! nobody knows how old it is.
//!
//! [`Tally`] counts the requests that a hold waits for. It counts on the routes of apps whose policy has a hold, also
//! while none is in force; elsewhere nothing is counted.

mod tally;
mod waiting;

pub(crate) use tally::{Counted, Tallies};
pub(crate) use waiting::{Passed, Waiting, asked, wait};

use crate::per_thread::PerThread;
use model::traffic_split::HoldRule;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use telemetry::histogram::Histogram;
use telemetry::report::HoldReport;
use telemetry::sketch::Sketch;
use tokio::sync::Notify;

/// Holds that are still reported when they are over; a release makes one with each move of a share.
const MAX_RECENT: usize = 8;

/// How far a hold is on a thread.
const AHEAD: u8 = 0;
const HOLDING: u8 = 1;
const OVER: u8 = 2;
/// Over because its budget was.
const LAPSED: u8 = 3;
/// Over before it could begin: it stood already when the gateway did.
const STOOD: u8 = 4;

/// One hold, on all threads.
#[derive(Debug)]
pub struct Hold {
    /// What the rule says.
    pub(crate) rule: HoldRule,
    tallies: Arc<Tallies>,
    /// It watches the tallies: it is not over on all threads yet.
    watches: AtomicBool,
    /// Requests that wait now, and the memory that they take.
    waiting: AtomicU64,
    waiting_bytes: AtomicU64,
    threads: PerThread<Thread>,
}

/// What one thread knows of a hold. Only this thread writes it.
#[derive(Debug, Default)]
struct Thread {
    state: AtomicU8,
    /// Requests that waited to the end, went away meanwhile or ran out of time, or did not wait because too many did.
    waited: AtomicU64,
    left: AtomicU64,
    passed: AtomicU64,
    longest_us: AtomicU64,
    waits: Histogram,
}

impl Hold {
    fn new(rule: &HoldRule, tallies: &Arc<Tallies>, threads: usize, is_over: bool) -> Hold {
        let state = if is_over { STOOD } else { AHEAD };
        if !is_over {
            tallies.watch();
        }
        Hold {
            rule: rule.clone(),
            tallies: Arc::clone(tallies),
            watches: AtomicBool::new(!is_over),
            waiting: AtomicU64::new(0),
            waiting_bytes: AtomicU64::new(0),
            threads: PerThread::new(threads, |_| Thread { state: AtomicU8::new(state), ..Thread::default() }),
        }
    }

    /// Begins on a thread, unless it has been there. Says whether it did.
    fn begin(&self, thread: usize) -> bool {
        self.threads.get(thread).state.compare_exchange(AHEAD, HOLDING, AcqRel, Acquire).is_ok()
    }

    /// Ends on a thread. Says whether it was in force there.
    fn end(&self, thread: usize, lapsed: bool) -> bool {
        let was = self.threads.get(thread).state.load(Acquire);
        if was == HOLDING || was == AHEAD {
            self.threads.get(thread).state.store(if lapsed { LAPSED } else { OVER }, Release);
        }
        if self.states().all(|state| state >= OVER) {
            self.unwatch();
        }
        was == HOLDING
    }

    /// Once only: it is asked to end when its table goes, and again when its budget is over.
    fn unwatch(&self) {
        if self.watches.swap(false, AcqRel) {
            self.tallies.unwatch();
        }
    }

    fn is_holding(&self, thread: usize) -> bool {
        self.threads.get(thread).state.load(Relaxed) == HOLDING
    }

    fn states(&self) -> impl Iterator<Item = u8> {
        self.threads.iter().map(|thread| thread.state.load(Acquire))
    }

    /// Lets a request wait with so much memory, if there is room. On the request's thread only.
    fn admit(&self, thread: usize, bytes: u64) -> bool {
        let (count, memory) = (&self.waiting, &self.waiting_bytes);
        let fits = count.fetch_add(1, Relaxed) < u64::from(self.rule.max_requests);
        let has_room = memory.fetch_add(bytes, Relaxed).saturating_add(bytes) <= self.rule.max_bytes;
        if fits && has_room {
            return true;
        }
        self.leave(bytes);
        add(&self.threads.get(thread).passed, 1);
        false
    }

    fn leave(&self, bytes: u64) {
        self.waiting.fetch_sub(1, Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Relaxed);
    }

    /// A request has waited so long to the end, or went away or ran out of time meanwhile.
    fn waited(&self, thread: usize, us: Option<u64>) {
        let thread = self.threads.get(thread);
        match us {
            Some(us) => {
                thread.waits.record(us);
                thread.longest_us.store(thread.longest_us.load(Relaxed).max(us), Relaxed);
                add(&thread.waited, 1);
            }
            None => add(&thread.left, 1),
        }
    }

    fn report(&self) -> HoldReport {
        let sum = |of: fn(&Thread) -> &AtomicU64| self.threads.iter().map(|one| of(one).load(Relaxed)).sum();
        let mut waits = Sketch::default();
        self.threads.iter().for_each(|thread| waits.merge(&thread.waits.snapshot()));
        HoldReport {
            id: self.rule.id.clone(),
            over: self.states().all(|state| state >= OVER),
            lapsed: self.states().any(|state| matches!(state, LAPSED | STOOD)),
            stood_before: self.states().any(|state| state == STOOD),
            open: self.tallies.open(),
            waiting: self.waiting.load(Relaxed),
            waited: sum(|thread| &thread.waited),
            left: sum(|thread| &thread.left),
            passed: sum(|thread| &thread.passed),
            longest_us: self.threads.iter().map(|one| one.longest_us.load(Relaxed)).max().unwrap_or(0),
            waits,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.unwatch();
    }
}

/// Adds to a counter that only the calling thread writes.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

/// The holds of a gateway.
#[derive(Debug)]
pub struct Holds {
    threads: usize,
    recent: Mutex<VecDeque<Arc<Hold>>>,
    changed: Arc<Notify>,
}

impl Holds {
    pub(crate) fn new(threads: usize) -> Holds {
        Holds { threads, recent: Mutex::default(), changed: Arc::default() }
    }

    /// What is to be known of the newest holds, oldest first; those that are over included.
    #[must_use]
    pub fn reports(&self) -> Vec<HoldReport> {
        self.lock().iter().map(|hold| hold.report()).collect()
    }

    /// Returns when a thread has finished the last request that a hold waits for there.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Counters of what holds wait for.
    pub(crate) fn tallies(&self, requests: model::policy::HeldRequests) -> Arc<Tallies> {
        Arc::new(Tallies::new(requests, self.threads, &self.changed))
    }

    /// The hold of a rule: the known one, if its id is known. `is_over`: a new one does not begin any more.
    pub(crate) fn hold(&self, rule: &HoldRule, tallies: &Arc<Tallies>, is_over: bool) -> Arc<Hold> {
        let mut recent = self.lock();
        if let Some(known) = recent.iter().find(|hold| hold.rule.id == rule.id) {
            return Arc::clone(known);
        }
        let hold = Arc::new(Hold::new(rule, tallies, self.threads, is_over));
        while recent.len() >= MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&hold));
        hold
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Hold>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::policy::HeldRequests;
    use model::record::Answerer;
    use std::task::{Context, Poll, Waker};

    fn rule(id: &str) -> HoldRule {
        HoldRule {
            id: id.to_owned(),
            requests: HeldRequests::All,
            budget_ms: 1_000,
            max_requests: 1,
            max_bytes: 1,
        }
    }

    /// Whether the end of the last request of a thread is told.
    fn is_told(holds: &Holds, tallies: &Tallies) -> bool {
        drop(tallies.count(Answerer::Blue, 0));
        std::pin::pin!(holds.changed()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn an_old_hold_ends_no_watch_but_its_own() {
        let holds = Holds::new(2);
        let tallies = holds.tallies(HeldRequests::All);
        assert!(!is_told(&holds, &tallies));
        let old = holds.hold(&rule("old"), &tallies, false);
        assert!((0..2).all(|thread| old.begin(thread)) && is_told(&holds, &tallies));
        let new = holds.hold(&rule("new"), &tallies, false);
        for thread in 0..2 {
            assert!(old.end(thread, false) && new.begin(thread));
        }
        assert!(is_told(&holds, &tallies), "the old one has ended on all threads");
        assert!((0..2).all(|thread| !old.end(thread, true)));
        assert!(is_told(&holds, &tallies), "the old one's budget is over");
        holds.hold(&rule("stood already"), &tallies, true);
        assert!(is_told(&holds, &tallies));
        assert!(new.end(0, true) && is_told(&holds, &tallies) && new.end(1, false));
        assert!(!is_told(&holds, &tallies), "both are over");
    }
}
