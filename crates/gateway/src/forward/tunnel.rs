//! An upgraded connection: bytes both ways with back-pressure, until both sides have ended or a drain deadline passes.
//!
//! It is a WebSocket, for nothing else is passed on. So its end is whole only if one of the sides has said close (RFC 6455,
//! section 7.1): what ends without a word has broken off, at a frame's end, too, for nobody knows what was to come. Who ended
//! first says whose doing it was. Frames are followed, never judged.

use super::attempt::TryError;
use super::ends::Coding;
use super::farewell::Farewell;
use super::leg::{Leg, LegError};
use super::pump::{self, Sides};
use super::websocket::Frames;
use crate::claim::Claim;
use crate::client::{After, Client};
use crate::exchange::Failure;
use crate::record::Facts;
use crate::worker::{Stream, Worker};
use http1::{BodyDecoder, Framing};
use model::reason::Reason;
use model::record::Ending;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// How long a stream that is to end may take to reach the end of its frames, and its two sides to answer the close.
const FAREWELL_MS: u64 = 1_000;
/// How long a stream may be silent once one of its sides has said all, where streams have no bound otherwise: the
/// other side may be gone without a word.
const ONE_SIDED_IDLE_MS: u64 = 60_000;

/// Both directions of a tunnel.
struct Tunnel<'a> {
    client: &'a mut Client,
    sides: &'a mut Sides,
    up: Leg,
    down: Leg,
    up_closed: bool,
    down_closed: bool,
    /// The upstream takes nothing more. What it has said, a close frame perhaps, still comes.
    up_broken: bool,
    /// What the first of the two ends has made of it.
    verdict: Option<End>,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A side has said close.
    Closed,
    /// The client ended without.
    ClientLeft,
    /// The upstream did, or within a frame.
    UpstreamLeft(Reason),
    /// Nothing moved for too long.
    Idle,
    /// Its drain deadline has passed.
    Drain,
}

/// A connection broke: nothing more can come of either direction.
#[derive(Debug)]
struct Broken;

/// Answers with `head`, a 101, and copies until the end.
pub(super) async fn tunnel(
    worker: &Worker,
    client: &mut Client,
    sides: &mut Sides,
    head: Vec<u8>,
    claim: &Claim<'_>,
    facts: &mut Facts,
) -> Result<After, TryError> {
    facts.sent_head_bytes += head.len() as u64;
    client.timer.limit(0);
    let stream = worker.track_stream(claim);
    let raw = || BodyDecoder::new(Framing::UntilClose, &worker.settings.head);
    let mut tunnel = Tunnel {
        client,
        sides,
        up: Leg::new(Vec::new(), raw(), Coding::Raw),
        down: Leg::new(head, raw(), Coding::Raw),
        up_closed: false,
        down_closed: false,
        up_broken: false,
        verdict: None,
    };
    tunnel.up.frames = Some(Frames::default());
    tunnel.down.frames = Some(Frames::default());
    let end = tunnel.run(worker.settings.stream_idle_timeout_ms, &stream).await;
    if end == End::Drain {
        tunnel.close().await;
    }
    let after = if end == End::Drain { After::Close } else { After::Gone };
    let end = tunnel.verdict.unwrap_or(end);
    drop(stream);
    facts.request_bytes = tunnel.sides.request.bytes + tunnel.up.bytes;
    facts.response_bytes = tunnel.down.bytes;
    worker.buffers.give_output(tunnel.down.into_output());
    (facts.ending, facts.reason) = match end {
        End::Closed => (Ending::Whole, None),
        End::Idle => (Ending::Whole, Some(Reason::StreamIdle)),
        End::Drain => (Ending::Drained, Some(Reason::Drained)),
        End::UpstreamLeft(reason) => return Err(Failure::CutShort(reason).into()),
        End::ClientLeft => return Err(Failure::ClientLeft(Reason::ClientClosed).into()),
    };
    // What a drained client has sent meanwhile must not reset the connection before it has read the close frame.
    Ok(after)
}

impl Tunnel<'_> {
    async fn run(&mut self, idle_ms: u64, stream: &Stream) -> End {
        let mut moved = u64::MAX;
        poll_fn(|cx| {
            if stream.deadline.poll_elapsed(cx).is_ready() {
                return Poll::Ready(End::Drain);
            }
            if let Poll::Ready(end) = self.poll_copy(cx) {
                return Poll::Ready(end);
            }
            let closed = u64::from(self.up_closed) + u64::from(self.down_closed);
            let now = self.up.moved.wrapping_add(self.down.moved).wrapping_add(closed);
            if now != moved {
                moved = now;
                let one_sided = self.up_closed || self.down_closed;
                self.client.timer.arm(if one_sided && idle_ms == 0 { ONE_SIDED_IDLE_MS } else { idle_ms });
            }
            self.client.timer.poll_elapsed(cx).map(|_| End::Idle)
        })
        .await
    }

    /// Copies both ways; ready when both directions have ended, or a connection broke.
    fn poll_copy(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let up = self.poll_up(cx);
        let is_broken = matches!(up, Poll::Ready(Err(Broken)));
        let down = if is_broken { Poll::Ready(Err(Broken)) } else { self.poll_down(cx) };
        let is_over = matches!(down, Poll::Ready(Err(Broken))) || up.is_ready() && down.is_ready();
        // One that is over has a verdict.
        if is_over { Poll::Ready(self.verdict.unwrap_or(End::ClientLeft)) } else { Poll::Pending }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Tunnel { client, sides, up, .. } = self;
        if !up.is_done() && !self.up_broken {
            match ready!(up.poll(cx, &mut client.input, &mut client.io, &mut sides.upstream.io)) {
                Ok(()) => self.client_has_ended(),
                // Reading from it will show how it has ended.
                Err(LegError::Sink) => self.up_broken = true,
                Err(_) => {
                    self.client_has_ended();
                    return Poll::Ready(Err(Broken));
                }
            }
        }
        if !self.up_closed {
            // The client has said all; the upstream may still answer. If it cannot be told, reading from it will show.
            let _ = ready!(Pin::new(&mut self.sides.upstream.io).poll_shutdown(cx));
            self.up_closed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Tunnel { client, sides, down, .. } = self;
        if !down.is_done() {
            match ready!(down.poll(cx, &mut sides.input, &mut sides.upstream.io, &mut client.io)) {
                Ok(()) if self.up_broken => self.upstream_has_ended(Reason::UpstreamReset),
                Ok(()) => self.upstream_has_ended(Reason::UpstreamClosed),
                Err(LegError::Sink) => {
                    self.client_has_ended();
                    return Poll::Ready(Err(Broken));
                }
                Err(error) => {
                    self.upstream_has_ended(pump::broke_off(&error, false).reason());
                    return Poll::Ready(Err(Broken));
                }
            }
        }
        if !self.down_closed {
            let _ = ready!(Pin::new(&mut self.client.io).poll_shutdown(cx));
            self.down_closed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// It was to be expected if the client has said close, or was told it.
    fn client_has_ended(&mut self) {
        let was_told = self.down.has_said_close() && self.down.is_written();
        let end = if was_told || self.up.has_said_close() { End::Closed } else { End::ClientLeft };
        self.verdict.get_or_insert(end);
    }

    /// It was to be expected if close was said, by whichever side. What a client is told meanwhile is told in whole frames.
    fn upstream_has_ended(&mut self, reason: Reason) {
        let has_closed = self.down.has_said_close() || self.up.has_said_close() && self.down.at_frame_end();
        self.verdict.get_or_insert(if has_closed { End::Closed } else { End::UpstreamLeft(reason) });
    }

    /// Ends the stream: each side is told at the end of a frame, and has a moment to answer.
    async fn close(&mut self) {
        self.client.timer.arm(FAREWELL_MS);
        let (mut to_client, mut to_upstream) = (Farewell::to_client(), Farewell::to_upstream());
        poll_fn(|cx| {
            let Tunnel { client, sides, up, down, .. } = self;
            let Client { io, input, timer, .. } = &mut **client;
            let told = to_client.poll(cx, down, &mut sides.input, &mut sides.upstream.io, io);
            if to_upstream.poll(cx, up, input, io, &mut sides.upstream.io).is_ready() && told.is_ready() {
                return Poll::Ready(());
            }
            timer.poll_elapsed(cx).map(|_| ())
        })
        .await;
    }
}
