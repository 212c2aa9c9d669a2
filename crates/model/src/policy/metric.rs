//! Evidence from elsewhere: a number that somebody else measures, and its bounds.

use crate::target::EnvValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A number that is measured several times and must stay within its bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Who measures it.
    pub source: Source,
    /// It must not be larger.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// It must not be smaller.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// How often it is measured in one run of the gate, 1 to 1000.
    #[serde(default = "once")]
    pub count: u32,
    /// Between two measurements, milliseconds.
    #[serde(default = "ten_seconds")]
    pub interval_ms: u64,
    /// How many measurements may be out of bounds.
    #[serde(default)]
    pub failure_limit: u32,
    /// How many measurements may say nothing: an error, no answer in time, no data, no number.
    #[serde(default)]
    pub inconclusive_limit: u32,
    /// How long one measurement may take, milliseconds.
    #[serde(default = "ten_seconds")]
    pub query_timeout_ms: u64,
}

/// Who measures. Queries, URLs of JSON documents and headers may hold `${version}`, `${colour}`, `${other_colour}`, `${app}` and
/// `${release}`. A new source is one file in `release::gate::source` and one variant here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A query of Prometheus, or of something that speaks its API. Each series of the result must be in bounds.
    Prometheus {
        /// The server, with a path if its API has a prefix: `http://prometheus:9090`.
        url: String,
        /// In PromQL.
        query: String,
        /// The whole of the last so many milliseconds, each point in bounds; `null`: only the value now.
        #[serde(default)]
        range_ms: Option<u64>,
        /// Between two points of a range, milliseconds.
        #[serde(default = "ten_seconds")]
        step_ms: u64,
        /// Headers to send; a text, or where a secret is.
        #[serde(default)]
        headers: BTreeMap<String, EnvValue>,
    },
    /// A number in a JSON document.
    HttpJson {
        /// Where it is read by `GET`.
        url: String,
        /// Where the number stands in it, as a JSON pointer (RFC 6901).
        pointer: String,
        /// Headers to send; a text, or where a secret is.
        #[serde(default)]
        headers: BTreeMap<String, EnvValue>,
    },
    /// The last line that a program prints. It must exit with 0, and finds what a command gate finds in its environment.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Further variables; nothing else is inherited but `PATH`.
        #[serde(default)]
        env: BTreeMap<String, EnvValue>,
        /// Working directory.
        #[serde(default)]
        working_dir: Option<String>,
    },
}

/// What follows when a gate has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// Nothing but a line in the tree and the report.
    Advise,
    /// The release is held, the gate tried again. A person may say: go on anyway. At the end of the hold it goes back.
    Pause,
    /// The release goes back.
    #[default]
    Rollback,
}

fn once() -> u32 {
    1
}
fn ten_seconds() -> u64 {
    10_000
}
