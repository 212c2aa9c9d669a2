//! Why a release ends, in Argo Rollouts' words.

use serde::{Deserialize, Serialize};

/// How a release ended. Once there is one, it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new version is live.
    Promoted,
    /// It was a rehearsal: all went well there and back, and no user was moved.
    Rehearsed,
    /// Taken back because the new version was not good, or could not be shown to be good.
    RolledBack,
    /// Taken back by a person.
    Aborted,
    /// Taken back for a newer release.
    Superseded,
    /// Never begun: the plan was refused.
    Refused,
}

impl Outcome {
    /// The word in the tree and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Promoted => "promoted",
            Outcome::Rehearsed => "rehearsed",
            Outcome::RolledBack => "rolled back",
            Outcome::Aborted => "aborted",
            Outcome::Superseded => "superseded",
            Outcome::Refused => "refused",
        }
    }
}

/// What made a release go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// The new environment could not be started.
    #[error("the new environment could not be started: {why}")]
    Provision {
        /// The driver's words.
        why: String,
    },
    /// The new environment did not become ready in time, or did not stay so.
    #[error("the new environment is not ready: {detail}")]
    NotReady {
        /// What was seen last.
        detail: String,
    },
    /// The new version exits by itself again and again.
    #[error("the new version is in a crash loop: {detail}")]
    CrashLoop {
        /// Which instance, how often, and how it did last.
        detail: String,
    },
    /// The new version exited by itself while it was rehearsed.
    #[error("the new version does not live: {detail}")]
    Exited {
        /// Which instance, and how.
        detail: String,
    },
    /// A gate said no.
    #[error("gate {gate} failed: {summary}")]
    Gate {
        /// Which.
        gate: String,
        /// Its line.
        summary: String,
    },
    /// The new version's user traffic exceeded a limit.
    #[error("limits exceeded: {}", evidence.join("; "))]
    Limits {
        /// Which, and the counts.
        evidence: Vec<String>,
    },
    /// A gateway has taken it back by itself.
    #[error("the guard has fired: {}", evidence.join("; "))]
    Guard {
        /// In which, and on which evidence.
        evidence: Vec<String>,
    },
    /// A gateway could not arm the guard, and no share is given without one.
    #[error("the guard cannot be armed: {why}")]
    Unguarded {
        /// In which, and why.
        why: String,
    },
    /// The judge has found it worse than the old version beside it.
    #[error("worse than the old version: {}", evidence.join("; "))]
    Worse {
        /// What is, on which evidence.
        evidence: Vec<String>,
    },
    /// Answers came from another version than the one that was asked.
    #[error("answers come from the wrong version: {}", evidence.join("; "))]
    Identity {
        /// Which, and how many.
        evidence: Vec<String>,
    },
    /// It could not be found out whether the new version is good.
    #[error("could not be judged: {what}")]
    Inconclusive {
        /// What is not known.
        what: String,
    },
    /// A gateway did not run a change in time.
    #[error("the gateways did not run the change in time: {detail}")]
    NotApplied {
        /// Which, and how far they are.
        detail: String,
    },
    /// The change could not be written.
    #[error("the traffic could not be moved: {why}")]
    Switch {
        /// The store's words.
        why: String,
    },
    /// What was under way on the old version never ended while requests waited for it.
    #[error("the traffic could not be moved with requests waiting, tried {tries} times: {why}")]
    Hold {
        /// How often it was tried.
        tries: u32,
        /// What did not end.
        why: String,
    },
    /// A person said stop.
    #[error("aborted by {actor}: {reason}")]
    Aborted {
        /// Who.
        actor: String,
        /// Why.
        reason: String,
    },
    /// It was a rehearsal, and has come to where a release would commit.
    #[error("the rehearsal has come to the commit")]
    Rehearsed,
    /// A newer release took over.
    #[error("superseded by {by}")]
    Superseded {
        /// The newer release.
        by: String,
    },
}

impl Cause {
    /// The end that this leads to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Cause::Rehearsed => Outcome::Rehearsed,
            Cause::Aborted { .. } => Outcome::Aborted,
            Cause::Superseded { .. } => Outcome::Superseded,
            _ => Outcome::RolledBack,
        }
    }
}
