//! The shadow gate: which live requests are copied to the new version before users see it, and how its answers may
//! differ from those that the users got.

use crate::traffic_split::SAFE_METHODS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest time in which requests are copied, milliseconds: one day.
pub const MAX_SHADOW_MS: u64 = 86_400_000;

/// Which live requests a shadow gate copies, how much of that it bears, and what it tolerates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shadow {
    /// Share of the live requests that are copied, percent, 0.0001 to 100.
    pub share: f64,
    /// How long at least, milliseconds, 1000 to 86400000; longer, up to the gate's limit, while too few are compared.
    pub duration_ms: u64,
    /// Pairs of answers that must have been compared for a pass, from 1.
    pub min_requests: u64,
    /// Largest share of compared answers that differ by more than noise, 0 to 1.
    pub max_different_rate: f64,
    /// Largest share of copies that the new version did not answer, 0 to 1.
    pub max_no_answer_rate: f64,
    /// Methods that are copied; of the safe ones (RFC 9110 §9.2.1) only.
    pub methods: Vec<String>,
    /// Methods that are copied although they are not safe: what they do is done twice.
    pub unsafe_methods: Vec<String>,
    /// Most copies per second, in one gateway.
    pub max_per_second: u32,
    /// Most copies that are under way at once, in one gateway.
    pub max_in_flight: u32,
    /// Largest body of a request that is copied, and of an answer that is compared, bytes.
    pub max_body_bytes: u64,
    /// How long a copy may take, milliseconds.
    pub request_timeout_ms: u64,
    /// What is compared besides status and body.
    pub compare: Compare,
    /// Share of the copies that the live version gets a second time, percent, 0 to 100: what differs between its own
    /// two answers is noise.
    pub noise_share: f64,
    /// Whether examples of differences may show the values of headers and bodies; else only where they differ, and how.
    pub examples: bool,
}

/// What is compared besides status and body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// Headers whose values must be the same.
    pub headers: Vec<String>,
    /// Places in JSON bodies that are not compared, with all that is below them: `$.updated_at`, `$.items[*].id`.
    pub ignore: Vec<String>,
}

impl Default for Shadow {
    fn default() -> Self {
        Shadow {
            share: 10.0,
            duration_ms: 30_000,
            min_requests: 100,
            max_different_rate: 0.01,
            max_no_answer_rate: 0.01,
            methods: SAFE_METHODS.map(str::to_owned).to_vec(),
            unsafe_methods: Vec::new(),
            max_per_second: 100,
            max_in_flight: 32,
            max_body_bytes: 65_536,
            request_timeout_ms: 5_000,
            compare: Compare::default(),
            noise_share: 50.0,
            examples: false,
        }
    }
}

impl Shadow {
    /// Every method that is copied.
    #[must_use]
    pub fn all_methods(&self) -> Vec<String> {
        self.methods.iter().chain(&self.unsafe_methods).cloned().collect()
    }
}
