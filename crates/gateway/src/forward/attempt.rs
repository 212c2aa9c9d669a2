//! One try: a connection, the request on it, the answer from it.

use super::body::Body;
use super::ends::Coding;
use super::events;
use super::grpc;
use super::handshake;
use super::hearing::{Hearing, Passing};
use super::http2;
use super::leg::Leg;
use super::pump::{self, HeadEvent, Sides, client_failed};
use super::tunnel;
use crate::claim::Claim;
use crate::client::http2::of_lines;
use crate::client::{After, Client, ClientIo};
use crate::clock;
use crate::exchange::Failure;
use crate::headers::{self, AnswerFraming};
use crate::kept::Tee;
use crate::plugin;
use crate::record::{Facts, micros};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::respond;
use crate::table::Node;
use crate::timer::ticks;
use crate::upstream::MAX_INTERIM_ANSWERS;
use crate::upstream::broken::Broken;
use crate::upstream::connect::connect;
use crate::upstream::fault;
use crate::upstream::http2::NoPlace;
use crate::upstream::io::UpstreamIo;
use crate::upstream::pool::{Destination, UpstreamConnection};
use crate::upstream::resolve::{PATIENCE, Wanted};
use crate::worker::{Stream, Worker};
use http1::{BodyDecoder, Framing, ResponseHead};
use model::reason::Reason;
use model::record::Ending;
use model::upstream::{Protocol, Timeouts};
use std::cell::Cell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// One try of a request at a node.
pub(super) struct Attempt<'a> {
    pub(super) worker: &'a Worker,
    pub(super) request: &'a Request<'a>,
    pub(super) claim: &'a Claim<'a>,
    pub(super) node: usize,
    pub(super) body: &'a mut Body,
    pub(super) facts: &'a mut Facts,
}

/// How a try failed. The flag says whether some of the request may have reached the node.
#[derive(Debug)]
pub(super) enum TryError {
    /// A pooled connection was dead: nothing came back on it. Or a node would not take the stream.
    Stale(Refusal, bool),
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

impl From<Refusal> for TryError {
    fn from(refusal: Refusal) -> Self {
        TryError::Final(refusal.into())
    }
}

/// No connection was made. What is wrong with us says nothing about the node, and no other node helps.
fn not_connected(reason: Reason) -> TryError {
    let refusal = Refusal::Connect(reason);
    match reason {
        Reason::ClientCertificateUnusable => refusal.into(),
        _ => TryError::Failed(refusal, false),
    }
}

impl Attempt<'_> {
    /// Tries once, on a pooled connection if `pooled` and there is one.
    pub(super) async fn run(&mut self, client: &mut Client, pooled: bool) -> Result<After, TryError> {
        // On the first try, the little that was done since the head came is counted in: one look at the clock less.
        let started = if self.facts.tries <= 1 { self.facts.claimed } else { clock::now() };
        let mut connection = self.connection(client, pooled).await?;
        let upgrade = self.upgrade();
        let mut head = self.worker.buffers.take_output();
        if let Some(node) = self.claim.target.nodes.get(self.node) {
            headers::write_request(&mut head, self.request, self.claim.target, node, upgrade);
        }
        if let UpstreamIo::Http2(stream) = &mut connection.io {
            http2::open(stream, &mut head, self.request, self.claim.target)?;
        }
        let mut sides = Sides {
            request: self.body.start(head, &connection.io),
            upstream: connection,
            input: self.worker.buffers.buffer(),
            timeouts: self.timeouts(),
        };
        let mut answer = self.worker.take_answer();
        let result = self.exchange(client, &mut sides, &mut answer, started).await;
        self.worker.give_answer(answer);
        let Sides { upstream, input, request, .. } = sides;
        if !self.facts.upgraded {
            self.facts.request_bytes = request.bytes;
        }
        if let UpstreamIo::Http2(stream) = &upstream.io {
            http2::judge(stream, &result);
        } else if matches!(result, Ok((_, true))) && input.is_empty() {
            self.keep(upstream);
        } else if matches!(result, Err(TryError::Final(Failure::ClientLeft(_)))) && !request.is_done() {
            upstream.io.abandon();
        }
        self.worker.buffers.give_output(self.body.stop(request, &mut client.input));
        self.facts.body_read = self.body.is_read();
        result.map(|(after, _)| after)
    }

    async fn connection(&self, client: &mut Client, pooled: bool) -> Result<UpstreamConnection, TryError> {
        let mut next = None;
        if pooled && self.claim.target.protocol != Protocol::Http2 {
            // A request that cannot be sent twice is worth a closer look at the connection.
            let careful = !self.request.is_idempotent() || !self.body.will_be_repeatable();
            let now = self.worker.timers.now();
            match self.worker.pools.take(self.destination(), now, careful) {
                Ok(kept) => return Ok(kept),
                Err(address) => next = address,
            }
        }
        let node = self.claim.target.nodes.get(self.node).ok_or(TryError::Failed(Refusal::NoNode, false))?;
        // In a box, as all that few requests come to: what is not in one makes every connection's task larger.
        Box::pin(self.connect(client, node, !pooled, next)).await
    }

    /// A new connection to a node, or where streams share them, a stream; on a `fresh` one, if possible. It leads to the node's
    /// address `next`, if that can be.
    async fn connect(
        &self,
        client: &mut Client,
        node: &Node,
        fresh: bool,
        next: Option<IpAddr>,
    ) -> Result<UpstreamConnection, TryError> {
        let Worker { resolver, tls, .. } = self.worker;
        let target = self.claim.target;
        client.timer.arm(self.timeouts().connect_ms);
        let wait = self.patience();
        let connect = async |turn: Option<IpAddr>| {
            let most = self.worker.settings.max_connecting_per_node;
            let attempting = self.worker.pools.connecting.begin((target.uid, self.node), most);
            let _attempting = attempting.ok_or(NoPlace::TooManyConnecting)?;
            let tls = target.shown.connectors(tls, self.worker.table().client_certificates())?;
            let wanted = Wanted { first: next.or(turn), wait };
            Ok(connect(resolver, &tls, target, node, self.request.host(), wanted).await?)
        };
        let is_full = Cell::new(false);
        let connected = if target.protocol == Protocol::Http1 {
            pump::while_client_stays(client, connect(None)).await?
        } else {
            let Worker { pools, settings, .. } = self.worker;
            let to = self.destination();
            let taking = pools.http2.connection(settings, to, target, fresh, &is_full, connect);
            pump::while_client_stays(client, taking).await?
        };
        match connected {
            Some(Ok(connection)) => Ok(connection),
            Some(Err(NoPlace::Connect(error))) => {
                tracing::debug!(upstream = node.authority, %error, "cannot connect");
                target.complaint.about(&node.authority, &error, super::now_s(self.worker));
                Err(not_connected(fault::reason(&error)))
            }
            Some(Err(NoPlace::AsBefore(reason))) => Err(not_connected(reason)),
            Some(Err(NoPlace::Full)) => Err(TryError::Failed(Refusal::NoStream, false)),
            Some(Err(NoPlace::TooManyConnecting)) => Err(TryError::Failed(Refusal::TooManyConnecting, false)),
            None if client.timer.is_over() => Err(Refusal::UpstreamTimeout(Reason::TotalTimeout).into()),
            None if is_full.get() => Err(TryError::Failed(Refusal::NoStream, false)),
            None => Err(TryError::Failed(Refusal::UpstreamTimeout(Reason::ConnectTimeout), false)),
        }
    }

    /// How long a name is waited for: less, if another node can be tried.
    fn patience(&self) -> Duration {
        let (target, tries) = (self.claim.target, self.facts.tries as usize);
        let most = match self.timeouts().connect_ms {
            0 => Duration::MAX,
            ms => Duration::from_millis(ms),
        };
        let is_last = tries > target.retries as usize || tries >= target.nodes.len();
        if is_last { most } else { most.min(PATIENCE) }
    }

    /// The protocol that is asked for, if the route lets it pass: WebSocket and no other. What `Upgrade: h2c` opens
    /// would be requests that no route has seen.
    fn upgrade(&self) -> Option<&str> {
        let asked = self.request.head.upgrade().filter(|_| self.claim.route.websocket);
        asked.filter(|protocol| {
            protocol.eq_ignore_ascii_case("websocket") && handshake::is_handshake(self.request.head)
        })
    }

    /// Gives what becomes of the client's connection, and whether the upstream's can carry another request.
    async fn exchange(
        &mut self,
        client: &mut Client,
        sides: &mut Sides,
        answer: &mut ResponseHead,
        started: Instant,
    ) -> Result<(After, bool), TryError> {
        let worker = self.worker;
        let call = grpc::track(worker, self.request, self.claim);
        let mut interim = 0;
        let mut hearing = Hearing::new(self.claim.series.cell(worker.thread), &worker.timers);
        while let HeadEvent::Interim =
            pump::answer_head(worker, client, sides, answer, call.as_deref(), &mut hearing).await?
        {
            interim += 1;
            if interim > MAX_INTERIM_ANSWERS {
                return Err(Refusal::BadAnswer(Broken::TooManyInterim).into());
            }
            self.pass_interim(client, answer).await?;
        }
        hearing.heard();
        self.facts.upstream_status = answer.status();
        let now = clock::now();
        self.facts.upstream_us = micros(now - started);
        self.answered(now);
        if answer.status() == 101 {
            let agreed = answer.upgrade().is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"));
            if self.upgrade().is_none() || !agreed || !sides.request.is_done() {
                return Err(Refusal::BadAnswer(Broken::Unasked).into());
            }
            self.facts.status = 101;
            self.facts.upgraded = true;
            if let Some(examination) = self.claim.examination {
                // At once: its end may be hours away.
                self.claim.series.cell(self.worker.thread).says(examination.of_stream(answer));
            }
            plugin::answer_phase(self.request, 101, Some(answer));
            let head = headers::write_upgrade(answer, self.request, self.claim.issued.as_ref());
            let tunnel = tunnel::tunnel(self.worker, client, sides, head, self.claim, self.facts);
            let after = Box::pin(tunnel).await?;
            return Ok((after, false));
        }
        self.pass_answer(client, sides, answer, call.as_deref()).await
    }

    /// Passes the answer on, whose head has come.
    async fn pass_answer(
        &mut self,
        client: &mut Client,
        sides: &mut Sides,
        answer: &mut ResponseHead,
        call: Option<&Stream>,
    ) -> Result<(After, bool), TryError> {
        // It will not be asked for again, so what was kept of the request is not needed any more.
        sides.request.replay = None;
        let passing = Passing::begin(self.claim.series.cell(self.worker.thread), &self.worker.timers);
        self.facts.status = answer.status();
        let body = answer.framing(self.request.head.method());
        if let Some(examination) = self.claim.examination {
            self.facts.found = examination.of(answer);
            self.facts.examined = examination.keep(self.worker, answer, body, &mut self.facts.found);
        }
        let may_keep = self.request.head.keep_alive() && !self.worker.draining.get();
        let framing = AnswerFraming::choose(body, self.request.head.version(), may_keep);
        plugin::answer_phase(self.request, answer.status(), Some(answer));
        let mut head = self.worker.buffers.take_output();
        headers::write_answer(&mut head, answer, body, framing, self.request, self.claim.issued.as_ref());
        let head_bytes = head.len() as u64;
        if let ClientIo::Http2(stream) = &mut client.io {
            stream.begin(of_lines(&self.worker.repeats, answer.status(), &head)?);
            head.clear();
        }
        let decoder = BodyDecoder::new(sides.upstream.io.ending(body), &self.worker.settings.head);
        let mut leg = Leg::new(head, decoder, Coding::towards(&client.io, framing.chunked));
        let copied = self.facts.shadow.as_mut().map(|shadow| shadow.answered(answer));
        leg.tee = Tee::both(copied, self.facts.examined.clone());
        let events = events::track(self.worker, answer, body, self.claim);
        let stream = call.or(events.as_deref());
        let result = match pump::answer_body(self.worker, client, sides, &mut leg, stream).await {
            Err(failure) if call.is_some() => {
                grpc::conclude(self.worker, client, sides, &mut leg, self.facts, failure).await
            }
            Err(TryError::Final(Failure::Drained)) => {
                events::end(self.worker, client, sides, &mut leg, self.facts).await
            }
            result => result,
        };
        passing.over(&result, self.facts.ending);
        if call.is_some() && result.is_ok() {
            self.facts.grpc_status = grpc::said(answer, leg.trailers());
        }
        self.facts.response_bytes = leg.bytes;
        self.facts.sent_head_bytes += if leg.has_begun { head_bytes } else { 0 };
        self.worker.buffers.give_output(leg.into_output());
        result?;
        let request_done = sides.request.is_done();
        let after = if framing.keep_alive && request_done { After::KeepAlive } else { After::Close };
        // An answer that was ended early has left its rest on the connection.
        let is_whole = self.facts.ending == Ending::Whole;
        Ok((after, is_whole && request_done && body != Framing::UntilClose && answer.keep_alive()))
    }

    /// The node has answered: that counts for it, or against it, and a retry that helped costs nothing.
    fn answered(&self, now: Instant) {
        let (target, thread) = (self.claim.target, self.worker.thread);
        target.answered(thread, self.node, self.facts.upstream_status, self.facts.upstream_us, now);
        if let Some(budget) = target.budget.as_ref().filter(|_| self.facts.tries > 1) {
            budget.give_back(thread, self.worker.timers.now());
        }
    }

    /// Passes a 1xx on to a client that can understand it (RFC 9110, section 15.2).
    async fn pass_interim(&mut self, client: &mut Client, answer: &ResponseHead) -> Result<(), TryError> {
        if self.request.head.version() == http1::Version::Http10 {
            return Ok(());
        }
        let mut out = self.worker.buffers.take_output();
        headers::write_interim(&mut out, answer);
        self.facts.sent_head_bytes += out.len() as u64;
        let written = match &mut client.io {
            ClientIo::Http2(stream) => {
                stream.send_interim(of_lines(&self.worker.repeats, answer.status(), &out)?)
            }
            _ => respond::write_all(self.worker, client, &out).await,
        };
        self.worker.buffers.give_output(out);
        written.map_err(|error| client_failed(&error).into())
    }

    /// Puts the connection into the pool, unless it has carried enough or traffic has left the upstream meanwhile.
    fn keep(&self, mut connection: UpstreamConnection) {
        connection.requests += 1;
        let keepalive = &self.claim.target.keepalive;
        let current = self.worker.table();
        let wanted =
            current.revision == self.claim.revision || current.reachable().contains(&self.claim.target.uid);
        if wanted && connection.requests < keepalive.requests && !self.worker.closing.get() {
            let now = self.worker.timers.now();
            let good = now..now + ticks(keepalive.idle_timeout_ms);
            self.worker.pools.give(self.claim.target.uid, self.node, connection, keepalive.size, good);
        }
    }

    fn destination(&self) -> Destination<'_> {
        let target = self.claim.target;
        let name = target.name_by_client(self.request.host());
        Destination { target: target.uid, node: self.node, name }
    }

    fn timeouts(&self) -> Timeouts {
        self.claim.route.timeouts.unwrap_or(self.claim.target.timeouts)
    }
}
