//! The account of a run: every request that was sent, and what became of it.
//!
//! `sent = answered + lost (+ open, while it runs)`. *Answered* means a whole answer, and for a 2xx one that passed
//! its check; an answer with another status is whole too, but a user saw an error. *Lost* is everything else.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use telemetry::sketch::Sketch;

/// Who is said to have answered when the answer does not name an upstream.
pub const GATE: &str = "gate";
/// How many failures are kept one by one; all are counted.
pub const MAX_FAILURES: usize = 10_000;

/// The counts of a run, while it runs or at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests sent.
    pub sent: u64,
    /// Whole, checked answers, by who answered.
    pub answered: BTreeMap<String, u64>,
    /// Of these, answers whose status is not 2xx, by who answered.
    pub user_errors: BTreeMap<String, u64>,
    /// Requests without a whole, checked answer.
    pub lost: u64,
    /// Of these, whole 2xx answers with the wrong content.
    pub wrong: u64,
    /// Times to the end of whole answers, by who answered. Of an open loop: from the moment at which the request
    /// was due.
    pub latency: BTreeMap<String, Sketch>,
}

impl Tally {
    /// Whole, checked answers of all.
    #[must_use]
    pub fn answered_total(&self) -> u64 {
        self.answered.values().sum()
    }

    /// Answers of all whose status is not 2xx.
    #[must_use]
    pub fn user_errors_total(&self) -> u64 {
        self.user_errors.values().sum()
    }

    /// Sent, and neither answered nor lost yet.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.sent.saturating_sub(self.answered_total()).saturating_sub(self.lost)
    }

    /// The time below which a share `q` (0 to 1) of all answers came, microseconds, within 3.125 %.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let mut all = Sketch::new();
        self.latency.values().for_each(|sketch| all.merge(sketch));
        all.quantile(q)
    }

    /// What came since an earlier tally of the same run.
    #[must_use]
    pub fn minus(&self, baseline: &Tally) -> Tally {
        let less = |ours: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>| {
            let before = |name: &String| theirs.get(name).copied().unwrap_or(0);
            ours.iter().map(|(name, count)| (name.clone(), count.saturating_sub(before(name)))).collect()
        };
        let none = Sketch::new();
        let latency = self
            .latency
            .iter()
            .map(|(name, sketch)| (name.clone(), sketch.sub(baseline.latency.get(name).unwrap_or(&none))));
        Tally {
            sent: self.sent.saturating_sub(baseline.sent),
            answered: less(&self.answered, &baseline.answered),
            user_errors: less(&self.user_errors, &baseline.user_errors),
            lost: self.lost.saturating_sub(baseline.lost),
            wrong: self.wrong.saturating_sub(baseline.wrong),
            latency: latency.collect(),
        }
    }
}

/// In which way a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A whole answer whose status is not 2xx: a user saw an error.
    UserError,
    /// A whole 2xx answer with the wrong content: lost.
    Wrong,
    /// No whole answer: lost.
    Lost,
}

/// One request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its id.
    pub id: String,
    /// In which way.
    pub kind: FailureKind,
    /// Who answered; empty if there was no answer.
    pub answerer: String,
    /// When it was sent, milliseconds since the Unix epoch.
    pub sent_ms: i64,
    /// When it ended, milliseconds since the Unix epoch.
    pub ended_ms: i64,
    /// What happened, for a person.
    pub what: String,
}

/// What became of one request, as the ledger remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not ended.
    Open,
    /// Answered, by the answerer with this place in the list.
    Answered(u8),
    /// Lost.
    Lost,
}

/// One request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) outcome: Outcome,
    /// Its method is idempotent: a gateway may send it again.
    pub(crate) idempotent: bool,
    /// It was lost, or its answer was an error.
    pub(crate) failed: bool,
    /// When it was sent and when it ended, milliseconds since the start of the run.
    pub(crate) sent_ms: u32,
    pub(crate) ended_ms: u32,
}

/// The account of a finished run.
#[derive(Clone, Debug, Serialize)]
pub struct Ledger {
    /// What the ids of this run begin with: `RUN-0`, `RUN-1`, ...
    pub run: String,
    /// The counts; `sent = answered_total + lost`.
    #[serde(flatten)]
    pub tally: Tally,
    /// The first [`MAX_FAILURES`] failures, in the order in which they ended.
    pub failures: Vec<Failure>,
    /// All failures, kept or not.
    pub failures_total: u64,
    /// When the run began, milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// Of an open loop: requests that were due before the end and were not sent, because no connection was free.
    pub behind: u64,
    /// Answerers by their place.
    #[serde(skip)]
    pub(crate) answerers: Vec<String>,
    /// Every request by its number.
    #[serde(skip)]
    pub(crate) requests: Vec<Sent>,
}

impl Ledger {
    /// How many requests failed (lost, or a user saw an error) wholly outside a window: they ended before it began,
    /// or were sent after its end. Both ends in milliseconds since the Unix epoch. Exact, however many failed.
    #[must_use]
    pub fn failures_outside(&self, from_ms: i64, to_ms: i64) -> u64 {
        let since_start = |offset_ms: u32| self.started_ms.saturating_add(i64::from(offset_ms));
        let outside = |request: &&Sent| {
            request.failed
                && (since_start(request.ended_ms) < from_ms || since_start(request.sent_ms) > to_ms)
        };
        self.requests.iter().filter(outside).count() as u64
    }

    /// Who answered a request, by its number; `None` if it was lost.
    pub(crate) fn answerer_of(&self, request: &Sent) -> Option<&str> {
        match request.outcome {
            Outcome::Answered(place) => self.answerers.get(usize::from(place)).map(String::as_str),
            Outcome::Open | Outcome::Lost => None,
        }
    }
}
