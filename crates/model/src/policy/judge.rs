//! The statistical comparison of the new version with the old one beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the versions are compared while both have a share, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Judge {
    /// How many times as high the new version's odds of failing may be, 1 to 1000.
    pub tolerance: f64,
    /// What happens when it is worse.
    pub on_fail: Reaction,
    /// What happens when it cannot be said at the end of a step.
    pub on_inconclusive: Reaction,
    /// How it is compared with the time before, where the soak holds nothing back.
    pub historical: Historical,
}

/// How the new version is compared with what the old one did before, once it has all of the traffic. Nothing follows from
/// it: other users come at noon than at eleven.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Historical {
    /// How much of the old version's time before the full cutover counts, milliseconds, 10,000 to 300,000.
    pub window_ms: u64,
    /// How many times as high the odds of failing may be as they were then, 1 to 1000.
    pub tolerance: f64,
}

/// The longest time before the full cutover that can count, milliseconds.
pub const MAX_HISTORICAL_MS: u64 = 300_000;

impl Default for Historical {
    fn default() -> Self {
        Historical { window_ms: MAX_HISTORICAL_MS, tolerance: 2.0 }
    }
}

/// What a verdict leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// It stands in the report.
    Advise,
    /// The release waits at the end of the step for a person, and goes back when nobody comes.
    Pause,
    /// The release goes back.
    Rollback,
}

impl Default for Judge {
    fn default() -> Self {
        Judge {
            tolerance: 1.2,
            on_fail: Reaction::Rollback,
            on_inconclusive: Reaction::Advise,
            historical: Historical::default(),
        }
    }
}
