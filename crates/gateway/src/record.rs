//! The record of a request: counted in its series, written to the access log.

use crate::claim::Claim;
use crate::clock;
use crate::request::Request;
use crate::table::Route;
use crate::worker::Worker;
use model::record::{Answerer, Ending, Lane, RequestRecord};
use std::time::Instant;
use telemetry::cell::Ended;

/// What becomes known of a request on its way.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) began: Instant,
    pub(crate) ending: Ending,
    /// Status sent to the client; 0: none.
    pub(crate) status: u16,
    /// The gate answered by itself.
    pub(crate) by_gate: bool,
    pub(crate) upstream_status: u16,
    /// The node that was tried last.
    pub(crate) node: Option<usize>,
    pub(crate) tries: u8,
    pub(crate) upstream_us: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// It became a stream.
    pub(crate) upgraded: bool,
}

impl Facts {
    pub(crate) fn new(began: Instant) -> Facts {
        Facts {
            began,
            ending: Ending::Whole,
            status: 0,
            by_gate: false,
            upstream_status: 0,
            node: None,
            tries: 0,
            upstream_us: 0,
            request_bytes: 0,
            response_bytes: 0,
            upgraded: false,
        }
    }
}

/// Counts and logs a request that has ended. `route` is that of a request without a claim.
pub(crate) fn record(
    worker: &Worker,
    request: &Request<'_>,
    claim: Option<&Claim>,
    route: Option<&Route>,
    facts: &Facts,
) {
    let ended_at = clock::now();
    let total_us = micros(ended_at - facts.began);
    let series = match (claim.and_then(Claim::series), route) {
        (Some(series), _) => series,
        (None, Some(route)) => &route.gate_series,
        (None, None) => &worker.unmatched,
    };
    let cell = series.cell(worker.thread);
    if claim.is_none() {
        cell.begin();
    }
    cell.end(&Ended {
        ending: facts.ending,
        status: facts.status,
        gate_error: facts.by_gate && claim.is_some(),
        retried: facts.tries > 1,
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
        total_us,
        upgrade: facts.upgraded,
    });
    let mut log = worker.log.borrow_mut();
    let Some(log) = log.as_mut() else { return };
    let key = series.key();
    let node = claim.and_then(|claim| claim.target().ok()?.nodes.get(facts.node?));
    log.line(&RequestRecord {
        at_us: worker.anchor.get().unix_us_of(facts.began),
        route: &key.route,
        service: &key.service,
        answerer: if claim.is_some() { key.answerer } else { Answerer::Gate },
        lane: claim.map_or(Lane::Share, Claim::lane),
        epoch: key.epoch,
        ending: facts.ending,
        status: facts.status,
        upstream_status: facts.upstream_status,
        upstream: node.map_or("", |node| &node.authority),
        tries: facts.tries,
        method: request.head.method(),
        host: request.host(),
        path: &String::from_utf8_lossy(request.path()),
        query: request.query.unwrap_or_default(),
        client: request.connection.peer.ip().to_canonical(),
        total_us,
        upstream_us: facts.upstream_us,
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
    });
}

/// Whole microseconds of a duration.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
