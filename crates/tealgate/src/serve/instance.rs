//! What this process tells the others through the store: the revision that its gateway runs, and its counters.

use super::inheritance::Inheritance;
use super::server::addresses;
use crate::clock;
use gateway::Gateway;
use model::resource::Revision;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Report, Store};
use telemetry::health::HealthReport;
use telemetry::report::{GatewayReport, GuardReport, HoldReport, ShadowReport};
use telemetry::series::SeriesCounts;
use tokio::sync::watch;

/// How often the counters are reported while they change.
const COUNTERS_EVERY: Duration = Duration::from_millis(100);
/// How often a sign of life is given while nothing changes: this many of the intervals above.
const HEARTBEAT_INTERVALS: u32 = 10;

/// Nodes of upstreams with health checks that a report tells of; beyond it, healthy ones are left out first.
const MAX_HEALTH_NODES: usize = 256;

/// This process, as it reports itself.
pub(super) struct Instance {
    store: Arc<dyn Store>,
    id: String,
    role: &'static str,
    gateway: Option<Arc<Gateway>>,
    applied: watch::Sender<Option<Revision>>,
    started_at_ms: i64,
    /// Of the processes that handed over to this one.
    /// How the nodes of upstreams are, as it was last looked at.
    health: Mutex<HealthReport>,
    inheritance: Mutex<Inheritance>,
    /// Whether such a process may still be about to end.
    is_heir: bool,
    /// Whether it has handed over: what is left of others is this one's.
    in_charge: AtomicBool,
}

impl Instance {
    /// A new instance; nothing is reported yet. `is_heir`: another process hands over to this one.
    pub(super) fn new(
        store: Arc<dyn Store>,
        role: &'static str,
        gateway: Option<Arc<Gateway>>,
        is_heir: bool,
    ) -> Arc<Instance> {
        let started_at_ms = clock::now_ms();
        let id = format!("{role}-{}-{started_at_ms}", std::process::id());
        if let Some(gateway) = &gateway {
            gateway.guards().in_the_name_of(&id);
        }
        Arc::new(Instance {
            store,
            id,
            role,
            gateway,
            applied: watch::channel(None).0,
            started_at_ms,
            inheritance: Mutex::default(),
            health: Mutex::default(),
            is_heir,
            in_charge: AtomicBool::new(!is_heir),
        })
    }

    /// Another process has handed over to this one, for good.
    pub(super) fn takes_charge(&self) {
        self.in_charge.store(true, Relaxed);
    }

    /// Its id, unique per start of a process.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Forgets what earlier processes of this role on the same data directory said. They are dead: this one holds
    /// the lock. The one that hands over to this one is not.
    pub(super) async fn forget_the_dead(&self) {
        if self.is_heir {
            return;
        }
        let Ok(reports) = self.store.reports().await else { return };
        for report in reports.iter().filter(|report| report.role == self.role || self.role == "all") {
            if let Err(error) = self.store.forget(&report.instance).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "old report stays");
            }
        }
    }

    /// Says that every thread runs a revision.
    pub(super) async fn applied(&self, revision: Revision) {
        self.applied.send_replace(Some(revision));
        self.report(Some(revision), self.counters()).await;
    }

    /// The revision that every thread runs.
    pub(super) fn watch_applied(&self) -> watch::Receiver<Option<Revision>> {
        self.applied.subscribe()
    }

    /// Reports the counters whenever they changed, and a sign of life now and then, for ever.
    pub(super) async fn report_forever(&self) {
        let mut last = Default::default();
        let (mut quiet, mut looked, mut rounds, mut health_changes) = (0, 0, 0u32, 0);
        loop {
            tokio::select! {
                () = clock::pause(COUNTERS_EVERY) => {}
                // Someone waits for this one: a release whose requests are held.
                () = self.hold_changed() => {}
                // A guard has fired.
                () = self.guard_changed() => {}
            }
            rounds = rounds.wrapping_add(1);
            let changed =
                self.look_at_health(&mut health_changes, rounds.is_multiple_of(HEARTBEAT_INTERVALS));
            // The revision first: what is counted may be newer than it says, never older.
            let applied = *self.applied.borrow();
            let now = (self.counters(), self.holds(), self.guards());
            quiet += 1;
            looked += 1;
            if self.is_heir && self.in_charge.load(Relaxed) && looked >= HEARTBEAT_INTERVALS {
                looked = 0;
                self.inherit().await;
            }
            if changed || now != last || quiet >= HEARTBEAT_INTERVALS {
                quiet = 0;
                self.report(applied, now.0.clone()).await;
                last = now;
            }
        }
    }

    /// Looks how the nodes of upstreams are, if a status has changed or their counters may have. Tells the former.
    fn look_at_health(&self, before: &mut u64, counters: bool) -> bool {
        let Some(gateway) = &self.gateway else { return false };
        let changes = gateway.health_changes();
        let changed = std::mem::replace(before, changes) != changes;
        if changed || counters {
            *self.health() = gateway.health().bounded(MAX_HEALTH_NODES);
        }
        changed
    }

    fn health(&self) -> MutexGuard<'_, HealthReport> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes this instance off the list of the living.
    pub(super) async fn leave(&self) {
        if let Err(error) = self.store.forget(&self.id).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the report of this instance stays");
        }
    }

    /// Says for the last time what was counted, for the process that has taken over to add it to its own.
    pub(super) async fn bequeath(&self) {
        let applied = *self.applied.borrow();
        let mut detail = self.detail(self.counters());
        detail.ended = true;
        self.send(applied, &detail).await;
    }

    /// Takes over the counts of processes that handed over and have ended since. Whoever adds up all reports finds them
    /// once at any moment: this report names the instances that it contains.
    async fn inherit(&self) {
        let Ok(reports) = self.store.reports().await else { return };
        let ended: Vec<String> = {
            let mut inheritance = self.inheritance();
            let of_role = reports.iter().filter(|report| report.role == self.role);
            of_role.filter(|report| inheritance.take(report)).map(|report| report.instance.clone()).collect()
        };
        if ended.is_empty() {
            return;
        }
        let applied = *self.applied.borrow();
        self.report(applied, self.counters()).await;
        for instance in ended {
            if let Err(error) = self.store.forget(&instance).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "an old report stays");
            }
        }
    }

    fn inheritance(&self) -> MutexGuard<'_, Inheritance> {
        self.inheritance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters that releases need: those of the routes that lead to apps.
    fn counters(&self) -> Vec<SeriesCounts> {
        let Some(gateway) = &self.gateway else { return Vec::new() };
        let mut counters = gateway.series().snapshot_of_apps();
        counters.retain(|series| series.counts.received > 0);
        counters
    }

    /// The holds that releases wait for.
    fn holds(&self) -> Vec<HoldReport> {
        self.gateway.as_ref().map(|gateway| gateway.holds().reports()).unwrap_or_default()
    }

    /// Returns when the gateway has something to tell of a hold before the counters are due.
    async fn hold_changed(&self) {
        match &self.gateway {
            Some(gateway) => gateway.holds().changed().await,
            None => std::future::pending().await,
        }
    }

    /// The guards that releases rely on.
    fn guards(&self) -> Vec<GuardReport> {
        self.gateway.as_ref().map(|gateway| gateway.guards().reports()).unwrap_or_default()
    }

    /// What copies of requests have shown.
    fn shadows(&self) -> Vec<ShadowReport> {
        self.gateway.as_ref().map(|gateway| gateway.shadows().reports()).unwrap_or_default()
    }

    /// Returns when a guard of the gateway has fired.
    async fn guard_changed(&self) {
        match &self.gateway {
            Some(gateway) => gateway.guards().changed().await,
            None => std::future::pending().await,
        }
    }

    async fn report(&self, applied: Option<Revision>, counters: Vec<SeriesCounts>) {
        self.send(applied, &self.detail(counters)).await;
    }

    async fn send(&self, applied: Option<Revision>, detail: &GatewayReport) {
        let report = Report {
            instance: self.id.clone(),
            role: self.role.to_owned(),
            applied,
            at_ms: clock::now_ms(),
            detail: serde_json::to_value(detail).unwrap_or_default(),
        };
        if let Err(error) = self.store.report(report).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot report to the store");
        }
    }

    fn detail(&self, counters: Vec<SeriesCounts>) -> GatewayReport {
        let gateway = self.gateway.as_ref();
        let mut detail = GatewayReport {
            pid: std::process::id(),
            started_at_ms: self.started_at_ms,
            listen: gateway.map(|gateway| addresses(gateway, false)).unwrap_or_default(),
            series: counters,
            failures: gateway.map(|gateway| gateway.failures().snapshot()).unwrap_or_default(),
            ended: false,
            inherited: Vec::new(),
            health: self.health().clone(),
            holds: self.holds(),
            guards: self.guards(),
            shadows: self.shadows(),
        };
        self.inheritance().add_to(&mut detail);
        detail
    }
}
