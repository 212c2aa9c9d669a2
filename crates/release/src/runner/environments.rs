//! Looking after an app's environments: the live one always runs, and its upstream says where.

use super::app::PassError;
use super::observer::Observer;
use super::wanted::{Wanted, environments_of, wanted};
use crate::book::Release;
use crate::clock;
use crate::controller::Context;
use crate::plan::standing;
use crate::switch::{preview_rules, upstream_value};
use crate::target::{EnvironmentSpec, EnvironmentStatus};
use model::app::App;
use model::colour::{Colour, LABEL_DRAIN_TIMEOUT_MS, upstream_id};
use model::resource::{Kind, Revision};
use model::target::Target;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::StoreError;
use tokio::sync::watch;

/// The observers of an app's environments.
pub(super) struct Environments {
    context: Arc<Context>,
    app: String,
    observers: BTreeMap<Colour, Observer>,
    changed: watch::Sender<u64>,
    /// The live environments, as of this revision and this many releases.
    live: Option<(Revision, usize, Vec<EnvironmentSpec>)>,
    began_at_ms: i64,
}

impl Environments {
    pub(super) fn new(context: Arc<Context>, app: String) -> Environments {
        Environments {
            context,
            app,
            observers: BTreeMap::new(),
            changed: watch::Sender::new(0),
            live: None,
            began_at_ms: clock::now_ms(),
        }
    }

    /// Told whenever something is seen differently.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Looks after what should be looked after now.
    pub(super) async fn follow(&mut self, releases: &[Arc<Release>], fence: u64) -> Result<(), PassError> {
        let live = self.find_live(releases).await?;
        let wanted = wanted(releases.iter().map(|release| &release.folded), live.into_iter());
        let gone: Vec<Colour> = self
            .observers
            .iter()
            .filter(|(colour, observer)| {
                wanted.get(colour).is_none_or(|wanted| wanted.spec != *observer.spec())
            })
            .map(|(colour, _)| *colour)
            .collect();
        for colour in gone {
            if let Some(observer) = self.observers.remove(&colour) {
                observer.stop().await;
            }
        }
        for (colour, wanted) in &wanted {
            if !self.observers.contains_key(colour) {
                let observer = self.begin(wanted, fence);
                self.observers.insert(*colour, observer);
            }
        }
        self.sync_endpoints(&wanted, fence).await?;
        Ok(())
    }

    fn begin(&self, wanted: &Wanted, fence: u64) -> Observer {
        let adopt = wanted.runs.then(|| (Arc::clone(&self.context), fence));
        let driver = self.context.drivers.of(&wanted.spec.target);
        Observer::begin(driver, wanted.spec.clone(), adopt, self.changed.clone())
    }

    /// The environments that users reach now, by the service; read again only when something was written.
    async fn find_live(&mut self, releases: &[Arc<Release>]) -> Result<Vec<EnvironmentSpec>, StoreError> {
        let revision = *self.context.store.watch().borrow();
        if let Some((known, count, live)) = &self.live
            && *known == revision
            && *count == releases.len()
        {
            return Ok(live.clone());
        }
        let live = self.read_live(releases).await?;
        self.live = Some((revision, releases.len(), live.clone()));
        Ok(live)
    }

    async fn read_live(&self, releases: &[Arc<Release>]) -> Result<Vec<EnvironmentSpec>, StoreError> {
        let store = &self.context.store;
        let Some(app) = store.get(Kind::App, &self.app).await? else { return Ok(Vec::new()) };
        let Ok(app) = App::from_value(&app.value) else { return Ok(Vec::new()) };
        let resources = store.snapshot().await?.resources;
        let Some(standing) = standing(&app.service_id, &resources) else { return Ok(Vec::new()) };
        let environments = environments_of(releases.iter().map(|release| &release.folded));
        let base_dir = self.context.settings.base_dir.to_string_lossy();
        let default =
            standing.live(&app, &resources, &environments, &base_dir).and_then(|live| live.environment);
        let plans = releases.iter().filter_map(|release| release.folded.plan.as_ref());
        let previews: Vec<Value> = plans.flat_map(preview_rules).collect();
        let shared = standing.serving(&app.id, &app.target, &previews, &resources);
        let weighted = shared.into_iter().filter_map(|colour| environments.get(&colour).cloned());
        let mut live: Vec<EnvironmentSpec> = weighted.collect();
        live.extend(default.filter(|default| !live.iter().any(|spec| spec.colour == default.colour)));
        Ok(live)
    }

    /// Instances may be restarted on other ports, or be unready: the upstreams follow.
    async fn sync_endpoints(&self, wanted: &BTreeMap<Colour, Wanted>, fence: u64) -> Result<(), StoreError> {
        let mut endpoints = BTreeMap::new();
        let processes =
            wanted.values().filter(|wanted| wanted.runs && matches!(wanted.spec.target, Target::Process(_)));
        for wanted in processes {
            let colour = wanted.spec.colour;
            let Some(status) = self.status(&wanted.spec) else { continue };
            let id = upstream_id(&self.app, colour);
            let Some(stored) = self.context.store.get(Kind::Upstream, &id).await? else { continue };
            let drain = stored.value.pointer("/labels").and_then(|labels| labels.get(LABEL_DRAIN_TIMEOUT_MS));
            let drain_ms = drain.and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(0);
            endpoints
                .extend(upstream_value(&wanted.spec, Some(&status), drain_ms).map(|value| (colour, value)));
        }
        self.context.switch.sync_endpoints(&self.app, &endpoints, fence).await?;
        Ok(())
    }

    /// What is seen of an environment; `None`: nothing yet, or nothing lately.
    pub(super) fn status(&self, spec: &EnvironmentSpec) -> Option<EnvironmentStatus> {
        let observer = self.observers.get(&spec.colour).filter(|observer| observer.spec() == spec)?;
        observer.status(clock::now_ms())
    }

    /// What is seen of all of them.
    pub(super) fn statuses(&self) -> BTreeMap<Colour, EnvironmentStatus> {
        let now_ms = clock::now_ms();
        self.observers
            .iter()
            .filter_map(|(colour, observer)| Some((*colour, observer.status(now_ms)?)))
            .collect()
    }

    /// Whether the gateway may report ready: the live environments are, or had their time to become so.
    pub(super) fn settled(&self) -> bool {
        let Some((_, _, live)) = &self.live else { return false };
        let waited_ms = u64::try_from(clock::now_ms().saturating_sub(self.began_at_ms)).unwrap_or(0);
        live.iter().all(|spec| {
            let deadline_ms = match &spec.target {
                Target::Process(process) => process.readiness.deadline_ms,
                Target::Upstream(_) => 0,
            };
            waited_ms >= deadline_ms || self.status(spec).is_some_and(|status| status.ready)
        })
    }

    pub(super) async fn stop(&mut self) {
        for (_, observer) in std::mem::take(&mut self.observers) {
            observer.stop().await;
        }
    }
}
