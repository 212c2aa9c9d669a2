//! One copy and its answer, on connections that no user's request is ever sent on.

use super::Shadow;
use super::capture::head_of;
use super::compare::Head;
use super::kept::Kept;
use crate::buffer::{Buffer, Buffers};
use crate::clock;
use crate::forward::ends::Sink;
use crate::settings::Settings;
use crate::table::Target;
use crate::timer::{TICK_MS, ticks};
use crate::upstream::connect::connect;
use crate::upstream::http2::{self, Http2Stream, Limits, NoPlace, Opened};
use crate::upstream::io::UpstreamIo;
use crate::upstream::pool::{Destination, Pools, UpstreamConnection};
use crate::upstream::resolve::Resolver;
use crate::upstream::tls::Connectors;
use http1::{BodyDecoder, Framing, Parsed, ResponseHead, Step, write};
use model::traffic_split::SAFE_METHODS;
use model::upstream::Protocol;
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::report::Unanswered;
use tokio::io::AsyncWriteExt;

/// Interim answers (1xx) to one copy.
const MAX_INTERIM_ANSWERS: usize = 64;
/// A body up to this size is copied behind its head: cheaper than a write of two pieces.
const MAX_COPIED_BYTES: usize = 4 * 1024;
/// Bytes of a read buffer.
const BUFFER_BYTES: usize = 32 * 1024;

/// A request as it goes to one node.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) target: Arc<Target>,
    pub(super) node: usize,
    pub(super) tls: Connectors,
    /// The host that the client has asked for.
    pub(super) host: String,
    pub(super) method: String,
    /// As HTTP/1.1.
    pub(super) head: Vec<u8>,
    /// The body is framed in chunks, as the head says.
    pub(super) chunked: bool,
}

/// What all copies share.
pub(super) struct Line {
    settings: Arc<Settings>,
    resolver: Rc<Resolver>,
    pools: Pools,
    buffers: Rc<Buffers>,
    began: Instant,
}

impl Line {
    pub(super) fn new(settings: Arc<Settings>) -> Line {
        Line {
            resolver: Resolver::new(Duration::from_millis(settings.dns_valid_ms)),
            pools: Pools::default(),
            buffers: Rc::new(Buffers::new(BUFFER_BYTES.max(settings.head.head_bytes))),
            began: clock::now(),
            settings,
        }
    }

    /// Closes connections that were idle for too long.
    pub(super) fn sweep(&self) {
        self.resolver.sweep();
        self.pools.sweep(self.tick());
    }

    /// Asks, for at most the time that the rule allows.
    pub(super) async fn ask(
        &self,
        shadow: &Shadow,
        question: &Question,
        body: Option<&[u8]>,
    ) -> Result<(Head, Kept), Unanswered> {
        let timeout = Duration::from_millis(shadow.rule.timeout_ms);
        tokio::select! {
            answer = self.ask_in_time(shadow, question, body) => answer,
            () = clock::pause(timeout) => Err(Unanswered::Timeout),
        }
    }

    async fn ask_in_time(
        &self,
        shadow: &Shadow,
        question: &Question,
        body: Option<&[u8]>,
    ) -> Result<(Head, Kept), Unanswered> {
        // What is not safe to send twice is not sent on a connection that may be dead.
        let is_safe = SAFE_METHODS.contains(&question.method.as_str());
        if is_safe && question.target.protocol != Protocol::Http2 {
            let kept = self.pools.take(question.destination(), self.tick(), true);
            if let Some(connection) = kept {
                match self.exchange(shadow, question, body, connection).await {
                    Err(Unanswered::Closed) => {}
                    answer => return answer,
                }
            }
        }
        let connection = self.connect(question).await.map_err(|_| Unanswered::Connect)?;
        self.exchange(shadow, question, body, connection).await
    }

    async fn connect(&self, question: &Question) -> Result<UpstreamConnection, NoPlace> {
        let Question { target, tls, host, .. } = question;
        let connect = async || {
            let node = target.nodes.get(question.node).ok_or(NoPlace::Full)?;
            Ok(connect(&self.resolver, tls, target, node, host).await?)
        };
        if target.protocol == Protocol::Http1 {
            return connect().await;
        }
        let either = async || {
            let connected: UpstreamConnection = connect().await?;
            let speaks_http2 = target.protocol == Protocol::Http2 || connected.io.chose_http2();
            Ok((connected, speaks_http2))
        };
        let bounds = &self.settings.upstream_http2;
        let limits = Limits {
            connections: bounds.connections,
            streams: bounds.streams,
            waiting: bounds.waiting,
            stream_window_bytes: bounds.stream_window_bytes,
            head_bytes: self.settings.head.head_bytes,
        };
        let (to, is_full) = (question.destination(), Cell::new(false));
        let place = self.pools.http2.place(to, target.keepalive, &limits, false, &is_full, either);
        match Box::pin(place).await? {
            Opened::Http1(connected) => Ok(connected),
            Opened::Place(place) => {
                let io = UpstreamIo::Http2(Box::new(Http2Stream::new(place)));
                Ok(UpstreamConnection { io, origin: None, name: None, requests: 0, reused: false })
            }
        }
    }

    async fn exchange(
        &self,
        shadow: &Shadow,
        question: &Question,
        body: Option<&[u8]>,
        mut connection: UpstreamConnection,
    ) -> Result<(Head, Kept), Unanswered> {
        let mut input = self.buffers.buffer();
        let mut answer = ResponseHead::default();
        send(&mut connection.io, question, body).await?;
        let mut interim = 0;
        loop {
            self.read_head(&mut connection.io, &mut input, &mut answer).await?;
            interim += 1;
            match answer.is_interim() {
                true if interim <= MAX_INTERIM_ANSWERS => {}
                // Nobody has asked for another protocol.
                _ if answer.is_interim() || answer.status() == 101 => return Err(Unanswered::Malformed),
                _ => break,
            }
        }
        let framing = answer.framing(&question.method);
        let mut kept = shadow.keep();
        let is_whole = self.read_body(&mut connection.io, &mut input, framing, &mut kept).await?;
        let is_stream = connection.io.is_stream();
        let may_stay = framing != Framing::UntilClose && answer.keep_alive() && input.is_empty();
        if is_whole && may_stay && !is_stream {
            self.keep(question, connection);
        }
        Ok((head_of(&answer, shadow), kept))
    }

    async fn read_head(
        &self,
        io: &mut UpstreamIo,
        input: &mut Buffer,
        answer: &mut ResponseHead,
    ) -> Result<(), Unanswered> {
        let limits = &self.settings.head;
        if let UpstreamIo::Http2(stream) = io {
            let read = poll_fn(|cx| stream.poll_head(cx, answer, limits)).await;
            return read.map_err(|failure| match failure {
                http2::StreamFailure::Malformed => Unanswered::Malformed,
                _ => Unanswered::Closed,
            });
        }
        loop {
            if !input.is_empty() {
                match answer.parse(input.filled(), limits) {
                    Ok(Parsed::Complete { consumed }) => {
                        input.consume(consumed);
                        return Ok(());
                    }
                    Ok(Parsed::Partial) if !input.is_full() => {}
                    Ok(Parsed::Partial) | Err(_) => return Err(Unanswered::Malformed),
                }
            }
            match poll_fn(|cx| input.poll_read(io, cx)).await {
                Ok(0) | Err(_) => return Err(Unanswered::Closed),
                Ok(_) => {}
            }
        }
    }

    /// Reads a body to its end, or until it is too large to be kept; whether it was read to its end.
    async fn read_body(
        &self,
        io: &mut UpstreamIo,
        input: &mut Buffer,
        framing: Framing,
        kept: &mut Kept,
    ) -> Result<bool, Unanswered> {
        // Over HTTP/2 the end of the stream is the end of the body, whatever length was announced.
        let framing = match framing {
            Framing::Length(_) if io.is_stream() => Framing::UntilClose,
            framing => framing,
        };
        let mut decoder = BodyDecoder::new(framing, &self.settings.head);
        while !decoder.is_finished() {
            match decoder.decode(input.filled()).map_err(|_| Unanswered::Malformed)? {
                Step::Data { skip, len } => {
                    input.consume(skip);
                    kept.add(input.filled().get(..len).unwrap_or_default());
                    input.consume(len);
                    if kept.body().is_err() {
                        return Ok(false);
                    }
                }
                Step::End { consumed } => {
                    input.consume(consumed);
                    return Ok(true);
                }
                Step::Need { consumed } => {
                    input.consume(consumed);
                    if consumed > 0 && !input.is_empty() {
                        continue;
                    }
                    match poll_fn(|cx| input.poll_read(io, cx)).await {
                        Ok(0) => decoder.eof().map_err(|_| Unanswered::Closed)?,
                        Ok(_) => {}
                        Err(_) => return Err(Unanswered::Closed),
                    }
                }
            }
        }
        Ok(true)
    }

    fn keep(&self, question: &Question, mut connection: UpstreamConnection) {
        connection.requests += 1;
        let keepalive = &question.target.keepalive;
        if connection.requests < keepalive.requests {
            let now = self.tick();
            let good = now..now + ticks(keepalive.idle_timeout_ms);
            self.pools.give(question.target.uid, question.node, connection, keepalive.size, good);
        }
    }

    fn tick(&self) -> u64 {
        let since = clock::now().saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX) / TICK_MS
    }
}

impl Question {
    fn destination(&self) -> Destination<'_> {
        let name = self.target.name_by_client(&self.host);
        Destination { target: self.target.uid, node: self.node, name }
    }
}

/// Sends a request, with its body.
async fn send(io: &mut UpstreamIo, question: &Question, body: Option<&[u8]>) -> Result<(), Unanswered> {
    let closed = |_: std::io::Error| Unanswered::Closed;
    let body = body.unwrap_or_default();
    if let UpstreamIo::Http2(stream) = io {
        let request = http2::request(&question.head, question.target.scheme.is_tls(), false);
        let request = request.map_err(|_| Unanswered::Malformed)?;
        stream.open(request, body.is_empty()).map_err(|_| Unanswered::Closed)?;
        if !body.is_empty() {
            stream.write_all(body).await.map_err(closed)?;
            poll_fn(|cx| stream.poll_finish(cx, None)).await.map_err(closed)?;
        }
        return Ok(());
    }
    let mut before = question.head.clone();
    let mut after = Vec::new();
    if question.chunked {
        if !body.is_empty() {
            write::chunk_head(&mut before, body.len() as u64);
            after.extend_from_slice(write::CHUNK_END);
        }
        write::last_chunk(&mut after, []);
    }
    // A large body is not held twice.
    let (small, large) = if body.len() <= MAX_COPIED_BYTES { (body, &[][..]) } else { (&[][..], body) };
    before.extend_from_slice(small);
    if large.is_empty() {
        before.append(&mut after);
    }
    for part in [&before[..], large, &after] {
        io.write_all(part).await.map_err(closed)?;
    }
    io.flush().await.map_err(closed)
}
