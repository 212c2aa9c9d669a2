//! What a journal entry says.

use crate::comparison::Comparison;
use crate::machine::{ActionRequest, ActionResult, Outcome, State};
use crate::notify::Mark;
use crate::plan::{Plan, Refusal};
use crate::report::{Account, Baseline, Evidence, GuardSummary, HoldSummary, Point};
use crate::target::EnvironmentSpec;
use model::policy::{Receiver, Step};
use model::target::Target;
use serde::{Deserialize, Serialize};
use telemetry::samples::FailureSample;

/// One thing that happened in a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Someone wants a release. The first entry of every journal.
    Requested(Box<Request>),
    /// It was this release's turn, and this is how it will go.
    Planned {
        /// The plan; it never changes.
        plan: Box<Plan>,
    },
    /// It was this release's turn, and it cannot begin.
    Refused {
        /// All reasons.
        refusals: Vec<Refusal>,
    },
    /// It ended while it waited for its turn.
    Withdrawn {
        /// How.
        outcome: Outcome,
        /// Why.
        why: String,
    },
    /// The machine went on.
    Decided {
        /// What changed, in words.
        notes: Vec<String>,
        /// What is to be done now: the intents, written before they are done.
        intents: Vec<ActionRequest>,
        /// The state from now on.
        state: Box<State>,
    },
    /// An action ended.
    Ended {
        /// Its id.
        id: String,
        /// What came of it.
        result: ActionResult,
    },
    /// A person or a newer release wants something of it.
    Commanded(Command),
    /// The counters of the gateways, exactly, at an important moment.
    Counted {
        /// What they say.
        account: Box<Account>,
    },
    /// What both colours did since the last such entry, interval by interval.
    Sampled {
        /// The intervals, in the order of time.
        points: Vec<Point>,
    },
    /// A hold is over.
    Held {
        /// Who waited, and for how long.
        hold: HoldSummary,
    },
    /// Someone was told something, or could not be.
    Notified {
        /// The receiver.
        receiver: String,
        /// Which notice.
        mark: Mark,
        /// How often it was tried.
        tries: u32,
        /// Why it was given up; `None`: the receiver has it.
        failure: Option<String>,
    },
    /// A guard has fired in a gateway.
    Guarded {
        /// Where, why and how fast.
        guard: Box<GuardSummary>,
    },
    /// What the comparisons of both versions have found, when it is proven that the new one is worse, and when traffic moves.
    Judged {
        /// Of the judge and of the guards.
        evidence: Vec<Evidence>,
        /// Some of it was proven just now.
        proven: bool,
        /// How the judge's comparison stands, for a controller that goes on with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comparison: Option<Box<Comparison>>,
    },
    /// What the old version did last before all of the traffic moved; what comes after is compared with it.
    Baseline {
        /// Its last window.
        baseline: Box<Baseline>,
    },
    /// What was seen of the new version when the release went back.
    Seen {
        /// The last lines of its logs, newest last.
        log_lines: Vec<String>,
        /// Its newest failed requests, secrets masked, oldest first.
        failures: Vec<FailureSample>,
    },
    /// A gateway came or went while the release was in flight. What one had counted when it went is a gap in the
    /// account, unless the same one comes back.
    Gateway {
        /// Its instance.
        instance: String,
        /// Whether it came.
        alive: bool,
    },
    /// The entry before was cut off in the middle, and does not count.
    Dropped {
        /// Its number.
        seq: u64,
    },
}

impl Event {
    /// The word for its kind, as in the journal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Requested(_) => "requested",
            Event::Planned { .. } => "planned",
            Event::Refused { .. } => "refused",
            Event::Withdrawn { .. } => "withdrawn",
            Event::Decided { .. } => "decided",
            Event::Ended { .. } => "ended",
            Event::Commanded(_) => "commanded",
            Event::Counted { .. } => "counted",
            Event::Sampled { .. } => "sampled",
            Event::Held { .. } => "held",
            Event::Notified { .. } => "notified",
            Event::Guarded { .. } => "guarded",
            Event::Judged { .. } => "judged",
            Event::Baseline { .. } => "baseline",
            Event::Seen { .. } => "seen",
            Event::Gateway { .. } => "gateway",
            Event::Dropped { .. } => "dropped",
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The app.
    pub app: String,
    /// The version.
    pub version: String,
    /// A whole new target for it.
    pub target: Option<Target>,
    /// A stored environment to go back to.
    pub environment: Option<EnvironmentSpec>,
    /// Other steps than the policy's.
    pub steps: Option<Vec<Step>>,
    /// The release that this one takes back; it was committed.
    pub takes_back: Option<String>,
    /// It is a rehearsal: no user is moved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rehearsal: bool,
    /// Who is told of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<Receiver>,
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Command::Abort { reason } => write!(f, "abort: {reason}"),
            Command::Promote { subject } => write!(f, "promote: {subject}"),
            Command::Supersede { by } => write!(f, "supersede: by {by}"),
        }
    }
}

/// What someone wants of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Stop, and go back.
    Abort {
        /// Why.
        reason: String,
    },
    /// Go on.
    Promote {
        /// What it is said about ([`crate::machine::WaitingFor::subject`]).
        subject: String,
    },
    /// Make room for a newer release.
    Supersede {
        /// The newer release.
        by: String,
    },
}
