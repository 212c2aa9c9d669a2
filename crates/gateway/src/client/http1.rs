//! A client's HTTP/1.1 connection: one request after the other, answered in order (RFC 9112, section 9.3).

use super::http2::serve_http2;
use super::{After, Client, ClientIo};
use crate::clock;
use crate::exchange;
use crate::record::Facts;
use crate::refusal::Refusal;
use crate::request::Connection;
use crate::respond;
use crate::timer::Elapsed;
use crate::worker::Worker;
use http1::{Parsed, RequestError, RequestHead};
use model::reason::HeadReason;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;

/// How long a connection may be without a request before what requests need is let go of.
const BRIEFLY_IDLE_MS: u64 = 1_000;
/// Requests that came in one piece and are served before others have their turn.
const MAX_TURN: u32 = 8;
/// How long the bytes of a request that was refused are read and dropped, so that its answer is not lost in a reset.
const LINGER_MS: u64 = 2_000;
/// How many of them.
const LINGER_BYTES: usize = 1024 * 1024;

/// What came instead of a head.
enum NoHead {
    /// The client closed or broke off, or we close between two requests.
    End,
    /// Refused.
    Refused(Refusal),
    /// The preface of HTTP/2, by prior knowledge (RFC 9113, section 3.3).
    Http2,
}

/// How a connection goes on after some requests.
enum Next {
    /// Nothing has come for a while.
    Idle,
    /// Over HTTP/2.
    Http2,
    /// Not at all.
    End,
}

/// What came of waiting for bytes.
enum Waited {
    Bytes,
    /// Nothing came in time.
    Nothing,
    /// Nothing will come, or we close.
    End,
}

/// Serves a connection to its end. `refusal` answers the first request, whatever it is.
///
/// What requests need lies in a box that is let go of when none has come for a while: most connections are idle, and
/// are to be small.
pub(crate) async fn serve_client(
    worker: Rc<Worker>,
    io: ClientIo,
    connection: Box<Connection>,
    refusal: Option<Refusal>,
) {
    let mut client = Client { io, input: worker.buffers.buffer(), timer: worker.timers.timer() };
    if let Some(refusal) = refusal {
        return Box::pin(turn_away(&worker, &mut client, &refusal)).await;
    }
    let mut may_be_http2 = true;
    let mut idle_ms = worker.settings.idle_timeout_ms;
    loop {
        if !matches!(wait(&worker, &mut client, idle_ms).await, Waited::Bytes) {
            return;
        }
        match Box::pin(serve_requests(&worker, &mut client, &connection, may_be_http2)).await {
            Next::Idle => {}
            Next::Http2 => break,
            Next::End => return,
        }
        may_be_http2 = false;
        idle_ms = worker.settings.idle_timeout_ms.saturating_sub(BRIEFLY_IDLE_MS).max(1);
    }
    let Client { io, input, .. } = client;
    // Apart, so that a connection of HTTP/1 is not as large as one of HTTP/2.
    Box::pin(serve_http2(&worker, io, input, Rc::from(connection))).await;
}

/// Serves requests until none has come for a while.
async fn serve_requests(
    worker: &Worker,
    client: &mut Client,
    connection: &Connection,
    mut may_be_http2: bool,
) -> Next {
    let mut head = worker.take_request();
    let mut turn = 0;
    let next = loop {
        let after = match next_head(worker, client, &mut head).await {
            Ok(facts) => exchange::serve(worker, client, &head, connection, facts).await,
            Err(NoHead::Http2) if may_be_http2 => break Next::Http2,
            Err(NoHead::Http2) => refuse(worker, client, &RequestError::Http2Preface.into()).await,
            Err(NoHead::Refused(refusal)) => refuse(worker, client, &refusal).await,
            Err(NoHead::End) => After::Gone,
        };
        may_be_http2 = false;
        match after {
            After::KeepAlive => {}
            After::Close => {
                linger(client).await;
                break Next::End;
            }
            After::Gone => break Next::End,
        }
        if client.input.is_empty() {
            turn = 0;
            let idle_ms = worker.settings.idle_timeout_ms;
            match wait(worker, client, idle_ms.min(BRIEFLY_IDLE_MS)).await {
                Waited::Bytes => {}
                Waited::Nothing if idle_ms > BRIEFLY_IDLE_MS => break Next::Idle,
                Waited::Nothing | Waited::End => break Next::End,
            }
        } else if turn < MAX_TURN {
            turn += 1;
        } else {
            // One that pipelines is to leave the thread to others now and then.
            turn = 0;
            tokio::task::yield_now().await;
        }
    };
    worker.give_request(head);
    next
}

/// Answers a connection that is not served.
async fn turn_away(worker: &Worker, client: &mut Client, refusal: &Refusal) {
    respond::refuse_connection(worker, client, refusal).await;
    linger(client).await;
}

/// Answers what is no request.
async fn refuse(worker: &Worker, client: &mut Client, refusal: &Refusal) -> After {
    worker.totals().bad_request(HeadReason::of_status(refusal.status()));
    respond::refuse_connection(worker, client, refusal).await;
    After::Close
}

/// Reads until a head is whole. Gives what is known of the request then.
async fn next_head(worker: &Worker, client: &mut Client, head: &mut RequestHead) -> Result<Facts, NoHead> {
    let began = clock::now();
    client.timer.arm(worker.settings.head_timeout_ms);
    loop {
        if !client.input.is_empty() {
            match head.parse(client.input.filled(), &worker.settings.head) {
                Ok(Parsed::Complete { consumed }) => {
                    client.input.consume(consumed);
                    worker.totals().request_received();
                    return Ok(Facts::new(began, consumed, head.framing()));
                }
                Ok(Parsed::Partial) if client.input.is_full() => {
                    return Err(NoHead::Refused(Refusal::Head(http1::RequestError::Field(
                        http1::FieldError::TooLarge,
                    ))));
                }
                Ok(Parsed::Partial) => {}
                Err(RequestError::Http2Preface) => return Err(NoHead::Http2),
                Err(error) => return Err(NoHead::Refused(error.into())),
            }
        }
        let Client { io, input, timer } = &mut *client;
        match timer.within(poll_fn(|cx| input.poll_read(io, cx))).await {
            Ok(Ok(0) | Err(_)) => return Err(NoHead::End),
            Ok(Ok(_)) => {}
            Err(Elapsed) => return Err(NoHead::Refused(Refusal::HeadTimeout)),
        }
    }
}

/// Waits for the first bytes of the next request.
async fn wait(worker: &Worker, client: &mut Client, ms: u64) -> Waited {
    let Client { io, input, timer } = client;
    timer.arm(ms);
    let reading = timer.within(poll_fn(|cx| match input.poll_read(io, cx) {
        Poll::Ready(Ok(1..)) => Poll::Ready(Waited::Bytes),
        Poll::Ready(_) => Poll::Ready(Waited::End),
        Poll::Pending if worker.closing.get() => Poll::Ready(Waited::End),
        Poll::Pending => Poll::Pending,
    }));
    reading.await.unwrap_or(Waited::Nothing)
}

/// Says that we send no more, and drops what the client still sends, within bounds.
pub(crate) async fn linger(client: &mut Client) {
    let Client { io, input, timer } = client;
    timer.arm(LINGER_MS);
    let drop_rest = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let mut dropped = 0;
        while dropped < LINGER_BYTES {
            input.consume(usize::MAX);
            match poll_fn(|cx| input.poll_read(io, cx)).await {
                Ok(0) | Err(_) => return,
                Ok(count) => dropped += count,
            }
        }
    };
    let _ = timer.within(drop_rest).await;
}
