//! The state of a release: data, complete, written into the journal after each decision.

use super::action::{Action, ActionRequest};
use super::cause::{Cause, Outcome};
use model::policy::Soak;
use model::resource::Revision;
use serde::{Deserialize, Serialize};

/// Where a release is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The phase.
    pub phase: Phase,
    /// Where in the phase.
    pub stage: Stage,
    /// The clock at the last step, milliseconds since the Unix epoch.
    pub seen_at_ms: i64,
    /// Time in this stage that was watched, milliseconds.
    pub stage_ms: u64,
    /// Time in this step or soak that was watched, milliseconds.
    pub watched_ms: u64,
    /// How long the new environment has not been ready, milliseconds; `None`: it is.
    pub unready_ms: Option<u64>,
    /// Number of the last action.
    pub counter: u32,
    /// What should be under way.
    pub pending: Option<Pending>,
    /// How often in a row the stage's action failed.
    pub failures: u32,
    /// The last failure's words.
    pub last_failure: Option<String>,
    /// How often in this stage a hold has ended because a gateway was started meanwhile.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interruptions: u32,
    /// What was last written; `None`: nothing yet.
    pub written: Option<Written>,
    /// A write was begun, and nothing said that it was refused: there may be something to put back.
    #[serde(default)]
    pub began_to_write: bool,
    /// The first revision that this release wrote.
    pub first_revision: Option<Revision>,
    /// The gates that are being run.
    pub round: Option<Round>,
    /// Live requests are copied to the new version, or may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copying: Option<Copying>,
    /// Rounds of the soak that were begun.
    pub soak_rounds: u32,
    /// The verdict was inconclusive, and the release is held.
    pub hold: Option<Hold>,
    /// Someone else changed what the release owns; how.
    pub foreign: Option<String>,
    /// The last verdict of each gate at each of its occasions.
    pub gates: Vec<GateResult>,
    /// Why it goes or went back.
    pub cause: Option<Cause>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The new environment was started, so that there is something to keep or to stop.
    pub provisioned: bool,
}

impl State {
    /// A release that begins at `now_ms`.
    #[must_use]
    pub fn new(now_ms: i64) -> State {
        State {
            phase: Phase::Provision,
            stage: Stage::Act,
            seen_at_ms: now_ms,
            stage_ms: 0,
            watched_ms: 0,
            unready_ms: None,
            counter: 0,
            pending: None,
            failures: 0,
            last_failure: None,
            interruptions: 0,
            written: None,
            began_to_write: false,
            first_revision: None,
            round: None,
            copying: None,
            soak_rounds: 0,
            hold: None,
            foreign: None,
            gates: Vec::new(),
            cause: None,
            outcome: None,
            provisioned: false,
        }
    }

    /// The same state in a process that has just read it: what passed since it was written was not watched.
    #[must_use]
    pub fn resumed(self, now_ms: i64) -> State {
        State { seen_at_ms: now_ms, ..self }
    }

    /// The new version's share of user traffic as last written, percent.
    #[must_use]
    pub fn share(&self) -> u8 {
        self.written.as_ref().map_or(0, |written| written.share)
    }

    /// Whether what the soak holds back has begun to follow, in the last switch.
    #[must_use]
    pub fn is_emptying(&self, soak: &Soak) -> bool {
        self.phase == Phase::Soak && (self.stage == Stage::Empty || self.is_emptied(soak))
    }

    /// Whether that switch was written.
    #[must_use]
    pub(super) fn is_emptied(&self, soak: &Soak) -> bool {
        let given = self.written.map_or(0, |written| written.rehearses.unwrap_or(written.share));
        soak.hold_back > 0 && given == 100
    }

    /// Whether what the release owns may be other than it was before, by this release.
    #[must_use]
    pub fn may_have_written(&self) -> bool {
        let is_being_written =
            self.pending.as_ref().is_some_and(|pending| matches!(pending.action, Action::SetShare { .. }));
        self.began_to_write || is_being_written || self.written.is_some() || self.first_revision.is_some()
    }

    /// Whether another release of the app must wait: traffic is not settled, or a colour still drains.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        match self.phase {
            Phase::Ended => false,
            Phase::Decommission | Phase::KeepFailed => self.stage == Stage::Drain || self.pending.is_some(),
            _ => true,
        }
    }

    /// Whether the point of no return is behind.
    #[must_use]
    pub fn committed(&self) -> bool {
        self.outcome == Some(Outcome::Promoted)
    }

    /// Whether only the time differs, so that nothing needs to be written down.
    #[must_use]
    pub fn same_but_for_time(&self, other: &State) -> bool {
        let timeless = |state: &State| {
            let mut state = state.clone();
            (state.seen_at_ms, state.stage_ms, state.watched_ms, state.unready_ms) = (0, 0, 0, None);
            if let Some(hold) = &mut state.hold {
                hold.ms = 0;
            }
            state
        };
        timeless(self) == timeless(other)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The phases, in the order of a release that succeeds; then those of one that goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Phase {
    /// The new environment is started.
    Provision,
    /// It is checked, before any user reaches it.
    Test,
    /// User traffic moves to it, share by share.
    Shift {
        /// Which of the plan's steps, from 0.
        step: usize,
    },
    /// It has all of the traffic, but for what is held back until the end; the old one stays warm.
    Soak,
    /// Decided: the new version is live. The split is cleaned up.
    Commit,
    /// The old environment drains and is stopped, reduced or kept.
    Decommission,
    /// Everything that the release owns is put back.
    Revert,
    /// It is back; the failed environment drains and is kept to look at.
    KeepFailed,
    /// Nothing is left to do.
    Ended,
}

impl Phase {
    /// The word in the tree, the journal and action ids.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Provision => "provision",
            Phase::Test => "test",
            Phase::Shift { .. } => "shift",
            Phase::Soak => "soak",
            Phase::Commit => "commit",
            Phase::Decommission => "decommission",
            Phase::Revert => "revert",
            Phase::KeepFailed => "keep-failed",
            Phase::Ended => "ended",
        }
    }

    /// Whether everything can still be undone, and is not being undone already.
    #[must_use]
    pub fn can_turn_back(self) -> bool {
        matches!(self, Phase::Provision | Phase::Test | Phase::Shift { .. } | Phase::Soak)
    }

    /// Whether someone else's edit stops it. The way back is never stopped.
    #[must_use]
    pub fn may_pause(self) -> bool {
        matches!(self, Phase::Test | Phase::Shift { .. } | Phase::Soak | Phase::Commit)
    }

    /// Whether users may reach the new version.
    #[must_use]
    pub fn has_traffic(self) -> bool {
        matches!(self, Phase::Shift { .. } | Phase::Soak)
    }
}

/// Where in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Stage {
    /// The phase's action is under way, or waits to be tried (again).
    Act,
    /// It was written; every gateway has to run it.
    Spread {
        /// Which revision.
        revision: Revision,
    },
    /// Time passes under watch.
    Watch,
    /// The time is over; the counters must say that all is well.
    Settle,
    /// Gates are run.
    Check,
    /// The soak has passed; what was held back on the old version is moved.
    Empty,
    /// The colour without traffic finishes what it had begun.
    Drain,
    /// An environment is kept for a time.
    Keep,
}

/// An action that should be under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// What.
    pub action: Action,
}

impl Pending {
    /// The action as the runner gets it.
    #[must_use]
    pub fn request(&self) -> ActionRequest {
        ActionRequest { id: self.id.clone(), action: self.action.clone() }
    }
}

/// A share that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Percent of user traffic for the new version.
    pub share: u8,
    /// In a rehearsal, the share whose step was written; users have `share`, which is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearses: Option<u8>,
    /// As which revision; requests under it and later ones are counted by it as epoch.
    pub revision: Revision,
}

/// Gates that are run one after the other on one occasion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// The occasion.
    pub kind: RoundKind,
    /// Place of the current gate in the plan's list.
    pub gate: usize,
    /// How often the current gate was run in this round.
    pub attempt: u32,
}

/// Copies of live requests, for a shadow gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copying {
    /// Place of the gate in the plan's list.
    pub gate: usize,
    /// Unique within the release.
    pub number: u32,
    /// How far it is.
    pub stands: Stands,
}

/// How far it is with something that stands in the service for the time of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It is being written.
    Perhaps,
    /// It is written, and the gate may run.
    Ready,
    /// The gate was begun: when it has ended, this is taken away.
    UntilItsEnd,
}

/// The occasions on which gates run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundKind {
    /// In the test phase, before any user traffic.
    BeforeShift,
    /// At the end of the step with this number, from 0.
    StepEnd(usize),
    /// Every so often in the soak.
    SoakInterval,
    /// At the end of the soak, before the commit.
    SoakEnd,
}

/// An inconclusive verdict that is waited on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What is not known.
    pub what: String,
    /// For how long, milliseconds.
    pub ms: u64,
    /// The gate did harm and is not run again.
    #[serde(default)]
    pub did_harm: bool,
}

/// A gate's verdict in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// A person said yes.
    Approved,
    /// Not as it should be.
    Fail,
    /// Could not be found out.
    Inconclusive,
}

/// The last verdict of a gate on one occasion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The gate.
    pub gate: String,
    /// The occasion.
    pub round: RoundKind,
    /// How often it was run on that occasion; in the soak, over all its intervals.
    pub runs: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// One line.
    pub summary: String,
    /// The action whose outcome in the journal holds the evidence; empty for an approval.
    pub action: String,
}
