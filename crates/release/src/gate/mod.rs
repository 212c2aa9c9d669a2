//! Gates: checks that must pass before the next phase. A new gate is one file here and one variant in
//! `model::policy::Check`.

mod beside;
mod command;
mod evidence;
mod expectation;
mod live;
mod load;
mod metric;
mod shadow;
mod smoke;
mod source;
mod way;

pub use live::{LiveSide, LiveUsers, Progress, Shadowing, Shadows};
pub(crate) use way::without_query;

use crate::report::ShadowSummary;
use async_trait::async_trait;
use model::colour::Colour;
use model::policy::Check;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a gate is run against.
#[derive(Clone, Debug)]
pub struct GateContext {
    /// The app.
    pub app: String,
    /// The gateway service whose traffic it has.
    pub service: String,
    /// The release.
    pub release: String,
    /// The version under test.
    pub version: String,
    /// Its environment.
    pub colour: Colour,
    /// `http` or `https`, or what no gate can speak.
    pub scheme: String,
    /// The environment's instances: host and port.
    pub instances: Vec<(String, u16)>,
    /// The gateway's listener, for checks through the preview; `None` if no gateway is known.
    pub gateway: Option<SocketAddr>,
    /// Header name and token that lead through the gateway to the version under test.
    pub preview: Option<(String, String)>,
    /// `Host` for requests through the gateway, from the app's routes; `None`: the gateway's address.
    pub host: Option<String>,
    /// Directory for the gate's output files.
    pub output_dir: PathBuf,
    /// Directory against which relative paths are resolved.
    pub base_dir: PathBuf,
    /// Its limit, milliseconds.
    pub timeout_ms: u64,
    /// The version that users have; `None`: none is live.
    pub live: Option<LiveSide>,
    /// The copies of live requests that are made for it; `None`: none are.
    pub shadows: Option<Arc<dyn Shadows>>,
    /// Who is told how far the gate is.
    pub progress: Progress,
}

/// Unknown is not pass: what could not be found out is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// Could not be found out.
    Inconclusive,
}

/// What a gate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// The verdict.
    pub verdict: Verdict,
    /// One line for the tree.
    pub summary: String,
    /// What was asked and what came back, line by line, secrets masked; bounded to 100 lines of 500 characters.
    pub evidence: Vec<String>,
    /// An inconclusive gate is run again by itself; this one did harm, and is not until a person or the time decides.
    #[serde(default)]
    pub did_harm: bool,
    /// The account of the copies, of a shadow gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<ShadowSummary>>,
}

/// One kind of check.
#[async_trait]
pub trait GateRunner: Send + Sync {
    /// Runs it once, within its limit.
    async fn run(&self, context: &GateContext) -> GateOutcome;
}

/// The runner of a check; `None` for an approval, which a person gives.
#[must_use]
pub fn runner(check: &Check) -> Option<Box<dyn GateRunner>> {
    match check {
        Check::Smoke { requests, through_gate } => {
            Some(Box::new(smoke::Smoke { requests: requests.clone(), through_gate: *through_gate }))
        }
        Check::Command { command, env, working_dir } => Some(Box::new(command::Command {
            command: command.clone(),
            env: env.clone(),
            working_dir: working_dir.clone(),
        })),
        Check::Beside(policy) => Some(Box::new(beside::Beside { policy: policy.clone() })),
        Check::Load(load) => Some(Box::new(load::Load { load: load.clone() })),
        Check::Shadow(shadow) => Some(Box::new(shadow::Shadow { policy: (**shadow).clone() })),
        Check::Metric(policy) => Some(Box::new(metric::Metric { policy: policy.clone() })),
        Check::Approval {} => None,
    }
}
