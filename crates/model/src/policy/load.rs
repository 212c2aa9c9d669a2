//! The load gate: how hard the new version is driven before users see it, and beside it the live one.

use crate::target::EnvValue;
use crate::traffic_split::SAFE_METHODS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest rate, requests per second.
pub const MAX_LOAD_RATE: u32 = 10_000;
/// Longest load, milliseconds.
pub const MAX_LOAD_MS: u64 = 3_600_000;
/// Longest time in which users are watched before the load, and longest warm-up, milliseconds.
pub const MAX_LOAD_PRELUDE_MS: u64 = 600_000;
/// Most connections to one version.
pub const MAX_LOAD_CONNECTIONS: u16 = 2_000;
/// Longest that one request may take, milliseconds.
pub const MAX_LOAD_REQUEST_MS: u64 = 60_000;
/// Largest answer that may be allowed, bytes.
pub const MAX_LOAD_ANSWER_BYTES: u64 = 1_073_741_824;
/// Most kinds of requests.
pub const MAX_LOAD_REQUESTS: usize = 256;
/// Greatest weight of a kind of request.
pub const MAX_LOAD_WEIGHT: u32 = 10_000;
/// The newest part of a recording that is read: the least and the most, bytes.
pub const REPLAY_BYTES: std::ops::RangeInclusive<u64> = 65_536..=268_435_456;
/// Most recorded requests of a mix.
pub const MAX_REPLAYED: u32 = 10_000;

/// What a load gate sends, how fast, and what it tolerates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Requests per second to the new version, 1 to 10000; at fixed moments, whoever is slow.
    pub rate_per_second: u32,
    /// Requests per second to the live version, from 1 to the rate of the new one; default: the same.
    #[serde(default)]
    pub live_rate_per_second: Option<u32>,
    /// How long is measured, milliseconds, 1000 to 3600000.
    #[serde(default = "thirty_seconds")]
    pub duration_ms: u64,
    /// How long both are driven before that, milliseconds, 500 to 600000: times are not judged in it, failures are.
    #[serde(default = "five_seconds")]
    pub warm_up_ms: u64,
    /// How long the live version's users are watched before the load begins, milliseconds.
    #[serde(default = "three_seconds")]
    pub users_before_ms: u64,
    /// The mix.
    #[serde(default)]
    pub requests: Vec<LoadRequest>,
    /// A JSON file with further requests of the mix, a list as `requests`; read when the gate runs.
    #[serde(default)]
    pub requests_file: Option<String>,
    /// The mix out of recorded live requests, instead of `requests` and `requests_file`; read when the gate runs.
    #[serde(default)]
    pub replay: Option<Replay>,
    /// Methods that may be sent besides GET, HEAD and OPTIONS. Both versions get them.
    #[serde(default)]
    pub unsafe_methods: Vec<String>,
    /// Most connections to each version.
    #[serde(default = "a_hundred")]
    pub connections: u16,
    /// One request's limit, milliseconds, from the moment at which it is due.
    #[serde(default = "five_seconds")]
    pub request_timeout_ms: u64,
    /// Largest answer, bytes; a larger one is a failure.
    #[serde(default = "one_mebibyte")]
    pub max_answer_bytes: u64,
    /// Largest share of failed requests of either version, 0 to 1.
    #[serde(default = "five_percent")]
    pub max_error_rate: f64,
    /// Largest 99th percentile of the new version's times, milliseconds; `null`: only the comparison decides.
    #[serde(default)]
    pub max_p99_ms: Option<u64>,
    /// How many times the live version's times the new version's may be, 1 to 100.
    #[serde(default = "five_quarters")]
    pub max_slowdown: f64,
    /// Whole answers of each version that are needed for a pass.
    #[serde(default = "two_hundred")]
    pub min_answers: u64,
    /// How late the generator itself may be in one of a hundred requests, milliseconds.
    #[serde(default = "fifty")]
    pub max_lag_ms: u64,
    /// Probability of a false alarm in one run of the gate, more than 0, less than 1.
    #[serde(default = "one_in_a_thousand")]
    pub alpha: f64,
}

/// A mix out of recorded live requests: the newest users' requests of the app's service with a safe method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The access log of a gateway, where the controller can read it.
    pub access_log: String,
    /// So much of its end is read, bytes, 65536 to 268435456.
    #[serde(default = "sixteen_mebibytes")]
    pub newest_bytes: u64,
    /// At most so many recorded requests make the mix, taken evenly over what was read, 1 to 10000.
    #[serde(default = "two_thousand")]
    pub max_requests: u32,
    /// Headers to send with each of them, because none is recorded: texts, or references to secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, EnvValue>,
}

/// One kind of request in the mix of a load gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// Method.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers to send: texts, or references to secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, EnvValue>,
    /// Body to send.
    #[serde(default)]
    pub body: Option<String>,
    /// How often it is sent, relative to the others, 1 to 10000.
    #[serde(default = "one")]
    pub weight: u32,
}

impl Load {
    /// Requests per second to the live version.
    #[must_use]
    pub fn live_rate(&self) -> u32 {
        self.live_rate_per_second.unwrap_or(self.rate_per_second)
    }

    /// Whether requests with this method may be sent.
    #[must_use]
    pub fn allows(&self, method: &str) -> bool {
        SAFE_METHODS.contains(&method) || self.unsafe_methods.iter().any(|allowed| allowed == method)
    }

    /// The longest that a run takes when every answer is slow, milliseconds.
    #[must_use]
    pub fn longest_ms(&self) -> u64 {
        [self.users_before_ms, self.warm_up_ms, self.duration_ms, self.request_timeout_ms]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

fn thirty_seconds() -> u64 {
    30_000
}
fn five_seconds() -> u64 {
    5_000
}
fn three_seconds() -> u64 {
    3_000
}
fn a_hundred() -> u16 {
    100
}
fn sixteen_mebibytes() -> u64 {
    16 * 1_048_576
}
fn two_thousand() -> u32 {
    2_000
}
fn one_mebibyte() -> u64 {
    1_048_576
}
fn five_percent() -> f64 {
    0.05
}
fn five_quarters() -> f64 {
    1.25
}
fn two_hundred() -> u64 {
    200
}
fn fifty() -> u64 {
    50
}
fn one_in_a_thousand() -> f64 {
    0.001
}
fn get() -> String {
    "GET".to_owned()
}
fn one() -> u32 {
    1
}
