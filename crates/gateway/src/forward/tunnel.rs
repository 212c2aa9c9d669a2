//! An upgraded connection: bytes both ways with back-pressure, until one side ends or a drain deadline passes.

use super::attempt::TryError;
use super::leg::{Leg, LegError};
use super::pump::Sides;
use super::websocket::{CLOSE_RESTART, Frames};
use crate::claim::Claim;
use crate::client::{After, Client};
use crate::exchange::Failure;
use crate::headers;
use crate::record::Facts;
use crate::worker::{Stream, Worker};
use http1::{BodyDecoder, Framing, ResponseHead};
use model::record::Ending;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// How long a stream that is to end may take to reach the end of its frame, and its client to take the close frame.
const FRAME_END_MS: u64 = 1_000;

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
    UpstreamLeft,
    /// Nothing moved for too long.
    Idle,
    /// Its drain deadline has passed.
    Drain,
}

/// Answers 101 and copies until the end.
pub(super) async fn tunnel(
    worker: &Worker,
    client: &mut Client,
    sides: &mut Sides,
    answer: &ResponseHead,
    claim: &Claim,
    facts: &mut Facts,
) -> Result<After, TryError> {
    let mut head = worker.buffers.take_output();
    headers::write_interim(&mut head, answer);
    let is_websocket = answer.upgrade().is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"));
    let stream = Stream::new(
        claim.route().map(|route| route.id.clone()).unwrap_or_default(),
        claim.target().map_or(0, |target| target.uid),
        claim.target().ok().and_then(|target| target.drain_timeout_ms),
        worker.timers.timer(),
    );
    let key = worker.streams.insert(Rc::clone(&stream));
    worker.streams.retarget(&worker.table(), worker.settings.drain_timeout_ms);
    let raw = || BodyDecoder::new(Framing::UntilClose, &worker.settings.head);
    let mut tunnel = Tunnel {
        client,
        sides,
        up: Leg::new(Vec::new(), raw(), false),
        down: Leg::new(head, raw(), false),
        up_closed: false,
        down_closed: false,
    };
    tunnel.down.frames = is_websocket.then(Frames::default);
    let end = tunnel.run(worker.settings.stream_idle_timeout_ms, &stream).await;
    worker.streams.remove(key);
    if end == End::Drain {
        tunnel.close(is_websocket).await;
    }
    facts.request_bytes += tunnel.up.bytes;
    facts.response_bytes = tunnel.down.bytes;
    facts.ending = match end {
        End::Done | End::Idle => Ending::Whole,
        End::Drain => Ending::Drained,
        End::UpstreamLeft => return Err(Failure::CutShort.into()),
        End::ClientLeft => return Err(Failure::ClientLeft.into()),
    };
    Ok(After::Gone)
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
            let now = self.up.moved.wrapping_add(self.down.moved);
            if now != moved {
                moved = now;
                self.client.timer.arm(idle_ms);
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
                    LegError::Sink => End::UpstreamLeft,
                    LegError::Source | LegError::Framing(_) => End::ClientLeft,
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
                    LegError::Source | LegError::Framing(_) => End::UpstreamLeft,
                },
            )?;
        }
        if !self.down_closed {
            let _ = ready!(Pin::new(&mut self.client.io).poll_shutdown(cx));
            self.down_closed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the stream: a WebSocket at the end of its frame, with a close frame.
    async fn close(&mut self, is_websocket: bool) {
        let Tunnel { client, sides, down, .. } = self;
        client.timer.arm(FRAME_END_MS);
        down.ending = true;
        let ending = poll_fn(|cx| {
            while !down.at_frame_end() {
                if ready!(down.poll(cx, &mut sides.input, &mut sides.upstream.io, &mut client.io)).is_err() {
                    return Poll::Ready(false);
                }
                if down.is_done() {
                    return Poll::Ready(false);
                }
            }
            Poll::Ready(true)
        });
        if client.timer.within(ending).await == Ok(true) && is_websocket {
            let closing = async {
                client.io.write_all(CLOSE_RESTART).await?;
                client.io.shutdown().await
            };
            // The client learns of the end by the close of the connection, too.
            let _ = client.timer.within(closing).await;
        }
    }
}
