//! How a release stands, in a word or two, and how that is meant: the same words in the tree, in Markdown and on the page. Pure.

use super::ReleaseView;
use crate::machine::Outcome;
use serde::{Deserialize, Serialize};

/// The phases of a release that goes back.
const WAY_BACK: [&str; 2] = ["revert", "keep-failed"];

/// How something is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Under way.
    Neutral,
    /// As it should be.
    Good,
    /// Needs a look or a person.
    Attention,
    /// Not as it should be.
    Bad,
}

impl Mood {
    /// Its name: `neutral`, `good`, `attention`, `bad`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mood::Neutral => "neutral",
            Mood::Good => "good",
            Mood::Attention => "attention",
            Mood::Bad => "bad",
        }
    }
}

impl ReleaseView {
    /// How it stands or ended, and how that is meant: `shift`, `rehearsal, soak`, `rolling back`, `promoted`.
    #[must_use]
    pub fn headline(&self) -> (String, Mood) {
        if let Some(outcome) = self.outcome {
            let (words, mood) = ended(outcome, self.rehearsal.is_some());
            return (words.to_owned(), mood);
        }
        let phase = &self.phase;
        let asks_person = self.waiting_for.iter().any(|waiting| waiting.asks_person);
        if self.turns_well() {
            ("rehearsal, going back".to_owned(), Mood::Neutral)
        } else if self.goes_back() {
            ("rolling back".to_owned(), if self.by_request() { Mood::Attention } else { Mood::Bad })
        } else if asks_person {
            (format!("{phase}, needs a person"), Mood::Attention)
        } else if self.rehearsal.is_some() {
            (format!("rehearsal, {phase}"), Mood::Neutral)
        } else {
            (phase.clone(), Mood::Neutral)
        }
    }

    /// Whether it goes or went back.
    #[must_use]
    pub fn goes_back(&self) -> bool {
        self.phases.iter().any(|span| WAY_BACK.contains(&span.phase.as_str()))
    }

    /// Whether it is a rehearsal that goes or went back because it was over, not because something was bad.
    #[must_use]
    pub fn turns_well(&self) -> bool {
        self.rehearsal.is_some() && self.why.is_none() && self.goes_back()
    }

    /// Whether it goes or went back because someone said so, not because the new version was bad.
    #[must_use]
    pub fn by_request(&self) -> bool {
        match self.outcome {
            Some(outcome) => matches!(outcome, Outcome::Aborted | Outcome::Superseded),
            None => self
                .why
                .as_deref()
                .is_some_and(|why| why.starts_with("aborted by") || why.starts_with("superseded by")),
        }
    }
}

/// How a release, or a rehearsal, ended, and how that is meant.
pub(crate) fn ended(outcome: Outcome, is_rehearsal: bool) -> (&'static str, Mood) {
    match outcome {
        Outcome::RolledBack if is_rehearsal => ("rehearsal failed", Mood::Bad),
        Outcome::Promoted | Outcome::Rehearsed => (outcome.name(), Mood::Good),
        Outcome::RolledBack | Outcome::Refused => (outcome.name(), Mood::Bad),
        Outcome::Aborted | Outcome::Superseded => (outcome.name(), Mood::Attention),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Event, Span, fold, read};
    use crate::report::RehearsalSummary;

    /// A release in its soak, or on its way back.
    fn view(goes_back: bool, is_rehearsal: bool, why: Option<&str>) -> ReleaseView {
        let requested = Event::Requested(Box::new(crate::example::request("2")));
        let chain = read(&crate::example::journal_of(&[requested])).unwrap();
        let mut view = ReleaseView::of(&fold("shop-2", &chain).unwrap(), None, Vec::new());
        view.phase = if goes_back { "revert" } else { "soak" }.to_owned();
        view.phases = vec![Span { phase: view.phase.clone(), began_at_ms: 0, ended_at_ms: None }];
        view.rehearsal = is_rehearsal.then(RehearsalSummary::default);
        view.why = why.map(str::to_owned);
        view
    }

    fn stands(view: &ReleaseView) -> (String, &'static str) {
        let (words, mood) = view.headline();
        (words, mood.name())
    }

    #[test]
    fn under_way_it_says_the_phase_and_on_the_way_back_what_sent_it_there() {
        let bad = Some("limits exceeded: 9 of 40 requests failed");
        for (view, words, mood) in [
            (view(false, false, None), "soak", "neutral"),
            (view(false, true, None), "rehearsal, soak", "neutral"),
            (view(true, true, None), "rehearsal, going back", "neutral"),
            (view(true, true, bad), "rolling back", "bad"),
            (view(true, false, bad), "rolling back", "bad"),
            (view(true, false, Some("aborted by ann: wrong version")), "rolling back", "attention"),
        ] {
            assert_eq!(stands(&view), (words.to_owned(), mood));
        }
    }

    #[test]
    fn decided_it_says_the_outcome_wherever_it_stands() {
        for (outcome, is_rehearsal, words, mood) in [
            (Outcome::Promoted, false, "promoted", "good"),
            (Outcome::Rehearsed, true, "rehearsed", "good"),
            (Outcome::RolledBack, false, "rolled back", "bad"),
            (Outcome::RolledBack, true, "rehearsal failed", "bad"),
            (Outcome::Refused, true, "refused", "bad"),
            (Outcome::Aborted, true, "aborted", "attention"),
            (Outcome::Superseded, false, "superseded", "attention"),
        ] {
            let view = ReleaseView { outcome: Some(outcome), ..view(true, is_rehearsal, None) };
            assert_eq!(stands(&view), (words.to_owned(), mood));
        }
    }
}
