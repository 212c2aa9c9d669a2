//! Target `upstream`: two environments that someone else runs. Nothing is started or stopped; each node that gets
//! traffic is asked whether it is ready.
//!
//! Nodes of an https upstream are asked for a TCP connection only: probes do not speak TLS yet.

use super::probe::{self, Question};
use super::readiness::{self, Window};
use super::variables::Variables;
use super::{
    EnvironmentDriver, EnvironmentSpec, EnvironmentStatus, InstanceState, InstanceStatus, TargetError,
};
use crate::clock;
use async_trait::async_trait;
use model::colour::Colour;
use model::target::placeholders::{Values, expand};
use model::target::{Probe, Target, UpstreamTarget};
use model::upstream::{Scheme, Upstream};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Most nodes that are asked.
const NODES_MAX: usize = 256;
/// Answers older than this say nothing about now.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Asks environments that someone else runs. Asks only while it is observed: each observation asks every node once,
/// but never sooner than the interval of the readiness rule.
#[derive(Debug, Default)]
pub struct UpstreamDriver {
    seen: Mutex<AllSeen>,
}

/// By app and colour. The inner lock is held while nodes are asked.
type AllSeen = HashMap<(String, Colour), Arc<tokio::sync::Mutex<Seen>>>;

/// What was seen of one environment.
#[derive(Debug)]
struct Seen {
    spec: EnvironmentSpec,
    nodes: Vec<NodeSeen>,
    asked_at: Option<Instant>,
}

#[derive(Debug)]
struct NodeSeen {
    window: Window,
    was_ready: bool,
    status: InstanceStatus,
}

impl UpstreamDriver {
    /// A driver that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        UpstreamDriver::default()
    }

    fn all_seen(&self) -> MutexGuard<'_, AllSeen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self, spec: &EnvironmentSpec) -> Arc<tokio::sync::Mutex<Seen>> {
        let fresh = || Seen { spec: spec.clone(), nodes: Vec::new(), asked_at: None };
        let mut all = self.all_seen();
        let seen = all.entry((spec.app.clone(), spec.colour));
        Arc::clone(seen.or_insert_with(|| Arc::new(tokio::sync::Mutex::new(fresh()))))
    }
}

#[async_trait]
impl EnvironmentDriver for UpstreamDriver {
    async fn check(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        let faults = match upstream_target(spec) {
            Ok(target) => faults(spec, target),
            Err(fault) => vec![fault],
        };
        if faults.is_empty() { Ok(()) } else { Err(spec_error(spec, faults.join("; "))) }
    }

    /// Somebody else has started it.
    async fn provision(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        self.check(spec).await
    }

    async fn observe(&self, spec: &EnvironmentSpec) -> EnvironmentStatus {
        let target = match upstream_target(spec) {
            Ok(target) => target,
            Err(detail) => return EnvironmentStatus { detail, ..EnvironmentStatus::default() },
        };
        let seen = self.seen(spec);
        // Two observers at once: the second finds what the first has seen.
        let mut seen = seen.lock().await;
        let now = clock::monotonic();
        let age = seen.asked_at.map(|asked_at| now.saturating_duration_since(asked_at));
        if seen.spec != *spec || age.is_none_or(|age| age > FORGET_AFTER) {
            *seen = Seen { spec: spec.clone(), nodes: nodes(spec, target), asked_at: None };
        }
        if seen.asked_at.is_none() || age >= Some(Duration::from_millis(target.readiness.interval_ms)) {
            seen.asked_at = Some(now);
            ask_all(spec, target, &mut seen.nodes).await;
        }
        EnvironmentStatus::of(seen.nodes.iter().map(|node| node.status.clone()).collect())
    }

    /// Somebody else has its instances.
    async fn scale(&self, _spec: &EnvironmentSpec, _instances: u16) -> Result<(), TargetError> {
        Ok(())
    }

    /// Somebody else stops it; what was seen of it is forgotten.
    async fn stop(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        self.all_seen().remove(&(spec.app.clone(), spec.colour));
        Ok(())
    }

    /// Somebody else has its logs.
    async fn last_log_lines(&self, _spec: &EnvironmentSpec, _lines: usize) -> Vec<String> {
        Vec::new()
    }
}

fn upstream_target(spec: &EnvironmentSpec) -> Result<&UpstreamTarget, String> {
    match &spec.target {
        Target::Upstream(target) => Ok(target),
        Target::Process(_) => Err("the target is process, not upstream".to_owned()),
    }
}

fn spec_error(spec: &EnvironmentSpec, what: String) -> TargetError {
    TargetError::Spec { app: spec.app.clone(), colour: spec.colour, what }
}

fn upstream(spec: &EnvironmentSpec, target: &UpstreamTarget) -> Upstream {
    let value = match spec.colour {
        Colour::Blue => &target.blue,
        Colour::Green => &target.green,
    };
    Upstream::from_value(value, false)
}

fn faults(spec: &EnvironmentSpec, target: &UpstreamTarget) -> Vec<String> {
    let mut faults = readiness::faults(&target.readiness);
    let nodes = nodes(spec, target);
    if nodes.is_empty() {
        faults.push(format!("{}.nodes has no node with a weight above 0", spec.colour));
    }
    if nodes.len() > NODES_MAX {
        faults.push(format!(
            "{}.nodes has {} nodes; at most {NODES_MAX} can be asked",
            spec.colour,
            nodes.len()
        ));
    }
    if let Some(node) = nodes.first() {
        faults.extend(expanded(&target.readiness.probe, spec, &node.status).err());
    }
    faults
}

/// The nodes that get traffic; nothing is known of them yet.
fn nodes(spec: &EnvironmentSpec, target: &UpstreamTarget) -> Vec<NodeSeen> {
    let upstream = upstream(spec, target);
    let with_traffic = upstream.nodes.iter().filter(|node| node.weight > 0);
    let status = |(number, node): (u16, &model::upstream::Node)| InstanceStatus {
        number,
        host: node.host.clone(),
        port: node.port.unwrap_or(upstream.scheme.standard_port()),
        pid: None,
        state: InstanceState::Starting,
        restarts: 0,
        detail: "was not asked yet".to_owned(),
        crash_loop: None,
    };
    (0..)
        .zip(with_traffic)
        .map(status)
        .map(|status| NodeSeen { window: Window::new(&target.readiness), was_ready: false, status })
        .collect()
}

/// Asks all nodes at once and notes their answers.
async fn ask_all(spec: &EnvironmentSpec, target: &UpstreamTarget, nodes: &mut [NodeSeen]) {
    let speaks_http1 = upstream(spec, target).scheme == Scheme::Http;
    let mut asked = JoinSet::new();
    for (at, node) in nodes.iter().enumerate().take(NODES_MAX) {
        let probe = match expanded(&target.readiness.probe, spec, &node.status) {
            Ok(Probe::Http { .. }) if !speaks_http1 => Ok(Probe::Tcp {}),
            probe => probe,
        };
        let (host, port) = (node.status.host.clone(), node.status.port);
        let directory = Path::new("/").join(&spec.base_dir);
        let limit = Duration::from_millis(target.readiness.timeout_ms);
        asked.spawn(async move { (at, ask(probe, host, port, limit, directory).await) });
    }
    while let Some(answered) = asked.join_next().await {
        let Ok((at, answer)) = answered else { continue };
        let Some(node) = nodes.get_mut(at) else { continue };
        node.window.record(answer.is_ok());
        node.was_ready |= node.window.ready();
        node.status.state = InstanceState::of_running(node.window.ready(), node.was_ready);
        node.status.detail = answer.unwrap_or_else(|wrong| wrong);
    }
}

async fn ask(
    probe: Result<Probe, String>,
    host: String,
    port: u16,
    limit: Duration,
    directory: PathBuf,
) -> Result<String, String> {
    let question = Question { probe: &probe?, host: &host, port, limit };
    probe::ask(&question, || Ok((path_only(), directory.clone()))).await
}

/// A probe command for a foreign environment gets no variable but `PATH`.
fn path_only() -> Variables {
    let mut variables = Variables::default();
    if let Ok(path) = std::env::var("PATH") {
        variables.set("PATH", path);
    }
    variables
}

fn expanded(probe: &Probe, spec: &EnvironmentSpec, node: &InstanceStatus) -> Result<Probe, String> {
    let number = node.number.to_string();
    let values = Values {
        port: node.port,
        address: &node.host,
        version: &spec.version,
        colour: spec.colour,
        instance: &number,
    };
    let expand = |text: &String| expand(text, &values).map_err(|error| format!("readiness.probe: {error}"));
    Ok(match probe {
        Probe::Tcp {} => Probe::Tcp {},
        Probe::Http { path, statuses } => Probe::Http { path: expand(path)?, statuses: statuses.clone() },
        Probe::Command { command } => {
            Probe::Command { command: command.iter().map(expand).collect::<Result<_, _>>()? }
        }
    })
}
