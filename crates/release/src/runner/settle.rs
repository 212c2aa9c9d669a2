//! Brings the account of a release to its end: what was open when it was closed has ended since.

use super::app::{AppRunner, PassError};
use crate::book::Release;
use crate::clock;
use crate::counters::Gateways;
use crate::journal::Event;
use std::sync::Arc;

/// So many of the newest releases of an app are looked at. What is open for longer than they took stays as it was last.
const NEWEST: usize = 4;

impl AppRunner {
    /// Writes the accounts anew of which half of what was open has ended, or all. So a stream that stays for days costs few
    /// entries, and the last one is written when all has ended.
    pub(super) async fn settle(
        &mut self,
        releases: &[Arc<Release>],
        gateways: &Gateways,
    ) -> Result<(), PassError> {
        for release in releases.iter().rev().take(NEWEST).filter(|release| release.folded.is_closed()) {
            let folded = &release.folded;
            let Some(account) = &folded.account else { continue };
            let until = folded.until();
            let unended = account.unended(until);
            if unended == 0 {
                continue;
            }
            let now = gateways.account(&self.app, account.since, clock::now_ms());
            let settled = account.settled(&now, until);
            if settled.unended(until) <= unended / 2 {
                let event = Event::Counted { account: Box::new(settled) };
                let actor = self.context.actor();
                self.context.book.append(&folded.release, self.fence, &actor, &event).await?;
            }
        }
        Ok(())
    }
}
