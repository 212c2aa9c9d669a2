//! What the machine wants to be under way, and what came of it.

use crate::gate::GateOutcome;
use model::resource::Revision;
use serde::{Deserialize, Serialize};

/// Something to do outside. Doing it twice leads to the same end as doing it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Start the new environment, or adopt what runs of it.
    Provision,
    /// Give the new version a share of the traffic, percent; 0 writes the upstreams and the preview only.
    SetShare {
        /// 0 to 100.
        share: u8,
        /// In a rehearsal, the share whose step this is, 1 to 100; users get `share`, which is then 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rehearses: Option<u8>,
        /// Write even if someone else changed what the release owns.
        overwrite: bool,
        /// Requests wait meanwhile; the number of the hold, unique within the release. `None`: nobody waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<u32>,
    },
    /// Run a gate once.
    RunGate {
        /// Its place in the plan's list.
        gate: usize,
        /// 1 for the first time in this round.
        attempt: u32,
    },
    /// Begin to copy live requests to the new version, for a shadow gate. Writing a share ends it.
    Copy {
        /// The gate's place in the plan's list.
        gate: usize,
        /// Unique within the release.
        number: u32,
    },
    /// Put back what the release owns, as it was before.
    Restore,
    /// Make the new colour the default and remove the split.
    CleanUp {
        /// Write even if someone else changed what the release owns.
        overwrite: bool,
    },
    /// Stop the environment that was live.
    StopOld,
    /// Keep only some instances of the environment that was live.
    ReduceOld {
        /// How many.
        instances: u16,
    },
    /// Stop the new environment that failed.
    StopNew,
}

impl Action {
    /// The word for its kind, as in the journal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Action::Provision => "provision",
            Action::SetShare { .. } => "set_share",
            Action::RunGate { .. } => "run_gate",
            Action::Copy { .. } => "copy",
            Action::Restore => "restore",
            Action::CleanUp { .. } => "clean_up",
            Action::StopOld => "stop_old",
            Action::ReduceOld { .. } => "reduce_old",
            Action::StopNew => "stop_new",
        }
    }

    /// What is done, in words: `moving 10 % of users to the new version`. `gate` is the name of the gate that it is about.
    #[must_use]
    pub fn words(&self, gate: Option<&str>) -> String {
        let gate = gate.unwrap_or("of the plan");
        match self {
            Action::Provision => "starting the new environment".to_owned(),
            Action::SetShare { rehearses: Some(share), .. } => {
                format!("writing the step of {share} %, with no user on the new version")
            }
            Action::SetShare { share: 0, .. } => {
                "writing the way to the new version, with no user on it".to_owned()
            }
            Action::SetShare { share, hold: None, .. } => {
                format!("moving {share} % of users to the new version")
            }
            Action::SetShare { share, hold: Some(_), .. } => {
                format!("moving {share} % of users to the new version, while requests wait")
            }
            Action::RunGate { attempt, .. } if *attempt > 1 => format!("running gate {gate}, try {attempt}"),
            Action::RunGate { .. } => format!("running gate {gate}"),
            Action::Copy { .. } => format!("copying live requests for gate {gate}"),
            Action::Restore => "putting everything back as it was".to_owned(),
            Action::CleanUp { .. } => "making the new version the default".to_owned(),
            Action::StopOld => "stopping the old environment".to_owned(),
            Action::ReduceOld { instances } => format!("reducing the old environment to {instances}"),
            Action::StopNew => "stopping the new environment".to_owned(),
        }
    }

    /// The place in the plan's list of the gate that it is about; `None`: it is about none.
    #[must_use]
    pub fn gate(&self) -> Option<usize> {
        match self {
            Action::RunGate { gate, .. } | Action::Copy { gate, .. } => Some(*gate),
            _ => None,
        }
    }
}

/// An action and its id: release, phase, counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRequest {
    /// Unique within the release.
    pub id: String,
    /// What to do.
    pub action: Action,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ActionResult {
    /// It is done.
    Done,
    /// It was written, as this revision; every gateway has to run it before it counts.
    Written {
        /// The store's revision.
        revision: Revision,
        /// How what the release owns differed from what it last wrote, if it did.
        overwrote: Option<String>,
    },
    /// What the release owns was changed by someone else; nothing was written.
    Foreign {
        /// The difference, for people.
        diff: String,
    },
    /// What was under way on the old colour did not end while requests could wait for it. The hold is lifted, and the
    /// share has not moved.
    HoldOver {
        /// What was not done.
        why: String,
        /// A gateway was started meanwhile (a takeover, a restart), which says nothing of the old colour: no try is used up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        interrupted: bool,
    },
    /// A gate has spoken.
    Gate {
        /// Its words.
        outcome: GateOutcome,
    },
    /// It could not be done.
    Failed {
        /// Why, and what to do.
        why: String,
    },
}
