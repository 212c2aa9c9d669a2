//! One try: a connection, the request on it, the answer from it.

use super::body::Body;
use super::leg::Leg;
use super::pump::{self, HeadEvent, Sides};
use super::tunnel;
use crate::claim::Claim;
use crate::client::{After, Client};
use crate::clock;
use crate::exchange::Failure;
use crate::headers::{self, AnswerFraming};
use crate::record::{Facts, micros};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::respond;
use crate::table::{Node, Target};
use crate::timer::ticks;
use crate::upstream::connect::connect;
use crate::upstream::pool::{PoolKey, UpstreamConnection};
use crate::worker::Worker;
use foldhash::quality::FixedState;
use http1::{BodyDecoder, Framing, ResponseHead};
use model::upstream::{PassHost, Scheme, Timeouts};
use std::hash::BuildHasher;

/// One try of a request at a node.
pub(super) struct Attempt<'a> {
    pub(super) worker: &'a Worker,
    pub(super) request: &'a Request<'a>,
    pub(super) claim: &'a Claim,
    pub(super) target: &'a Target,
    pub(super) node: usize,
    pub(super) body: &'a mut Body,
    pub(super) facts: &'a mut Facts,
}

/// How a try failed. The flag says whether some of the request may have reached the node.
#[derive(Debug)]
pub(super) enum TryError {
    /// A pooled connection was dead: nothing came back on it.
    Stale(bool),
    /// The node did not answer; another one may.
    Failed(Refusal, bool),
    /// No other try can help.
    Final(Failure),
}

impl From<Failure> for TryError {
    fn from(failure: Failure) -> Self {
        TryError::Final(failure)
    }
}

impl Attempt<'_> {
    /// Tries once, on a pooled connection if `pooled` and there is one.
    pub(super) async fn run(&mut self, client: &mut Client, pooled: bool) -> Result<After, TryError> {
        let node = self.target.nodes.get(self.node).ok_or(TryError::Failed(Refusal::NoNode, false))?;
        let started = clock::now();
        let kept = if pooled {
            self.worker.pools.take(self.pool_key(), self.node, self.worker.timers.now())
        } else {
            None
        };
        let connection = match kept {
            Some(connection) => connection,
            None => self.connect(client, node).await?,
        };
        let upgrade =
            self.request.head.upgrade().filter(|_| self.claim.route().is_some_and(|route| route.websocket));
        let mut head = self.worker.buffers.take_output();
        headers::write_request(&mut head, self.request, self.target, node, upgrade);
        let leg = self.body.start(head);
        let mut answer = self.worker.take_answer();
        let mut sides = Sides {
            upstream: connection,
            input: self.worker.buffers.take(),
            request: leg,
            timeouts: self.timeouts(),
            max_body_bytes: self.worker.settings.max_body_bytes,
        };
        let result = self.exchange(client, &mut sides, &mut answer, started).await;
        self.facts.request_bytes = sides.request.bytes;
        self.worker.give_answer(answer);
        let keep = matches!(result, Ok((_, true)));
        let Sides { upstream, input, request, .. } = sides;
        if keep && input.is_empty() {
            self.keep(upstream);
        }
        self.worker.buffers.give(input);
        let out = self.body.stop(request);
        self.worker.buffers.give_output(out);
        result.map(|(after, _)| after)
    }

    /// Gives what becomes of the client's connection, and whether the upstream's can carry another request.
    async fn exchange(
        &mut self,
        client: &mut Client,
        sides: &mut Sides,
        answer: &mut ResponseHead,
        started: std::time::Instant,
    ) -> Result<(After, bool), TryError> {
        loop {
            match pump::answer_head(self.worker, client, sides, answer).await? {
                HeadEvent::Final => break,
                HeadEvent::Interim => self.pass_interim(client, answer).await?,
            }
        }
        self.facts.upstream_status = answer.status();
        self.facts.upstream_us = micros(clock::now() - started);
        self.facts.status = answer.status();
        if answer.status() == 101 {
            self.facts.upgraded = true;
            let after = tunnel::tunnel(self.worker, client, sides, answer, self.claim, self.facts).await?;
            return Ok((after, false));
        }
        let body = answer.framing(self.request.head.method());
        let may_keep = self.request.head.keep_alive() && !self.worker.draining.get();
        let framing = AnswerFraming::choose(body, self.request.head.version(), may_keep);
        let mut head = self.worker.buffers.take_output();
        headers::write_answer(&mut head, answer, body, framing, self.request);
        let decoder = BodyDecoder::new(body, &self.worker.settings.head);
        let mut leg = Leg::new(head, decoder, framing.chunked);
        let result = pump::answer_body(self.worker, client, sides, &mut leg).await;
        self.facts.response_bytes = leg.bytes;
        let (_, _, out) = leg.into_parts();
        self.worker.buffers.give_output(out);
        result?;
        let request_done = sides.request.is_done();
        let after = if framing.keep_alive && request_done { After::KeepAlive } else { After::Close };
        Ok((after, request_done && body != Framing::UntilClose && answer.keep_alive()))
    }

    /// Passes a 1xx on to a client that can understand it (RFC 9110, section 15.2).
    async fn pass_interim(&self, client: &mut Client, answer: &ResponseHead) -> Result<(), TryError> {
        if self.request.head.version() == http1::Version::Http10 {
            return Ok(());
        }
        let mut out = self.worker.buffers.take_output();
        headers::write_interim(&mut out, answer);
        let written = respond::write_all(self.worker, client, &out).await;
        self.worker.buffers.give_output(out);
        written.map_err(|_| Failure::ClientLeft.into())
    }

    async fn connect(&self, client: &Client, node: &Node) -> Result<UpstreamConnection, TryError> {
        client.timer.arm(self.timeouts().connect_ms);
        let connecting =
            connect(&self.worker.resolver, &self.worker.tls, self.target, node, self.request.host());
        match client.timer.within(connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                tracing::debug!(upstream = node.authority, %error, "cannot connect");
                Err(TryError::Failed(Refusal::Connect, false))
            }
            Err(_) => Err(TryError::Failed(Refusal::UpstreamTimeout, false)),
        }
    }

    /// Puts the connection into the pool, unless it has carried enough.
    fn keep(&self, mut connection: UpstreamConnection) {
        connection.requests += 1;
        let keepalive = &self.target.keepalive;
        if connection.requests < keepalive.requests && !self.worker.closing.get() {
            let until = self.worker.timers.now() + ticks(keepalive.idle_timeout_ms);
            self.worker.pools.give(self.pool_key(), self.node, connection, keepalive.size, until);
        }
    }

    fn pool_key(&self) -> PoolKey {
        // Where the client names the host that TLS is spoken with, connections of other hosts are not the same.
        let by_client = self.target.scheme == Scheme::Https && self.target.pass_host == PassHost::Pass;
        let name = if by_client { FixedState::default().hash_one(self.request.host()) } else { 0 };
        PoolKey { target: self.target.uid, name }
    }

    fn timeouts(&self) -> Timeouts {
        self.claim.route().and_then(|route| route.timeouts).unwrap_or(self.target.timeouts)
    }
}
