//! What came of each hold, written down before anything is decided that follows from its end: who hears that the share has
//! moved, or that it has not, finds the account of those who waited.

use super::app::{AppRunner, PassError};
use crate::book::Release;
use crate::counters::Gateways;
use crate::journal::{Event, Folded};
use crate::machine::{Action, ActionResult, Cause, Input, State};
use crate::report::{HoldEnd, HoldSummary};
use crate::switch::hold_id;
use std::sync::Arc;

impl AppRunner {
    /// Writes down the holds that are over by what the gateways say.
    pub(super) async fn journal_holds(&self, gateways: &Gateways) -> Result<(), PassError> {
        let releases: Vec<Arc<Release>> = self.context.book.whole_of_app(&self.app);
        for release in releases.iter().filter(|release| !release.folded.ended()) {
            for hold in finished_holds(&release.folded, gateways) {
                let id = &release.folded.release;
                let event = Event::Held { hold };
                self.context.book.append(id, self.fence, &self.context.actor(), &event).await?;
            }
        }
        Ok(())
    }
}

/// The holds of a release that are over and not written down yet.
fn finished_holds(folded: &Folded, gateways: &Gateways) -> Vec<HoldSummary> {
    let (Some(plan), Some(state)) = (&folded.plan, &folded.state) else { return Vec::new() };
    if plan.hold.is_none() {
        return Vec::new();
    }
    let under_way = under_way(folded, state);
    let finished = |number: u32| {
        let id = hold_id(plan, number);
        let is_new = folded.holds.iter().all(|known| known.id != id);
        let hold = if is_new { gateways.finished_hold(&id)? } else { return None };
        let ended = match hold.end() {
            HoldEnd::Moved if !has_moved(folded, number) => given_up(folded, state),
            end => end,
        };
        Some(HoldSummary { ended: Some(ended), in_time: ended == HoldEnd::Moved, ..hold })
    };
    (1..=state.counter).filter(|number| Some(*number) != under_way).filter_map(finished).collect()
}

/// The hold of the move that is being made; what came of it the machine may not have been told.
fn under_way(folded: &Folded, state: &State) -> Option<u32> {
    let pending = state.pending.as_ref()?;
    let Action::SetShare { hold, .. } = pending.action else { return None };
    let has_ended = |input: &Input| matches!(input, Input::Ended { id, .. } if *id == pending.id);
    hold.filter(|_| !folded.inputs.iter().any(has_ended))
}

/// The number of a hold is that of the action which it is for.
fn has_moved(folded: &Folded, number: u32) -> bool {
    let suffix = format!("/{number}");
    folded.moves.iter().any(|moved| moved.action.ends_with(&suffix) && moved.revision.is_some())
}

/// Why a hold that no gateway ended by itself has moved nothing.
fn given_up(folded: &Folded, state: &State) -> HoldEnd {
    let goes_back = state.cause.as_ref().is_some_and(|cause| !matches!(cause, Cause::Hold { .. }));
    let is_foreign =
        |input: &Input| matches!(input, Input::Ended { result: ActionResult::Foreign { .. }, .. });
    let is_edited = state.foreign.is_some() || folded.inputs.iter().any(is_foreign);
    if goes_back || is_edited { HoldEnd::Lifted } else { HoldEnd::Budget }
}
