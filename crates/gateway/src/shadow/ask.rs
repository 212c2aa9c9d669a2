//! One copy and its answer, on connections that no user's request is ever sent on.

use super::Shadow;
use super::capture::head_of;
use super::compare::Head;
use crate::buffer::{Buffer, Buffers};
use crate::clock;
use crate::forward::ends::Sink;
use crate::kept::Kept;
use crate::settings::Settings;
use crate::table::Target;
use crate::timer::{TICK_MS, ticks};
use crate::upstream::MAX_INTERIM_ANSWERS;
use crate::upstream::connect::connect;
use crate::upstream::http2::{self, Http2Pools, NoPlace, StreamFailure};
use crate::upstream::io::UpstreamIo;
use crate::upstream::pool::{Destination, Pools, UpstreamConnection};
use crate::upstream::resolve::{Resolver, Wanted};
use crate::upstream::tls::Connectors;
use http1::{BodyDecoder, Framing, Parsed, ResponseHead, Step, write};
use model::traffic_split::SAFE_METHODS;
use model::upstream::Protocol;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::report::Unanswered;
use tokio::io::AsyncWriteExt;

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

/// A question, and what goes with it.
struct Copy<'a> {
    shadow: &'a Shadow,
    question: &'a Question,
    body: &'a [u8],
}

/// Why there is no answer on a connection.
enum Failed {
    /// The connection, which was there before, was dead: nothing came back on it.
    Stale,
    Finally(Unanswered),
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
            resolver: Resolver::new(
                Duration::from_millis(settings.dns_valid_ms),
                Arc::clone(&settings.names),
            ),
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

    /// Asks, for at most the time that the rule allows. What is safe goes out on a connection that there is, and once more on
    /// a new one if that turns out to be dead; what is not safe goes out once, on a new one.
    pub(super) async fn ask(
        &self,
        shadow: &Shadow,
        question: &Question,
        body: Option<&[u8]>,
    ) -> Result<(Head, Kept), Unanswered> {
        let mut over = pin!(clock::pause(Duration::from_millis(shadow.rule.timeout_ms)));
        let copy = Copy { shadow, question, body: body.unwrap_or_default() };
        let is_safe = SAFE_METHODS.contains(&question.method.as_str());
        let answer = match self.ask_once(&copy, !is_safe, over.as_mut()).await {
            Err(Failed::Stale) if is_safe => self.ask_once(&copy, true, over).await,
            answer => answer,
        };
        answer.map_err(Failed::why)
    }

    /// Asks on a connection that there is, or on a new one; if it is to be `fresh`, on a new one always.
    async fn ask_once(
        &self,
        copy: &Copy<'_>,
        fresh: bool,
        mut over: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(Head, Kept), Failed> {
        let mut connection = tokio::select! {
            connected = self.connection(copy.question, fresh) => connected.map_err(|_| Unanswered::Connect)?,
            () = over.as_mut() => return Err(Unanswered::Timeout.into()),
        };
        let result = tokio::select! {
            result = self.exchange(copy, &mut connection) => result,
            () = over => Err(Unanswered::Timeout.into()),
        };
        match &connection.io {
            UpstreamIo::Http2(stream) => {
                if let Err(Failed::Finally(Unanswered::Timeout | Unanswered::Malformed)) = result {
                    // It may be dead without a word.
                    stream.retire_connection();
                }
            }
            _ if matches!(result, Ok((_, true))) => self.keep(copy.question, connection),
            _ => {}
        }
        result.map(|(answer, _)| answer)
    }

    async fn connection(&self, question: &Question, fresh: bool) -> Result<UpstreamConnection, NoPlace> {
        let Question { target, tls, host, .. } = question;
        let to = question.destination();
        let mut first = None;
        if !fresh && target.protocol != Protocol::Http2 {
            match self.pools.take(to, self.tick(), true) {
                Ok(kept) => return Ok(kept),
                Err(next) => first = next,
            }
        }
        let connect = async |next: Option<IpAddr>| {
            let node = target.nodes.get(question.node).ok_or(NoPlace::Full)?;
            let wanted = Wanted { first: first.or(next), ..Wanted::ANY };
            Ok(connect(&self.resolver, tls, target, node, host, wanted).await?)
        };
        if target.protocol == Protocol::Http1 {
            return connect(None).await;
        }
        // In a pool of its own it finds no connection of another copy, and no other finds its own.
        let own = Http2Pools::default();
        let (pools, is_full) = (if fresh { &own } else { &self.pools.http2 }, Cell::new(false));
        Box::pin(pools.connection(&self.settings, to, target, fresh, &is_full, connect)).await
    }

    /// Gives the answer, and whether the connection can carry another copy.
    async fn exchange(
        &self,
        copy: &Copy<'_>,
        connection: &mut UpstreamConnection,
    ) -> Result<((Head, Kept), bool), Failed> {
        let (reused, io) = (connection.reused, &mut connection.io);
        let mut input = self.buffers.buffer();
        let mut answer = ResponseHead::default();
        let asked = async {
            send(io, copy).await?;
            self.read_head(io, &mut input, &mut answer).await
        };
        asked.await.map_err(|failed| if reused { failed } else { failed.why().into() })?;
        let mut interim = 0;
        while answer.is_interim() && answer.status() != 101 && interim < MAX_INTERIM_ANSWERS {
            interim += 1;
            self.read_head(io, &mut input, &mut answer).await.map_err(Failed::why)?;
        }
        // Nobody has asked for another protocol.
        if answer.is_interim() || answer.status() == 101 {
            return Err(Unanswered::Malformed.into());
        }
        let framing = answer.framing(&copy.question.method);
        let mut kept = copy.shadow.keep();
        let is_whole = self.read_body(io, &mut input, framing, &mut kept).await?;
        let may_stay = framing != Framing::UntilClose && answer.keep_alive() && input.is_empty();
        Ok(((head_of(&answer, copy.shadow), kept), is_whole && may_stay))
    }

    async fn read_head(
        &self,
        io: &mut UpstreamIo,
        input: &mut Buffer,
        answer: &mut ResponseHead,
    ) -> Result<(), Failed> {
        let limits = &self.settings.head;
        if let UpstreamIo::Http2(stream) = io {
            return Ok(poll_fn(|cx| stream.poll_head(cx, answer, limits)).await?);
        }
        loop {
            if !input.is_empty() {
                match answer.parse(input.filled(), limits) {
                    Ok(Parsed::Complete { consumed }) => {
                        input.consume(consumed);
                        return Ok(());
                    }
                    Ok(Parsed::Partial) if !input.is_full() => {}
                    Ok(Parsed::Partial) | Err(_) => return Err(Unanswered::Malformed.into()),
                }
            }
            match poll_fn(|cx| input.poll_read(io, cx)).await {
                Ok(0) | Err(_) if input.is_empty() => return Err(Failed::Stale),
                Ok(0) | Err(_) => return Err(Unanswered::Closed.into()),
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
        let mut decoder = BodyDecoder::new(io.ending(framing), &self.settings.head);
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

impl Failed {
    fn why(self) -> Unanswered {
        match self {
            Failed::Stale => Unanswered::Closed,
            Failed::Finally(why) => why,
        }
    }
}

impl From<Unanswered> for Failed {
    fn from(why: Unanswered) -> Failed {
        Failed::Finally(why)
    }
}

impl From<StreamFailure> for Failed {
    fn from(failure: StreamFailure) -> Failed {
        match failure {
            StreamFailure::Unprocessed
            | StreamFailure::Refused
            | StreamFailure::Closed
            | StreamFailure::ConnectionReset => Failed::Stale,
            StreamFailure::Reset | StreamFailure::CertificateOfOurs(_) => Failed::Finally(Unanswered::Closed),
            StreamFailure::Malformed(_) => Failed::Finally(Unanswered::Malformed),
        }
    }
}

/// Nothing can be written any more.
impl From<io::Error> for Failed {
    fn from(_: io::Error) -> Failed {
        Failed::Stale
    }
}

/// Sends a request, with its body.
async fn send(io: &mut UpstreamIo, copy: &Copy<'_>) -> Result<(), Failed> {
    let Copy { question, body, .. } = *copy;
    if let UpstreamIo::Http2(stream) = io {
        let request = http2::request(&question.head, question.target.scheme.is_tls(), false);
        stream.open(request.map_err(|_| Unanswered::Malformed)?, body.is_empty())?;
        if !body.is_empty() {
            stream.write_all(body).await?;
            poll_fn(|cx| stream.poll_finish(cx, None)).await?;
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
        io.write_all(part).await?;
    }
    Ok(io.flush().await?)
}
