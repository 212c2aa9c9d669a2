//! The end of a WebSocket that the gate decides: both sides are told, each at the end of a frame, and each has a moment
//! to answer (RFC 6455, section 7.1.2).
//!
//! A close frame is a control frame, so it may stand between the fragments of a message (RFC 6455, section 5.4), but
//! not inside a frame, nor behind another close frame. Where a frame does not end in time, its side sees the connection
//! close without a word.

use super::ends::{Sink, Source};
use super::leg::Leg;
use crate::buffer::Buffer;
use std::hash::{BuildHasher, RandomState};
use std::task::{Context, Poll, ready};

/// The close frame that clients get: status 1012, *service restart* (IANA registry of close codes).
const RESTART: [u8; 4] = [0x88, 0x02, 0x03, 0xF4];
/// The status that upstreams get: 1001, *going away*.
const GOING_AWAY: [u8; 2] = 1001u16.to_be_bytes();

/// What one side is told, and how far that is.
#[derive(Debug)]
pub(super) struct Farewell {
    frame: Vec<u8>,
    sent: usize,
    /// It cannot be said any more, or was said by the other side before.
    is_over: bool,
}

impl Farewell {
    /// For a client.
    pub(super) fn to_client() -> Farewell {
        Farewell { frame: RESTART.to_vec(), sent: 0, is_over: false }
    }

    /// For an upstream, whose client we are: so it is masked (RFC 6455, section 5.3).
    pub(super) fn to_upstream() -> Farewell {
        let [a, b, c, d, ..] = RandomState::new().hash_one(0u8).to_be_bytes();
        let [high, low] = GOING_AWAY;
        Farewell { frame: vec![0x88, 0x82, a, b, c, d, high ^ a, low ^ b], sent: 0, is_over: false }
    }

    /// Goes on: the frame under way ends, the farewell is written, and what `reader` still sends is dropped up to its
    /// own close frame. Ready when there is nothing more to wait for.
    pub(super) fn poll<R: Source, W: Sink>(
        &mut self,
        cx: &mut Context<'_>,
        leg: &mut Leg,
        source: &mut Buffer,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<()> {
        if !self.is_over && self.sent == 0 {
            leg.ending = true;
            while !leg.at_frame_end() {
                let ended = ready!(leg.poll(cx, source, reader, writer)).is_err() || leg.is_done();
                if ended && !leg.at_frame_end() {
                    return Poll::Ready(());
                }
            }
            self.is_over = leg.is_done() || leg.has_said_close();
        }
        while !self.is_over && self.sent < self.frame.len() {
            let rest = self.frame.get(self.sent..).unwrap_or_default();
            match ready!(std::pin::Pin::new(&mut *writer).poll_write(cx, rest)) {
                Ok(count @ 1..) => self.sent += count,
                Ok(0) | Err(_) => self.is_over = true,
            }
        }
        if !self.is_over && ready!(std::pin::Pin::new(writer).poll_flush(cx)).is_err() {
            self.is_over = true;
        }
        loop {
            leg.drop_from(source);
            if leg.has_said_close() {
                return Poll::Ready(());
            }
            match ready!(source.poll_read(reader, cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}
