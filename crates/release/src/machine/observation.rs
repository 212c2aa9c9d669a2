//! What the machine is told: the world as it is seen now, and what was journaled since the last step.

use super::action::ActionResult;
use judge::verdict::{Finding, Judgement};
use model::colour::Colour;
use serde::{Deserialize, Serialize};

/// One look at the world. What could not be found out is `None` or a variant that says so, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Outcomes and commands that were journaled since the last step, in that order.
    pub inputs: Vec<Input>,
    /// The new environment; `None`: not seen yet.
    pub new: Option<Readiness>,
    /// Processes of the new version that exit by themselves again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_loop: Option<String>,
    /// Whether every live gateway runs the revision that [`super::Stage::Spread`] waits for.
    pub spread: Spread,
    /// The new version's user traffic against the plan's limits, since the last change of its share.
    pub traffic: Traffic,
    /// What a person should know of that traffic, and nobody waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// The guard of the release in the gateways.
    pub guard: Guarded,
    /// How the new version compares with the old one beside it; `None`: not known.
    pub judged: Option<Judgement>,
    /// Whether answers came from the version that was asked; empty: nobody asks.
    #[serde(default)]
    pub identity: Vec<Finding>,
    /// Requests still open on the old colour; `None`: not known.
    pub old_open: Option<u64>,
    /// Requests still open on the new colour; `None`: not known.
    pub new_open: Option<u64>,
    /// How what the release owns differs from what it last wrote; `None`: it does not, or the service was not seen at all
    /// (then [`Observation::serving`] is not known, either).
    pub foreign: Option<String>,
    /// The colours that the service's default or split gives user traffic now; `None`: not known.
    pub serving: Option<Vec<Colour>>,
    /// A later release has taken the environment that this one only keeps.
    pub taken: bool,
}

/// Whether an environment is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// All wanted instances are.
    pub ready: bool,
    /// Why not.
    pub detail: String,
}

/// Whether a change is in force everywhere. *Cannot tell* is not yes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "spread", rename_all = "snake_case")]
pub enum Spread {
    /// Every live gateway runs it.
    Yes,
    /// Some do not yet.
    No {
        /// Which, and what they run.
        detail: String,
    },
    /// No live gateway is known.
    CannotTell,
    /// Nobody looked: the change was only just written.
    #[default]
    NotAsked,
}

/// The new version's user traffic against the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "traffic", rename_all = "snake_case")]
pub enum Traffic {
    /// Enough of it, and within every limit.
    Good,
    /// A limit is exceeded.
    Bad {
        /// Which, and the counts.
        evidence: Vec<String>,
    },
    /// Too little to say anything, or too little of it could be examined, or the counters cannot be read.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What the gateways say of the release's guard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "snake_case")]
pub enum Guarded {
    /// Nothing that the release must know.
    #[default]
    Quiet,
    /// A gateway could not arm it, and keeps the traffic on the old version.
    Refused {
        /// Which, and why.
        why: String,
    },
    /// It has fired in a gateway, whose traffic is on the old version.
    Tripped {
        /// In which, and why.
        evidence: Vec<String>,
    },
}

impl Default for Traffic {
    fn default() -> Self {
        Traffic::Unknown { reason: "no counters were read yet".to_owned() }
    }
}

/// Something that happened and was journaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// An action ended.
    Ended {
        /// Its id.
        id: String,
        /// What came of it.
        result: ActionResult,
    },
    /// A person stops the release.
    Abort {
        /// Who.
        actor: String,
        /// Why.
        reason: String,
    },
    /// A person says: go on.
    Promote {
        /// Who.
        actor: String,
        /// What it was said about ([`super::WaitingFor::subject`]); anything else that waits is not meant.
        subject: String,
    },
    /// A newer release takes over.
    Supersede {
        /// Its id.
        by: String,
    },
}
