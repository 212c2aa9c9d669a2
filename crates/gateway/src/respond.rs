//! Answers that the gate gives by itself.

use crate::client::Client;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::worker::Worker;
use crate::{clock, headers};
use http1::{Version, write};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;
use tokio::io::AsyncWrite;

/// What the gate calls itself in `Server`.
pub(crate) const SERVER: &[u8] = b"Tealgate";

/// Answers a connection whose request could not be read; it is closed afterwards.
pub(crate) async fn refuse_connection(worker: &Worker, client: &mut Client, refusal: &Refusal) {
    // Whether it arrives or not, the connection ends.
    let _ = refuse(worker, client, refusal, None, false, false).await;
}

/// Writes the answer of a refusal; `request` is what it refuses, if it could be read. Gives the number of body bytes.
///
/// # Errors
/// When the client does not take it.
pub(crate) async fn refuse(
    worker: &Worker,
    client: &mut Client,
    refusal: &Refusal,
    request: Option<&Request<'_>>,
    keep_alive: bool,
    without_body: bool,
) -> io::Result<u64> {
    let version = request.map_or(Version::Http11, |request| request.head.version());
    let mut out = worker.buffers.take_output();
    let (content_type, body) = refusal.body();
    write::status_line(&mut out, refusal.status(), b"");
    write::header(&mut out, "Date", date(worker).as_bytes());
    write::header(&mut out, "Server", SERVER);
    if !content_type.is_empty() {
        write::header(&mut out, "Content-Type", content_type.as_bytes());
    }
    let edits = request.and_then(|request| request.run.as_ref()).map(|run| run.answer());
    for (name, value) in refusal.headers() {
        if edits.as_ref().is_none_or(|edits| edits.keeps(name)) {
            // What is no valid field is left out.
            let _ = write::checked_header(&mut out, name, value.as_bytes());
        }
    }
    if let Some(edits) = edits {
        edits.write(&mut out, |name| {
            refusal.headers().iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
        });
    }
    if let Some(seconds) = refusal.retry_after() {
        write::header(&mut out, "Retry-After", seconds.to_string().as_bytes());
    }
    write::content_length(&mut out, body.len() as u64);
    headers::write_connection(&mut out, keep_alive, version);
    write::end(&mut out);
    worker.totals().bytes_sent(out.len() as u64);
    if !without_body {
        out.extend_from_slice(body.as_bytes());
    }
    let written = write_all(worker, client, &out).await;
    worker.buffers.give_output(out);
    written.map(|()| if without_body { 0 } else { body.len() as u64 })
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
        std::task::Poll::Ready(Ok(()))
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
