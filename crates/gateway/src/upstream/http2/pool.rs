//! Which connection carries a request: one that has a place, a new one, or the next that gets one free.
//!
//! Connections are filled in the order in which they were made, so that those of a burst fall idle after it. While a
//! connection is being made nobody makes another to the same node: those who need one wait for it, and for how many streams it takes, and fail with it.

use super::super::pool::{PoolKey, UpstreamConnection};
use super::connection::{Connection, Limits, Place};
use crate::timer::ticks;
use foldhash::{HashMap, HashSet};
use model::upstream::KeepalivePool;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use tokio::sync::Notify;

/// The connections of one thread, by target and node.
#[derive(Debug, Default)]
pub(crate) struct Http2Pools {
    nodes: RefCell<HashMap<(PoolKey, usize), Rc<Node>>>,
}

/// The connections to one node.
#[derive(Debug)]
pub(super) struct Node {
    keepalive: KeepalivePool,
    connections: RefCell<Vec<Rc<Connection>>>,
    /// A connection is being made.
    connecting: Cell<bool>,
    /// Connections that could not be made.
    failures: Cell<u64>,
    /// The node chose HTTP/1.1 when it was last asked: there is nothing to share.
    chose_http1: Cell<bool>,
    waiting: Cell<usize>,
    waking: Notify,
}

/// What a request is carried by.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A place on a connection that streams share.
    Place(Place),
    /// The node chose HTTP/1.1: a connection of the request's own.
    Http1(UpstreamConnection),
}

/// Why there is no place.
#[derive(Debug)]
pub(crate) enum NoPlace {
    /// No connection can be made.
    Connect(io::Error),
    /// All connections are full, and too many wait already.
    Full,
}

impl Http2Pools {
    /// A place for a stream to a node, on a connection that there is or that `connect` makes. `fresh`: rather on a new
    /// one, for another one has just failed.
    ///
    /// # Errors
    /// When a connection is needed and cannot be made, and when there are too many already.
    pub(crate) async fn place(
        &self,
        key: (PoolKey, usize),
        keepalive: KeepalivePool,
        limits: &Limits,
        fresh: bool,
        connect: impl AsyncFn() -> io::Result<(UpstreamConnection, bool)>,
    ) -> Result<Opened, NoPlace> {
        let node =
            Rc::clone(self.nodes.borrow_mut().entry(key).or_insert_with(|| Rc::new(Node::new(keepalive))));
        if node.chose_http1.get() {
            return node.connect(limits, &connect).await;
        }
        let mut rather_new = fresh;
        loop {
            if !rather_new && let Some(place) = node.take() {
                return Ok(Opened::Place(place));
            }
            if !node.is_growing() && node.connections.borrow().len() < limits.connections {
                return node.connect(limits, &connect).await;
            }
            if !std::mem::take(&mut rather_new) {
                node.wait(limits.waiting).await?;
            }
        }
    }

    /// Lets go of what has been idle for too long, has ended, or is idle beyond the size of the pool.
    pub(crate) fn sweep(&self, now: u64) {
        self.nodes.borrow_mut().retain(|_, node| {
            node.sweep(now);
            !node.connections.borrow().is_empty() || node.connecting.get() || node.waiting.get() > 0
        });
    }

    /// Lets go of what leads to targets that no request comes to any more: streams that are open go on to their end.
    pub(crate) fn keep_only(&self, reachable: &HashSet<u64>) {
        self.nodes.borrow_mut().retain(|(key, _), _| reachable.contains(&key.target));
    }
}

impl Node {
    fn new(keepalive: KeepalivePool) -> Node {
        Node {
            keepalive,
            connections: RefCell::default(),
            connecting: Cell::new(false),
            failures: Cell::new(0),
            chose_http1: Cell::new(false),
            waiting: Cell::new(0),
            waking: Notify::new(),
        }
    }

    /// A place on the first connection that has one. Connections that take no more streams leave the pool.
    fn take(&self) -> Option<Place> {
        let mut connections = self.connections.borrow_mut();
        let mut at = 0;
        while let Some(connection) = connections.get(at) {
            if !connection.takes_streams() {
                connections.remove(at);
                continue;
            }
            if let Some(place) = connection.place() {
                if connection.opened() >= self.keepalive.requests {
                    connections.remove(at);
                }
                return Some(place);
            }
            at += 1;
        }
        None
    }

    /// Whether there will be more places soon: a connection is being made, or has yet to say how many it has.
    fn is_growing(&self) -> bool {
        self.connecting.get() || self.connections.borrow().iter().any(|connection| !connection.is_settled())
    }

    /// Makes a connection and takes the first place on it.
    async fn connect(
        self: &Rc<Node>,
        limits: &Limits,
        connect: impl AsyncFn() -> io::Result<(UpstreamConnection, bool)>,
    ) -> Result<Opened, NoPlace> {
        let mut attempt = Connecting::begin(self);
        let result = async {
            let (connected, speaks_http2) = connect().await?;
            self.chose_http1.set(!speaks_http2);
            if !speaks_http2 {
                return Ok(Opened::Http1(connected));
            }
            let connection = Connection::start(connected, self, limits).await?;
            let place = connection.place().ok_or(io::ErrorKind::ConnectionRefused)?;
            if connection.opened() < self.keepalive.requests {
                self.connections.borrow_mut().push(connection);
            }
            Ok(Opened::Place(place))
        };
        let result = result.await;
        attempt.failed = result.is_err();
        result.map_err(NoPlace::Connect)
    }

    /// Waits until something has changed.
    async fn wait(&self, most: usize) -> Result<(), NoPlace> {
        if self.waiting.get() >= most {
            return Err(NoPlace::Full);
        }
        let (waited_for, failures) = (self.connecting.get(), self.failures.get());
        let waiting = Waiting::begin(&self.waiting);
        self.waking.notified().await;
        drop(waiting);
        if waited_for && self.failures.get() != failures {
            return Err(NoPlace::Connect(io::ErrorKind::ConnectionRefused.into()));
        }
        Ok(())
    }

    /// A place may have come free: one of those who wait looks.
    pub(super) fn freed(&self) {
        if self.waiting.get() > 0 {
            self.waking.notify_one();
        }
    }

    /// There may be many places, or a connection fewer: all who wait look.
    pub(super) fn changed(&self) {
        self.waking.notify_waiters();
    }

    /// Takes a connection out.
    pub(super) fn remove(&self, connection: &Rc<Connection>) {
        self.connections.borrow_mut().retain(|kept| !Rc::ptr_eq(kept, connection));
    }

    fn sweep(&self, now: u64) {
        let idle_ticks = ticks(self.keepalive.idle_timeout_ms);
        let mut idle = 0;
        self.connections.borrow_mut().retain(|connection| {
            if !connection.takes_streams() || connection.is_idle_for_too_long(now, idle_ticks) {
                return false;
            }
            idle += usize::from(connection.is_idle());
            idle <= self.keepalive.size || !connection.is_idle()
        });
    }
}

/// A connection that is being made. Whatever becomes of it, those who wait for it are told.
struct Connecting<'a> {
    node: &'a Node,
    failed: bool,
}

impl<'a> Connecting<'a> {
    fn begin(node: &'a Node) -> Connecting<'a> {
        node.connecting.set(true);
        Connecting { node, failed: false }
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.node.connecting.set(false);
        if self.failed {
            self.node.failures.set(self.node.failures.get() + 1);
        }
        self.node.changed();
    }
}

/// One who waits; counted while it does.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a Cell<usize>) -> Waiting<'a> {
        count.set(count.get() + 1);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
