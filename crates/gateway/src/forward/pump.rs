//! Moving both bodies at once, and watching over it: who stalls, who leaves, who breaks the protocol.

use super::attempt::TryError;
use super::hearing::Hearing;
use super::http2;
use super::leg::{Leg, LegError};
use super::pace::Pace;
use crate::buffer::Buffer;
use crate::client::{Client, Departure};
use crate::exchange::Failure;
use crate::refusal::Refusal;
use crate::upstream::broken::Broken;
use crate::upstream::fault::after_handshake;
use crate::upstream::io::UpstreamIo;
use crate::upstream::pool::UpstreamConnection;
use crate::worker::{Stream, Worker};
use http1::{Parsed, ResponseHead};
use model::reason::Reason;
use model::upstream::Timeouts;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

/// The upstream's side of an exchange, and the direction towards it.
pub(super) struct Sides {
    pub(super) upstream: UpstreamConnection,
    /// What was read from the upstream and not yet used.
    pub(super) input: Buffer,
    /// Client → upstream.
    pub(super) request: Leg,
    pub(super) timeouts: Timeouts,
}

/// A head that came from the upstream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadEvent {
    /// 1xx other than 101: another head will follow.
    Interim,
    /// The head of the answer.
    Final,
}

/// What went on with the request while the answer is waited for.
enum RequestSide {
    Going,
    /// The upstream takes no more; it may have answered already.
    Refused,
}

/// Sends the request and reads until a head of the answer is whole.
pub(super) async fn answer_head(
    worker: &Worker,
    client: &mut Client,
    sides: &mut Sides,
    answer: &mut ResponseHead,
    call: Option<&Stream>,
    hearing: &mut Hearing<'_>,
) -> Result<HeadEvent, TryError> {
    let mut moved = u64::MAX;
    let mut side = RequestSide::Going;
    let mut pace = Pace::new(&worker.settings, worker.timers.now());
    let mut departure = Departure::default();
    poll_fn(|cx| {
        move_request(cx, client, sides, &mut side)?;
        if sides.request.is_done() {
            hearing.sent();
        }
        if let Poll::Ready(result) = poll_head(cx, worker, sides, answer) {
            return Poll::Ready(result);
        }
        if has_left(cx, client, &sides.request, &side, &mut departure) {
            return Poll::Ready(Err(left()));
        }
        if is_drained(cx, call) {
            return Poll::Ready(Err(Failure::Drained.into()));
        }
        let waits_for_client = !sides.request.is_done() && sides.request.waits_for_source;
        if sides.request.moved != moved {
            moved = sides.request.moved;
            // A stream of HTTP/2 that says something now and then is what streams are for.
            if !pace.keeps_up(moved, waits_for_client && !client.io.is_stream(), worker.timers.now()) {
                return Poll::Ready(Err(Refusal::BodyTimeout.into()));
            }
            client.timer.arm(match sides.request.is_done() {
                true => sides.timeouts.read_ms,
                false if waits_for_client => worker.settings.body_timeout_ms,
                false => sides.timeouts.send_ms,
            });
        }
        client.timer.poll_elapsed(cx).map(|_| {
            Err(if client.timer.is_over() {
                Refusal::UpstreamTimeout(Reason::TotalTimeout).into()
            } else if waits_for_client {
                Refusal::BodyTimeout.into()
            } else {
                let is_sent = sides.request.is_done();
                let reason = if is_sent { Reason::ReadTimeout } else { Reason::SendTimeout };
                TryError::Failed(Refusal::UpstreamTimeout(reason), true)
            })
        })
    })
    .await
}

/// Whether a call's upstream was left by traffic, and its time there is over.
fn is_drained(cx: &Context<'_>, call: Option<&Stream>) -> bool {
    call.is_some_and(|call| call.deadline.poll_elapsed(cx).is_ready())
}

/// Moves the request.
fn move_request(
    cx: &mut Context<'_>,
    client: &mut Client,
    sides: &mut Sides,
    side: &mut RequestSide,
) -> Result<(), TryError> {
    let Sides { upstream, request, .. } = sides;
    if request.is_done() || matches!(side, RequestSide::Refused) {
        return Ok(());
    }
    match request.poll(cx, &mut client.input, &mut client.io, &mut upstream.io) {
        Poll::Pending | Poll::Ready(Ok(())) => Ok(()),
        Poll::Ready(Err(LegError::Source(_))) => Err(left()),
        Poll::Ready(Err(LegError::Framing(error))) => Err(Refusal::Body(error).into()),
        Poll::Ready(Err(LegError::TooLarge)) => Err(Refusal::BodyTooLarge.into()),
        Poll::Ready(Err(LegError::Sink)) => {
            *side = RequestSide::Refused;
            Ok(())
        }
    }
}

/// Whether the client has left, where nothing is read from it: it is heard only if it is asked. Over HTTP/1 its leaving lies
/// behind what it has sent; while that is held up, the system is asked.
fn has_left(
    cx: &mut Context<'_>,
    client: &mut Client,
    request: &Leg,
    side: &RequestSide,
    departure: &mut Departure,
) -> bool {
    if request.is_done() || matches!(side, RequestSide::Refused) {
        return client.poll_left(cx, departure);
    }
    // Who is waited for is read, and that tells.
    if request.waits_for_source {
        return false;
    }
    if client.io.is_stream() { client.poll_left(cx, departure) } else { departure.poll(cx, &client.io) }
}

/// Runs a future while the client stays, up to the client's deadline; `None` if that has passed.
pub(super) async fn while_client_stays<F: Future>(
    client: &mut Client,
    future: F,
) -> Result<Option<F::Output>, TryError> {
    let mut future = std::pin::pin!(future);
    let mut departure = Departure::default();
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(Some(output)));
        }
        if client.poll_left(cx, &mut departure) {
            return Poll::Ready(Err(left()));
        }
        client.timer.poll_elapsed(cx).map(|_| Ok(None))
    })
    .await
}

fn poll_head(
    cx: &mut Context<'_>,
    worker: &Worker,
    sides: &mut Sides,
    answer: &mut ResponseHead,
) -> Poll<Result<HeadEvent, TryError>> {
    if let UpstreamIo::Http2(stream) = &mut sides.upstream.io {
        return http2::poll_head(cx, stream, answer, &worker.settings.head);
    }
    loop {
        if !sides.input.is_empty() {
            match answer.parse(sides.input.filled(), &worker.settings.head) {
                Ok(Parsed::Complete { consumed }) => {
                    sides.input.consume(consumed);
                    let interim = answer.is_interim();
                    return Poll::Ready(Ok(if interim { HeadEvent::Interim } else { HeadEvent::Final }));
                }
                Ok(Parsed::Partial) if sides.input.is_full() => {
                    return Poll::Ready(Err(Refusal::BadAnswer(Broken::HeadTooLarge).into()));
                }
                Ok(Parsed::Partial) => {}
                Err(error) => {
                    tracing::debug!(%error, "answer of an upstream is refused");
                    return Poll::Ready(Err(Refusal::BadAnswer(error.into()).into()));
                }
            }
        }
        let had_none = sides.input.is_empty();
        match sides.input.poll_read(&mut sides.upstream.io, cx) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(closed(sides, had_none, Refusal::UpstreamClosed))),
            Poll::Ready(Err(error)) => {
                let broken = || broke_off(&LegError::Source(error.kind()), false);
                let refusal = after_handshake(&error).map_or_else(broken, Refusal::Connect);
                return Poll::Ready(Err(closed(sides, had_none, refusal)));
            }
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// The upstream closed before its answer's head was whole.
fn closed(sides: &Sides, nothing_came: bool, refusal: Refusal) -> TryError {
    let sent = sides.request.moved > 0;
    if nothing_came && sides.upstream.reused {
        TryError::Stale(Refusal::UpstreamClosed, sent)
    } else {
        TryError::Failed(refusal, sent)
    }
}

/// Why an upstream's answer has broken off, as the gate says it if nothing of that was passed on.
pub(super) fn broke_off(error: &LegError, is_stream: bool) -> Refusal {
    match error {
        LegError::Source(io::ErrorKind::UnexpectedEof) => Refusal::UpstreamClosed,
        LegError::Source(_) if is_stream => Refusal::StreamReset,
        LegError::Source(_) => Refusal::UpstreamReset,
        LegError::Framing(broken) => Refusal::BadAnswer(Broken::Body(*broken)),
        LegError::TooLarge | LegError::Sink => Refusal::BadAnswer(Broken::Length),
    }
}

/// A client whose request has broken off while it was being answered.
fn given_up(error: TryError) -> TryError {
    let reason = match error {
        TryError::Final(Failure::Refused(refusal)) => refusal.reason(),
        _ => Reason::ClientClosed,
    };
    Failure::ClientLeft(reason).into()
}

/// The client has gone.
fn left() -> TryError {
    Failure::ClientLeft(Reason::ClientClosed).into()
}

/// Writing to the client has failed.
pub(super) fn client_failed(error: &io::Error) -> Failure {
    Failure::ClientLeft(match error.kind() {
        io::ErrorKind::TimedOut => Reason::ClientTooSlow,
        _ => Reason::ClientClosed,
    })
}

/// Moves the answer's body to its end, and what is left of the request's meanwhile.
pub(super) async fn answer_body(
    worker: &Worker,
    client: &mut Client,
    sides: &mut Sides,
    answer: &mut Leg,
    call: Option<&Stream>,
) -> Result<(), TryError> {
    let mut moved = u64::MAX;
    let mut side = RequestSide::Going;
    let mut pace = Pace::new(&worker.settings, worker.timers.now());
    let mut departure = Departure::default();
    poll_fn(|cx| {
        // The answer has begun: a client that breaks off its body, or its framing, gets no other.
        if let Err(error) = move_request(cx, client, sides, &mut side) {
            return Poll::Ready(Err(given_up(error)));
        }
        match answer.poll(cx, &mut sides.input, &mut sides.upstream.io, &mut client.io) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(LegError::Sink)) => return Poll::Ready(Err(left())),
            // Who is late to end a stream may find that its upstream has ended: that was to be expected.
            Poll::Ready(Err(_)) if is_drained(cx, call) => return Poll::Ready(Err(Failure::Drained.into())),
            Poll::Ready(Err(error)) => {
                tracing::debug!(?error, bytes = answer.bytes, "an upstream broke its answer off");
                let refusal = broke_off(&error, sides.upstream.io.is_stream());
                return Poll::Ready(Err(if answer.has_begun {
                    Failure::CutShort(refusal.reason()).into()
                } else {
                    refusal.into()
                }));
            }
            Poll::Pending => {}
        }
        if is_drained(cx, call) {
            return Poll::Ready(Err(Failure::Drained.into()));
        }
        // While the upstream is silent, the client's leaving would not be noticed by writing.
        if !answer.waits_for_source {
            sides.upstream.io.gather(cx);
        } else if has_left(cx, client, &sides.request, &side, &mut departure) {
            return Poll::Ready(Err(left()));
        }
        let now = answer.moved.wrapping_add(sides.request.moved);
        if now != moved {
            moved = now;
            if !pace.keeps_up(answer.moved, !answer.waits_for_source, worker.timers.now()) {
                return Poll::Ready(Err(Failure::ClientLeft(Reason::ClientTooSlow).into()));
            }
            let ms = if answer.waits_for_source {
                sides.timeouts.read_ms
            } else {
                worker.settings.write_timeout_ms
            };
            client.timer.arm(ms);
        }
        client.timer.poll_elapsed(cx).map(|_| {
            Err(match (client.timer.is_over(), answer.waits_for_source) {
                (true, _) => Failure::CutShort(Reason::TotalTimeout),
                (false, true) => Failure::CutShort(Reason::ReadTimeout),
                (false, false) => Failure::ClientLeft(Reason::ClientTooSlow),
            }
            .into())
        })
    })
    .await
}

/// Writes the end of an answer that was ended before its source has.
pub(super) async fn say_end(
    worker: &Worker,
    client: &mut Client,
    sides: &mut Sides,
    leg: &mut Leg,
) -> Result<(), TryError> {
    client.timer.limit(0);
    client.timer.arm(worker.settings.write_timeout_ms);
    let ended = poll_fn(|cx| leg.poll(cx, &mut sides.input, &mut sides.upstream.io, &mut client.io));
    match client.timer.within(ended).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(left()),
        Err(_) => Err(Failure::ClientLeft(Reason::ClientTooSlow).into()),
    }
}
