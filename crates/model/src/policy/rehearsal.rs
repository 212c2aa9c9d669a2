//! What has to be rehearsed before it is released.

use super::BesideRequest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a version must have been rehearsed (`tealgate release rehearse`) before it is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rehearsal {
    /// A release is refused unless its version was rehearsed with the same target and policy, and nothing went wrong.
    pub required: bool,
    /// How long ago that may be, milliseconds.
    pub within_ms: u64,
    /// How long the new version is watched when all steps were rehearsed, milliseconds: it must be ready, and none of
    /// the processes that Tealgate runs may exit.
    pub watch_ms: u64,
    /// What both versions are asked at the end of that time, at most 64 requests; empty: `/`, the path of the readiness probe, and
    /// the safe requests of the smoke gates.
    pub requests: Vec<BesideRequest>,
}

impl Default for Rehearsal {
    fn default() -> Self {
        Rehearsal { required: false, within_ms: 86_400_000, watch_ms: 5_000, requests: Vec::new() }
    }
}
