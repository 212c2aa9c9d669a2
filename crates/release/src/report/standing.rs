//! Where a release stood when its report was asked for, and what is left to do. Without it a report tells what the journal
//! tells, which of a release that goes on is what was known at its last turning point.

use super::{CheckSummary, Ledger, Point, Report};
use crate::view::{Mood, ReleaseView, WaitingView};
use crate::ways::Way;
use serde::{Deserialize, Serialize};

/// Where a release stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// When it was looked at, milliseconds since the Unix epoch. What is counted is counted until then.
    pub at_ms: i64,
    /// `queued`, a phase's name, or `ended`.
    pub phase: String,
    /// How it stands or ended, in a word or two.
    pub headline: String,
    /// How that is meant.
    pub mood: Mood,
    /// The new version's share of user traffic, percent.
    pub share: u8,
    /// Whether something is left to do for it, by itself or by a person: its numbers may change.
    pub goes_on: bool,
    /// What it waits for.
    pub waiting_for: Vec<WaitingView>,
    /// What the gate that runs says of how far it is.
    #[serde(default)]
    pub progress: Option<String>,
    /// What a person can do about it.
    pub ways: Vec<Way>,
}

impl Standing {
    /// Whether a person is asked something.
    #[must_use]
    pub fn asks_person(&self) -> bool {
        self.waiting_for.iter().any(|waiting| waiting.asks_person)
    }

    /// What it is called as long as something is left to do. Of one that is decided, only what comes after is.
    #[must_use]
    pub(super) fn heading(&self, is_decided: bool) -> &'static str {
        if is_decided && !self.asks_person() { "decided" } else { "still running" }
    }

    /// What is left to do, in a sentence.
    #[must_use]
    pub fn words(&self, is_decided: bool) -> String {
        if !self.goes_on {
            return "Nothing is left to do.".to_owned();
        }
        let who = match (self.phase.as_str(), self.asks_person(), is_decided) {
            ("queued", ..) => "It has not begun",
            (_, true, _) => "It needs a person",
            (_, _, true) => "What is left is done by itself",
            _ => "It goes on by itself",
        };
        let waits: Vec<String> = self.waiting_for.iter().map(WaitingView::words).collect();
        match (waits.join("; "), &self.progress) {
            (waits, _) if !waits.is_empty() => format!("{who}: it waits for {waits}."),
            (_, Some(progress)) => format!("{who}: {progress}."),
            _ => format!("{who}."),
        }
    }
}

impl Report {
    /// The report with what is known of the release now: its counts, its evidence and its course until `at_ms`, and what
    /// it waits for.
    #[must_use]
    pub(crate) fn at_present(mut self, view: ReleaseView, seen: Option<Seen>, at_ms: i64) -> Report {
        if let Some(Seen { account, course }) = seen {
            self.ledger = Ledger::of(Some(&account), !self.gaps.is_empty());
            self.checks = CheckSummary::all(self.plan.as_ref(), Some(&account));
            self.counts = Some(account);
            let last = self.course.points().last().map_or(i64::MIN, |point| point.at_ms);
            let new = course.into_iter().filter(|point| point.at_ms > last);
            self.course.extend(&new.collect::<Vec<_>>());
        }
        let (headline, mood) = view.headline();
        self.rehearsal = view.rehearsal;
        self.evidence = view.evidence;
        self.notifications = view.notifications;
        self.standing = Some(Standing {
            at_ms,
            goes_on: view.ended_at_ms.is_none(),
            phase: view.phase,
            headline,
            mood,
            share: view.share,
            waiting_for: view.waiting_for,
            progress: view.progress,
            ways: view.ways,
        });
        self
    }
}

/// What the gateways say of a release now, or said last.
pub(crate) struct Seen {
    /// What it answers for.
    pub(crate) account: super::Account,
    /// What both colours did since the last sample that was written down.
    pub(crate) course: Vec<Point>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn standing(phase: &str, waits_for: &str, asks_person: bool, goes_on: bool) -> Standing {
        let waiting = json!([{"what": waits_for, "asks_person": asks_person, "remaining_ms": 61_000}]);
        let standing = json!({"at_ms": 0, "phase": phase, "headline": phase, "mood": "neutral", "share": 10, "goes_on": goes_on, "waiting_for": waiting,
            "ways": []});
        serde_json::from_value(standing).unwrap()
    }

    #[test]
    fn what_is_decided_is_not_still_running() {
        let kept = "the failed environment's time to be kept";
        assert_eq!(standing("keep-failed", kept, false, true).heading(true), "decided");
        assert_eq!(standing("shift", "step 10 %", false, true).heading(false), "still running");
    }

    #[test]
    fn what_is_left_to_do_says_who_does_it() {
        let said = [
            standing("shift", "approval of gate yes", true, true).words(false),
            standing("queued", "its turn", false, true).words(false),
            standing("shift", "step 10 %", false, true).words(false),
            standing("decommission", "2 open requests to end", false, true).words(true),
            standing("ended", "nothing", false, false).words(true),
        ];
        let expected = [
            "It needs a person: it waits for approval of gate yes, at most 1 min 01 s.",
            "It has not begun: it waits for its turn, at most 1 min 01 s.",
            "It goes on by itself: it waits for step 10 %, at most 1 min 01 s.",
            "What is left is done by itself: it waits for 2 open requests to end, at most 1 min 01 s.",
            "Nothing is left to do.",
        ];
        assert_eq!(said, expected);
    }
}
