//! The guard: the armed rollback inside the gateway. It needs no controller, no store and no free disk.
//!
//! A guard stands in the rule of a service's split ([`model::traffic_split::GuardRule`]), so it is armed by the very
//! write that gives a new version its share, comes with a table, and goes with one. Its latch is made before the table
//! goes out ([`latch`]); where that cannot be done, the table keeps all of the service's traffic on the old version.
//!
//! A thread of its own ([`thread`]) looks every [`thread::LOOK`] at what the request threads have counted ([`sums`]),
//! and asks the bounds ([`bounds`]) and the lease ([`lease`]). When one is crossed, all traffic of the service goes to
//! the old version: first in memory, then the latch is written, then it is synced. What a crash leaves behind:
//!
//! * before all threads have swapped, or before the latch is written: nothing has happened. The gateway that starts
//!   again gives the new version its share, and needs the same evidence once more;
//! * after it was written, and not synced: the same if the machine died, for the gateway alone it is written;
//! * after that: the gateway starts with the traffic on the old version, before its first request.
//!
//! A trip outranks what the store says as long as that has a guard of the same id: the rollback's own write, or a new
//! release, ends it. Requests that a hold lets wait go on, to the old version; users who keep their version lose it;
//! who asks for the preview still gets it. Request threads know nothing of guards.

mod bounds;
mod compared;
mod latch;
mod lease;
mod registry;
mod side;
mod sums;
mod tallied;
mod thread;
mod users;

pub use registry::Guards;
pub(crate) use sums::Pair;
pub(crate) use thread::{Stop, watch};
pub(crate) use users::Seat;

use crate::table::Target;
use bounds::{Bounds, Crossed};
use judge::silence::Quiet;
use latch::Latch;
use lease::Lease;
use model::policy::MAX_ANSWER_CHECKS;
use model::resource::Revision;
use model::traffic_split::GuardRule;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use sums::{Counted, Sums};
use telemetry::report::{GuardReport, GuardState, GuardTrip, Waits};

/// One guard.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) id: String,
    service: String,
    /// The service's traffic is to be on the old version.
    sends_back: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// What the rule says.
    rule: GuardRule,
    state: GuardState,
    latch: Option<Arc<Latch>>,
    sums: Sums,
    bounds: Bounds,
    /// Of the old version and of the new one: since when it answers nothing, since when it ends no answer, and who waits.
    quiet: [Quiet; 2],
    endless: [Quiet; 2],
    waits: [Waits; 2],
    /// Request threads.
    threads: usize,
    /// When it was armed here.
    armed: Instant,
    /// When the first failure of the new version was seen, of each kind.
    first_failures: [Option<Instant>; 1 + MAX_ANSWER_CHECKS],
    concurrent: bool,
}

impl Guard {
    fn new(
        rule: &GuardRule,
        service: &str,
        latch: Result<Latch, String>,
        threads: usize,
        now: Instant,
    ) -> Guard {
        let (latch, why) = match latch {
            Ok(latch) => (Some(Arc::new(latch)), None),
            Err(why) => (None, Some(why)),
        };
        // A latch that cannot be read is no proof that it did not fire.
        let state = match latch.as_ref().map(|latch| latch.tripped()) {
            Some(Ok(None)) => GuardState::Armed,
            Some(Ok(Some(trip))) => GuardState::Tripped { trip: Box::new(trip) },
            Some(Err(error)) => GuardState::Refused { why: format!("its latch cannot be read: {error}") },
            None => GuardState::Refused { why: why.unwrap_or_default() },
        };
        Guard {
            id: rule.id.clone(),
            service: service.to_owned(),
            sends_back: AtomicBool::new(state != GuardState::Armed),
            inner: Mutex::new(Inner {
                rule: rule.clone(),
                state,
                latch,
                sums: Sums::default(),
                bounds: Bounds::new(rule, threads),
                quiet: Default::default(),
                endless: Default::default(),
                waits: Default::default(),
                threads,
                armed: now,
                first_failures: [None; 1 + MAX_ANSWER_CHECKS],
                concurrent: false,
            }),
        }
    }

    /// Whether all traffic of its rule is to go to the old version.
    pub(crate) fn sends_back(&self) -> bool {
        self.sends_back.load(Acquire)
    }

    /// The rule has become this one. What was found stays, unless it was found under other bounds.
    fn follow(&self, rule: &GuardRule) {
        let mut inner = self.lock();
        if !Bounds::are_the_same(&inner.rule, rule) {
            inner.bounds = Bounds::new(rule, inner.threads);
        }
        inner.rule = rule.clone();
    }

    /// Also counts what comes on a route under a new table. The weights are those of the choices, in their order;
    /// `concurrent`: the old version has one; `former`: what has counted there before.
    pub(crate) fn count(
        &self,
        weights: &[u32],
        concurrent: bool,
        at: (&str, Revision),
        pair: Pair,
        former: Pair,
    ) {
        let mut inner = self.lock();
        inner.concurrent = concurrent;
        inner.sums.add(weights, at, pair, former);
    }

    /// Where the users of one of the choices are counted, as of the last [`Guard::count`]; `None`: they are not.
    pub(crate) fn seat(&self, is_new: bool) -> Option<Seat> {
        let inner = self.lock();
        Some(Seat::new(inner.bounds.users()?, is_new, inner.sums.stratum()))
    }

    /// Where the requests of both versions go.
    pub(crate) fn lead_to(&self, old: Vec<Arc<Target>>, new: Vec<Arc<Target>>) {
        self.lock().sums.lead_to(old, new);
    }

    /// Looks at what has come, and fires when a bound is crossed, in the name of its gateway. Says whether it did now.
    fn look(&self, lease: Lease, now: Instant, gateway: &str) -> bool {
        let inner = &mut *self.lock();
        if inner.state != GuardState::Armed {
            return false;
        }
        let wall_ms = crate::clock::unix_us() / 1_000;
        let counted = inner.sums.now(inner.concurrent, wall_ms);
        // The first place is that of requests that fail, the others are those of the checks.
        let kinds = std::iter::once(None).chain((0..MAX_ANSWER_CHECKS).map(Some));
        for (first, kind) in inner.first_failures.iter_mut().zip(kinds) {
            if counted.new.by(kind).failed > 0 {
                first.get_or_insert(now);
            }
        }
        let at_ms = u64::try_from(now.saturating_duration_since(inner.armed).as_millis()).unwrap_or(u64::MAX);
        inner.note_who_waits(at_ms, &counted);
        let crossed = inner.bounds.look(at_ms, &counted, |ms| inner.sums.usual(at_ms, ms));
        inner.sums.turn(inner.bounds.turn());
        let crossed = crossed.or_else(|| inner.sums.new_is_down().then(nodes_down));
        let Some(crossed) = crossed.or_else(|| lease.missing(&inner.rule, now).map(controller_missing))
        else {
            return false;
        };
        let trip = inner.trip(gateway, crossed, &counted, wall_ms, now);
        inner.state = GuardState::Tripped { trip: Box::new(trip) };
        self.sends_back.store(true, Release);
        true
    }

    /// All threads have swapped, so long after the bound was crossed.
    fn swapped(&self, after: Duration) {
        if let GuardState::Tripped { trip } = &mut self.lock().state {
            trip.swapped_in_us = u64::try_from(after.as_micros()).ok();
        }
    }

    /// Writes the trip down. Nobody waits for the disk meanwhile.
    fn latch(&self) {
        let (latch, state) = {
            let inner = self.lock();
            (inner.latch.clone(), inner.state.clone())
        };
        let GuardState::Tripped { trip } = state else { return };
        let latched = latch.map(|latch| latch.trip(&trip));
        if let Some(Err(error)) = &latched {
            tracing::error!(guard = self.id, %error, "the latch cannot be written: a restart forgets the trip");
        }
        let latched = matches!(latched, Some(Ok(())));
        if let GuardState::Tripped { trip } = &mut self.lock().state {
            trip.latched = latched;
        }
        tracing::warn!(
            guard = self.id,
            service = self.service,
            bound = trip.bound,
            evidence = trip.evidence.join("; "),
            swapped_in_us = trip.swapped_in_us,
            latched,
            "the guard has fired: all traffic is on the old version"
        );
    }

    /// Takes over a trip that another process has written down, which drains while this one begins. Says whether there
    /// is one.
    fn follow_latch(&self) -> bool {
        let inner = &mut *self.lock();
        if inner.state != GuardState::Armed {
            return false;
        }
        let Some(Ok(Some(trip))) = inner.latch.as_ref().map(|latch| latch.tripped()) else { return false };
        inner.state = GuardState::Tripped { trip: Box::new(trip) };
        self.sends_back.store(true, Release);
        true
    }

    /// Its rule is gone. Its latch goes, too; what it has to tell stays for a while.
    fn end(&self) -> GuardReport {
        let latch = {
            let mut inner = self.lock();
            inner.sums = Sums::default();
            inner.latch.take()
        };
        if let Some(latch) = latch {
            latch.remove();
        }
        self.report()
    }

    /// What it has to tell. A trip is one when all threads have swapped.
    fn report(&self) -> GuardReport {
        let inner = self.lock();
        let state = match &inner.state {
            GuardState::Tripped { trip } if trip.swapped_in_us.is_none() && !trip.latched => {
                GuardState::Armed
            }
            state => state.clone(),
        };
        GuardReport {
            id: self.id.clone(),
            service: self.service.clone(),
            state,
            evidence: inner.bounds.evidence(),
            waits: if inner.state == GuardState::Armed { inner.waits } else { Default::default() },
            failing_users: inner.bounds.failing(None),
            failing_by_check: (0..inner.rule.checks.len())
                .filter_map(|check| inner.bounds.failing(Some(check)))
                .collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note_who_waits(&mut self, at_ms: u64, counted: &Counted) {
        let both = self.quiet.iter_mut().zip(&mut self.endless).zip(&mut self.waits);
        for (((quiet, endless), waits), (heard, ended)) in
            both.zip(counted.heard().into_iter().zip(counted.ended()))
        {
            let judge::silence::Waits { requests, unanswered_ms } = quiet.look(at_ms, heard);
            let of_ends = endless.look(at_ms, ended);
            let (unended, unended_ms) = (of_ends.requests, of_ends.unanswered_ms);
            *waits = Waits { requests, unanswered_ms, unended, unended_ms };
        }
    }

    /// What is told of a bound that was crossed.
    fn trip(
        &self,
        gateway: &str,
        crossed: Crossed,
        counted: &Counted,
        wall_ms: i64,
        now: Instant,
    ) -> GuardTrip {
        let ms = |since: Instant| u64::try_from(now.saturating_duration_since(since).as_millis()).ok();
        let is_of_failures = !matches!(crossed.bound, "controller" | "nodes" | "hang" | "unended");
        let place = crossed.check.map_or(0, |check| check + 1);
        let first_failure = self.first_failures.get(place).copied().flatten();
        let first_failure = first_failure.filter(|_| is_of_failures && crossed.judged.is_none());
        let failed = || [counted.old.by(crossed.check), counted.new.by(crossed.check)];
        let [old, new] = crossed.judged.unwrap_or_else(failed);
        let mut evidence = crossed.evidence;
        let hindered = if crossed.is_unexamined { self.sums.hindered().words() } else { String::new() };
        if !hindered.is_empty() {
            evidence.push(format!("what kept checks from answers of the new version: {hindered}"));
        }
        GuardTrip {
            gateway: gateway.to_owned(),
            bound: crossed.bound.to_owned(),
            evidence,
            at_ms: wall_ms,
            old,
            new,
            e_value: crossed.e_value,
            found_in_ms: crossed.found_in_ms.or_else(|| first_failure.and_then(ms)),
            swapped_in_us: None,
            latched: false,
        }
    }
}

fn nodes_down() -> Crossed {
    let evidence = vec!["health checks have found all nodes of the new version down".to_owned()];
    Crossed::absolute("nodes", evidence)
}

fn controller_missing(words: String) -> Crossed {
    Crossed::absolute("controller", vec![words])
}

#[cfg(test)]
pub(crate) mod tests {
    use model::policy::{Hang, OnMissing};
    use model::traffic_split::GuardRule;

    /// The rule that a release writes by default.
    pub(crate) fn rule() -> GuardRule {
        GuardRule {
            id: "shop-1".to_owned(),
            new: "shop-green".to_owned(),
            max_error_ppm: Some(50_000),
            min_requests: 20,
            break_ppm: 250_000,
            hang: Some(Hang::default()),
            false_alarm_one_in: Some(1_000),
            checks: Vec::new(),
            check_false_alarm_one_in: None,
            unexamined_false_alarm_one_in: None,
            unended_false_alarm_one_in: Some(10_000),
            by_users: false,
            tolerance_percent: 120,
            controller_missing: OnMissing::Revert,
            missing_after_ms: 5_000,
            planned_restart_ms: 60_000,
        }
    }
}
