//! What a version has counted, as far as a guard asks: each counter is a sum, and sums of series add.

use judge::silence::Heard;
use judge::tally::Tally;
use judge::unended::Ends;
use model::policy::MAX_ANSWER_CHECKS;
use telemetry::cell::TURNS;
use telemetry::counts::Examined;
use telemetry::ends::{Begun, PLACES};
use telemetry::report::Judged;
use telemetry::series::Series;

// Who decides a turn and who counts what ended in time mean the same time.
const _: () = assert!(judge::unended::DECIDED_AFTER == telemetry::ends::TURNS_IN_TIME + 1);

/// What one side has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallied {
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// What each check of the business has said.
    pub(super) checks: [Examined; MAX_ANSWER_CHECKS],
    /// Requests that were sent, and answers that have begun.
    pub(super) heard: Heard,
    /// Requests that wait, by the turn in which they were sent.
    pub(super) waiting: [u64; TURNS],
    /// Answers that have begun, and what came of them.
    pub(super) begun: Begun,
}

impl Tallied {
    /// By failures, or by one of the checks.
    pub(super) fn by(&self, check: Option<usize>) -> Judged {
        let Some(place) = check else { return Judged { requests: self.requests, failed: self.failed } };
        let check = self.checks.get(place).copied().unwrap_or_default();
        Judged { requests: check.examined(), failed: check.failed }
    }

    /// Good answers that one of the checks was asked for, and of these those that it could not look at.
    pub(super) fn unexamined(&self, place: usize) -> Tally {
        let check = self.checks.get(place).copied().unwrap_or_default();
        let (units, unexamined) = check.of_good(self.failed);
        Tally::new(units, unexamined)
    }

    /// Answers that have begun and ended, as a version is heard by its heads.
    pub(super) fn ended(&self) -> Heard {
        let sum = |counts: [u64; PLACES]| counts.into_iter().fold(0, u64::saturating_add);
        let Begun { begun, in_time, void, other, late, left: _ } = self.begun;
        let (withdrawn, heads) = (sum(void), sum(in_time).saturating_add(late));
        Heard {
            asked: sum(begun),
            withdrawn,
            heads,
            unheard: withdrawn.saturating_add(sum(other)).saturating_sub(late),
        }
    }

    /// The same by turns, to be compared.
    pub(super) fn ends(&self) -> Ends {
        let Begun { begun, in_time, void, .. } = self.begun;
        Ends { begun: of_turns(begun), in_time: of_turns(in_time), void: of_turns(void) }
    }

    /// Answers that have begun and not ended, by the turn in which they began.
    pub(super) fn open(&self) -> [u64; TURNS] {
        of_turns(self.begun.open())
    }

    /// What is counted in a series now.
    pub(super) fn of(series: &Series) -> Tallied {
        let (requests, failed) = series.judged();
        let telemetry::cell::Heard { asked, heads, unheard, withdrawn, waiting } = series.heard();
        let heard = Heard { asked, heads, unheard, withdrawn };
        Tallied { requests, failed, checks: series.examined(), heard, waiting, begun: series.ends() }
    }

    /// Both together.
    pub(super) fn plus(self, other: &Tallied) -> Tallied {
        self.joined(other, u64::saturating_add)
    }

    /// Without what was added before.
    pub(super) fn minus(self, part: &Tallied) -> Tallied {
        self.joined(part, u64::saturating_sub)
    }

    fn joined(mut self, other: &Tallied, join: fn(u64, u64) -> u64) -> Tallied {
        for (ours, theirs) in self.checks.iter_mut().zip(other.checks) {
            *ours = ours.joined(theirs, join);
        }
        for (ours, theirs) in self.waiting.iter_mut().zip(other.waiting) {
            *ours = join(*ours, theirs);
        }
        self.heard = self.heard.joined(other.heard, join);
        self.begun = self.begun.joined(&other.begun, join);
        let (requests, failed) = (join(self.requests, other.requests), join(self.failed, other.failed));
        Tallied { requests, failed, ..self }
    }
}

/// Without those of whom nobody knows when they began.
fn of_turns([one, two, three, four, _]: [u64; PLACES]) -> [u64; TURNS] {
    [one, two, three, four]
}
