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
        /// The release that is before it; `None`: a controller to begin.
        behind: Option<String>,
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
            WaitingFor::Turn { behind: Some(behind) } => write!(f, "its turn, behind release {behind}"),
            WaitingFor::Turn { behind: None } => write!(f, "its turn"),
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
