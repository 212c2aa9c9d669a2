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
/// How long it waits at most for the account of a hold that has moved nothing, so that both are told together, milliseconds.
const ACCOUNT_MS: u64 = 1_000;

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
        let interrupted = match timeout(Duration::from_millis(hold.budget_ms), waiting).await {
            Ok(Cleared::Yes) => return self.write_over(held, Position::Share(share)).await,
            Ok(Cleared::Never { interrupted }) => interrupted,
            Err(_) => false,
        };
        // Over, or some gateway did not hold any longer: everyone goes on as before.
        match self.write_over(held, Position::Share(self.share)).await {
            ActionResult::Written { .. } => {
                let patience_ms = ACCOUNT_MS.min(self.plan.apply_timeout_ms / 2);
                let _ = timeout(Duration::from_millis(patience_ms), self.until_accounted(number)).await;
                ActionResult::HoldOver { why, interrupted }
            }
            other => other,
        }
    }

    async fn stands_at(&self, position: Position) -> bool {
        let seen = self.context.switch.observe(&self.plan, &self.component).await;
        seen.is_ok_and(|seen| seen.owned == Some(owned_at(&self.plan, &self.component, position)))
    }

    /// Returns when the hold is in force everywhere and the old colour has finished, or when it cannot come to that any more.
    /// `why` says what it waits for.
    async fn until_clear(&self, number: u32, revision: Revision, why: &mut String) -> Cleared {
        let id = hold_id(&self.plan, number);
        let old = self.component.old.as_ref().map_or(Answerer::Upstream, |old| old.colour.into());
        let mut reports = self.context.store.watch_reports();
        loop {
            reports.mark_unchanged();
            match self.context.gateways().await.map(|gateways| gateways.hold(&id, revision, old)) {
                Ok(HoldState::Clear) => return Cleared::Yes,
                Ok(HoldState::Over { why: detail, interrupted }) => {
                    *why = detail;
                    return Cleared::Never { interrupted };
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

    /// Returns when every gateway has said what came of a hold that is over.
    async fn until_accounted(&self, number: u32) {
        let id = hold_id(&self.plan, number);
        let mut reports = self.context.store.watch_reports();
        loop {
            reports.mark_unchanged();
            if self.context.gateways().await.is_ok_and(|gateways| gateways.finished_hold(&id).is_some()) {
                return;
            }
            tokio::select! {
                _ = reports.changed() => {}
                () = pause(Duration::from_millis(LOOK_MS)) => {}
            }
        }
    }
}

/// Whether the old colour has finished while everyone waited.
enum Cleared {
    Yes,
    Never {
        /// Because a gateway was started meanwhile.
        interrupted: bool,
    },
}
