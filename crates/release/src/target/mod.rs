//! Environments: where a version runs. A new target is one file here and one variant in `model::target`.
//!
//! Every operation is observe / apply / revert and idempotent: calling it again, also from another process after a
//! crash, leads to the same end.

mod pidfd;
mod probe;
pub mod process;
pub(crate) mod program;
mod readiness;
pub(crate) mod request;
pub(crate) mod text;
mod tls;
pub mod upstream;
pub(crate) mod variables;

pub(crate) use pidfd::Ending;
pub(crate) use probe::authority;

use async_trait::async_trait;
use model::colour::Colour;
use model::target::Target;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One environment with the version that is to run in it. Immutable once stored: secrets are references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// The app.
    pub app: String,
    /// Which of its two environments.
    pub colour: Colour,
    /// The version that runs there.
    pub version: String,
    /// The release that brought it, part of each instance's id.
    pub release: String,
    /// How it runs.
    pub target: Target,
    /// Directory against which relative paths of the spec are resolved.
    pub base_dir: String,
}

impl EnvironmentSpec {
    /// How its instances are spoken to: `http` or `https`, or what else APISIX has.
    #[must_use]
    pub fn scheme(&self) -> &str {
        let scheme = self.settings().and_then(|settings| settings.get("scheme")).and_then(Value::as_str);
        scheme.unwrap_or("http")
    }

    /// How gates would have to speak to them: the scheme, or what no gate can do.
    #[must_use]
    pub fn scheme_for_gates(&self) -> &str {
        let tls = self.settings().and_then(|settings| settings.get("tls")).and_then(Value::as_object);
        let shows_certificate = |name: &String| name.starts_with("client_cert");
        match self.scheme() {
            "https" if tls.is_some_and(|tls| tls.keys().any(shows_certificate)) => {
                "https with a client certificate"
            }
            scheme => scheme,
        }
    }

    /// The settings of its upstream.
    fn settings(&self) -> Option<&Value> {
        match &self.target {
            Target::Process(process) => process.upstream.as_ref(),
            Target::Upstream(target) if self.colour == Colour::Blue => Some(&target.blue),
            Target::Upstream(target) => Some(&target.green),
        }
    }
}

/// What is seen of an environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    /// Its instances, by number.
    pub instances: Vec<InstanceStatus>,
    /// Whether all wanted instances are ready.
    pub ready: bool,
    /// Why not, in words for a person; empty when ready.
    pub detail: String,
}

impl EnvironmentStatus {
    /// Ready when there are instances and all of them are; else the detail names those that are not.
    #[must_use]
    pub fn of(instances: Vec<InstanceStatus>) -> EnvironmentStatus {
        let unready = instances.iter().filter(|instance| instance.state != InstanceState::Ready);
        let why: Vec<String> =
            unready.map(|instance| format!("{}: {}", instance.number, instance.detail)).collect();
        let detail = if instances.is_empty() { "no instance runs".to_owned() } else { why.join("; ") };
        EnvironmentStatus { ready: detail.is_empty(), instances, detail }
    }

    /// Which of its instances exit by themselves again and again; `None`: none does.
    #[must_use]
    pub fn crash_loop(&self, colour: Colour) -> Option<String> {
        let looping = self.instances.iter().filter_map(|instance| {
            let how = instance.crash_loop.as_ref()?;
            Some(format!("instance {} of {colour} {how}", instance.number))
        });
        let looping: Vec<String> = looping.collect();
        (!looping.is_empty()).then(|| looping.join("; "))
    }
}

/// What is seen of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// 0, 1, 2, ...
    pub number: u16,
    /// Host or address.
    pub host: String,
    /// Port; 0 while none is assigned.
    pub port: u16,
    /// Process id, if it is a process of ours.
    pub pid: Option<u32>,
    /// How it is.
    pub state: InstanceState,
    /// How often it was restarted because it exited.
    pub restarts: u32,
    /// The last probe's answer or the exit status, in words.
    pub detail: String,
    /// It exits by itself again and again: how often, and how it did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_loop: Option<String>,
}

/// How an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Started, not yet ready.
    Starting,
    /// N of the last M probes were good.
    Ready,
    /// Was ready, is not any more.
    Unready,
    /// Exited by itself; will be restarted after its back-off.
    Exited,
    /// Not running, and not wanted to.
    Stopped,
}

impl InstanceState {
    /// The state of an instance that runs.
    pub(crate) fn of_running(ready: bool, was_ready: bool) -> InstanceState {
        match (ready, was_ready) {
            (true, _) => InstanceState::Ready,
            (false, true) => InstanceState::Unready,
            (false, false) => InstanceState::Starting,
        }
    }
}

/// Why a target could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The spec cannot work: the program does not exist, a secret is missing, a placeholder is unknown.
    #[error("{app} {colour}: {what}")]
    Spec {
        /// The app.
        app: String,
        /// The environment.
        colour: Colour,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The system refused.
    #[error("{app} {colour}: cannot {doing}")]
    System {
        /// The app.
        app: String,
        /// The environment.
        colour: Colour,
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Runs environments. One per kind of target.
#[async_trait]
pub trait EnvironmentDriver: Send + Sync + 'static {
    /// Finds what is wrong with a spec without starting anything.
    async fn check(&self, spec: &EnvironmentSpec) -> Result<(), TargetError>;
    /// Starts what is missing of the environment and adopts what already runs. Returns when it was begun, not when
    /// it is ready: `observe` says that. A version that differs from the one that runs there replaces it.
    async fn provision(&self, spec: &EnvironmentSpec) -> Result<(), TargetError>;
    /// What is seen now.
    async fn observe(&self, spec: &EnvironmentSpec) -> EnvironmentStatus;
    /// Keeps only the first `instances`; stops the others as `stop` does.
    async fn scale(&self, spec: &EnvironmentSpec, instances: u16) -> Result<(), TargetError>;
    /// Stops it: SIGTERM, then SIGKILL after the limit. Returns when nothing of it runs any more.
    async fn stop(&self, spec: &EnvironmentSpec) -> Result<(), TargetError>;
    /// The last lines of its logs, newest last, at most `lines`.
    async fn last_log_lines(&self, spec: &EnvironmentSpec, lines: usize) -> Vec<String>;
}
