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
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;

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

/// Serves a connection to its end. `refusal` answers the first request, whatever it is.
pub(crate) async fn serve_client(
    worker: Rc<Worker>,
    io: ClientIo,
    connection: Connection,
    refusal: Option<Refusal>,
) {
    let mut client = Client { io, input: worker.buffers.buffer(), timer: worker.timers.timer() };
    let mut head = RequestHead::default();
    if let Some(refusal) = refusal {
        respond::refuse_connection(&worker, &mut client, &refusal).await;
        return linger(&mut client).await;
    }
    let mut is_first = true;
    let mut turn = 0;
    loop {
        // One that pipelines is to leave the thread to others now and then.
        turn = if client.input.is_empty() { 0 } else { turn + 1 };
        if turn >= MAX_TURN {
            turn = 0;
            tokio::task::yield_now().await;
        }
        let after = match next_head(&worker, &mut client, &mut head).await {
            Ok(facts) => exchange::serve(&worker, &mut client, &head, &connection, facts).await,
            Err(NoHead::Http2) if is_first => {
                drop(head);
                let Client { io, input, .. } = client;
                // Apart, so that a connection of HTTP/1 is not as large as one of HTTP/2.
                return Box::pin(serve_http2(&worker, io, input, Rc::new(connection))).await;
            }
            Err(NoHead::Http2) => refuse(&worker, &mut client, &RequestError::Http2Preface.into()).await,
            Err(NoHead::Refused(refusal)) => refuse(&worker, &mut client, &refusal).await,
            Err(NoHead::End) => After::Gone,
        };
        is_first = false;
        match after {
            After::KeepAlive => {}
            After::Close => return linger(&mut client).await,
            After::Gone => return,
        }
    }
}

/// Answers what is no request.
async fn refuse(worker: &Worker, client: &mut Client, refusal: &Refusal) -> After {
    worker.totals().bad_request();
    respond::refuse_connection(worker, client, refusal).await;
    After::Close
}

/// Reads until a head is whole. Gives what is known of the request then.
async fn next_head(worker: &Worker, client: &mut Client, head: &mut RequestHead) -> Result<Facts, NoHead> {
    if client.input.is_empty() {
        idle(worker, client).await?;
    }
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
async fn idle(worker: &Worker, client: &mut Client) -> Result<(), NoHead> {
    let Client { io, input, timer } = client;
    timer.arm(worker.settings.idle_timeout_ms);
    let reading = timer.within(poll_fn(|cx| match input.poll_read(io, cx) {
        Poll::Ready(read) => Poll::Ready(matches!(read, Ok(1..))),
        Poll::Pending if worker.closing.get() => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    }));
    if reading.await == Ok(true) { Ok(()) } else { Err(NoHead::End) }
}

/// Says that we send no more, and drops what the client still sends, within bounds.
pub(super) async fn linger(client: &mut Client) {
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
