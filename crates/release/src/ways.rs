//! What a person can do about a release now: the commands, and what each one does. Pure.

use crate::journal::Folded;
use crate::machine::{Ahead, Waiting, WaitingFor};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// A command that a person can give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The command, as it is typed.
    pub command: String,
    /// What comes of it.
    pub does: String,
}

impl Way {
    fn new(verb: &str, app: &str, release: &str, does: impl Into<String>) -> Way {
        Way { command: format!("tealgate release {verb} {app} --release {release}"), does: does.into() }
    }
}

/// How a release as others see it that wait for it; `waiting`: what it waits for itself.
pub(crate) fn ahead(folded: &Folded, waiting: &[Waiting]) -> Ahead {
    let state = folded.state.as_ref();
    Ahead {
        release: folded.release.clone(),
        version: folded.request.version.clone(),
        phase: state.map_or("queued", |state| state.phase.name()).to_owned(),
        asks_person: asked(waiting).is_some(),
        can_abort: can_abort(folded),
    }
}

/// The ways of a release that waits for this.
pub(crate) fn ways(folded: &Folded, waiting: &[Waiting]) -> Vec<Way> {
    let (app, release) = (folded.request.app.as_str(), folded.release.as_str());
    let mut ways = Vec::new();
    if let Some(what) = asked(waiting) {
        let does = match what {
            WaitingFor::Approval { gate } => format!("approves gate {gate}, and the release goes on"),
            WaitingFor::Edit { .. } => "writes over the edit and goes on".to_owned(),
            _ => "goes on without a verdict".to_owned(),
        };
        ways.push(Way::new("promote", app, release, does));
    }
    let behind = waiting.iter().find_map(|waiting| match &waiting.what {
        WaitingFor::Turn { behind } => behind.first(),
        _ => None,
    });
    if let Some(first) = behind {
        if first.asks_person {
            let does = format!("says yes to what {} waits for", first.release);
            ways.push(Way::new("promote", app, &first.release, does));
        }
        if first.can_abort {
            ways.push(Way::new("abort", app, &first.release, "takes it back, and the next one begins"));
        }
    }
    if folded.queued() {
        ways.push(Way::new("abort", app, release, "withdraws this release; nothing of it has begun"));
    } else if can_abort(folded) {
        let old = folded.plan.as_ref().and_then(Plan::lead).and_then(|lead| lead.old.as_ref());
        let does = match old {
            Some(old) => format!("takes it back: all users get {}", old.version),
            None => "takes it back: nothing is live then".to_owned(),
        };
        ways.push(Way::new("abort", app, release, does));
    }
    ways
}

fn asked(waiting: &[Waiting]) -> Option<&WaitingFor> {
    waiting.iter().map(|waiting| &waiting.what).find(|what| what.subject().is_some())
}

fn can_abort(folded: &Folded) -> bool {
    match &folded.state {
        Some(state) => state.phase.can_turn_back(),
        None => folded.queued(),
    }
}
