//! All guards of a gateway.

use super::latch::{self, Latch};
use super::lease::Lease;
use super::{Guard, thread};
use crate::clock;
use model::traffic_split::GuardRule;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use telemetry::report::GuardReport;
use tokio::sync::Notify;

/// Who arms a guard is there: so long at least.
const ARMED_BY: Duration = Duration::from_secs(3);

/// Guards that are still told of when they are over.
const MAX_RECENT: usize = 8;

/// The guards of a gateway.
#[derive(Debug)]
pub struct Guards {
    /// Where their latches are; `None`: there is no such place, and no guard can be armed.
    directory: Option<PathBuf>,
    /// Request threads.
    threads: usize,
    /// What the gateway is called where trips are told of.
    name: OnceLock<String>,
    known: Mutex<Vec<Arc<Guard>>>,
    recent: Mutex<VecDeque<GuardReport>>,
    lease: Mutex<Lease>,
    /// A guard sends traffic back that the table does not send back yet.
    unsent: AtomicBool,
    changed: Notify,
    pub(super) bell: thread::Bell,
}

impl Guards {
    pub(crate) fn new(directory: Option<PathBuf>, threads: usize) -> Guards {
        Guards {
            directory,
            threads,
            name: OnceLock::new(),
            known: Mutex::default(),
            recent: Mutex::default(),
            lease: Mutex::new(Lease::GivenBack(clock::now())),
            unsent: AtomicBool::new(false),
            changed: Notify::new(),
            bell: thread::Bell::default(),
        }
    }

    /// What is to be known of them: those that are over, newest last, then those in force.
    #[must_use]
    pub fn reports(&self) -> Vec<GuardReport> {
        let known: Vec<GuardReport> = self.known().iter().map(|guard| guard.report()).collect();
        lock(&self.recent).iter().cloned().chain(known).collect()
    }

    /// Says what the gateway is called: a trip that is written down names who fired, whoever tells of it later. The first
    /// name counts.
    pub fn in_the_name_of(&self, gateway: &str) {
        let _ = self.name.set(gateway.to_owned());
    }

    /// Returns when a guard has fired.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether any is armed, so that the controller's lease matters.
    #[must_use]
    pub fn armed(&self) -> bool {
        self.known().iter().any(|guard| !guard.sends_back())
    }

    /// The controller's lease was seen: it ends so long from now, unless it is renewed.
    pub fn controller_has(&self, left: Duration) {
        let heard = clock::now();
        *lock(&self.lease) = Lease::Held { heard, until: heard + left };
    }

    /// The controller was seen to have given its lease back. The first such look counts.
    pub fn controller_has_left(&self) {
        let mut lease = lock(&self.lease);
        if let Lease::Held { .. } = *lease {
            *lease = Lease::GivenBack(clock::now());
        }
    }

    /// The guard of a rule: the known one, if its id is known; else it is armed. Only one caller at a time.
    pub(crate) fn arm(&self, rule: &GuardRule, service: &str) -> Arc<Guard> {
        if let Some(guard) = self.guard(&rule.id) {
            guard.follow(rule);
            return guard;
        }
        // Without any lock: a disk may take its time.
        let latch = match &self.directory {
            Some(directory) => Latch::arm(directory, &rule.id).map_err(|error| {
                format!("its latch in {} cannot be made: {error}; make room there", directory.display())
            }),
            None => Err("there is no data directory to keep its latch in".to_owned()),
        };
        let now = clock::now();
        if let Lease::Held { heard, until } = &mut *lock(&self.lease) {
            (*heard, *until) = (now, (*until).max(now + ARMED_BY));
        }
        let guard = Arc::new(Guard::new(rule, service, latch, self.threads, now));
        if guard.sends_back() {
            let state = guard.report().state;
            tracing::warn!(guard = rule.id, service, ?state, "traffic stays on the old version");
        }
        self.known().push(Arc::clone(&guard));
        self.bell.ring();
        guard
    }

    /// The guard with an id, if it is armed or has fired.
    pub(crate) fn guard(&self, id: &str) -> Option<Arc<Guard>> {
        self.known().iter().find(|guard| guard.id == id).cloned()
    }

    /// Ends all guards but these. On the first table, also the latches that nobody knows any more go.
    pub(crate) fn keep_only(&self, wanted: impl Fn(&str) -> bool, is_first: bool) {
        let mut over = Vec::new();
        self.known().retain(|guard| {
            let stays = wanted(&guard.id);
            if !stays {
                over.push(Arc::clone(guard));
            }
            stays
        });
        let over: Vec<GuardReport> = over.iter().map(|guard| guard.end()).collect();
        let mut recent = lock(&self.recent);
        recent.extend(over);
        while recent.len() > MAX_RECENT {
            recent.pop_front();
        }
        drop(recent);
        if let Some(directory) = self.directory.as_ref().filter(|_| is_first) {
            latch::remove_others(directory, wanted);
        }
    }

    /// Looks at all of them; those that have fired now.
    pub(super) fn look(&self, now: Instant, also_latches: bool) -> Vec<Arc<Guard>> {
        let lease = *lock(&self.lease);
        let name = self.name.get().map_or("", String::as_str);
        let known: Vec<Arc<Guard>> = self.known().clone();
        let fires = |guard: &Arc<Guard>| guard.look(lease, now, name) || also_latches && guard.follow_latch();
        let fired: Vec<Arc<Guard>> = known.into_iter().filter(fires).collect();
        if !fired.is_empty() {
            self.unsent.store(true, Release);
        }
        fired
    }

    /// Whether routes must be looked at although nothing in the configuration has changed; asked once.
    pub(crate) fn take_unsent(&self) -> bool {
        self.unsent.swap(false, AcqRel)
    }

    pub(super) fn tell(&self) {
        self.changed.notify_one();
    }

    fn known(&self) -> MutexGuard<'_, Vec<Arc<Guard>>> {
        lock(&self.known)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
