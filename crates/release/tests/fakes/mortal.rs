//! Controllers that end without a word, or stop for a while, at a failpoint. Time is the test's.

use super::{FakeDriver, Site, ann};
use async_trait::async_trait;
use model::colour::upstream_id;
use model::resource::{Kind, Resource, Revision};
use release::controller::{Controller, Settings, StartRequest};
use release::failpoint::{Deed, Failpoints, Point};
use release::target::{EnvironmentDriver, EnvironmentSpec, EnvironmentStatus, TargetError};
use release::view::ReleaseView;
use serde_json::Value;
use std::future::Future;
use std::sync::{Arc, Mutex};
use store::{Committed, JournalEntry, Lease, Report, Result, Snapshot, Store, Write};
use tokio::sync::watch;

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

/// Runs a test in a thread of its own time: nothing waits really, and everything happens in one order.
pub(crate) fn simulated<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        release::clock::simulate(START_MS);
        test.await
    })
}

/// How a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pulse {
    Beats,
    /// As after SIGSTOP.
    Stopped,
    /// As after `kill -9`.
    Dead,
}

/// What becomes of a controller at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blow {
    Dies,
    Stops,
}

/// A kind of point, and the how many-th of it, from 0.
pub(crate) type Place = (String, usize);

/// What is done and on which side of it: without the number that tells it from others of its kind, because what two
/// tasks write at the same time comes now in this order, now in that.
pub(crate) fn kind_of(point: &Point) -> String {
    let side = point.side;
    match &point.deed {
        Deed::Entry { release, kind, .. } => format!("{side:?} entry {kind} of {release}"),
        Deed::Action { id, kind } => {
            let release = id.split('/').next().unwrap_or_default();
            format!("{side:?} action {kind} of {release}")
        }
        Deed::Write { of, what } => format!("{side:?} write {what} of {of}"),
        Deed::Process { instance, step } => format!("{side:?} process {} of {instance}", step.name()),
    }
}

/// What all controllers of a site did to the world outside.
#[derive(Default)]
pub(crate) struct Notes {
    /// Who changed an environment, in order.
    pub(crate) hands: Mutex<Vec<String>>,
    /// The service, each time that it was written.
    pub(crate) services: Mutex<Vec<Value>>,
    /// What must not be.
    pub(crate) violations: Mutex<Vec<String>>,
}

/// All that a controller reaches, and where it is hit.
struct Life {
    pulse: watch::Sender<Pulse>,
    reached: Mutex<Vec<Point>>,
    hit: Mutex<Option<(Place, Blow)>>,
    recording: Mutex<bool>,
}

impl Life {
    /// Whatever reaches out of the process goes through here.
    async fn beats(&self) {
        let _ = self.pulse.subscribe().wait_for(|pulse| *pulse == Pulse::Beats).await;
    }

    async fn reach(&self, point: Point) {
        if *self.recording.lock().unwrap() {
            let mut reached = self.reached.lock().unwrap();
            let kind = kind_of(&point);
            let times = reached.iter().filter(|known| kind_of(known) == kind).count();
            reached.push(point);
            let mut hit = self.hit.lock().unwrap();
            if let Some((_, blow)) = hit.take_if(|(place, _)| *place == (kind.clone(), times)) {
                self.pulse.send_replace(if blow == Blow::Dies { Pulse::Dead } else { Pulse::Stopped });
            }
        }
        self.beats().await;
    }
}

/// A controller in its place: what it does to the store and to environments can end at any await.
pub(crate) struct Mortal {
    pub(crate) controller: Controller,
    life: Arc<Life>,
    _shutdown: watch::Sender<bool>,
}

impl Mortal {
    /// Another controller on the site's store.
    pub(crate) fn begin(site: &Site, instance: &str) -> Mortal {
        let life = Arc::new(Life {
            pulse: watch::Sender::new(Pulse::Beats),
            reached: Mutex::default(),
            hit: Mutex::default(),
            recording: Mutex::new(false),
        });
        let told = Arc::clone(&life);
        let hook = move |point| {
            let life = Arc::clone(&told);
            Box::pin(async move { life.reach(point).await }) as _
        };
        let (inner, notes) = (Arc::clone(&site.store), Arc::clone(&site.notes));
        let store = Arc::new(MortalStore { inner, notes, life: Arc::clone(&life) });
        let driver = Arc::new(MortalDriver {
            inner: Arc::clone(&site.driver),
            store: Arc::clone(&site.store),
            notes: Arc::clone(&site.notes),
            life: Arc::clone(&life),
            name: instance.to_owned(),
        });
        let settings = Settings {
            live_within_ms: 500,
            failpoints: Failpoints::told_to(Arc::new(hook)),
            ..site.settings_of(instance)
        };
        let (shutdown, stopped) = watch::channel(false);
        let controller = site.controller_of(store, driver, settings, stopped);
        Mortal { controller, life, _shutdown: shutdown }
    }

    /// From now on its points count, and it is hit at one of them.
    pub(crate) fn record(&self, hit: Option<(Place, Blow)>) {
        *self.life.recording.lock().unwrap() = true;
        *self.life.hit.lock().unwrap() = hit;
    }

    pub(crate) fn reached(&self) -> Vec<Point> {
        self.life.reached.lock().unwrap().clone()
    }

    pub(crate) fn is_hit(&self) -> bool {
        *self.life.pulse.borrow() != Pulse::Beats
    }

    /// It goes on after it was stopped.
    pub(crate) fn wake(&self) {
        self.life.pulse.send_replace(Pulse::Beats);
    }

    /// What it answers, unless it is hit before.
    async fn ask<T>(&self, question: impl Future<Output = T>) -> Option<T> {
        let mut pulse = self.life.pulse.subscribe();
        tokio::select! {
            biased;
            _ = pulse.wait_for(|pulse| *pulse != Pulse::Beats) => None,
            answer = question => Some(answer),
        }
    }

    pub(crate) async fn get(&self, id: &str) -> Option<ReleaseView> {
        self.ask(self.controller.get(id)).await?.ok()
    }

    /// Asks for a release; `None`: nobody said that it is there.
    pub(crate) async fn start(&self, version: &str, rehearsal: bool) -> Option<String> {
        let (app, version) = ("shop".to_owned(), version.to_owned());
        let request = StartRequest { app, version, rehearsal, ..StartRequest::default() };
        self.ask(self.controller.start(request, &ann())).await?.ok()
    }

    /// A person's wish; whether it was acknowledged.
    pub(crate) async fn wish(&self, wish: Wish, id: &str) -> bool {
        let acknowledged = match wish {
            Wish::Abort => {
                self.ask(self.controller.abort(id, "enough", &ann())).await.map(|done| done.is_ok())
            }
            Wish::Promote => self.ask(self.controller.promote(id, &ann())).await.map(|done| done.is_ok()),
        };
        acknowledged == Some(true)
    }
}

/// What people want of a release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    Abort,
    Promote,
}

/// A store that a controller reaches only while it lives.
struct MortalStore {
    inner: Arc<dyn Store>,
    notes: Arc<Notes>,
    life: Arc<Life>,
}

#[async_trait]
impl Store for MortalStore {
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Resource>>> {
        self.life.beats().await;
        self.inner.get(kind, id).await
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Arc<Resource>>> {
        self.life.beats().await;
        self.inner.list(kind).await
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        self.life.beats().await;
        self.inner.snapshot().await
    }

    async fn commit(&self, writes: Vec<Write>, fence: Option<(&str, u64)>) -> Result<Committed> {
        self.life.beats().await;
        let services = writes.iter().filter_map(|write| match write {
            Write::Put { kind: Kind::Service, value, .. } => Some(value.clone()),
            _ => None,
        });
        let services: Vec<Value> = services.collect();
        let committed = self.inner.commit(writes, fence).await?;
        self.notes.services.lock().unwrap().extend(services);
        Ok(committed)
    }

    fn watch(&self) -> watch::Receiver<Revision> {
        self.inner.watch()
    }

    async fn append(&self, release: &str, lease: &str, fence: u64, entry: JournalEntry) -> Result<()> {
        self.life.beats().await;
        self.inner.append(release, lease, fence, entry).await
    }

    async fn journal_after(&self, release: &str, seq: u64) -> Result<Vec<JournalEntry>> {
        self.life.beats().await;
        self.inner.journal_after(release, seq).await
    }

    async fn releases(&self) -> Result<Vec<String>> {
        self.life.beats().await;
        self.inner.releases().await
    }

    fn watch_journals(&self) -> watch::Receiver<u64> {
        self.inner.watch_journals()
    }

    async fn acquire(&self, name: &str, holder: &str, ttl_ms: u64, now_ms: i64) -> Result<Option<Lease>> {
        self.life.beats().await;
        self.inner.acquire(name, holder, ttl_ms, now_ms).await
    }

    async fn release_lease(&self, name: &str, fence: u64) -> Result<()> {
        self.life.beats().await;
        self.inner.release_lease(name, fence).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        self.life.beats().await;
        self.inner.lease(name).await
    }

    async fn report(&self, report: Report) -> Result<()> {
        self.life.beats().await;
        self.inner.report(report).await
    }

    async fn reports(&self) -> Result<Vec<Report>> {
        self.life.beats().await;
        self.inner.reports().await
    }

    async fn forget(&self, instance: &str) -> Result<()> {
        self.life.beats().await;
        self.inner.forget(instance).await
    }

    fn watch_reports(&self) -> watch::Receiver<u64> {
        self.inner.watch_reports()
    }
}

/// Environments that a controller reaches only while it lives; who changes them is noted.
struct MortalDriver {
    inner: Arc<FakeDriver>,
    store: Arc<dyn Store>,
    notes: Arc<Notes>,
    life: Arc<Life>,
    name: String,
}

impl MortalDriver {
    async fn change(&self) {
        self.life.beats().await;
        self.notes.hands.lock().unwrap().push(self.name.clone());
    }

    /// What serves at this moment must not go.
    async fn lessen(&self, spec: &EnvironmentSpec) {
        self.change().await;
        let service = self.store.get(Kind::Service, "shop").await.unwrap().unwrap();
        if serving(&service.value).contains(&upstream_id("shop", spec.colour)) {
            let what = format!("{} {} is stopped while it serves", spec.colour, spec.version);
            self.notes.violations.lock().unwrap().push(what);
        }
    }
}

#[async_trait]
impl EnvironmentDriver for MortalDriver {
    async fn check(&self, spec: &EnvironmentSpec) -> std::result::Result<(), TargetError> {
        self.life.beats().await;
        self.inner.check(spec).await
    }

    async fn provision(&self, spec: &EnvironmentSpec) -> std::result::Result<(), TargetError> {
        self.change().await;
        self.inner.provision(spec).await
    }

    async fn observe(&self, spec: &EnvironmentSpec) -> EnvironmentStatus {
        self.life.beats().await;
        self.inner.observe(spec).await
    }

    async fn scale(&self, spec: &EnvironmentSpec, instances: u16) -> std::result::Result<(), TargetError> {
        self.lessen(spec).await;
        self.inner.scale(spec, instances).await
    }

    async fn stop(&self, spec: &EnvironmentSpec) -> std::result::Result<(), TargetError> {
        self.lessen(spec).await;
        self.inner.stop(spec).await
    }

    async fn last_log_lines(&self, spec: &EnvironmentSpec, lines: usize) -> Vec<String> {
        self.life.beats().await;
        self.inner.last_log_lines(spec, lines).await
    }
}

/// The colours that get user traffic by a service, and no others.
fn serving(service: &Value) -> Vec<String> {
    let rules = service.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
    let shares = rules.into_iter().flatten().find(|rule| rule.get("match").is_none());
    let default = service["upstream_id"].as_str();
    let of_rule = |rule: &Value| -> Vec<String> {
        let choices = rule["weighted_upstreams"].as_array().into_iter().flatten();
        let weighted = choices.filter(|choice| choice["weight"].as_u64() != Some(0));
        weighted.filter_map(|choice| choice["upstream_id"].as_str().or(default).map(str::to_owned)).collect()
    };
    shares.map_or_else(|| default.map(str::to_owned).into_iter().collect(), of_rule)
}
