//! Targets: where an app's two environments run. A new kind of target is one file in `release::target` and one
//! variant here.

pub mod placeholders;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where environments run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// Tealgate starts, supervises and stops the processes itself.
    Process(ProcessTarget),
    /// Two environments that someone else runs; only their addresses are given.
    Upstream(UpstreamTarget),
}

/// Processes on this machine. In `command`, `env`, `working_dir` and readiness texts the placeholders `{port}`,
/// `{address}`, `{version}`, `{colour}` and `{instance}` are replaced for each instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessTarget {
    /// Program and arguments; no shell is involved.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The whole environment of the process; nothing else is inherited, and only `TEALGATE_INSTANCE_ID` is added.
    #[serde(default)]
    pub env: BTreeMap<String, EnvValue>,
    /// Working directory; default: the directory of the configuration file, else `/`.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// How many processes an environment has, 1 to 64.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub instances: u16,
    /// The address that the instances listen on.
    #[serde(default = "loopback")]
    pub address: String,
    /// First and last port to choose from; default: any free port.
    #[serde(default)]
    pub ports: Option<[u16; 2]>,
    /// When an instance counts as ready.
    #[serde(default)]
    pub readiness: Readiness,
    /// What happens when an instance exits by itself.
    #[serde(default)]
    pub restart: Restart,
    /// From SIGTERM to SIGKILL, milliseconds.
    #[serde(default = "ten_seconds")]
    pub stop_timeout_ms: u64,
    /// Settings of the two upstreams besides `nodes`, as in APISIX: `scheme`, `pass_host`, `timeout`, `retries`, ...
    #[serde(default)]
    pub upstream: Option<Value>,
}

/// The value of an environment variable: a text, or a reference to a secret that is resolved only when a process
/// starts and is never stored or printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a variable is a text, {\"from_env\": name} or {\"from_file\": path}")]
pub enum EnvValue {
    /// The text itself; placeholders are replaced.
    Text(String),
    /// Where the secret is.
    Reference(SecretReference),
}

/// Where a secret is found when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretReference {
    /// A variable of Tealgate's own environment.
    FromEnv(String),
    /// A file; one trailing newline is removed.
    FromFile(String),
}

/// When an instance counts as ready: `successes` good probes of the last `of`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    /// What is asked.
    #[serde(default)]
    pub probe: Probe,
    /// Between two probes, milliseconds.
    #[serde(default = "fifth_of_a_second")]
    pub interval_ms: u64,
    /// One probe's limit, milliseconds.
    #[serde(default = "one_second")]
    pub timeout_ms: u64,
    /// Good probes needed.
    #[serde(default = "two")]
    pub successes: u16,
    /// Among this many last probes.
    #[serde(default = "three")]
    pub of: u16,
    /// The whole environment must be ready within this, milliseconds.
    #[serde(default = "one_minute")]
    pub deadline_ms: u64,
}

/// One readiness question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// `GET path` must answer with one of the statuses (default: 200 to 399).
    Http {
        /// Path, beginning with `/`.
        path: String,
        /// Statuses that count as good; empty: 200 to 399.
        #[serde(default)]
        statuses: Vec<u16>,
    },
    /// The port accepts a connection.
    Tcp {},
    /// A program that must exit with 0.
    Command {
        /// Program and arguments; placeholders are replaced.
        command: Vec<String>,
    },
}

/// Back-off of restarts: doubled from the first to the last, reset after a minute of quiet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// First pause, milliseconds.
    #[serde(default = "quarter_of_a_second")]
    pub backoff_min_ms: u64,
    /// Longest pause, milliseconds.
    #[serde(default = "thirty_seconds")]
    pub backoff_max_ms: u64,
    /// When a version that is being released is taken back because it exits by itself; `null`: only when it is not ready.
    #[serde(default = "a_crash_loop")]
    pub crash_loop: Option<CrashLoop>,
}

/// What a crash loop is. Exits before an instance was ever ready do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrashLoop {
    /// So often one instance exits by itself, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub exits: u16,
    /// Within this time, milliseconds.
    pub within_ms: u64,
}

/// Two environments that someone else runs, each an APISIX upstream object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTarget {
    /// The blue environment: an APISIX upstream (`nodes`, `type`, `scheme`, ...).
    pub blue: Value,
    /// The green environment.
    pub green: Value,
    /// How readiness of each node is asked.
    #[serde(default)]
    pub readiness: Readiness,
}

impl Default for Readiness {
    fn default() -> Self {
        Readiness {
            probe: Probe::default(),
            interval_ms: fifth_of_a_second(),
            timeout_ms: one_second(),
            successes: two(),
            of: three(),
            deadline_ms: one_minute(),
        }
    }
}

impl Default for Probe {
    fn default() -> Self {
        Probe::Tcp {}
    }
}

impl Default for Restart {
    fn default() -> Self {
        Restart {
            backoff_min_ms: quarter_of_a_second(),
            backoff_max_ms: thirty_seconds(),
            crash_loop: a_crash_loop(),
        }
    }
}

impl Default for CrashLoop {
    fn default() -> Self {
        CrashLoop { exits: 3, within_ms: 60_000 }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the default of a field that may be null")]
fn a_crash_loop() -> Option<CrashLoop> {
    Some(CrashLoop::default())
}

fn one() -> u16 {
    1
}
fn two() -> u16 {
    2
}
fn three() -> u16 {
    3
}
fn loopback() -> String {
    "127.0.0.1".to_owned()
}
fn fifth_of_a_second() -> u64 {
    200
}
fn quarter_of_a_second() -> u64 {
    250
}
fn one_second() -> u64 {
    1_000
}
fn ten_seconds() -> u64 {
    10_000
}
fn thirty_seconds() -> u64 {
    30_000
}
fn one_minute() -> u64 {
    60_000
}
