//! What a journal says about times: how long each phase took, how long each move of traffic took.
//!
//! A move counts from the moment its intent was written to the moment every gateway was seen to run it: measured, not
//! taken from a call that returned.

use super::{Entry, Folded};
use crate::machine::{Action, ActionRequest, ActionResult, Cause, Phase, Stage, State};
use model::resource::Revision;
use serde::{Deserialize, Serialize};

/// A phase, from when to when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The phase's name.
    pub phase: String,
    /// Milliseconds since the Unix epoch.
    pub began_at_ms: i64,
    /// Milliseconds since the Unix epoch; `None`: it goes on.
    pub ended_at_ms: Option<i64>,
}

/// A move of traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The action's id.
    pub action: String,
    /// `share`, `copy` (of requests, for a shadow gate), `restore` or `clean-up`; in reports also `guard`: a gateway took
    /// the traffic back by itself.
    pub kind: String,
    /// The new version's share after it, percent.
    pub share: u8,
    /// In a rehearsal, the share whose step it was; users got `share`, which is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearses: Option<u8>,
    /// When the intent was written, milliseconds since the Unix epoch.
    pub intended_at_ms: i64,
    /// The revision that it became.
    pub revision: Option<Revision>,
    /// From the intent until every gateway ran it, milliseconds; `None`: not seen.
    pub took_ms: Option<u64>,
    /// Of a guard's: from the crossing of its bound until no thread of its gateway sent a request to the new version any
    /// more, microseconds; `None`: not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Who moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why; only in reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Move {
    /// The kind of what a guard did by itself.
    pub const GUARD: &str = "guard";

    /// The number of its action within the release; that of the hold which it was made under, if there was one.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.action.rsplit_once('/')?.1.parse().ok()
    }
}

impl Folded {
    pub(super) fn follow_phases(&mut self, at_ms: i64, state: &State) {
        let phase = state.phase.name();
        if self.spans.last().is_some_and(|span| span.phase == phase) {
            return;
        }
        if let Some(last) = self.spans.last_mut() {
            last.ended_at_ms = Some(at_ms);
        }
        if state.phase != Phase::Ended {
            self.spans.push(Span { phase: phase.to_owned(), began_at_ms: at_ms, ended_at_ms: None });
        }
    }

    pub(super) fn follow_moves(&mut self, entry: &Entry, state: &State, intents: &[ActionRequest]) {
        let at_ms = entry.at_ms;
        let was_spreading =
            self.state.as_ref().is_some_and(|before| matches!(before.stage, Stage::Spread { .. }));
        let spread = was_spreading && !matches!(state.stage, Stage::Spread { .. });
        // A rehearsal turns back in the very look that sees its last step everywhere.
        let gave_up = state.phase == Phase::Revert
            && state.cause != Some(Cause::Rehearsed)
            && self.state.as_ref().is_some_and(|before| before.phase != Phase::Revert);
        if spread
            && !gave_up
            && let Some(last) = self.moves.last_mut()
        {
            last.took_ms = u64::try_from(at_ms.saturating_sub(last.intended_at_ms)).ok();
        }
        for intent in intents {
            let (kind, share, rehearses) = match intent.action {
                Action::SetShare { share, rehearses, .. } => ("share", share, rehearses),
                Action::Copy { .. } => ("copy", 0, None),
                Action::Restore => ("restore", 0, None),
                Action::CleanUp { .. } => ("clean-up", 100, None),
                _ => continue,
            };
            self.moves.push(Move {
                action: intent.id.clone(),
                kind: kind.to_owned(),
                share,
                rehearses,
                intended_at_ms: at_ms,
                revision: None,
                took_ms: None,
                took_us: None,
                by: Some(entry.actor.clone()),
                why: None,
            });
        }
    }

    pub(super) fn written(&mut self, id: &str, result: &ActionResult) {
        if let ActionResult::Written { revision, .. } = result
            && let Some(moved) = self.moves.iter_mut().find(|moved| moved.action == id)
        {
            moved.revision = Some(*revision);
        }
    }
}
