//! One direction of an exchange: bytes are read from one side, checked against their framing, and written to the
//! other in a framing of their own. What cannot be written holds up what is read.

use super::ends::{Coding, Sink, Source};
use super::trailers;
use super::websocket::Frames;
use crate::buffer::Buffer;
use crate::kept::Tee;
use http::HeaderMap;
use http1::{BodyDecoder, BodyError, Step, write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Bytes that may wait to be written; beyond it nothing more is decoded.
const MAX_PENDING_BYTES: usize = 64 * 1024;

/// One write of one piece is cheapest. So what goes out before a body is put in front of it, where it was read, if there is
/// room; if not, a body up to this size is copied behind it.
const MAX_COPIED_BYTES: usize = 4 * 1024;

/// The state of one direction.
#[derive(Debug)]
pub(crate) struct Leg {
    /// Written first: a head, chunks.
    pub(crate) out: Vec<u8>,
    out_sent: usize,
    /// That many bytes at the front of the source go out as they are, after `out`, or instead of it.
    direct: usize,
    decoder: BodyDecoder,
    coding: Coding,
    finished: bool,
    /// Nothing that was written waits in the sink, and its end was said if it has one.
    flushed: bool,
    /// Those that stood beside the body, or are to.
    trailers: Option<Box<HeaderMap>>,
    /// Payload bytes read.
    pub(crate) bytes: u64,
    /// Whether any byte was written.
    pub(crate) has_begun: bool,
    /// Bytes read and written; tells progress from a stall.
    pub(crate) moved: u64,
    /// Which side the last poll waited for.
    pub(crate) waits_for_source: bool,
    /// Payload is also kept here while it is there and has room, so that a request can be sent again.
    pub(crate) replay: Option<Replay>,
    /// Payload is also kept here, for a copy or to be looked at.
    pub(crate) tee: Option<Tee>,
    /// Follows the frames of a WebSocket.
    pub(crate) frames: Option<Frames>,
    /// Most payload bytes; 0: no bound. What goes beyond it is not written.
    pub(crate) max_bytes: u64,
    /// Nothing is taken beyond the end of the current frame.
    pub(crate) ending: bool,
}

/// The payload of a request so far, bounded.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) bytes: Vec<u8>,
    pub(crate) limit: usize,
}

/// What is left of a body's source.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) decoder: BodyDecoder,
    pub(crate) replay: Option<Replay>,
    pub(crate) tee: Option<Tee>,
    /// Those that came beside it, if it was read to its end.
    pub(crate) trailers: Option<Box<HeaderMap>>,
}

/// Which side broke, and how.
#[derive(Debug)]
pub(crate) enum LegError {
    /// Reading failed, or the source ended in the middle of the body (`UnexpectedEof`).
    Source(io::ErrorKind),
    /// What was read breaks its framing.
    Framing(BodyError),
    /// The body has more bytes than it may have.
    TooLarge,
    /// Writing failed.
    Sink,
}

impl LegError {
    /// A source that says itself what its bytes break tells it in its error.
    fn of_reading(error: &io::Error) -> LegError {
        let broken = error.get_ref().and_then(|inner| inner.downcast_ref());
        broken.map_or(LegError::Source(error.kind()), |broken: &BodyError| LegError::Framing(*broken))
    }
}

impl Leg {
    /// A direction whose body is read by `decoder` and written in `coding`, after what `out` holds.
    pub(crate) fn new(out: Vec<u8>, decoder: BodyDecoder, coding: Coding) -> Leg {
        let finished = decoder.is_finished();
        Leg {
            out,
            out_sent: 0,
            direct: 0,
            decoder,
            coding,
            finished,
            flushed: false,
            trailers: None,
            bytes: 0,
            has_begun: false,
            moved: 0,
            waits_for_source: false,
            replay: None,
            tee: None,
            frames: None,
            max_bytes: 0,
            ending: false,
        }
    }

    /// The direction that goes on with what an earlier try has left.
    pub(crate) fn resume(out: Vec<u8>, rest: Rest, coding: Coding) -> Leg {
        let Rest { decoder, replay, tee, trailers } = rest;
        Leg { replay, tee, trailers, ..Leg::new(out, decoder, coding) }
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_written(&self) -> bool {
        self.out_sent == self.out.len() && self.direct == 0
    }

    /// Whether the body was read and written to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.finished && self.flushed
    }

    /// Whether the body was read to its end.
    pub(crate) fn is_read(&self) -> bool {
        self.finished
    }

    /// Whether all that was taken ends a frame and was written; anything does where frames are not followed.
    pub(crate) fn at_frame_end(&self) -> bool {
        self.is_written() && self.frames.as_ref().is_none_or(Frames::at_boundary)
    }

    /// Whether a close frame has gone this way, or was dropped at its end.
    pub(crate) fn has_said_close(&self) -> bool {
        self.frames.as_ref().is_some_and(Frames::has_closed)
    }

    /// Drops what the source holds, after a frame's end.
    pub(crate) fn drop_from(&mut self, source: &mut Buffer) {
        if let Some(frames) = &mut self.frames {
            frames.feed(source.filled());
        }
        source.consume(source.filled().len());
    }

    /// Whether it was to end with a frame, and has.
    fn has_ended(&self) -> bool {
        self.ending && self.at_frame_end()
    }

    /// Drops what was decoded and not yet written.
    pub(crate) fn give_up(&mut self, source: &mut Buffer) {
        source.consume(std::mem::take(&mut self.direct));
    }

    /// Ends the body where it is, with these trailers, whatever was still to come. False if its coding has no end that could be
    /// said, or its end is already on the way.
    pub(crate) fn end_with(&mut self, source: &mut Buffer, trailers: Option<Box<HeaderMap>>) -> bool {
        if self.finished || self.coding == Coding::Raw {
            return false;
        }
        self.give_up(source);
        self.decoder = BodyDecoder::None;
        self.trailers = trailers;
        self.finish();
        true
    }

    /// The trailers of a body that has ended, where they are not among its bytes.
    pub(crate) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// Gives the output buffer back.
    pub(crate) fn into_output(self) -> Vec<u8> {
        self.out
    }

    /// Gives back what the next try goes on with, and the output buffer.
    pub(crate) fn into_parts(self) -> (Rest, Vec<u8>) {
        let Leg { decoder, replay, tee, trailers, out, .. } = self;
        (Rest { decoder, replay, tee, trailers }, out)
    }

    /// Moves what can be moved; ready when the body is done.
    pub(crate) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Buffer,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<Result<(), LegError>>
    where
        R: Source,
        W: Sink,
    {
        loop {
            // What waited to be written may have held up the decoding of what is there.
            let held = self.direct > 0 || self.out.len() >= MAX_PENDING_BYTES;
            let progress = self.decode(source)? || held;
            if !self.finished && source.len() == self.direct && reader.has_ended() {
                self.end(reader)?;
            }
            self.waits_for_source = false;
            ready!(self.poll_write(cx, source, writer)).map_err(|_| LegError::Sink)?;
            if progress && !self.finished && !self.has_ended() && !source.is_empty() {
                continue;
            }
            // Nothing that was read is held back while more is waited for. A head that nothing follows may still give way to
            // another answer: it goes out once it is known that there is nothing to read now.
            let may_wait = self.coding == Coding::OutOfBand && !self.has_begun;
            let is_over = self.finished || self.has_ended();
            if is_over || !may_wait {
                ready!(self.poll_flush(cx, writer)).map_err(|_| LegError::Sink)?;
            }
            if is_over {
                return Poll::Ready(Ok(()));
            }
            self.waits_for_source = true;
            match source.poll_read(reader, cx).map_err(|error| LegError::of_reading(&error))? {
                Poll::Ready(0) => self.end(reader)?,
                Poll::Ready(count) => self.moved += count as u64,
                Poll::Pending => {
                    if may_wait {
                        ready!(self.poll_flush(cx, writer)).map_err(|_| LegError::Sink)?;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Decodes what the source holds until something is to be written as it is, or enough waits. Says whether it
    /// used any of it.
    fn decode(&mut self, source: &mut Buffer) -> Result<bool, LegError> {
        let mut progress = false;
        while !self.finished
            && !self.has_ended()
            && self.direct == 0
            && !source.is_empty()
            && self.out.len() < MAX_PENDING_BYTES
        {
            match self.decoder.decode(source.filled()).map_err(LegError::Framing)? {
                Step::Data { skip, len } => {
                    source.consume(skip);
                    self.take(source, len)?;
                }
                Step::Need { consumed } => {
                    source.consume(consumed);
                    if consumed == 0 {
                        return Ok(progress);
                    }
                }
                Step::End { consumed } => {
                    source.consume(consumed);
                    self.finish();
                }
            }
            progress = true;
            if !self.finished && self.decoder.is_finished() {
                self.finish();
            }
        }
        Ok(progress)
    }

    fn take(&mut self, source: &mut Buffer, mut len: usize) -> Result<(), LegError> {
        if let (true, Some(frames)) = (self.ending, &self.frames) {
            len = len.min(usize::try_from(frames.left()).unwrap_or(len));
        }
        let payload = source.filled().get(..len).unwrap_or_default();
        self.bytes += payload.len() as u64;
        if self.max_bytes > 0 && self.bytes > self.max_bytes {
            return Err(LegError::TooLarge);
        }
        if let Some(frames) = &mut self.frames {
            frames.feed(payload);
        }
        if let Some(tee) = &self.tee {
            tee.add(payload);
        }
        if let Some(replay) = &mut self.replay {
            if replay.bytes.len() + len <= replay.limit {
                replay.bytes.extend_from_slice(payload);
            } else {
                self.replay = None;
            }
        }
        self.queue(source, len);
        Ok(())
    }

    /// The first `len` bytes of the source are to be written.
    fn queue(&mut self, source: &mut Buffer, len: usize) {
        if self.coding == Coding::Raw && self.out_sent == 0 && source.put_front(&self.out) {
            self.direct = self.out.len() + len;
            self.out.clear();
            return;
        }
        let payload = source.filled().get(..len).unwrap_or_default();
        if self.coding == Coding::Chunked {
            write::chunk_head(&mut self.out, len as u64);
            self.out.extend_from_slice(payload);
            self.out.extend_from_slice(write::CHUNK_END);
            source.consume(len);
        } else if len <= MAX_COPIED_BYTES && !self.out.is_empty() {
            self.out.extend_from_slice(payload);
            source.consume(len);
        } else {
            self.direct = len;
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        // The end is still to be said, also where all that went before it was flushed.
        self.flushed &= self.coding != Coding::OutOfBand;
        match self.coding {
            Coding::Raw => {}
            Coding::Chunked => {
                trailers::write_last_chunk(&mut self.out, &self.decoder, self.trailers.as_deref())
            }
            Coding::OutOfBand if self.trailers.is_none() => {
                self.trailers = trailers::of_chunks(&self.decoder)
            }
            Coding::OutOfBand => {}
        }
    }

    /// The source has ended.
    fn end<R: Source>(&mut self, reader: &mut R) -> Result<(), LegError> {
        self.decoder.eof().map_err(|_| LegError::Source(io::ErrorKind::UnexpectedEof))?;
        self.trailers = reader.take_trailers();
        self.finish();
        Ok(())
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Buffer,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        while !self.is_written() {
            let out = self.out.get(self.out_sent..).unwrap_or_default();
            let direct = source.filled().get(..self.direct).unwrap_or_default();
            let writer = Pin::new(&mut *writer);
            let count = match (out.is_empty(), direct.is_empty()) {
                (false, false) => {
                    ready!(writer.poll_write_vectored(cx, &[IoSlice::new(out), IoSlice::new(direct)]))?
                }
                (false, true) => ready!(writer.poll_write(cx, out))?,
                (true, _) => ready!(writer.poll_write(cx, direct))?,
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.has_begun = true;
            self.flushed = false;
            self.moved += count as u64;
            let of_out = count.min(self.out.len() - self.out_sent);
            self.out_sent += of_out;
            self.direct -= count - of_out;
            source.consume(count - of_out);
        }
        self.out.clear();
        self.out_sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Flushes what was written, and says the end once it was. A plain socket has nothing to flush.
    fn poll_flush<W: Sink>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>> {
        if self.flushed {
            return Poll::Ready(Ok(()));
        }
        if self.coding == Coding::OutOfBand {
            self.has_begun = true;
        }
        if self.finished {
            ready!(writer.poll_finish(cx, self.trailers.as_deref()))?;
        } else {
            ready!(Pin::new(writer).poll_flush(cx))?;
        }
        self.flushed = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffers;
    use http1::Framing;
    use std::future::poll_fn;
    use std::rc::Rc;
    use tokio::io::AsyncReadExt;

    impl Source for tokio::io::DuplexStream {}
    impl Sink for tokio::io::DuplexStream {}

    #[tokio::test]
    async fn what_a_slow_writer_held_up_is_decoded_without_another_read() {
        let mut source = Rc::new(Buffers::new(16 * 1024)).buffer();
        let message = [b"1f40\r\n".as_slice(), &[b'x'; 8_000], b"\r\n0\r\n\r\n"].concat();
        poll_fn(|cx| source.poll_read(&mut message.as_slice(), cx)).await.unwrap();
        let decoder = BodyDecoder::new(Framing::Chunked, &http1::Limits::default());
        let mut leg = Leg::new(b"head".to_vec(), decoder, Coding::Raw);
        let (mut silent, _open) = tokio::io::duplex(1);
        let (mut writer, mut client) = tokio::io::duplex(1_024);
        let mut received = [0; 1_024];
        loop {
            let moved = poll_fn(|cx| Poll::Ready(leg.poll(cx, &mut source, &mut silent, &mut writer))).await;
            if moved.is_ready() {
                break;
            }
            assert!(!leg.is_written(), "it waits to read although the end is there");
            assert!(client.read(&mut received).await.unwrap() > 0);
        }
        assert!(leg.is_done());
    }
}
