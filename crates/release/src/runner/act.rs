//! Doing what the machine wants. Each action is done in a task of its own, which the reconciler may drop at any moment:
//! whatever was done by then is found again by looking, and doing it twice does no harm.

use super::app::{AppRunner, Finished};
use super::observe::expected;
use super::telling::{ShadowsOf, Telling, UsersOf};
use crate::book::Release;
use crate::controller::Context;
use crate::failpoint::Deed;
use crate::gate::{GateContext, LiveSide, Shadows};
use crate::machine::{Action, ActionRequest, ActionResult, Copying, State};
use crate::plan::{Component, Plan, PlannedPreview, shadow_id};
use crate::switch::{Position, Switch, SwitchError, Write, owned_at, upstream_value};
use crate::target::{EnvironmentDriver, EnvironmentSpec, EnvironmentStatus, TargetError};
use model::colour::Colour;
use model::overlay::Owned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A write that takes longer than this is given up and tried again, whatever the policy says.
const MAX_WRITE_MS: u64 = 30_000;

/// What a controller says that woke up too late. Nobody reads it: its entry is refused as well.
const LATE: &str = "another controller acts now";

/// Everything that an action needs, by value: it outlives the pass that began it.
pub(super) struct Work {
    pub(super) context: Arc<Context>,
    pub(super) plan: Plan,
    pub(super) component: Component,
    /// The new version's share as last written, percent.
    pub(super) share: u8,
    copying: Option<Copying>,
    expected: Vec<Owned>,
    statuses: BTreeMap<Colour, EnvironmentStatus>,
    fence: u64,
    /// Nothing of this release was ever written.
    untouched: bool,
}

impl AppRunner {
    pub(super) fn begin_action(
        &self,
        release: &Arc<Release>,
        state: &State,
        request: &ActionRequest,
    ) -> JoinHandle<()> {
        let (results, request) = (self.results.0.clone(), request.clone());
        let work = self.work(release, state);
        let release = release.folded.release.clone();
        tokio::spawn(async move {
            let result = match work {
                Some(work) => {
                    let deed = || Deed::Action { id: request.id.clone(), kind: request.action.name() };
                    work.context.settings.failpoints.around(deed, work.perform(&request)).await
                }
                None => ActionResult::Failed { why: "the plan has no component".to_owned() },
            };
            let _ = results.send(Finished { release, id: request.id, result }).await;
        })
    }

    fn work(&self, release: &Arc<Release>, state: &State) -> Option<Work> {
        let plan = release.folded.plan.clone()?;
        let component = plan.lead()?.clone();
        let specs = [Some(&component.new), component.old_environment()].into_iter().flatten();
        let statuses =
            specs.filter_map(|spec| Some((spec.colour, self.environments.status(spec)?.clone()))).collect();
        Some(Work {
            context: Arc::clone(&self.context),
            expected: expected(&plan, &component, &State { pending: None, ..state.clone() }),
            share: state.share(),
            copying: state.copying,
            plan,
            component,
            statuses,
            fence: self.fence,
            untouched: state.first_revision.is_none(),
        })
    }
}

impl Work {
    async fn perform(&self, request: &ActionRequest) -> ActionResult {
        match &request.action {
            Action::Provision => self.provision().await,
            Action::SetShare { rehearses: Some(share), overwrite, .. } => {
                self.write(Position::Rehearsed(*share), *overwrite).await
            }
            Action::SetShare { share, overwrite, hold: Some(number), .. } => {
                self.move_held(*share, *overwrite, *number).await
            }
            Action::SetShare { share, overwrite, hold: None, .. } => {
                self.write(Position::Share(*share), *overwrite).await
            }
            Action::Copy { gate, number } => {
                self.write(Position::Copied { gate: *gate, number: *number }, false).await
            }
            Action::Restore => self.write(Position::Before, true).await,
            Action::CleanUp { overwrite } => self.write(Position::Committed, *overwrite).await,
            Action::RunGate { gate, .. } => self.run_gate(*gate, &request.id).await,
            Action::StopOld => self.stop(self.component.old_environment()).await,
            Action::StopNew => self.stop(Some(&self.component.new)).await,
            Action::ReduceOld { instances } => self.reduce(*instances).await,
        }
    }

    async fn provision(&self) -> ActionResult {
        if self.untouched && self.serves(self.component.new.colour).await != Some(false) {
            let colour = self.component.new.colour;
            return failed(format!(
                "the {colour} environment gets user traffic, or nobody knows; it is not touched"
            ));
        }
        match self.driver(&self.component.new).await {
            Ok(driver) => done(driver.provision(&self.component.new).await),
            Err(late) => late,
        }
    }

    pub(super) async fn write(&self, position: Position, overwrite: bool) -> ActionResult {
        self.write_expecting(position, &self.expected, overwrite).await
    }

    /// Writes over a position that this release itself has just written.
    pub(super) async fn write_over(&self, known: Position, position: Position) -> ActionResult {
        let known = [owned_at(&self.plan, &self.component, known)];
        self.write_expecting(position, &known, false).await
    }

    async fn write_expecting(&self, position: Position, expected: &[Owned], overwrite: bool) -> ActionResult {
        let endpoints = self.endpoints(position);
        let write = Write {
            plan: &self.plan,
            component: &self.component,
            position,
            expected,
            overwrite,
            endpoints: &endpoints,
            fence: self.fence,
        };
        let limit = Duration::from_millis(self.plan.apply_timeout_ms.min(MAX_WRITE_MS));
        match timeout(limit, self.context.switch.apply(&write)).await {
            Ok(Ok(applied)) => {
                ActionResult::Written { revision: applied.revision, overwrote: applied.overwrote }
            }
            Ok(Err(SwitchError::Foreign { diff, .. })) => ActionResult::Foreign { diff },
            Ok(Err(error)) => failed(words(&error)),
            Err(_) => failed(format!("the store did not answer within {} ms", limit.as_millis())),
        }
    }

    /// The upstreams to write along; on the way back only the old one's, because the new one is not needed.
    fn endpoints(&self, position: Position) -> BTreeMap<Colour, Value> {
        let new = (position != Position::Before).then_some(&self.component.new);
        let old = self.component.old_environment();
        [new, old]
            .into_iter()
            .flatten()
            .filter_map(|spec| {
                let status = self.statuses.get(&spec.colour);
                Some((spec.colour, upstream_value(spec, status, self.plan.drain_timeout_ms)?))
            })
            .collect()
    }

    async fn run_gate(&self, gate: usize, id: &str) -> ActionResult {
        let Some(gate) = self.plan.gates.get(gate) else {
            return failed(format!("the plan has no gate {gate}"));
        };
        let Some(runner) = (self.context.gates)(&gate.check) else {
            return failed(format!("gate {} cannot be run by a program", gate.name));
        };
        if !self.context.still_acts(self.fence).await {
            return failed(LATE.to_owned());
        }
        let settings = &self.context.settings;
        let progress = Telling::begin(&self.context, &self.plan.release);
        let folder = id.rsplit('/').next().unwrap_or("0");
        let context = GateContext {
            app: self.component.app.clone(),
            service: self.component.service.clone(),
            release: self.plan.release.clone(),
            version: self.component.new.version.clone(),
            colour: self.component.new.colour,
            scheme: self.component.new.scheme_for_gates().to_owned(),
            instances: self.instances(self.component.new.colour),
            gateway: self.context.gateways().await.ok().and_then(|gateways| gateways.listener()),
            preview: self.plan.preview.as_ref().and_then(PlannedPreview::request_header),
            host: self.component.host.clone(),
            output_dir: settings
                .data_dir
                .join("releases")
                .join(&self.plan.release)
                .join(format!("{folder}-{}", file_name(&gate.name))),
            base_dir: self.component.new.base_dir.clone().into(),
            timeout_ms: gate.timeout_ms,
            live: self.live_side(),
            shadows: self.shadows(),
            progress: progress.of_gate(&gate.name),
        };
        ActionResult::Gate { outcome: runner.run(&context).await }
    }

    /// The version that users have, for gates that compare.
    fn live_side(&self) -> Option<LiveSide> {
        let old = self.component.old.as_ref()?;
        let (context, app, colour) = (Arc::clone(&self.context), self.component.app.clone(), old.colour);
        Some(LiveSide {
            colour,
            version: old.version.clone(),
            scheme: old.environment.as_ref().map_or("http", EnvironmentSpec::scheme).to_owned(),
            instances: self.instances(colour),
            users: Arc::new(UsersOf { context, app, colour }),
        })
    }

    /// The copies that are made for a gate now.
    fn shadows(&self) -> Option<Arc<dyn Shadows>> {
        let id = shadow_id(&self.plan, self.copying?.number);
        Some(Arc::new(ShadowsOf { context: Arc::clone(&self.context), id }))
    }

    fn instances(&self, colour: Colour) -> Vec<(String, u16)> {
        let instances = self.statuses.get(&colour).into_iter().flat_map(|status| &status.instances);
        let known = instances.filter(|instance| instance.port != 0);
        known.map(|instance| (instance.host.clone(), instance.port)).collect()
    }

    async fn stop(&self, spec: Option<&EnvironmentSpec>) -> ActionResult {
        let Some(spec) = spec else { return ActionResult::Done };
        if self.serves(spec.colour).await != Some(false) {
            return failed(format!("the {} environment gets user traffic, or nobody knows", spec.colour));
        }
        match self.driver(spec).await {
            Ok(driver) => done(driver.stop(spec).await),
            Err(late) => late,
        }
    }

    async fn reduce(&self, instances: u16) -> ActionResult {
        let Some(spec) = self.component.old_environment() else { return ActionResult::Done };
        if self.serves(spec.colour).await != Some(false) {
            return failed(format!("the {} environment gets user traffic, or nobody knows", spec.colour));
        }
        match self.driver(spec).await {
            Ok(driver) => done(driver.scale(spec, instances).await),
            Err(late) => late,
        }
    }

    /// What changes an environment, handed out at the last moment.
    async fn driver(&self, spec: &EnvironmentSpec) -> Result<Arc<dyn EnvironmentDriver>, ActionResult> {
        match self.context.still_acts(self.fence).await {
            true => Ok(self.context.drivers.of(&spec.target)),
            false => Err(failed(LATE.to_owned())),
        }
    }

    /// Whether users reach a colour, looked up at the last moment; `None`: not known.
    async fn serves(&self, colour: Colour) -> Option<bool> {
        let seen = self.context.switch.observe(&self.plan, &self.component).await.ok()?;
        Some(seen.serving.contains(&colour))
    }
}

/// The last lines of the new environment's logs.
pub(super) async fn last_log_lines(context: &Context, release: &Release, lines: usize) -> Vec<String> {
    let Some(component) = release.folded.plan.as_ref().and_then(Plan::lead) else { return Vec::new() };
    let driver = context.drivers.of(&component.new.target);
    let asked = timeout(Duration::from_secs(2), driver.last_log_lines(&component.new, lines)).await;
    asked.unwrap_or_default()
}

fn done(result: Result<(), TargetError>) -> ActionResult {
    match result {
        Ok(()) => ActionResult::Done,
        Err(error) => failed(words(&error)),
    }
}

fn failed(why: String) -> ActionResult {
    ActionResult::Failed { why }
}

fn words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A gate's name as part of a file's.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
