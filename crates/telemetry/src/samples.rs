//! Samples of failed requests, so that a report can show what users saw. Secrets are masked as in the access log.
//!
//! Only failures are kept, the newest of each thread, so this may lock: a request that went well never comes here.

use crate::masking;
use model::record::{Answerer, Ending, RequestRecord, judged_status};
use model::resource::Revision;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Samples that each thread keeps; older ones go.
const MAX_PER_THREAD: usize = 32;
/// Longest path and longest query that are kept, bytes; longer ones are cut.
const MAX_TEXT_BYTES: usize = 256;

/// One failed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSample {
    /// When its head was complete, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Route id.
    pub route: String,
    /// Who answered, or should have.
    pub answerer: Answerer,
    /// The epoch of the route's split under which it was claimed.
    pub epoch: Revision,
    /// How it ended.
    pub ending: Ending,
    /// Status sent to the client; 0 if none was.
    pub status: u16,
    /// Status of the upstream; 0 if it gave none.
    pub upstream_status: u16,
    /// `host:port` of the upstream that was tried last.
    pub upstream: String,
    /// Method.
    pub method: String,
    /// Path and masked query.
    pub target: String,
    /// From the first byte of the head to the end, microseconds.
    pub total_us: u64,
}

/// The samples of a process, kept per request thread.
#[derive(Debug)]
pub struct Samples {
    threads: Box<[Mutex<VecDeque<FailureSample>>]>,
}

impl Samples {
    /// Samples of `threads` request threads.
    #[must_use]
    pub fn new(threads: usize) -> Samples {
        Samples { threads: std::iter::repeat_with(Mutex::default).take(threads.max(1)).collect() }
    }

    /// Whether a record is a failure of an upstream: a 5xx, a call of gRPC that amounts to one, or an answer that broke off.
    #[must_use]
    pub fn is_failure(record: &RequestRecord<'_>) -> bool {
        record.answerer != Answerer::Gate
            && (judged_status(record.status, record.grpc_status) >= 500 || record.ending == Ending::CutShort)
    }

    /// Keeps a failed request.
    pub fn keep(&self, thread: usize, record: &RequestRecord<'_>) {
        let Some(kept) = self.threads.get(thread) else { return };
        let mut kept = lock(kept);
        if kept.len() >= MAX_PER_THREAD {
            kept.pop_front();
        }
        kept.push_back(sample(record));
    }

    /// All samples, oldest first.
    #[must_use]
    pub fn snapshot(&self) -> Vec<FailureSample> {
        let mut all: Vec<FailureSample> = self.threads.iter().flat_map(|kept| lock(kept).clone()).collect();
        all.sort_by_key(|sample| sample.at_us);
        all
    }
}

fn lock(kept: &Mutex<VecDeque<FailureSample>>) -> MutexGuard<'_, VecDeque<FailureSample>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sample(record: &RequestRecord<'_>) -> FailureSample {
    let mut target = cut(record.path).to_owned();
    if !record.query.is_empty() {
        target.push('?');
        target.push_str(cut(&masking::masked(record.query)));
    }
    FailureSample {
        at_us: record.at_us,
        route: record.route.to_owned(),
        answerer: record.answerer,
        epoch: record.epoch,
        ending: record.ending,
        status: record.status,
        upstream_status: record.upstream_status,
        upstream: record.upstream.to_owned(),
        method: record.method.to_owned(),
        target,
        total_us: record.total_us,
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::Lane;

    fn record<'a>(at_us: i64, status: u16, ending: Ending) -> RequestRecord<'a> {
        RequestRecord {
            at_us,
            route: "r",
            service: "s",
            answerer: Answerer::Green,
            lane: Lane::Share,
            epoch: 1,
            ending,
            status,
            upstream_status: status,
            grpc_status: None,
            reason: None,
            upstream: "127.0.0.1:1",
            tries: 1,
            protocol: "HTTP/1.1",
            method: "GET",
            host: "h",
            path: "/p",
            query: "a=1&token=secret",
            client: "127.0.0.1",
            consumer: "",
            total_us: 1,
            upstream_us: 1,
            request_bytes: 0,
            response_bytes: 0,
        }
    }

    #[test]
    fn a_failure_is_an_upstreams_5xx_or_a_broken_answer() {
        assert!(Samples::is_failure(&record(0, 500, Ending::Whole)));
        assert!(Samples::is_failure(&record(0, 200, Ending::CutShort)));
        assert!(!Samples::is_failure(&record(0, 404, Ending::Whole)));
        assert!(!Samples::is_failure(&RequestRecord {
            answerer: Answerer::Gate,
            ..record(0, 502, Ending::Whole)
        }));
    }

    #[test]
    fn the_newest_samples_stay_and_their_secrets_do_not() {
        let samples = Samples::new(2);
        (0..100).for_each(|at| samples.keep(usize::from(at % 2 == 1), &record(at, 500, Ending::Whole)));
        let kept = samples.snapshot();
        assert_eq!(kept.len(), 2 * MAX_PER_THREAD);
        assert_eq!(kept.last().map(|sample| sample.at_us), Some(99));
        assert!(kept.iter().all(|sample| sample.target == "/p?a=1&token=***"));
    }
}
