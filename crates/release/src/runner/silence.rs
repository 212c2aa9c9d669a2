//! A version that takes requests and answers none, or begins answers and ends none: told as soon as it is noticeable, long before
//! anything ends that could be judged. Nothing follows from it; what the guard makes of it is its own affair. Where both versions end
//! nothing, that is what their answers are, and nobody is told.

use super::app::AppRunner;
use crate::book::Release;
use crate::counters::Gateways;
use crate::machine::State;
use crate::view::{SILENT_MS, ends_nothing};

impl AppRunner {
    /// Tells each silence of a version once, when it has become noticeable.
    pub(super) fn tell_silent(&mut self, release: &Release, state: &State, gateways: &Gateways, now_ms: i64) {
        let Some(plan) = release.folded.plan.as_ref().filter(|_| state.phase.has_traffic()) else { return };
        let (Some(lead), Some(guard)) = (plan.lead(), &plan.guard) else { return };
        let waits = gateways.waits(&guard.rule.id);
        let [old, new] = waits;
        let [old_endless, new_endless] = ends_nothing(waits.map(|waits| (waits.unended, waits.unended_ms)));
        let silent = [(old, old_endless), (new, new_endless)].map(|(waits, is_endless)| {
            let unanswered_ms = waits.unanswered_ms.filter(|ms| *ms >= SILENT_MS && waits.requests > 0);
            let unended_ms = waits.unended_ms.filter(|_| is_endless);
            let unanswered = unanswered_ms.map(|ms| unanswered_words(waits.requests, ms));
            unanswered.or_else(|| unended_ms.map(|ms| unended_words(waits.unended, ms)))
        });
        let id = &release.folded.release;
        let known =
            self.silent.insert(id.clone(), silent.each_ref().map(Option::is_some)).unwrap_or_default();
        let colours = [lead.old.as_ref().map(|old| old.colour), Some(lead.new.colour)];
        for ((colour, silent), is_known) in colours.into_iter().zip(silent).zip(known) {
            let (Some(colour), Some(words), false) = (colour, silent, is_known) else { continue };
            let text = format!("{colour}: {words}");
            self.context.book.events().tell(release, now_ms, &self.context.actor(), "silent", text);
        }
    }
}

fn unanswered_words(requests: u64, ms: u64) -> String {
    let wait = if requests == 1 { "request waits" } else { "requests wait" };
    format!("{requests} {wait}, and no answer has begun for {ms} ms")
}

fn unended_words(answers: u64, ms: u64) -> String {
    let have = if answers == 1 { "answer has" } else { "answers have" };
    format!("{answers} {have} begun and not ended, and none has ended for {ms} ms")
}
