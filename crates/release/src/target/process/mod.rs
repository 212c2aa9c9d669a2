//! Target `process`: Tealgate starts, supervises and stops the processes of an environment itself.
//!
//! ```text
//! ProcessDriver ─ Environment (app, colour) ─ Instance (number) ─ supervisor task ─ Session (processes)
//!                  one change at a time         wish, status        start, probe, restart, stop
//! ```
//! Processes run in sessions of their own, log into files of their own and outlive Tealgate; what is needed to find
//! them again is in `record`. Dropping the driver leaves them running, [`EnvironmentDriver::stop`] ends them.

mod backoff;
mod blueprint;
mod check;
mod claim;
mod crash_loop;
mod environment;
mod instance;
pub mod launch;
mod listener;
mod log_file;
mod port;
mod prober;
mod proc_fs;
mod record;
mod resolved;
pub(super) mod session;
mod start;
mod supervisor;

use super::text::shown;
use super::{EnvironmentDriver, EnvironmentSpec, EnvironmentStatus, TargetError};
use crate::failpoint::Failpoints;
use async_trait::async_trait;
use blueprint::{Blueprint, process_target};
use environment::{Environment, cannot, spec_error};
use log_file::LogFile;
use model::colour::Colour;
use port::Ports;
use record::Records;
pub use session::INSTANCE_ID;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Most log lines that are handed out at once.
const LOG_LINES_MAX: usize = 1_000;
/// Longest log line that is handed out, characters.
const LOG_LINE_MAX: usize = 2_000;

/// Runs environments as processes of this machine. One per data directory; its methods must be called inside a tokio
/// runtime with I/O and time.
#[derive(Debug)]
pub struct ProcessDriver {
    data_dir: PathBuf,
    launcher: Arc<[String]>,
    ports: Ports,
    failpoints: Failpoints,
    environments: Mutex<HashMap<(String, Colour), Arc<Environment>>>,
}

impl ProcessDriver {
    /// Records go to `environments/` and logs to `logs/` in the data directory.
    ///
    /// `launcher` is put before each command: a program, by its full path, and its first arguments, which must make a
    /// session and then become the rest of the command. In the binary that is its own hidden subcommand, which calls
    /// [`launch::launch`].
    #[must_use]
    pub fn new(data_dir: PathBuf, launcher: Vec<String>) -> Self {
        ProcessDriver {
            data_dir,
            launcher: launcher.into(),
            ports: Ports::default(),
            failpoints: Failpoints::default(),
            environments: Mutex::default(),
        }
    }

    /// Tells of each step that it takes with a process ([`crate::failpoint`]).
    #[must_use]
    pub fn telling(self, failpoints: Failpoints) -> Self {
        ProcessDriver { failpoints, ..self }
    }

    /// Stops every environment that this driver supervises. Only for what should leave nothing behind, such as a demo
    /// or a test: a server that ends leaves its environments running.
    ///
    /// # Errors
    /// The first that could not be stopped; the others are stopped all the same.
    pub async fn stop_everything(&self) -> Result<(), TargetError> {
        let environments: Vec<_> =
            self.environments.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let mut result = Ok(());
        for environment in environments {
            result = result.and(environment.stop_supervised().await);
        }
        result
    }

    fn environment(&self, spec: &EnvironmentSpec) -> Arc<Environment> {
        let mut environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = environments.entry((spec.app.clone(), spec.colour));
        Arc::clone(environment.or_insert_with(|| Arc::new(Environment::new())))
    }

    fn blueprint(&self, spec: &EnvironmentSpec) -> Result<Arc<Blueprint>, TargetError> {
        if let Some(fault) = check::app_fault(&spec.app) {
            return Err(spec_error(spec, fault));
        }
        let (launcher, ports) = (Arc::clone(&self.launcher), self.ports.clone());
        let failpoints = self.failpoints.clone();
        let blueprint = Blueprint::new(spec, self.data_dir.clone(), launcher, ports, failpoints);
        blueprint.map(Arc::new).map_err(|what| spec_error(spec, what))
    }

    /// Makes a change that is not left half done when the caller loses interest.
    async fn change<F>(&self, spec: &EnvironmentSpec, change: F) -> Result<(), TargetError>
    where
        F: Future<Output = Result<(), TargetError>> + Send + 'static,
    {
        let made = tokio::spawn(change).await;
        made.map_err(|error| cannot(spec, "finish a change", io::Error::other(error)))?
    }
}

#[async_trait]
impl EnvironmentDriver for ProcessDriver {
    async fn check(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        let own = spec.clone();
        let faults = tokio::task::spawn_blocking(move || match process_target(&own) {
            Ok(target) => check::faults(&own, target),
            Err(fault) => vec![fault],
        });
        let faults = faults.await.map_err(|error| cannot(spec, "check the spec", io::Error::other(error)))?;
        if faults.is_empty() { Ok(()) } else { Err(spec_error(spec, faults.join("; "))) }
    }

    async fn provision(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        let (environment, blueprint) = (self.environment(spec), self.blueprint(spec)?);
        self.change(spec, async move { environment.provision(blueprint).await }).await
    }

    async fn observe(&self, spec: &EnvironmentSpec) -> EnvironmentStatus {
        let environment = self.environment(spec);
        let records = Records::new(&self.data_dir, &spec.app, spec.colour);
        environment.observe(spec, &records)
    }

    async fn scale(&self, spec: &EnvironmentSpec, instances: u16) -> Result<(), TargetError> {
        let (environment, blueprint) = (self.environment(spec), self.blueprint(spec)?);
        self.change(spec, async move { environment.scale(blueprint, instances).await }).await
    }

    async fn stop(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        let (environment, blueprint) = (self.environment(spec), self.blueprint(spec)?);
        self.change(spec, async move { environment.stop(blueprint).await }).await
    }

    async fn last_log_lines(&self, spec: &EnvironmentSpec, lines: usize) -> Vec<String> {
        let (own, data_dir) = (spec.clone(), self.data_dir.clone());
        let read = tokio::task::spawn_blocking(move || read_logs(&own, &data_dir, lines.min(LOG_LINES_MAX)));
        read.await.unwrap_or_default()
    }
}

/// An equal share of the lines from each instance, in their order, secrets masked.
fn read_logs(spec: &EnvironmentSpec, data_dir: &std::path::Path, lines: usize) -> Vec<String> {
    let Ok(target) = process_target(spec) else { return Vec::new() };
    if check::app_fault(&spec.app).is_some() {
        return Vec::new();
    }
    let instances = target.instances.clamp(1, check::INSTANCES_MAX);
    let share = (lines / usize::from(instances)).max(1);
    let mut all = Vec::new();
    for number in 0..instances {
        // A secret that cannot be read any more cannot be masked.
        let variables = resolved::Resolver::new(spec, target, number, 0).variables().unwrap_or_default();
        let log = LogFile::new(data_dir, &spec.app, spec.colour, number);
        let prefix = if instances == 1 { String::new() } else { format!("{number}: ") };
        all.extend(
            log.last_lines(&spec.release, share)
                .iter()
                .map(|line| format!("{prefix}{}", shown(&variables.mask(line), LOG_LINE_MAX))),
        );
    }
    all.split_off(all.len().saturating_sub(lines))
}
