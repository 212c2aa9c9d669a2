//! What a rehearsal has shown: how long the way there and back takes, and that no user was moved.

use super::Account;
use crate::journal::Folded;
use crate::machine::Outcome;
use crate::plan::{PROBES, Plan};
use model::record::{Answerer, Lane};
use serde::{Deserialize, Serialize};

/// A rehearsal, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalSummary {
    /// From the plan until everything was as it would be at the commit, milliseconds; `None`: it has not come there.
    pub there_ms: Option<u64>,
    /// Of each step, from the intent until every thread of every gateway ran it and had its guard armed, milliseconds.
    pub steps_ms: Vec<u64>,
    /// The way back, from the intent until every thread of every gateway ran it, milliseconds; `None`: not seen (yet).
    pub back_ms: Option<u64>,
    /// Requests of users that came meanwhile, whoever answered.
    pub users: u64,
    /// Of these, those that went to the new version; `None`: a gateway went, and with it what it had counted.
    pub users_on_new: Option<u64>,
    /// What both versions said to the same requests, in words; `None`: they were not asked (yet).
    #[serde(default)]
    pub asked: Option<String>,
}

impl RehearsalSummary {
    /// That of a release; `None`: it is no rehearsal.
    pub(crate) fn of(folded: &Folded, account: Option<&Account>) -> Option<RehearsalSummary> {
        let plan = folded.plan.as_ref().filter(|plan| plan.rehearsal.is_some())?;
        let new = plan.lead().map(|lead| Answerer::from(lead.new.colour));
        let rows = account.into_iter().flat_map(|account| &account.rows);
        let users = rows.filter(|row| row.lane == Lane::Share);
        let received = |on: Option<Answerer>| {
            let rows = users.clone().filter(|row| on.is_none_or(|on| on == row.answerer));
            rows.map(|row| row.counts.received).fold(0, u64::saturating_add)
        };
        let restored = folded.moves.iter().rev().find(|moved| moved.kind == "restore");
        let steps = folded.moves.iter().filter(|moved| moved.rehearses.is_some());
        Some(RehearsalSummary {
            there_ms: there_ms(folded, plan),
            steps_ms: steps.filter_map(|moved| moved.took_ms).collect(),
            back_ms: restored.and_then(|moved| moved.took_ms),
            users: received(None),
            users_on_new: folded.gaps.is_empty().then(|| received(new)),
            asked: asked(folded),
        })
    }

    /// In words: `the way there took 3.2 s (steps 12, 9 ms), the way back 8 ms from the intent until every thread of every
    /// gateway ran it; requests of users that went to the new version: 0 of 1204`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = match self.there_ms {
            Some(ms) => format!("the way there took {}", time(ms)),
            None => "the way there was not gone to its end".to_owned(),
        };
        if !self.steps_ms.is_empty() {
            let steps: Vec<String> = self.steps_ms.iter().map(u64::to_string).collect();
            words.push_str(&format!(" (steps {} ms)", steps.join(", ")));
        }
        if let Some(ms) = self.back_ms {
            let back = time(ms);
            words.push_str(&format!(
                ", the way back {back} from the intent until every thread of every gateway ran it"
            ));
        }
        let on_new = self.users_on_new.map_or("unknown".to_owned(), |requests| requests.to_string());
        let users = self.users;
        words.push_str(&format!("; requests of users that went to the new version: {on_new} of {users}"));
        if let Some(asked) = &self.asked {
            words.push_str(&format!("; {asked}"));
        }
        words
    }
}

fn asked(folded: &Folded) -> Option<String> {
    let gates = &folded.state.as_ref()?.gates;
    Some(gates.iter().find(|result| result.gate == PROBES)?.summary.clone())
}

fn there_ms(folded: &Folded, plan: &Plan) -> Option<u64> {
    let turned = folded.spans.iter().find(|span| span.phase == "revert")?;
    let cause = folded.state.as_ref()?.cause.as_ref()?;
    let ms = u64::try_from(turned.began_at_ms.saturating_sub(plan.made_at_ms)).ok()?;
    (cause.outcome() == Outcome::Rehearsed).then_some(ms)
}

fn time(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{:.1} s", ms as f64 / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_how_long_it_took_and_that_nobody_was_moved() {
        let summary = RehearsalSummary {
            there_ms: Some(3_210),
            steps_ms: vec![12, 9],
            back_ms: Some(8),
            users: 1_204,
            users_on_new: Some(0),
            asked: Some("nothing can be said".to_owned()),
        };
        assert_eq!(
            summary.words(),
            "the way there took 3.2 s (steps 12, 9 ms), the way back 8 ms from the intent until every thread of every \
             gateway ran it; requests of users that went to the new version: 0 of 1204; nothing can be said"
        );
        let unclear =
            RehearsalSummary { there_ms: None, back_ms: None, users_on_new: None, asked: None, ..summary };
        assert_eq!(
            unclear.words(),
            "the way there was not gone to its end (steps 12, 9 ms); requests of users that went to the new version: \
             unknown of 1204"
        );
    }
}
