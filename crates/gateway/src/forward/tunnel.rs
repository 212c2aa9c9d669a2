//! An upgraded connection: bytes both ways with back-pressure, until one side ends or a drain deadline passes.

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
}

/// How a tunnel ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Both sides have said all.
    Done,
    /// The client's connection broke.
    ClientLeft,
    /// The upstream's connection broke.
    UpstreamLeft(Reason),
    /// Nothing moved for too long.
    Idle,
    /// Its drain deadline has passed.
    Drain,
}

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
    };
    tunnel.up.frames = Some(Frames::default());
    tunnel.down.frames = Some(Frames::default());
    let end = tunnel.run(worker.settings.stream_idle_timeout_ms, &stream).await;
    if end == End::Drain {
        tunnel.close().await;
    }
    drop(stream);
    facts.request_bytes = tunnel.sides.request.bytes + tunnel.up.bytes;
    facts.response_bytes = tunnel.down.bytes;
    worker.buffers.give_output(tunnel.down.into_output());
    (facts.ending, facts.reason) = match end {
        End::Done => (Ending::Whole, None),
        End::Idle => (Ending::Whole, Some(Reason::StreamIdle)),
        End::Drain => (Ending::Drained, Some(Reason::Drained)),
        End::UpstreamLeft(reason) => return Err(Failure::CutShort(reason).into()),
        End::ClientLeft => return Err(Failure::ClientLeft(Reason::ClientClosed).into()),
    };
    // What a drained client has sent meanwhile must not reset the connection before it has read the close frame.
    Ok(if end == End::Drain { After::Close } else { After::Gone })
}

impl Tunnel<'_> {
    async fn run(&mut self, idle_ms: u64, stream: &Stream) -> End {
        let mut moved = u64::MAX;
        poll_fn(|cx| {
            if stream.deadline.poll_elapsed(cx).is_ready() {
                return Poll::Ready(End::Drain);
            }
            match self.poll_copy(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(End::Done),
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Pending => {}
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

    /// Copies both ways; ready when both directions have ended.
    fn poll_copy(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let up = self.poll_up(cx)?;
        let down = self.poll_down(cx)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Tunnel { client, sides, up, .. } = self;
        if !up.is_done() {
            ready!(up.poll(cx, &mut client.input, &mut client.io, &mut sides.upstream.io)).map_err(
                |error| match error {
                    LegError::Sink => End::UpstreamLeft(Reason::UpstreamReset),
                    _ => End::ClientLeft,
                },
            )?;
        }
        if !self.up_closed {
            // The client has said all; the upstream may still answer. If it cannot be told, reading from it will show.
            let _ = ready!(Pin::new(&mut self.sides.upstream.io).poll_shutdown(cx));
            self.up_closed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Tunnel { client, sides, down, .. } = self;
        if !down.is_done() {
            ready!(down.poll(cx, &mut sides.input, &mut sides.upstream.io, &mut client.io)).map_err(
                |error| match error {
                    LegError::Sink => End::ClientLeft,
                    error => End::UpstreamLeft(pump::broke_off(&error, false).reason()),
                },
            )?;
        }
        if !self.down_closed {
            let _ = ready!(Pin::new(&mut self.client.io).poll_shutdown(cx));
            self.down_closed = true;
        }
        Poll::Ready(Ok(()))
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
