//! One environment: its instances, and the changes that are made to them, one at a time.

use super::blueprint::Blueprint;
use super::check;
use super::claim::{Claim, claim, runs};
use super::instance::{Begin, Instance};
use super::record::Records;
use super::start::Live;
use crate::target::{EnvironmentSpec, EnvironmentStatus, InstanceState, InstanceStatus, TargetError};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One environment. What it remembers is only what runs under supervision; the rest is in the records.
#[derive(Debug)]
pub(super) struct Environment {
    /// Held during a change.
    change: tokio::sync::Mutex<()>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    blueprint: Arc<Blueprint>,
    instances: BTreeMap<u16, Instance>,
}

impl Environment {
    pub(super) fn new() -> Environment {
        Environment { change: tokio::sync::Mutex::new(()), running: Mutex::new(None) }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it as the blueprint says: other versions stopped, running instances adopted, missing ones started.
    ///
    /// # Errors
    /// When an instance must be started and the spec cannot work; when something cannot be stopped.
    pub(super) async fn provision(&self, blueprint: Arc<Blueprint>) -> Result<(), TargetError> {
        let _one_at_a_time = self.change.lock().await;
        let wanted = blueprint.target.instances;
        self.settle(&blueprint).await?;
        self.stop_from(&blueprint.spec, wanted).await?;
        let missing = self.adopt(&blueprint).await?;
        if missing.is_empty() && wanted > 0 {
            return Ok(());
        }
        let faults = check::faults(&blueprint.spec, &blueprint.target);
        if !faults.is_empty() {
            return Err(spec_error(&blueprint.spec, faults.join("; ")));
        }
        for (number, port) in missing {
            self.supervise(&blueprint, number, Begin::Start { port });
        }
        Ok(())
    }

    /// Keeps the first `instances` of those that run, and stops the others.
    ///
    /// # Errors
    /// When something cannot be stopped.
    pub(super) async fn scale(&self, blueprint: Arc<Blueprint>, instances: u16) -> Result<(), TargetError> {
        let _one_at_a_time = self.change.lock().await;
        if self.runs_another(&blueprint.spec) {
            return Ok(());
        }
        self.adopt(&blueprint).await?;
        self.stop_from(&blueprint.spec, instances).await
    }

    /// Stops everything of the spec's version. Another version in this environment is not touched: the order to stop
    /// a version may come late.
    ///
    /// # Errors
    /// When something cannot be stopped.
    pub(super) async fn stop(&self, blueprint: Arc<Blueprint>) -> Result<(), TargetError> {
        let _one_at_a_time = self.change.lock().await;
        if self.runs_another(&blueprint.spec) {
            return Ok(());
        }
        self.stop_from(&blueprint.spec, 0).await?;
        *self.running() = None;
        for number in blueprint.records.numbers() {
            let record = blueprint
                .records
                .read(number)
                .map_err(|error| cannot(&blueprint.spec, "read a record", error))?;
            if record.is_some_and(|record| record.version == blueprint.spec.version) {
                self.end_recorded(&blueprint, number).await?;
            }
        }
        Ok(())
    }

    /// Stops what runs under supervision, whatever its version.
    ///
    /// # Errors
    /// When something cannot be stopped.
    pub(super) async fn stop_supervised(&self) -> Result<(), TargetError> {
        let running = self.running().as_ref().map(|running| Arc::clone(&running.blueprint));
        match running {
            Some(blueprint) => self.stop(blueprint).await,
            None => Ok(()),
        }
    }

    /// What is seen of it.
    pub(super) fn observe(&self, spec: &EnvironmentSpec, records: &Records) -> EnvironmentStatus {
        match &*self.running() {
            Some(running) if running.blueprint.spec.version == spec.version => {
                EnvironmentStatus::of(running.instances.values().map(Instance::status).collect())
            }
            Some(running) => {
                let other = &running.blueprint.spec.version;
                let detail = format!("version {other} runs here, not {}", spec.version);
                EnvironmentStatus { detail, ..EnvironmentStatus::default() }
            }
            None => recorded(spec, records),
        }
    }

    fn runs_another(&self, spec: &EnvironmentSpec) -> bool {
        self.running().as_ref().is_some_and(|running| running.blueprint.spec.version != spec.version)
    }

    /// Ends the supervision of what does not fit the blueprint: another process is stopped, other rules for the same
    /// process only change hands.
    async fn settle(&self, blueprint: &Arc<Blueprint>) -> Result<(), TargetError> {
        let stale = {
            let mut running = self.running();
            let fits = |running: &Running| running.blueprint.spec.target == blueprint.spec.target;
            let same = |running: &Running| running.blueprint.digest == blueprint.digest;
            if running.as_ref().is_some_and(|running| same(running) && fits(running)) {
                None
            } else {
                running.take()
            }
        };
        let Some(stale) = stale else { return Ok(()) };
        if stale.blueprint.digest != blueprint.digest {
            return stop_all(&blueprint.spec, stale.instances).await;
        }
        for instance in stale.instances.into_values() {
            instance.abandon().await;
        }
        Ok(())
    }

    /// Stops the instances from number `from` on, also those that are only recorded.
    async fn stop_from(&self, spec: &EnvironmentSpec, from: u16) -> Result<(), TargetError> {
        let surplus = match &mut *self.running() {
            Some(running) => running.instances.split_off(&from),
            None => BTreeMap::new(),
        };
        stop_all(spec, surplus).await
    }

    /// Takes over what runs already; gives the numbers that do not, each with the port that it had. What is recorded
    /// beyond the wanted numbers, or of another version, is ended.
    async fn adopt(&self, blueprint: &Arc<Blueprint>) -> Result<Vec<(u16, Option<u16>)>, TargetError> {
        let wanted = blueprint.target.instances;
        let supervised = |number: u16| {
            self.running().as_ref().is_some_and(|running| running.instances.contains_key(&number))
        };
        for number in blueprint.records.numbers().into_iter().filter(|number| *number >= wanted) {
            self.end_recorded(blueprint, number).await?;
        }
        let mut missing = Vec::new();
        for number in 0..wanted {
            if supervised(number) {
                continue;
            }
            let claimed = claim(blueprint, number).await;
            match claimed.map_err(|error| cannot(&blueprint.spec, "adopt an instance", error))? {
                Claim::Live(live) if live.record.digest == blueprint.digest => {
                    self.supervise(blueprint, number, Begin::Adopt(live));
                }
                Claim::Live(live) => {
                    let port = live.record.port;
                    self.end(blueprint, number, *live).await?;
                    missing.push((number, Some(port)));
                }
                Claim::Gone(port) => missing.push((number, port)),
            }
        }
        Ok(missing)
    }

    fn supervise(&self, blueprint: &Arc<Blueprint>, number: u16, begin: Begin) {
        let instance = Instance::supervise(Arc::clone(blueprint), number, begin);
        let mut running = self.running();
        let running = running
            .get_or_insert_with(|| Running { blueprint: Arc::clone(blueprint), instances: BTreeMap::new() });
        running.instances.insert(number, instance);
    }

    async fn end_recorded(&self, blueprint: &Blueprint, number: u16) -> Result<(), TargetError> {
        let spec = &blueprint.spec;
        let Some(record) =
            blueprint.records.read(number).map_err(|error| cannot(spec, "read a record", error))?
        else {
            return Ok(());
        };
        match claim(blueprint, number).await.map_err(|error| cannot(spec, "adopt an instance", error))? {
            Claim::Live(live) => self.end(blueprint, number, *live).await,
            Claim::Gone(_) => {
                let removed = blueprint.forget(number, &record.instance);
                removed.await.map_err(|error| cannot(spec, "remove a record", error))
            }
        }
    }

    async fn end(&self, blueprint: &Blueprint, number: u16, mut live: Live) -> Result<(), TargetError> {
        let ended = match blueprint.end(number, &mut live.session).await {
            Ok(()) => blueprint.forget(number, &live.record.instance).await,
            failed => failed,
        };
        ended.map_err(|error| cannot(&blueprint.spec, "stop an instance of before", error))
    }
}

/// All at once, so that one limit is not waited for after the other.
async fn stop_all(spec: &EnvironmentSpec, instances: BTreeMap<u16, Instance>) -> Result<(), TargetError> {
    instances.values().for_each(Instance::wish_stop);
    let mut stopped = Ok(());
    for (number, instance) in instances {
        let ended = instance.stop().await;
        stopped = stopped.and(ended.map_err(|error| cannot(spec, &format!("stop instance {number}"), error)));
    }
    stopped
}

/// What the records say of an environment that nobody supervises: never ready, since nobody asks it.
fn recorded(spec: &EnvironmentSpec, records: &Records) -> EnvironmentStatus {
    let numbers = records.numbers().into_iter();
    let found = numbers.filter_map(|number| Some((number, records.read(number).ok()??)));
    let instances: Vec<InstanceStatus> = found
        .filter(|(_, record)| record.version == spec.version)
        .map(|(number, record)| {
            let alive = runs(&record);
            let host =
                super::blueprint::process_target(spec).ok().and_then(|target| target.address.parse().ok());
            InstanceStatus {
                number,
                host: host.map(super::resolved::reached_at).map(|host| host.to_string()).unwrap_or_default(),
                port: record.port,
                pid: record.process.filter(|_| alive).map(|mark| mark.pid),
                state: if alive { InstanceState::Starting } else { InstanceState::Exited },
                restarts: record.restarts,
                detail: if alive { "runs, but is not supervised yet" } else { "does not run" }.to_owned(),
                crash_loop: None,
            }
        })
        .collect();
    EnvironmentStatus { ready: false, ..EnvironmentStatus::of(instances) }
}

pub(super) fn spec_error(spec: &EnvironmentSpec, what: String) -> TargetError {
    TargetError::Spec { app: spec.app.clone(), colour: spec.colour, what }
}

pub(super) fn cannot(spec: &EnvironmentSpec, doing: &str, source: io::Error) -> TargetError {
    TargetError::System { app: spec.app.clone(), colour: spec.colour, doing: doing.to_owned(), source }
}
