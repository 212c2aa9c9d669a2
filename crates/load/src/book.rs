//! The ledger while it is being written: begins and ends of requests, from all connections.

use crate::ledger::{Failure, FailureKind, Ledger, MAX_FAILURES, Outcome, Sent, Tally};

/// Answerers that are told apart; further names are counted under the last one's place.
const MAX_ANSWERERS: usize = 250;

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// A whole answer: 2xx and right, or of another status.
    Answered { answerer: String, error: Option<String> },
    /// A whole 2xx answer with the wrong content.
    Wrong { answerer: String, what: String },
    /// No whole answer.
    Lost { what: String },
}

/// When a request began and ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) sent_ms: i64,
    pub(crate) ended_ms: i64,
    pub(crate) took_us: u64,
}

/// The account so far.
#[derive(Debug)]
pub(crate) struct Book {
    run: String,
    started_ms: i64,
    max_requests: usize,
    tally: Tally,
    failures: Vec<Failure>,
    failures_total: u64,
    answerers: Vec<String>,
    requests: Vec<Sent>,
}

impl Book {
    pub(crate) fn new(run: String, started_ms: i64, max_requests: usize) -> Self {
        Book {
            run,
            started_ms,
            max_requests,
            tally: Tally::default(),
            failures: Vec::new(),
            failures_total: 0,
            answerers: Vec::new(),
            requests: Vec::new(),
        }
    }

    pub(crate) fn id(&self, number: usize) -> String {
        format!("{}-{number}", self.run)
    }

    /// The number of the next request; `None` once the bound is reached.
    pub(crate) fn begin(&mut self, idempotent: impl FnOnce(usize) -> bool) -> Option<usize> {
        let number = self.requests.len();
        if number >= self.max_requests {
            return None;
        }
        let (outcome, idempotent) = (Outcome::Open, idempotent(number));
        self.requests.push(Sent { outcome, idempotent, failed: false, sent_ms: 0, ended_ms: 0 });
        self.tally.sent += 1;
        Some(number)
    }

    /// The end of a request that began.
    pub(crate) fn end(&mut self, number: usize, ending: Ending, times: Times) {
        let (outcome, failure) = match ending {
            Ending::Answered { answerer, error } => {
                let (place, answerer) = self.answerer(answerer);
                *self.tally.answered.entry(answerer.clone()).or_default() += 1;
                self.tally.latency.entry(answerer.clone()).or_default().record(times.took_us);
                if error.is_some() {
                    *self.tally.user_errors.entry(answerer.clone()).or_default() += 1;
                }
                (Outcome::Answered(place), error.map(|what| (FailureKind::UserError, answerer, what)))
            }
            Ending::Wrong { answerer, what } => {
                self.tally.wrong += 1;
                self.tally.lost += 1;
                (Outcome::Lost, Some((FailureKind::Wrong, answerer, what)))
            }
            Ending::Lost { what } => {
                self.tally.lost += 1;
                (Outcome::Lost, Some((FailureKind::Lost, String::new(), what)))
            }
        };
        if let Some(request) = self.requests.get_mut(number) {
            let since_start =
                |at_ms: i64| at_ms.saturating_sub(self.started_ms).clamp(0, u32::MAX.into()) as u32;
            request.outcome = outcome;
            request.failed = failure.is_some();
            request.sent_ms = since_start(times.sent_ms);
            request.ended_ms = since_start(times.ended_ms);
        }
        if let Some((kind, answerer, what)) = failure {
            let (id, Times { sent_ms, ended_ms, .. }) = (self.id(number), times);
            self.fail(Failure { id, kind, answerer, sent_ms, ended_ms, what });
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The finished account. A request that is still open has no answer and never will: it is lost.
    pub(crate) fn close(mut self, now_ms: i64, behind: u64) -> Ledger {
        for number in 0..self.requests.len() {
            if self.requests.get(number).is_some_and(|request| request.outcome == Outcome::Open) {
                let what = "the client gave up on it".to_owned();
                let times = Times { sent_ms: now_ms, ended_ms: now_ms, took_us: 0 };
                self.end(number, Ending::Lost { what }, times);
            }
        }
        Ledger {
            run: self.run,
            tally: self.tally,
            failures: self.failures,
            failures_total: self.failures_total,
            started_ms: self.started_ms,
            behind,
            answerers: self.answerers,
            requests: self.requests,
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failures_total += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(failure);
        }
    }

    /// The place of an answerer, and the name it is counted under.
    fn answerer(&mut self, name: String) -> (u8, String) {
        let place = match self.answerers.iter().position(|known| *known == name) {
            Some(place) => place,
            None if self.answerers.len() < MAX_ANSWERERS => {
                self.answerers.push(name);
                self.answerers.len() - 1
            }
            None => self.answerers.len() - 1,
        };
        (place as u8, self.answerers.get(place).cloned().unwrap_or_default())
    }
}
