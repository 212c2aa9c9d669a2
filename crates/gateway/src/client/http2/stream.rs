//! One stream of an HTTP/2 connection as an exchange sees it: the payload of the request's DATA frames comes out, the
//! payload of the answer's goes in, and heads, ends and trailers are said beside them (RFC 9113, section 8.1).

use crate::forward::ends::{Sink, Source};
use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use http1::{BodyError, FieldError, Limits};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are kept back at most, so that the end of the stream can ride on them: the payload of one frame.
const HELD_BYTES: usize = 16 * 1024;

/// A stream.
#[derive(Debug)]
pub(crate) struct Http2Stream {
    request: RecvStream,
    /// What was received and not yet read.
    received: Bytes,
    /// What was received behind it while nobody read.
    ahead: Vec<u8>,
    /// All of the request's content has been received.
    has_all: bool,
    trailers: Option<Box<HeaderMap>>,
    /// What trailers may have.
    limits: Limits,
    respond: SendResponse<Bytes>,
    /// The answer's head, until something of the answer has to go out.
    head: Option<Response<()>>,
    /// What the answer is sent with, once its head is out.
    answer: Option<SendStream<Bytes>>,
    /// What was written and not yet sent.
    held: Vec<u8>,
    /// Bytes of content that all answers of the connection have queued.
    queued: Rc<Cell<u64>>,
}

impl Http2Stream {
    /// `has_content`: the request does not end with its head.
    pub(super) fn new(
        request: RecvStream,
        has_content: bool,
        respond: SendResponse<Bytes>,
        queued: &Rc<Cell<u64>>,
        limits: &Limits,
    ) -> Http2Stream {
        Http2Stream {
            request,
            received: Bytes::new(),
            ahead: Vec::new(),
            has_all: !has_content,
            trailers: None,
            limits: *limits,
            respond,
            head: None,
            answer: None,
            held: Vec::new(),
            queued: Rc::clone(queued),
        }
    }

    /// Begins the answer. Its head goes out with what is written, flushed or finished next.
    pub(crate) fn begin(&mut self, head: Response<()>) {
        self.head = Some(head);
    }

    /// Sends an interim answer (1xx).
    pub(crate) fn send_interim(&mut self, head: Response<()>) -> io::Result<()> {
        self.respond.send_informational(head).map_err(broken)
    }

    /// The answer cannot be completed: whoever sees the stream end must not take it for whole. What there is of it goes out
    /// before, as over HTTP/1: a reset drops what is queued, so the connection has its turn first.
    pub(crate) async fn break_off(&mut self) {
        if self.send_head(false).is_ok() && self.send_held(false).is_ok() {
            tokio::task::yield_now().await;
        }
        self.reset(Reason::INTERNAL_ERROR);
    }

    /// Ends the stream without a (whole) answer.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.head = None;
        self.held.clear();
        self.respond.send_reset(reason);
    }

    /// Whether the client has reset the stream, or its connection has gone. That it has said all does not count.
    ///
    /// To be asked while the request is not read. What has come of it is put together, up to the stream's window: many
    /// small frames would cost the connection more than their content, and it would be given up for that.
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>) -> bool {
        while !self.has_all {
            match self.request.poll_data(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.ahead.extend_from_slice(&bytes),
                Poll::Ready(Some(Err(_))) => return true,
                Poll::Ready(None) => self.has_all = true,
                Poll::Pending => break,
            }
        }
        match &mut self.answer {
            Some(answer) => answer.poll_reset(cx).is_ready(),
            None => self.respond.poll_reset(cx).is_ready(),
        }
    }

    /// Sends the head if it has not been sent, as the whole answer if `is_all`.
    fn send_head(&mut self, is_all: bool) -> io::Result<()> {
        if let Some(head) = self.head.take() {
            self.answer = Some(self.respond.send_response(head, is_all).map_err(broken)?);
        }
        Ok(())
    }

    /// Sends what is held.
    fn send_held(&mut self, is_end: bool) -> io::Result<()> {
        if self.held.is_empty() && !is_end {
            return Ok(());
        }
        let held = Bytes::from(std::mem::take(&mut self.held));
        let length = held.len() as u64;
        self.answer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.send_data(held, is_end).map_err(broken)?;
        self.queued.set(self.queued.get() + length);
        Ok(())
    }

    /// The room for bytes beyond those that are held, in the windows of stream and connection.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let answer = self.answer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let held = self.held.len();
        answer.reserve_capacity(held + wanted);
        loop {
            let room = answer.capacity().saturating_sub(held);
            if room > 0 {
                return Poll::Ready(Ok(room));
            }
            match answer.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(broken(error))),
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Poll::Pending => break,
            }
        }
        // Whatever fits goes while the rest waits.
        self.send_held(false)?;
        Poll::Pending
    }

    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.received.is_empty() {
            if !self.ahead.is_empty() {
                self.received = std::mem::take(&mut self.ahead).into();
                break;
            }
            match ready!(self.request.poll_data(cx)) {
                Some(Ok(bytes)) => self.received = bytes,
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => {
                    self.has_all = true;
                    let trailers = ready!(self.request.poll_trailers(cx)).map_err(broken)?;
                    let forwarded = trailers.map(|trailers| may_be_forwarded(trailers, &self.limits));
                    self.trailers = forwarded.transpose().map_err(malformed)?;
                    return Poll::Ready(Ok(false));
                }
            }
        }
        Poll::Ready(Ok(true))
    }
}

/// The trailers that may be forwarded.
fn may_be_forwarded(trailers: HeaderMap, limits: &Limits) -> Result<Box<HeaderMap>, FieldError> {
    let fields = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    http1::check_trailer_bounds(fields, limits)?;
    let mut kept = Box::<HeaderMap>::default();
    for (name, value) in &trailers {
        if !http1::write::is_value(value.as_bytes()) {
            return Err(FieldError::InvalidValue);
        }
        if http1::may_trail(name.as_str()) {
            kept.append(name, value.clone());
        }
    }
    Ok(kept)
}

/// The request breaks a rule of ours: it gets the status that says so, if it can still be answered.
fn malformed(error: FieldError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, BodyError::Trailer(error))
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}

impl Source for Http2Stream {
    fn has_ended(&self) -> bool {
        self.received.is_empty() && self.ahead.is_empty() && self.request.is_end_stream()
    }

    fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.trailers.take()
    }
}

impl Sink for Http2Stream {
    fn is_out_of_band(&self) -> bool {
        true
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, trailers: Option<&HeaderMap>) -> Poll<io::Result<()>> {
        let is_last = trailers.is_none();
        if self.head.is_some() && self.held.is_empty() && is_last {
            return Poll::Ready(self.send_head(true));
        }
        self.send_head(false)?;
        self.send_held(is_last)?;
        if let (Some(trailers), Some(answer)) = (trailers, &mut self.answer) {
            answer.send_trailers(trailers.clone()).map_err(broken)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if ready!(this.poll_received(cx))? {
            let count = this.received.len().min(buf.remaining());
            buf.put_slice(this.received.get(..count).unwrap_or_default());
            this.received.advance(count);
            // The exchange reads only when what it read before was taken by the upstream: now the client may send more.
            this.request.flow_control().release_capacity(count).map_err(broken)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.send_head(false)?;
        if this.held.len() >= HELD_BYTES {
            this.send_held(false)?;
        }
        let room = ready!(this.poll_room(cx, buf.len()))?;
        let count = room.min(buf.len());
        this.held.extend_from_slice(buf.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.send_head(false)?;
        Poll::Ready(this.send_held(false))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx, None)
    }
}
