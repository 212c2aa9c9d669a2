//! The same requests to both versions: what a gate asks, and a rehearsal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most requests of one gate.
pub const MAX_BESIDE_REQUESTS: usize = 64;
/// The most often that each version is asked each of them.
pub const MAX_BESIDE_ROUNDS: u32 = 100;

/// Both versions are asked the same, in turn. Only what is safe is asked: one of the two has users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// What is asked, 1 to 64 requests.
    pub requests: Vec<BesideRequest>,
    /// How often each version is asked each of them, 1 to 100.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    pub rounds: u32,
}

/// One request to both versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BesideRequest {
    /// `GET`, `HEAD` or `OPTIONS`.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl BesideRequest {
    /// `GET` of a path.
    #[must_use]
    pub fn get(path: &str) -> BesideRequest {
        BesideRequest { method: get(), path: path.to_owned(), headers: BTreeMap::new() }
    }
}

fn ten() -> u32 {
    10
}

fn get() -> String {
    "GET".to_owned()
}
