//! The armed rollback inside the gateways.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the gateways take a release back by themselves, whether or not a controller is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// How many times more likely a failure may be on the new version, 1 to 1000.
    pub tolerance: f64,
    /// The share of failed requests from which on a second of them is a total break, 0 to 1.
    pub break_rate: f64,
    /// When it answers nothing; `null`: only its timeouts tell.
    pub hang: Option<Hang>,
    /// What happens when no controller is there.
    pub controller_missing: ControllerMissing,
}

/// When a version that takes requests and answers none is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hang {
    /// Requests that have no answer, 1 to 1000000.
    #[schemars(range(min = 1, max = 1000000))]
    pub requests: u64,
    /// So long, and no other request of the version got one either, milliseconds.
    #[schemars(range(min = 1))]
    pub after_ms: u64,
}

/// What happens when the controller's lease is over and nobody has taken it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControllerMissing {
    /// While both colours have a share.
    pub shift: OnMissing,
    /// When the new version has all of the traffic.
    pub soak: OnMissing,
    /// So long after the end of its lease a controller is missing, milliseconds.
    pub after_ms: u64,
    /// The same after it gave the lease back, as in a planned restart.
    pub planned_restart_ms: u64,
}

/// What a gateway does without a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// All traffic goes back to the old version.
    Revert,
    /// The shares stay as they are.
    Stay,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            tolerance: 1.2,
            break_rate: 0.25,
            hang: Some(Hang::default()),
            controller_missing: ControllerMissing::default(),
        }
    }
}

impl Default for Hang {
    fn default() -> Self {
        Hang { requests: 8, after_ms: 2_000 }
    }
}

impl Default for ControllerMissing {
    fn default() -> Self {
        ControllerMissing {
            shift: OnMissing::Revert,
            soak: OnMissing::Stay,
            after_ms: 5_000,
            planned_restart_ms: 60_000,
        }
    }
}
