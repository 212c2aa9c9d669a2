//! What a version has counted, as far as a guard asks: each counter is a sum, and sums of series add.

use judge::silence::Heard;
use model::policy::MAX_ANSWER_CHECKS;
use telemetry::cell::TURNS;
use telemetry::counts::Examined;
use telemetry::report::Judged;
use telemetry::series::Series;

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
}

impl Tallied {
    /// By failures, or by one of the checks.
    pub(super) fn by(&self, check: Option<usize>) -> Judged {
        let Some(place) = check else { return Judged { requests: self.requests, failed: self.failed } };
        let check = self.checks.get(place).copied().unwrap_or_default();
        Judged { requests: check.examined(), failed: check.failed }
    }

    /// What is counted in a series now.
    pub(super) fn of(series: &Series) -> Tallied {
        let (requests, failed) = series.judged();
        let telemetry::cell::Heard { asked, heads, unheard, withdrawn, waiting } = series.heard();
        let heard = Heard { asked, heads, unheard, withdrawn };
        Tallied { requests, failed, checks: series.examined(), heard, waiting }
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
        let (requests, failed) = (join(self.requests, other.requests), join(self.failed, other.failed));
        Tallied { requests, failed, ..self }
    }
}
