//! One gateway thread: its runtime, its listeners, and all that its connections share.
//!
//! Nothing here is shared with another thread. What the other threads have to say comes through the mailbox.

mod accept;
mod census;
mod in_flight;
mod mailbox;
mod relayed;
mod run;
mod streams;

pub(crate) use census::Census;
pub(crate) use mailbox::Message;
pub(crate) use run::{Start, run};
pub(crate) use streams::{DrainTime, Stream, Streams, Tracked};

use crate::buffer::Buffers;
use crate::claim::Claim;
use crate::client::http2::{Crew, Repeats};
use crate::clock::Anchor;
use crate::examine::Examiner;
use crate::hold::Waiting;
use crate::settings::Settings;
use crate::table::{Pinned, Table};
use crate::timer::Timers;
use crate::tls::Handshakes;
use crate::upstream::pool::Pools;
use crate::upstream::resolve::Resolver;
use crate::upstream::tls::Connectors;
use http1::{RequestHead, ResponseHead};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use telemetry::access_log::LogBuffer;
use telemetry::samples::Samples;
use telemetry::series::Series;
use telemetry::totals::{ThreadTotals, Totals};
use tokio::sync::Notify;

/// Most heads of a kind that are kept for later.
const MAX_HEADS: usize = 64;

/// What the connections of a thread share.
pub(crate) struct Worker {
    /// The number of this thread, from 0.
    pub(crate) thread: usize,
    pub(crate) settings: Arc<Settings>,
    table: RefCell<Pinned>,
    pub(crate) pools: Pools,
    pub(crate) buffers: Rc<Buffers>,
    answers: RefCell<Vec<ResponseHead>>,
    requests: RefCell<Vec<RequestHead>>,
    /// Those that serve the streams of HTTP/2 connections.
    pub(crate) crew: Rc<Crew>,
    /// What their answers have repeated.
    pub(crate) repeats: Repeats,
    pub(crate) timers: Rc<Timers>,
    pub(crate) resolver: Rc<Resolver>,
    pub(crate) tls: Connectors,
    pub(crate) log: RefCell<Option<LogBuffer>>,
    pub(crate) totals: Arc<Totals>,
    /// Failed requests, for reports.
    pub(crate) failures: Arc<Samples>,
    /// Counters of requests that no route matched.
    pub(crate) unmatched: Arc<Series>,
    pub(crate) streams: Streams,
    /// Requests that a hold lets wait.
    pub(crate) waiting: Waiting,
    /// Client connections of this thread.
    pub(crate) connections: Cell<usize>,
    /// Requests of this thread that are in work.
    in_flight: Cell<usize>,
    most_requests: usize,
    /// Told when the last connection of a draining thread has gone.
    pub(crate) last_left: Notify,
    /// Client connections of all threads.
    pub(crate) census: Arc<Census>,
    /// No new requests: answers say `Connection: close`.
    pub(crate) draining: Cell<bool>,
    /// Idle connections are closed, too.
    pub(crate) closing: Cell<bool>,
    pub(crate) anchor: Cell<Anchor>,
    /// TLS handshakes of this thread.
    pub(crate) handshakes: Handshakes,
    /// Looks into bodies of answers.
    pub(crate) examiner: Examiner,
}

impl Worker {
    /// The table that new requests are matched under.
    pub(crate) fn table(&self) -> Pinned {
        self.table.borrow().clone()
    }

    /// The process-wide counters of this thread.
    pub(crate) fn totals(&self) -> &ThreadTotals {
        self.totals.thread(self.thread)
    }

    /// A head for an upstream's answer.
    pub(crate) fn take_answer(&self) -> ResponseHead {
        self.answers.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a head back.
    pub(crate) fn give_answer(&self, answer: ResponseHead) {
        let mut answers = self.answers.borrow_mut();
        if answers.len() < MAX_HEADS {
            answers.push(answer);
        }
    }

    /// A head for a request.
    pub(crate) fn take_request(&self) -> RequestHead {
        self.requests.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a head back.
    pub(crate) fn give_request(&self, request: RequestHead) {
        let mut requests = self.requests.borrow_mut();
        if requests.len() < MAX_HEADS {
            requests.push(request);
        }
    }

    /// Tracks the stream that a claimed request, or its answer, has become. Traffic may have left its target while it was being opened.
    pub(crate) fn track_stream<'a>(&'a self, claim: &Claim<'a>) -> Tracked<'a> {
        self.track(claim, false)
    }

    /// Tracks a call of gRPC, which ends by itself soon more often than not.
    pub(crate) fn track_call<'a>(&'a self, claim: &Claim<'a>) -> Tracked<'a> {
        self.track(claim, true)
    }

    fn track<'a>(&'a self, claim: &Claim<'a>, is_call: bool) -> Tracked<'a> {
        let (route, target) = (claim.route, claim.target);
        let timeout_ms = route.drain_timeout_ms.or(target.drain_timeout_ms);
        let drain = DrainTime {
            timeout_ms: timeout_ms.unwrap_or(self.settings.drain_timeout_ms),
            jitter_ms: self.settings.drain_jitter_ms,
        };
        let counters = claim.series.cell(self.thread);
        let deadline = self.timers.timer();
        let stream = self.streams.track(&route.id, target.uid, is_call, drain, deadline, counters);
        stream.retarget(&self.table());
        stream
    }

    /// Makes a table the current one: connections to what no request comes to any more are closed, and streams on it
    /// are given their drain deadline.
    fn swap(self: &Rc<Self>, table: Arc<Table>) {
        if !Arc::ptr_eq(self.table.borrow().reachable(), table.reachable()) {
            self.pools.keep_only(table.reachable());
        }
        self.streams.retarget(&table);
        *self.table.borrow_mut() = Pinned::new(Arc::clone(&table));
        Waiting::follow(self, &table);
    }
}
