//! The life of a connection: handshake, streams, deadlines, and an end that loses no request (RFC 9113, section 6.8).

use super::meter::{Fault, Meter};
use super::serve::Shared;
use super::wire::{Transport, Wire};
use crate::buffer::Buffer;
use crate::client::{Client, ClientIo, linger};
use crate::http2_bounds;
use crate::request::Connection;
use crate::settings::Settings;
use crate::timer::Timer;
use crate::worker::Worker;
use bytes::Bytes;
use h2::{Reason, server};
use model::reason::HeadReason;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

/// How long a client whose connection is to end may take to hear of it, and to let go.
const LEAVE_MS: u64 = 1_000;
/// Bytes of an answer that wait for the socket, per stream.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// What unread DATA frames may cost beside their content, per connection, as the crate counts it: 256 bytes a frame. They
/// are read as soon as their streams' tasks run, so this bounds what comes in one turn.
const DATA_FRAME_BUDGET: usize = 8 << 20;

/// What a connection's deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Streams are open; they have deadlines of their own.
    Busy,
    /// No stream is open.
    Idle,
    /// No stream is open, and the ends of their answers wait for the client.
    Sending,
    /// A head has begun, or the client's settings are awaited.
    Head,
    /// The client was told that the connection ends, and has no stream open.
    Leaving,
    /// The connection is over once this has been written.
    Closing,
}

/// Serves a connection to its end. `before` is what was read of it already; the client's preface has yet to be read.
pub(crate) async fn serve_http2(
    worker: &Rc<Worker>,
    io: ClientIo,
    before: Buffer,
    connection: Rc<Connection>,
) {
    let timer = worker.timers.timer();
    let Settings { http2_control_burst, head, .. } = &*worker.settings;
    let meter = Meter::new(*http2_control_burst, http2_bounds::trailer_block_bytes(head));
    let wire = Wire::new(io, before, meter, &worker.buffers, &worker.timers);
    let wire = Rc::new(RefCell::new(wire));
    timer.arm(worker.settings.head_timeout_ms);
    if let Ok(Some(h2)) = timer.within(handshake(&worker.settings, &wire)).await {
        let shared = Rc::new(Shared::new(Rc::clone(worker), connection));
        let streams = Rc::clone(&shared);
        let mut driver = Driver {
            h2,
            wire: &wire,
            shared,
            timer: &timer,
            phase: Phase::Busy,
            taken: 0,
            is_leaving: false,
        };
        poll_fn(|cx| driver.poll(cx)).await;
        drop(driver);
        // Each of them hears of the end, and is recorded before the connection counts as gone.
        timer.arm(LEAVE_MS);
        let _ = timer.within(poll_fn(|cx| streams.poll_idle(cx))).await;
    }
    // The protocol's half went with the connection; its streams hold none of it.
    if let Some(wire) = Rc::into_inner(wire) {
        let input = worker.buffers.buffer();
        linger(&mut Client { io: wire.into_inner().into_io(), input, timer }).await;
    }
}

/// Says our settings and reads the client's preface.
async fn handshake(
    settings: &Settings,
    wire: &Rc<RefCell<Wire>>,
) -> Option<server::Connection<Transport, Bytes>> {
    let mut handshake = std::pin::pin!(builder(settings).handshake(Transport(Rc::clone(wire))));
    poll_fn(|cx| {
        wire.borrow_mut().look_again();
        let polled = handshake.as_mut().poll(cx);
        let written = wire.borrow_mut().poll_write_out(cx);
        if matches!(written, Poll::Ready(Err(_))) { Poll::Ready(None) } else { polled.map(Result::ok) }
    })
    .await
}

fn builder(settings: &Settings) -> server::Builder {
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(settings.http2_max_streams)
        .initial_window_size(settings.http2_stream_window_bytes)
        .initial_connection_window_size(connection_window(settings))
        // The meter bounds resets in a better way than by how many come before we look.
        .max_pending_accept_reset_streams(settings.http2_max_streams as usize)
        .max_header_list_size(http2_bounds::list_bytes(&settings.head))
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .data_frame_budget(DATA_FRAME_BUDGET);
    builder
}

/// The window of a connection: unless told otherwise, as wide as those of all its streams, so that no stream waits for the
/// upstreams of others.
fn connection_window(settings: &Settings) -> u32 {
    match settings.http2_connection_window_bytes {
        0 => settings
            .http2_stream_window_bytes
            .saturating_mul(settings.http2_max_streams)
            .min(i32::MAX.unsigned_abs()),
        bytes => bytes,
    }
}

struct Driver<'a> {
    h2: server::Connection<Transport, Bytes>,
    wire: &'a RefCell<Wire>,
    shared: Rc<Shared>,
    timer: &'a Timer,
    phase: Phase,
    /// What the socket had taken when the deadline was set.
    taken: u64,
    /// The client was told that no more streams are taken.
    is_leaving: bool,
}

impl Driver<'_> {
    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.borrow_mut().look_again();
        loop {
            self.leave_if_asked();
            if self.poll_streams(cx).is_ready() || self.poll_write_out(cx).is_err() {
                return Poll::Ready(());
            }
            if self.close_if_faulty() {
                continue;
            }
            self.shared.watch(cx);
            self.enter(self.phase_now());
            if self.timer.poll_elapsed(cx).is_pending() {
                return Poll::Pending;
            }
            match self.phase {
                Phase::Idle => self.leave(),
                Phase::Sending => self.close(Reason::NO_ERROR),
                Phase::Head | Phase::Leaving => self.close(Reason::NO_ERROR),
                Phase::Closing => return Poll::Ready(()),
                Phase::Busy => self.timer.disarm(),
            }
        }
    }

    /// Takes new streams and moves the frames of all.
    fn poll_streams(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.shared.worker.crew.serve(&self.shared, request, respond);
                }
                Poll::Ready(Some(Err(error))) => {
                    let client = self.shared.connection.peer;
                    tracing::debug!(%client, %error, "an HTTP/2 connection has failed");
                    if error.is_library() && self.phase != Phase::Closing {
                        let is_flood = error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
                        let reason = if is_flood { HeadReason::Flood } else { HeadReason::Malformed };
                        self.shared.worker.totals().bad_request(reason);
                        if is_flood {
                            self.tell_of_flood(&error);
                        }
                    }
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Writes what the streams had to say. What the socket does not take now is written when it does.
    fn poll_write_out(&self, cx: &mut Context<'_>) -> std::io::Result<()> {
        match self.wire.borrow_mut().poll_write_out(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    /// Closes the connection of a client that floods us, or does not speak the protocol.
    fn close_if_faulty(&mut self) -> bool {
        let fault = self.wire.borrow().fault();
        if self.phase == Phase::Closing {
            return false;
        }
        let Some(fault) = fault else { return false };
        let (reason, code) = match fault {
            Fault::Flood => (HeadReason::Flood, Reason::ENHANCE_YOUR_CALM),
            Fault::LargeTrailers => (HeadReason::TooLarge, Reason::ENHANCE_YOUR_CALM),
            Fault::NoSettings | Fault::PseudoTrailer => (HeadReason::Malformed, Reason::PROTOCOL_ERROR),
        };
        let client = self.shared.connection.peer;
        tracing::debug!(%client, ?fault, reason = reason.name(), "an HTTP/2 connection is refused");
        self.shared.worker.totals().bad_request(reason);
        if fault == Fault::Flood {
            self.tell_of_flood(&"more control frames than limits.http2_control_burst");
        }
        self.close(code);
        true
    }

    /// Tells the log who floods us, once in a while: whoever does it may do it a thousand times a second.
    fn tell_of_flood(&self, what: &dyn std::fmt::Display) {
        let Shared { worker, connection, .. } = &*self.shared;
        if worker.crew.may_tell(worker.timers.now()) {
            let client = connection.peer;
            tracing::warn!(%client, "a connection of HTTP/2 that floods the gateway was ended: {what}");
        }
    }

    fn leave_if_asked(&mut self) {
        let worker = Rc::clone(&self.shared.worker);
        if !self.is_leaving && (worker.draining.get() || self.shared.is_outdated()) {
            self.leave();
        }
        if worker.closing.get() && self.shared.is_idle() && self.has_sent() && self.phase != Phase::Closing {
            self.close(Reason::NO_ERROR);
        }
    }

    /// Says that no more streams are taken: first of any number, and once that has been heard, what the last one was.
    fn leave(&mut self) {
        self.is_leaving = true;
        self.h2.graceful_shutdown();
    }

    /// Ends the connection and its streams.
    fn close(&mut self, reason: Reason) {
        self.is_leaving = true;
        self.h2.abrupt_shutdown(reason);
        self.enter(Phase::Closing);
    }

    fn phase_now(&self) -> Phase {
        match self.shared.is_idle() {
            _ if self.phase == Phase::Closing => Phase::Closing,
            true if !self.has_sent() => Phase::Sending,
            true if self.is_leaving => Phase::Leaving,
            _ if self.wire.borrow().in_head() => Phase::Head,
            true => Phase::Idle,
            false => Phase::Busy,
        }
    }

    /// Whether all that answers have queued has left.
    fn has_sent(&self) -> bool {
        self.wire.borrow().has_sent(self.shared.queued.get())
    }

    /// Sets the deadline of a phase that begins, or that began anew since.
    fn enter(&mut self, phase: Phase) {
        let settings = &self.shared.worker.settings;
        let served = self.shared.take_served();
        let taken = self.wire.borrow().taken();
        let moves = phase == Phase::Sending && taken != self.taken;
        if phase == self.phase && !(served && phase == Phase::Idle) && !moves {
            return;
        }
        (self.phase, self.taken) = (phase, taken);
        self.timer.arm(match phase {
            Phase::Busy => 0,
            Phase::Idle => settings.idle_timeout_ms,
            Phase::Sending => settings.write_timeout_ms,
            Phase::Head => settings.head_timeout_ms,
            Phase::Leaving | Phase::Closing => LEAVE_MS,
        });
    }
}
