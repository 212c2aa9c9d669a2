//! What a release waits for, in words a person can act on.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What.
    pub what: WaitingFor,
    /// How much watched time is left, milliseconds; `None`: no limit.
    pub remaining_ms: Option<u64>,
}

/// The things that can be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum WaitingFor {
    /// Its turn: releases of one app go one after the other.
    Turn {
        /// The releases that come before it, in their order; none: a controller to begin.
        behind: Vec<Ahead>,
    },
    /// An action to end.
    Action {
        /// What is being done.
        doing: String,
    },
    /// The new environment to be ready.
    Ready {
        /// What is seen of it.
        detail: String,
    },
    /// Every gateway to run a change.
    Gateways {
        /// Which do not.
        detail: String,
    },
    /// A step's or the soak's time.
    Time {
        /// `step 10 %` or `soak`.
        of: String,
    },
    /// A person to approve.
    Approval {
        /// The gate.
        gate: String,
    },
    /// A clear verdict; then it goes on, else back at the deadline. A person may say: go on anyway.
    Verdict {
        /// What is not known.
        what: String,
    },
    /// A person to look at someone's edit: `promote` overwrites it, `abort` goes back.
    Edit {
        /// The difference.
        diff: String,
    },
    /// A colour to finish what it had begun.
    Drain {
        /// Open requests, if known.
        open: Option<u64>,
    },
    /// An environment's time to be kept.
    Keep {
        /// `old` or `failed`.
        which: String,
    },
    /// To try again what failed.
    Retry {
        /// Why it failed.
        why: String,
    },
}

/// A release of the app that comes before one that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Its id.
    pub release: String,
    /// Its version.
    pub version: String,
    /// The name of the phase that it is in; `queued`: it waits for its turn, too.
    pub phase: String,
    /// Whether it waits for a person.
    pub asks_person: bool,
    /// Whether it can still be aborted.
    pub can_abort: bool,
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (release, version, phase) = (&self.release, &self.version, &self.phase);
        let person = if self.asks_person { " and needs a person" } else { "" };
        match phase.as_str() {
            "queued" => write!(f, "{release} of {version}"),
            _ => write!(f, "{release} of {version} (in {phase}{person})"),
        }
    }
}

impl WaitingFor {
    /// What a `promote` must name to be about this; `None`: no person is asked.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        match self {
            WaitingFor::Approval { gate } => Some(format!("gate {gate}")),
            WaitingFor::Verdict { .. } => Some("verdict".to_owned()),
            WaitingFor::Edit { .. } => Some("edit".to_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitingFor::Turn { behind } if behind.is_empty() => write!(f, "its turn"),
            WaitingFor::Turn { behind } => {
                let names: Vec<String> = behind.iter().map(ToString::to_string).collect();
                write!(f, "its turn, behind release {}", names.join(", then "))
            }
            WaitingFor::Action { doing } => write!(f, "{doing}"),
            WaitingFor::Ready { detail } => write!(f, "the new environment to be ready: {detail}"),
            WaitingFor::Gateways { detail } => write!(f, "every gateway to run the change: {detail}"),
            WaitingFor::Time { of } => write!(f, "{of}"),
            WaitingFor::Approval { gate } => write!(f, "approval of gate {gate} (release promote)"),
            WaitingFor::Verdict { what } => write!(f, "a verdict: {what} (release promote goes on anyway)"),
            WaitingFor::Edit { diff } => {
                write!(f, "someone to look at an edit: {diff} (promote overwrites it, abort goes back)")
            }
            WaitingFor::Drain { open: Some(open) } => write!(f, "{open} open requests to end"),
            WaitingFor::Drain { open: None } => write!(f, "open requests to end"),
            WaitingFor::Keep { which } => write!(f, "the {which} environment's time to be kept"),
            WaitingFor::Retry { why } => write!(f, "another try: {why}"),
        }
    }
}
