//! Gathers what the judge and the guards have found, for those who look now and for the report.

use super::app::AppRunner;
use super::sampler::is_turn;
use crate::book::Release;
use crate::counters::Gateways;
use crate::journal::Event;
use crate::machine::{Observation, State};
use crate::report::{Evidence, proves_more, update};

impl AppRunner {
    /// Keeps what is found at this look.
    pub(super) fn gather(&mut self, release: &Release, seen: &Observation, gateways: &Gateways) {
        let folded = &release.folded;
        let guard = folded.plan.as_ref().and_then(|plan| plan.guard.as_ref());
        let of_guards = guard.map(|guard| gateways.weighed(&guard.rule.id)).unwrap_or_default();
        // What the judge says of users is what the guards have found.
        let judge = folded.plan.as_ref().and_then(|plan| plan.judge);
        let judged = seen.judged.iter().filter(|_| !judge.is_some_and(|judge| judge.by_users));
        let of_judge = judged.flat_map(|judged| &judged.findings).chain(&seen.identity);
        let of_judge = of_judge
            .map(|finding| Evidence { by: Evidence::JUDGE.to_owned(), finding: finding.clone() })
            .chain(of_guards);
        let news: Vec<Evidence> = of_judge.collect();
        if !news.is_empty() {
            // What another controller has written down is where this one goes on.
            let known =
                self.evidence.entry(folded.release.clone()).or_insert_with(|| folded.evidence.clone());
            update(known, &news);
        }
    }

    /// What is to be written down: something is proven now, or the traffic moves.
    pub(super) fn newly_judged(&self, release: &Release, before: &State, after: &State) -> Option<Event> {
        let folded = &release.folded;
        let evidence = self.evidence.get(&folded.release)?;
        let proven = proves_more(&folded.evidence, evidence);
        let is_news = proven || is_turn(before, after) && folded.evidence != *evidence;
        is_news.then(|| {
            let comparison = self.comparisons.get(&folded.release).cloned().map(Box::new);
            Event::Judged { evidence: evidence.clone(), proven, comparison }
        })
    }
}
