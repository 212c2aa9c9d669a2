//! A version that takes requests and answers none: told as soon as it is noticeable, long before anything ends that could be
//! judged. Nothing follows from it; what the guard makes of it is its own affair.

use super::app::AppRunner;
use crate::book::Release;
use crate::counters::Gateways;
use crate::machine::State;
use crate::view::SILENT_MS;

impl AppRunner {
    /// Tells each silence of a version once, when it has become noticeable.
    pub(super) fn tell_silent(&mut self, release: &Release, state: &State, gateways: &Gateways, now_ms: i64) {
        let Some(plan) = release.folded.plan.as_ref().filter(|_| state.phase.has_traffic()) else { return };
        let (Some(lead), Some(guard)) = (plan.lead(), &plan.guard) else { return };
        let silent = gateways.waits(&guard.rule.id).map(|waits| {
            let ms = waits.unanswered_ms.filter(|ms| waits.requests > 0 && *ms >= SILENT_MS);
            ms.map(|ms| (waits.requests, ms))
        });
        let id = &release.folded.release;
        let known = self.silent.insert(id.clone(), silent.map(|one| one.is_some())).unwrap_or_default();
        let colours = [lead.old.as_ref().map(|old| old.colour), Some(lead.new.colour)];
        for ((colour, silent), is_known) in colours.into_iter().zip(silent).zip(known) {
            let (Some(colour), Some((requests, ms)), false) = (colour, silent, is_known) else { continue };
            let wait = if requests == 1 { "request waits" } else { "requests wait" };
            let text = format!("{colour}: {requests} {wait}, and no answer has begun for {ms} ms");
            self.context.book.events().tell(release, now_ms, &self.context.actor(), "silent", text);
        }
    }
}
