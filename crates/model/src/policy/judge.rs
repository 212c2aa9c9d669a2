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
        Judge { tolerance: 1.2, on_fail: Reaction::Rollback, on_inconclusive: Reaction::Advise }
    }
}
