//! A stream: one request and its answer on a shared connection, as the two ends of an exchange's bodies.
//!
//! What is read is given back to the flow control as it is read, so the node may send as much as the client has taken,
//! and one window more. Dropping a stream that has not ended resets it: the node learns at once that nobody waits.

use super::connection::Place;
use super::failure::StreamFailure;
use crate::forward::ends::{Sink, Source};
use bytes::{Buf, Bytes};
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use http1::{BodyError, FieldError, ResponseHead};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of one write that are taken at once.
const MAX_PIECE_BYTES: usize = 16 * 1024;

/// A place on a connection, and from [`Http2Stream::open`] on the stream that takes it.
#[derive(Debug)]
pub(crate) struct Http2Stream {
    // The stream is let go of before its place is: no other takes it before.
    sending: Option<SendStream<Bytes>>,
    answer: Option<ResponseFuture>,
    receiving: Option<RecvStream>,
    /// What was written last; it goes out with what follows it, so that the end may ride on it.
    held: Bytes,
    /// What was received and not yet read.
    piece: Bytes,
    /// What was received behind it while nobody read.
    ahead: Vec<u8>,
    /// All of the answer's content has been received.
    has_all: bool,
    /// The answer's body has ended.
    ended: bool,
    trailers: Option<Box<HeaderMap>>,
    /// What is wrong with them.
    broken: Option<FieldError>,
    place: Place,
}

impl Http2Stream {
    /// A stream that is not opened yet.
    pub(crate) fn new(place: Place) -> Http2Stream {
        Http2Stream {
            sending: None,
            answer: None,
            receiving: None,
            held: Bytes::new(),
            piece: Bytes::new(),
            ahead: Vec::new(),
            has_all: false,
            ended: false,
            trailers: None,
            broken: None,
            place,
        }
    }

    /// Opens it with the head of a request. `ends`: no body follows.
    ///
    /// # Errors
    /// When the connection takes no more streams; nothing was sent then.
    pub(crate) fn open(&mut self, request: http::Request<()>, ends: bool) -> Result<(), StreamFailure> {
        let (answer, sending) = self.place.open(request, ends).map_err(|error| StreamFailure::of(&error))?;
        self.answer = Some(answer);
        self.sending = (!ends).then_some(sending);
        Ok(())
    }

    /// Whether other streams were opened on its connection before.
    pub(crate) fn is_reused(&self) -> bool {
        self.place.is_reused()
    }

    /// No new streams on its connection: it answers to nothing, or wrongly.
    pub(crate) fn retire_connection(&self) {
        self.place.retire();
    }

    /// The next head of the answer: of an interim one, or the final one.
    ///
    /// # Errors
    /// What became of the stream instead.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
        limits: &http1::Limits,
    ) -> Poll<Result<(), StreamFailure>> {
        let failed = |error: h2::Error| StreamFailure::of(&error);
        let Some(answer) = &mut self.answer else { return Poll::Ready(Err(StreamFailure::Closed)) };
        let (status, fields) = match answer.poll_informational(cx) {
            Poll::Ready(Some(interim)) => {
                let (parts, ()) = interim.map_err(failed)?.into_parts();
                (parts.status, parts.headers)
            }
            Poll::Ready(None) | Poll::Pending => {
                let (parts, body) = ready!(Pin::new(answer).poll(cx)).map_err(failed)?.into_parts();
                self.ended = body.is_end_stream();
                self.receiving = Some(body);
                self.answer = None;
                (parts.status, parts.headers)
            }
        };
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Poll::Ready(head.assemble(status.as_u16(), fields, limits).map_err(|error| {
            tracing::debug!(%error, "answer of an upstream is refused");
            StreamFailure::Malformed(error.into())
        }))
    }

    /// Receives the next piece of the body, or its end and its trailers.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(receiving) = &mut self.receiving else {
            self.ended = true;
            return Poll::Ready(Ok(()));
        };
        while self.piece.is_empty() && !self.ended {
            if let Some(broken) = self.broken {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    BodyError::Trailer(broken),
                )));
            }
            if !self.ahead.is_empty() {
                self.piece = std::mem::take(&mut self.ahead).into();
                break;
            }
            match ready!(receiving.poll_data(cx)).transpose().map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => {
                    let trailers = ready!(receiving.poll_trailers(cx)).map_err(io::Error::other)?;
                    match trailers.map(|trailers| forwardable(&trailers, self.place.limits())).transpose() {
                        Ok(trailers) => {
                            self.trailers = trailers.flatten();
                            self.ended = true;
                        }
                        Err(error) => self.broken = Some(error),
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Puts together what has come of the answer, up to the stream's window, while its client takes nothing: many small
    /// frames would cost the connection more than their content, and it would be given up for that.
    pub(crate) fn gather(&mut self, cx: &mut Context<'_>) {
        let Some(receiving) = &mut self.receiving else { return };
        while !self.has_all {
            match receiving.poll_data(cx) {
                Poll::Ready(Some(Ok(piece))) => self.ahead.extend_from_slice(&piece),
                // Who reads next finds the end, or the same error.
                Poll::Ready(None | Some(Err(_))) => self.has_all = true,
                Poll::Pending => return,
            }
        }
    }

    /// Sends what was held back.
    fn send_held(&mut self, ends: bool) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() && !ends {
            return Ok(());
        }
        let sending = self.sending.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        sending.send_data(held, ends).map_err(io::Error::other)
    }
}

/// What of the trailers may be forwarded.
fn forwardable(trailers: &HeaderMap, limits: &http1::Limits) -> Result<Option<Box<HeaderMap>>, FieldError> {
    let fields = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    http1::check_trailer_bounds(fields, limits)?;
    let mut kept = HeaderMap::with_capacity(trailers.len());
    for (name, value) in trailers {
        if http1::may_trail(name.as_str())
            && http1::write::check_field(name.as_str(), value.as_bytes()).is_ok()
        {
            kept.append(name, value.clone());
        }
    }
    Ok((!kept.is_empty()).then(|| Box::new(kept)))
}

impl Source for Http2Stream {
    fn has_ended(&self) -> bool {
        self.ended && self.piece.is_empty() && self.ahead.is_empty()
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
        if self.sending.is_some() {
            self.send_held(trailers.is_none())?;
            if let (Some(trailers), Some(sending)) = (trailers, &mut self.sending) {
                sending.send_trailers(trailers.clone()).map_err(io::Error::other)?;
            }
            self.sending = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Http2Stream {
    /// Reads all that there is, as far as there is room.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            match this.poll_receive(cx) {
                Poll::Pending if buf.filled().len() > before => return Poll::Ready(Ok(())),
                // What came before the error is read first; the next read gives the error again.
                Poll::Ready(Err(_)) if buf.filled().len() > before => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            let count = this.piece.len().min(buf.remaining());
            if count == 0 {
                return Poll::Ready(Ok(()));
            }
            buf.put_slice(this.piece.get(..count).unwrap_or_default());
            this.piece.advance(count);
            if let Some(receiving) = &mut this.receiving {
                receiving.flow_control().release_capacity(count).map_err(io::Error::other)?;
            }
        }
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.send_held(false)?;
        let sending = this.sending.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let want = buf.len().min(MAX_PIECE_BYTES);
        sending.reserve_capacity(want);
        let capacity = match sending.capacity() {
            0 => match ready!(sending.poll_capacity(cx)) {
                Some(capacity) => capacity.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
            capacity => capacity,
        };
        let count = want.min(capacity);
        this.held = Bytes::copy_from_slice(buf.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().send_held(false))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx, None)
    }
}
