//! One connection to a node: the task that drives it, the count of its streams, and whether it takes more.

use super::super::dial::Origin;
use super::super::pool::UpstreamConnection;
use super::pool::Node;
use super::transport::Transport;
use crate::http2_bounds;
use crate::settings::Settings;
use bytes::Bytes;
use h2::client::{self, SendRequest};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// Streams that a node is sent before it has said how many it takes: the request that the connection was made for.
const STREAMS_BEFORE_SETTINGS: usize = 1;
/// What the h2 crate takes for the node's bound until its settings have come; more than any setting can say.
const UNSETTLED: usize = usize::MAX - 1;
/// Bytes that may wait in one stream to be written to the socket.
const MAX_WAITING_BYTES: usize = 64 * 1024;
/// Largest frame that we take (RFC 9113, section 4.2: the default, which every peer keeps to).
const MAX_FRAME_BYTES: u32 = 16 * 1024;

/// What unread DATA frames may cost beside their content, per connection, as the crate counts it: 256 bytes a frame. They
/// are read as soon as their streams' tasks run, so this bounds what comes in one turn.
const DATA_FRAME_BUDGET: usize = 32 << 20;

/// The bounds of HTTP/2 towards one node, from the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections.
    pub(super) connections: usize,
    /// Streams on one connection, where the node allows as many.
    pub(super) streams: usize,
    /// Requests that wait for a place on a connection.
    pub(super) waiting: usize,
    /// Bytes of an answer that may be on the way to a client that does not take them.
    pub(super) stream_window_bytes: u32,
    /// Of an answer's head and trailers.
    pub(super) head: http1::Limits,
}

impl Limits {
    pub(super) fn of(settings: &Settings) -> Limits {
        let bounds = &settings.upstream_http2;
        Limits {
            connections: bounds.connections,
            streams: bounds.streams,
            waiting: bounds.waiting,
            stream_window_bytes: bounds.stream_window_bytes,
            head: settings.head,
        }
    }
}

/// A connection that streams share. It closes when neither the pool nor a stream holds it any more.
pub(crate) struct Connection {
    /// Opens nothing itself: each stream is opened with a clone. One that has opened a stream would, when it is asked
    /// whether the connection takes more, take over what wakes that stream's task.
    requests: RefCell<SendRequest<Bytes>>,
    /// Where it leads to, if it was made by a name.
    origin: Option<Origin>,
    state: Rc<State>,
    /// What heads and trailers of answers may have.
    limits: http1::Limits,
    /// Streams that it has carried.
    opened: Cell<u64>,
    /// The tick at which it has been idle for too long; 0: it was not seen idle yet.
    idle_until: Cell<u64>,
}

/// What the driving task and the streams both know.
#[derive(Debug)]
struct State {
    node: Weak<Node>,
    /// Streams that are open now.
    active: Cell<usize>,
    /// Most streams at once: the smaller of the node's bound and ours.
    max: Cell<usize>,
    /// The node has said how many streams it takes.
    settled: Cell<bool>,
    /// The connection has ended.
    ended: Cell<bool>,
}

/// A place for one stream; given back when dropped.
pub(crate) struct Place {
    connection: Rc<Connection>,
}

impl Connection {
    /// Speaks HTTP/2 on a fresh connection to `node` from its first byte, and drives it in a task of its own.
    ///
    /// # Errors
    /// When the preface cannot be written.
    pub(super) async fn start(
        connected: UpstreamConnection,
        node: &Rc<Node>,
        limits: &Limits,
    ) -> io::Result<Rc<Connection>> {
        let streams = u32::try_from(limits.streams).unwrap_or(u32::MAX);
        // Wide enough for all streams at once: a client that takes nothing holds up its own stream alone.
        let window = limits.stream_window_bytes.saturating_mul(streams).min(i32::MAX.unsigned_abs());
        let (requests, connection) = client::Builder::new()
            .enable_push(false)
            .initial_max_send_streams(UNSETTLED)
            .initial_window_size(limits.stream_window_bytes.min(i32::MAX.unsigned_abs()))
            .initial_connection_window_size(window)
            .max_frame_size(MAX_FRAME_BYTES)
            .max_header_list_size(http2_bounds::list_bytes(&limits.head))
            .max_send_buffer_size(MAX_WAITING_BYTES)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake::<_, Bytes>(Transport::new(connected.io))
            .await
            .map_err(io::Error::other)?;
        let state = Rc::new(State {
            node: Rc::downgrade(node),
            active: Cell::new(0),
            max: Cell::new(STREAMS_BEFORE_SETTINGS),
            settled: Cell::new(false),
            ended: Cell::new(false),
        });
        tokio::task::spawn_local(drive(connection, Rc::clone(&state), limits.streams));
        Ok(Rc::new(Connection {
            requests: RefCell::new(requests),
            origin: connected.origin,
            state,
            limits: limits.head,
            opened: Cell::new(0),
            idle_until: Cell::new(0),
        }))
    }

    /// A place for one more stream, if there is one.
    pub(super) fn place(self: &Rc<Connection>) -> Option<Place> {
        let state = &self.state;
        if state.active.get() >= state.max.get() {
            return None;
        }
        state.active.set(state.active.get() + 1);
        self.opened.set(self.opened.get() + 1);
        self.idle_until.set(0);
        Some(Place { connection: Rc::clone(self) })
    }

    /// Whether new streams may be opened: it has not ended, the name that it was made by still leads there, and the node
    /// has not said that it goes away (GOAWAY).
    pub(super) fn takes_streams(&self) -> bool {
        if self.origin.as_ref().is_some_and(Origin::has_left) {
            return false;
        }
        let cx = &mut Context::from_waker(Waker::noop());
        !self.state.ended.get() && matches!(self.requests.borrow_mut().poll_ready(cx), Poll::Ready(Ok(())))
    }

    /// Where it leads to, if it was made by a name.
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether the node has said how many streams it takes.
    pub(super) fn is_settled(&self) -> bool {
        self.state.settled.get()
    }

    /// Streams that it has carried.
    pub(super) fn opened(&self) -> u64 {
        self.opened.get()
    }

    /// Whether it carries no stream.
    pub(super) fn is_idle(&self) -> bool {
        self.state.active.get() == 0
    }

    /// Whether it has been idle from tick `now` less `idle_ticks` on. To be asked every few ticks: the time begins when
    /// it is first seen idle.
    pub(super) fn is_idle_for_too_long(&self, now: u64, idle_ticks: u64) -> bool {
        if !self.is_idle() {
            return false;
        }
        if self.idle_until.get() == 0 {
            self.idle_until.set(now + idle_ticks);
        }
        self.idle_until.get() <= now
    }

    /// The tick at which it has been idle for too long; of one that was not seen idle yet, the last of all.
    pub(super) fn idle_until(&self) -> u64 {
        if self.idle_until.get() == 0 { u64::MAX } else { self.idle_until.get() }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Place {
    /// Opens a stream with the head of a request. `ends`: no body follows.
    ///
    /// # Errors
    /// When the connection takes no more streams; nothing was sent then.
    pub(super) fn open(
        &self,
        request: http::Request<()>,
        ends: bool,
    ) -> Result<(client::ResponseFuture, h2::SendStream<Bytes>), h2::Error> {
        let mut requests = self.connection.requests.borrow().clone();
        requests.send_request(request, ends)
    }

    /// What heads and trailers of answers may have.
    pub(super) fn limits(&self) -> &http1::Limits {
        &self.connection.limits
    }

    /// Whether other streams were opened on the connection before this one.
    pub(super) fn is_reused(&self) -> bool {
        self.connection.opened.get() > 1
    }

    /// Takes the connection out of its pool: no new stream comes to it, those that are open go on.
    pub(super) fn retire(&self) {
        if let Some(node) = self.connection.state.node.upgrade() {
            node.remove(&self.connection);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = &self.connection.state;
        state.active.set(state.active.get().saturating_sub(1));
        state.freed();
    }
}

impl State {
    /// A place may have come free.
    fn freed(&self) {
        if let Some(node) = self.node.upgrade() {
            node.freed();
        }
    }

    /// There may be many places, or a connection fewer.
    fn changed(&self) {
        if let Some(node) = self.node.upgrade() {
            node.changed();
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// Reads and writes frames until the connection ends, and learns how many streams the node takes.
async fn drive(mut connection: client::Connection<Transport, Bytes>, state: Rc<State>, ours: usize) {
    let ended = poll_fn(|cx| {
        let polled = Pin::new(&mut connection).poll(cx);
        let theirs = connection.max_concurrent_send_streams();
        let settled = theirs != UNSETTLED;
        let max = if settled { theirs.min(ours) } else { STREAMS_BEFORE_SETTINGS };
        if state.max.replace(max) < max || state.settled.replace(settled) != settled {
            state.changed();
        } else {
            // A GOAWAY may have come: one of those who wait looks.
            state.freed();
        }
        polled
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "connection to an upstream ended");
    }
    state.ended.set(true);
    state.changed();
}
