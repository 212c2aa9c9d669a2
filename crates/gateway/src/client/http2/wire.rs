//! The bytes of a connection, between the socket and the crate that speaks HTTP/2.
//!
//! Three things happen here. What was read before the protocol was known is read again. What comes in is metered. And
//! what goes out is collected: that crate flushes after each frame, and one flush of a connection writes what all of its
//! streams had to say since the last one, in one system call.

use super::meter::{Fault, Meter};
use super::outflow::Outflow;
use crate::buffer::{Buffer, Buffers};
use crate::client::ClientIo;
use crate::timer::Timers;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are collected before they are written without being asked to.
const COLLECTED_BYTES: usize = 64 * 1024;

/// A connection's socket, shared by the crate that speaks HTTP/2 and by what flushes it.
pub(super) struct Wire {
    io: ClientIo,
    /// What was read before the protocol was known.
    before: Buffer,
    meter: Meter,
    fault: Option<Fault>,
    /// The socket had nothing more to read, and has not been asked again.
    is_drained: bool,
    out: Vec<u8>,
    out_sent: usize,
    outflow: Outflow,
    /// TLS has taken bytes, and the socket may not have.
    is_unflushed: bool,
    /// Bytes that the socket, or TLS, has taken.
    taken: u64,
    buffers: Rc<Buffers>,
    timers: Rc<Timers>,
}

impl Wire {
    pub(super) fn new(
        io: ClientIo,
        before: Buffer,
        meter: Meter,
        buffers: &Rc<Buffers>,
        timers: &Rc<Timers>,
    ) -> Wire {
        Wire {
            io,
            before,
            meter,
            fault: None,
            is_drained: false,
            out: Vec::new(),
            out_sent: 0,
            outflow: Outflow::default(),
            is_unflushed: false,
            taken: 0,
            buffers: Rc::clone(buffers),
            timers: Rc::clone(timers),
        }
    }

    /// What is wrong with what the client sends. From then on nothing is read.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The socket may be asked again. Until then, once it had nothing, it is not: that crate looks for more after each
    /// stream that it hands out.
    pub(super) fn look_again(&mut self) {
        self.is_drained = false;
    }

    /// Whether the client is in the middle of saying a head or its first settings.
    pub(super) fn in_head(&self) -> bool {
        self.meter.in_head()
    }

    /// Whether all of `queued` bytes of content have left.
    pub(super) fn has_sent(&self, queued: u64) -> bool {
        self.out.is_empty() && !self.is_unflushed && self.outflow.content >= queued
    }

    /// Bytes that the socket has taken; tells progress from a stall.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Writes what was collected.
    pub(super) fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_empty() && !self.is_unflushed {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest @ [_, ..]) = self.out.get(self.out_sent..) {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out_sent += count;
            self.taken += count as u64;
            self.is_unflushed = true;
        }
        self.out_sent = 0;
        self.buffers.give_output(std::mem::take(&mut self.out));
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// The socket, to linger on it.
    pub(super) fn into_io(self) -> ClientIo {
        self.io
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.fault.is_some() || self.is_drained {
            // With a fault, the connection is about to be closed: whoever polled sees it next.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if self.before.is_empty() {
            let polled = Pin::new(&mut self.io).poll_read(cx, buf);
            self.is_drained = polled.is_pending();
            ready!(polled)?;
        } else {
            let count = self.before.len().min(buf.remaining());
            buf.put_slice(self.before.filled().get(..count).unwrap_or_default());
            self.before.consume(count);
        }
        let received = buf.filled().get(before..).unwrap_or_default();
        self.fault = self.meter.received(received, self.timers.now()).err();
        if self.fault.is_some() {
            // Nothing of it is acted on.
            buf.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.out.len() >= COLLECTED_BYTES {
            ready!(self.poll_write_out(cx))?;
        }
        if self.out.capacity() == 0 {
            self.out = self.buffers.take_output();
        }
        self.meter.sent(buf);
        self.outflow.wrote(buf);
        self.out.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }
}

/// The wire as the crate that speaks HTTP/2 has it.
pub(super) struct Transport(pub(super) Rc<RefCell<Wire>>);

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, buf)
    }

    /// Nothing yet: the connection writes once for all of its streams.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        ready!(wire.poll_write_out(cx))?;
        Pin::new(&mut wire.io).poll_shutdown(cx)
    }
}
