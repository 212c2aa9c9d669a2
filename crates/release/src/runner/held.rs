//! Moving a share under a hold: requests wait, what was under way ends, the share moves and the hold goes, in one write.
//!
//! It may be dropped and begun again at any moment, by this controller or by another one: it looks first at what
//! stands, and each hold has an id under which a gateway holds once. If nobody goes on with it, each gateway ends it by
//! itself when its budget is over.

use super::act::Work;
use crate::clock::pause;
use crate::counters::HoldState;
use crate::machine::ActionResult;
use crate::switch::{Position, Switch, hold_id, owned_at};
use model::record::Answerer;
use model::resource::Revision;
use std::time::Duration;
use tokio::time::timeout;

/// Between two looks at the gateways' reports if none comes, milliseconds.
const LOOK_MS: u64 = 20;

impl Work {
    /// Moves the share from where it is. `number` is the hold's.
    pub(super) async fn move_held(&self, share: u8, overwrite: bool, number: u32) -> ActionResult {
        let Some(hold) = &self.plan.hold else { return self.write(Position::Share(share), overwrite).await };
        if self.stands_at(Position::Share(share)).await {
            return self.write(Position::Share(share), overwrite).await;
        }
        let held = Position::Held { share: self.share, number };
        let written = match self.write(held, overwrite).await {
            ActionResult::Written { revision, .. } => revision,
            other => return other,
        };
        let mut why = String::new();
        let waiting = self.until_clear(number, written, &mut why);
        match timeout(Duration::from_millis(hold.budget_ms), waiting).await {
            Ok(true) => self.write_over(held, Position::Share(share)).await,
            // Over, or some gateway did not hold any longer: everyone goes on as before.
            Ok(false) | Err(_) => match self.write_over(held, Position::Share(self.share)).await {
                ActionResult::Written { .. } => ActionResult::HoldOver { why },
                other => other,
            },
        }
    }

    async fn stands_at(&self, position: Position) -> bool {
        let seen = self.context.switch.observe(&self.plan, &self.component).await;
        seen.is_ok_and(|seen| seen.owned == Some(owned_at(&self.plan, &self.component, position)))
    }

    /// Returns true when the hold is in force everywhere and the old colour has finished, false when it cannot come to
    /// that any more. `why` says what it waits for.
    async fn until_clear(&self, number: u32, revision: Revision, why: &mut String) -> bool {
        let id = hold_id(&self.plan, number);
        let old = self.component.old.as_ref().map_or(Answerer::Upstream, |old| old.colour.into());
        let mut reports = self.context.store.watch_reports();
        loop {
            reports.mark_unchanged();
            match self.context.gateways().await.map(|gateways| gateways.hold(&id, revision, old)) {
                Ok(HoldState::Clear) => return true,
                Ok(HoldState::Over(detail)) => {
                    *why = detail;
                    return false;
                }
                Ok(HoldState::Waits(detail)) => *why = detail,
                Err(error) => *why = error.to_string(),
            }
            tokio::select! {
                _ = reports.changed() => {}
                () = pause(Duration::from_millis(LOOK_MS)) => {}
            }
        }
    }
}
