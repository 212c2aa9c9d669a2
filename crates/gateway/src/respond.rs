//! Answers that the gate gives by itself.

use crate::client::http2::of_lines;
use crate::client::{Client, ClientIo};
use crate::forward::ends::Sink;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::worker::Worker;
use crate::{clock, headers};
use http1::{Version, write};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use tokio::io::AsyncWrite;

/// What the gate calls itself in `Server`.
pub(crate) const SERVER: &[u8] = b"Tealgate";

/// How a call of gRPC is refused: with a head that is all, and holds the status that clients of gRPC look for (gRPC over
/// HTTP/2, "Trailers-Only").
const GRPC: &str = "application/grpc";
pub(crate) const GRPC_HTTP_STATUS: u16 = 200;

/// Answers a connection whose request could not be read; it is closed afterwards.
pub(crate) async fn refuse_connection(worker: &Worker, client: &mut Client, refusal: &Refusal) {
    refuse_unread(worker, client, refusal, false).await;
}

/// Answers a connection, or a stream, whose request could not be read; it is closed afterwards. `is_grpc`: so much is known of
/// it, that it is a call of gRPC.
pub(crate) async fn refuse_unread(worker: &Worker, client: &mut Client, refusal: &Refusal, is_grpc: bool) {
    let asked = Asked { request: None, is_grpc, without_body: false };
    // Whether it arrives or not, the connection ends.
    let _ = refuse(worker, client, refusal, asked, false).await;
}

/// What is refused.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'r, 'a> {
    /// The request, if it could be read.
    pub(crate) request: Option<&'r Request<'a>>,
    pub(crate) is_grpc: bool,
    /// A request whose answer has no body, whatever it says.
    pub(crate) without_body: bool,
}

/// Writes the answer of a refusal. Gives the number of body bytes.
///
/// # Errors
/// When the client does not take it.
pub(crate) async fn refuse(
    worker: &Worker,
    client: &mut Client,
    refusal: &Refusal,
    asked: Asked<'_, '_>,
    keep_alive: bool,
) -> io::Result<u64> {
    let Asked { request, is_grpc, without_body } = asked;
    let mut out = worker.buffers.take_output();
    let (content_type, mut body) = if is_grpc { (GRPC, String::new()) } else { refusal.body() };
    let status = if is_grpc { GRPC_HTTP_STATUS } else { refusal.status() };
    write::status(&mut out, status);
    write::header(&mut out, "Date", date(worker).as_bytes());
    write::header(&mut out, "Server", SERVER);
    if !content_type.is_empty() {
        write::header(&mut out, "Content-Type", content_type.as_bytes());
    }
    write_fields(&mut out, refusal, request);
    if is_grpc {
        write::number_header(&mut out, "grpc-status", u64::from(refusal.grpc_status()));
        write::header(&mut out, "grpc-message", refusal.grpc_message().as_bytes());
    } else if matches!(status, 204 | 304) {
        // They have no body, and say no length (RFC 9110, section 8.6).
        body.clear();
    } else {
        write::content_length(&mut out, body.len() as u64);
    }
    match &mut client.io {
        ClientIo::Http2(stream) => {
            stream.begin(of_lines(&worker.repeats, status, &out).map_err(io::Error::other)?);
            out.clear();
        }
        _ => {
            let version = request.map_or(Version::Http11, |request| request.head.version());
            headers::write_connection(&mut out, keep_alive, version);
            write::end(&mut out);
        }
    }
    worker.totals().bytes_sent(out.len() as u64);
    if without_body {
        body.clear();
    }
    out.extend_from_slice(body.as_bytes());
    let written = write_message(worker, client, &out).await;
    worker.buffers.give_output(out);
    written.map(|()| body.len() as u64)
}

/// Writes what a refusal says besides its body, and what plugins have to say.
fn write_fields(out: &mut Vec<u8>, refusal: &Refusal, request: Option<&Request<'_>>) {
    let edits = request.and_then(|request| request.run.as_ref()).map(|run| run.answer());
    for (name, value) in refusal.headers() {
        if edits.as_ref().is_none_or(|edits| edits.keeps(name)) {
            // What is no valid field is left out.
            let _ = write::checked_header(out, name, value.as_bytes());
        }
    }
    if let Some(edits) = edits {
        edits.write(out, |name| refusal.headers().iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    }
    if let Some(seconds) = refusal.retry_after() {
        write::number_header(out, "Retry-After", u64::from(seconds));
    }
}

/// Writes the rest of a message to the client, within its time, and ends it.
async fn write_message(worker: &Worker, client: &mut Client, bytes: &[u8]) -> io::Result<()> {
    write_all(worker, client, bytes).await?;
    let Client { io, timer, .. } = client;
    let finishing = poll_fn(|cx| io.poll_finish(cx, None));
    timer.within(finishing).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Writes all bytes to the client, within its time.
pub(crate) async fn write_all(worker: &Worker, client: &mut Client, mut bytes: &[u8]) -> io::Result<()> {
    let Client { io, timer, .. } = client;
    timer.arm(worker.settings.write_timeout_ms);
    let writing = poll_fn(|cx| {
        while !bytes.is_empty() {
            let count = ready!(Pin::new(&mut *io).poll_write(cx, bytes))?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    });
    timer.within(writing).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The current time as `Date` has it (RFC 9110, section 5.6.7).
fn date(worker: &Worker) -> String {
    let unix_us = worker.anchor.get().unix_us_of(clock::now());
    jiff::Timestamp::from_microsecond(unix_us)
        .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}
