//! The record of a request: counted in its series, written to the access log.

use crate::claim::Claim;
use crate::clock;
use crate::grpc;
use crate::kept::Tee;
use crate::plugin;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::respond::GRPC_HTTP_STATUS;
use crate::shadow::Capture;
use crate::worker::Worker;
use http1::Framing;
use model::reason::Reason;
use model::record::{Ending, RequestRecord, judged_status};
use std::time::Instant;
use telemetry::cell::{Cell, Ended};
use telemetry::found::{Found, Outcome};
use telemetry::samples::Samples;
use telemetry::series::Series;

/// What becomes known of a request on its way.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) began: Instant,
    /// The same, later by what it waited in a hold: from here on time passes in the name of who answers it.
    pub(crate) claimed: Instant,
    pub(crate) ending: Ending,
    /// Status sent to the client; 0: none.
    pub(crate) status: u16,
    /// The gate answered by itself.
    pub(crate) by_gate: bool,
    pub(crate) upstream_status: u16,
    /// The status of a call of gRPC, as the upstream has said it, or the gate.
    pub(crate) grpc_status: Option<u8>,
    /// The status of HTTP that a refusal amounts to, if another one was sent; 0: none was.
    pub(crate) amounts_to: u16,
    /// Why the gate answered, or the answer has ended.
    pub(crate) reason: Option<Reason>,
    /// The node that was tried last.
    pub(crate) node: Option<usize>,
    pub(crate) tries: u8,
    pub(crate) upstream_us: u64,
    /// Bytes of the request's head.
    pub(crate) head_bytes: u64,
    /// Bytes of heads that were sent to the client, interim ones included.
    pub(crate) sent_head_bytes: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// The request's body was read to its end, so that the next request is known to begin behind it.
    pub(crate) body_read: bool,
    /// It became a stream.
    pub(crate) upgraded: bool,
    /// What the answer said of itself, where somebody asks.
    pub(crate) found: Found,
    /// What is kept of the answer's body, if somebody asks for what is in it.
    pub(crate) examined: Option<Tee>,
    /// When the client had all of the answer, if that is known before the end.
    pub(crate) ended: Option<Instant>,
    /// What is kept of it, if it is to be copied.
    pub(crate) shadow: Option<Box<Capture>>,
}

impl Facts {
    /// The facts of a request whose head of `head_bytes` was read.
    pub(crate) fn new(began: Instant, head_bytes: usize, body: Framing) -> Facts {
        Facts {
            began,
            claimed: began,
            ending: Ending::Whole,
            status: 0,
            by_gate: false,
            upstream_status: 0,
            grpc_status: None,
            amounts_to: 0,
            reason: None,
            node: None,
            tries: 0,
            upstream_us: 0,
            head_bytes: head_bytes as u64,
            sent_head_bytes: 0,
            request_bytes: 0,
            response_bytes: 0,
            body_read: matches!(body, Framing::None | Framing::Length(0)),
            upgraded: false,
            found: Found::default(),
            examined: None,
            ended: None,
            shadow: None,
        }
    }
}

impl Facts {
    /// What the answer says, also where it is the gate's own, of which nothing can be said.
    fn found(&self, claim: Option<&Claim<'_>>) -> Found {
        match claim.and_then(|claim| claim.examination) {
            Some(examination) if self.by_gate => examination.of_nothing(),
            _ => self.found,
        }
    }

    /// The gate answers, with this refusal.
    pub(crate) fn refused(&mut self, refusal: &Refusal, is_grpc: bool) {
        self.by_gate = true;
        self.reason = Some(refusal.reason());
        self.status = refusal.status();
        if is_grpc {
            // What is the client's doing stays that, whatever gRPC has for it.
            self.amounts_to = self.status;
            self.status = GRPC_HTTP_STATUS;
            self.grpc_status = Some(refusal.grpc_status());
        }
    }

    /// Its time without what it waited in a hold; most waited in none.
    fn latency_us(&self, ended: Instant, total_us: u64) -> u64 {
        if self.claimed == self.began { total_us } else { micros(ended - self.claimed) }
    }

    /// The client has left because the time that it gives its call was over: the upstream has failed it, and the client knows as
    /// much as if it had been told.
    pub(crate) fn ran_out_of_time(&mut self) {
        self.ending = Ending::CutShort;
        self.reason = Some(Reason::TotalTimeout);
        self.grpc_status = Some(grpc::DEADLINE_EXCEEDED);
    }

    fn judged_status(&self) -> u16 {
        match self.amounts_to {
            0 => judged_status(self.status, self.grpc_status),
            status => status,
        }
    }

    /// Whether the gate answered because something has failed: the upstream, the configuration or the gate. What a plugin says
    /// is meant, a 408 or a 413 is the client's doing, and a drain is no failure.
    fn is_gate_error(&self) -> bool {
        self.by_gate
            && self.judged_status() >= 500
            && self.ending != Ending::Drained
            && self.reason != Some(Reason::Plugin)
    }

    /// What could be asked and what failed, as bits: all of it, then each check of the business, of which one that could not look has
    /// failed without having been asked; `None`: it cannot be judged. As the counters have it ([`telemetry::counts::Counts::failed`]).
    fn judged(&self, found: Found) -> Option<[u8; 2]> {
        match self.ending {
            Ending::Whole if (100..500).contains(&self.judged_status()) => {
                let (passed, failed) = (found.checks(Outcome::Passed), found.checks(Outcome::Failed));
                let unexamined = found.checks(Outcome::Unexamined);
                Some([(passed | failed) << 1 | 1, (failed | unexamined) << 1])
            }
            Ending::Whole | Ending::CutShort => Some([1, 1]),
            Ending::ClientLeft | Ending::Drained => None,
        }
    }
}

/// A request that has begun to be counted. It is ended once, in whatever way: a task that is dropped (the gateway is
/// stopped, or it panics) cuts its request short.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    cell: &'a Cell,
    has_ended: bool,
}

impl<'a> Open<'a> {
    /// Begins the count.
    pub(crate) fn begin(cell: &'a Cell) -> Open<'a> {
        cell.begin();
        Open { cell, has_ended: false }
    }

    fn end(mut self, ended: &Ended) {
        self.has_ended = true;
        self.cell.end(ended);
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.cell.end(&Ended {
                ending: Ending::CutShort,
                status: 0,
                gate_error: false,
                retried: false,
                request_bytes: 0,
                response_bytes: 0,
                latency_us: 0,
                upgrade: false,
                found: Found::default(),
            });
        }
    }
}

/// Counts and logs a request that has ended; a failed one is kept for reports, too.
pub(crate) fn record(
    worker: &Worker,
    request: &Request<'_>,
    series: &Series,
    claim: Option<&Claim<'_>>,
    open: Open<'_>,
    facts: &Facts,
) {
    let ended = facts.ended.unwrap_or_else(clock::now);
    let total_us = micros(ended - facts.began);
    let found = facts.found(claim);
    open.end(&Ended {
        ending: facts.ending,
        status: facts.judged_status(),
        gate_error: facts.is_gate_error(),
        retried: facts.tries > 1,
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
        latency_us: facts.latency_us(ended, total_us),
        upgrade: facts.upgraded,
        found,
    });
    if let Some((seat, point)) = claim.and_then(|claim| claim.user)
        && let Some([asked, failed]) = facts.judged(found)
    {
        seat.ended(worker.thread, point, asked, failed);
    }
    worker.totals().bytes_received(facts.head_bytes + facts.request_bytes);
    worker.totals().bytes_sent(facts.sent_head_bytes + facts.response_bytes);
    if let Some(reason) = facts.reason {
        worker.totals().gate_answer(reason);
    }
    let mut log = worker.log.borrow_mut();
    let may_be_failure = facts.judged_status() >= 500 || facts.ending == Ending::CutShort;
    let plugins = plugin::log_phase(request);
    if log.is_none() && !may_be_failure && plugins.is_none() {
        return;
    }
    let key = series.key();
    let node = claim.and_then(|claim| claim.target.nodes.get(facts.node?));
    let path = request.logged_path();
    let query = request.logged_query();
    let record = RequestRecord {
        at_us: worker.anchor.get().unix_us_of(facts.began),
        route: &key.route,
        service: &key.service,
        answerer: key.answerer,
        lane: key.lane,
        epoch: key.epoch,
        ending: facts.ending,
        status: facts.status,
        upstream_status: facts.upstream_status,
        grpc_status: facts.grpc_status,
        reason: facts.reason,
        upstream: node.map_or("", |node| &node.authority),
        tries: facts.tries,
        protocol: request.head.version().name(),
        method: request.head.method(),
        host: request.host(),
        path: &path,
        query: &query,
        client: request.client_text(),
        consumer: request.consumer_name().unwrap_or_default(),
        total_us,
        upstream_us: facts.upstream_us,
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
    };
    if may_be_failure && Samples::is_failure(&record) {
        worker.failures.keep(worker.thread, &record);
    }
    if let Some(log) = log.as_mut() {
        log.line(&record, series.log_part());
    }
    if let Some(plugins) = plugins {
        plugins(&record);
    }
}

/// Whole microseconds of a duration.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
