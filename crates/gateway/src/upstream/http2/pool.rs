//! Which connection carries a request: one that has a place, a new one, or the next that gets one free.
//!
//! Connections are filled in the order in which they were made, so that those of a burst fall idle after it. While a
//! connection is being made nobody makes another to the same node: those who need one wait for it, and for how many
//! streams it takes, and fail with it.
//!
//! Where the node is a name with several addresses, these are taken in turn, each with connections of its own. A request whose
//! address has no place, and no connection to come soon, is carried by another's.
//!
//! What is said of a node holds for each name that clients choose to speak TLS with; idle connections have one bound for
//! all of a target's.

use super::super::dial::Origin;
use super::super::fault;
use super::super::io::UpstreamIo;
use super::super::pool::{Destination, UpstreamConnection};
use super::connection::{Connection, Limits, Place};
use super::stream::Http2Stream;
use crate::settings::Settings;
use crate::table::Target;
use crate::timer::ticks;
use foldhash::{HashMap, HashSet};
use model::reason::Reason;
use model::upstream::{KeepalivePool, Protocol};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::Notify;

/// Names of a client's choice by which nodes are known to speak HTTP/1.1, per target; beyond it they are asked anew.
const MAX_NAMES_OF_HTTP1: usize = 1_024;

/// The connections of one thread, by target.
#[derive(Debug, Default)]
pub(crate) struct Http2Pools {
    targets: RefCell<HashMap<u64, Names>>,
}

/// The nodes of a target, by the name that TLS is spoken with; under an empty one, if that is not a client's choice.
type Names = HashMap<Box<str>, Vec<Rc<Node>>>;

/// The connections to one node.
#[derive(Debug)]
pub(super) struct Node {
    keepalive: KeepalivePool,
    connections: RefCell<Vec<Rc<Connection>>>,
    /// A connection is being made.
    connecting: Cell<bool>,
    /// Connections that could not be made, and why the last one could not.
    failures: Cell<u64>,
    failed_for: Cell<Reason>,
    /// The node chose HTTP/1.1 when it was last asked: there is nothing to share.
    chose_http1: Cell<bool>,
    /// The tick at which that is forgotten; 0: it was asked since the last sweep.
    http1_until: Cell<u64>,
    waiting: Cell<usize>,
    waking: Notify,
}

/// What a request is carried by.
#[derive(Debug)]
enum Opened {
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
    /// The same, for what has just failed for somebody else.
    AsBefore(Reason),
    /// All connections are full, and too many wait already.
    Full,
    /// Too many connections to the node are being made.
    TooManyConnecting,
}

impl From<io::Error> for NoPlace {
    fn from(error: io::Error) -> Self {
        NoPlace::Connect(error)
    }
}

impl Http2Pools {
    /// A place for a stream to a node; or, where the node chose HTTP/1.1, a connection. `fresh`: rather on a new connection,
    /// for another one has just failed. `is_full` says whether a place on one of the node's connections is waited for:
    /// nothing is wrong with the node then.
    ///
    /// # Errors
    /// When a connection is needed and cannot be made, and when there are too many already.
    pub(crate) async fn connection(
        &self,
        settings: &Settings,
        to: Destination<'_>,
        target: &Target,
        fresh: bool,
        is_full: &Cell<bool>,
        connect: impl AsyncFn(Option<IpAddr>) -> Result<UpstreamConnection, NoPlace>,
    ) -> Result<UpstreamConnection, NoPlace> {
        let limits = Limits::of(settings);
        let connect = async |next| {
            let connected = connect(next).await?;
            let speaks_http2 = target.protocol == Protocol::Http2 || connected.io.chose_http2();
            Ok((connected, speaks_http2))
        };
        match self.place(to, target.keepalive, &limits, fresh, is_full, connect).await? {
            Opened::Http1(connected) => Ok(connected),
            Opened::Place(place) => {
                let stream = Http2Stream::new(place);
                let reused = stream.is_reused();
                let io = UpstreamIo::Http2(Box::new(stream));
                Ok(UpstreamConnection { io, origin: None, name: None, requests: 0, reused })
            }
        }
    }

    /// A place for a stream to a node, on a connection that there is or that `connect` makes. `fresh`: rather on a new
    /// one, for another one has just failed. `is_full` is true while all connections that may be are there and full.
    ///
    /// # Errors
    /// When a connection is needed and cannot be made, and when there are too many already.
    async fn place(
        &self,
        to: Destination<'_>,
        keepalive: KeepalivePool,
        limits: &Limits,
        fresh: bool,
        is_full: &Cell<bool>,
        connect: impl AsyncFn(Option<IpAddr>) -> Result<(UpstreamConnection, bool), NoPlace>,
    ) -> Result<Opened, NoPlace> {
        let connect = async |next| {
            let connected = connect(next).await?;
            self.make_room(to, keepalive.size);
            Ok(connected)
        };
        let result = self.node(to, keepalive).place(limits, fresh, is_full, connect).await;
        if result.is_err() {
            self.forget_unused(to);
        }
        result
    }

    fn node(&self, to: Destination<'_>, keepalive: KeepalivePool) -> Rc<Node> {
        let mut targets = self.targets.borrow_mut();
        let names = targets.entry(to.target).or_default();
        let name = to.name.unwrap_or_default();
        if let Some(node) = names.get(name).and_then(|nodes| nodes.get(to.node)) {
            return Rc::clone(node);
        }
        let nodes = names.entry(name.into()).or_default();
        while nodes.len() <= to.node {
            nodes.push(Rc::new(Node::new(keepalive)));
        }
        nodes.last().map_or_else(|| Rc::new(Node::new(keepalive)), Rc::clone)
    }

    /// Before there is a connection more by a name of a client's choice: lets the idle ones of the target go that are
    /// beyond `size`.
    fn make_room(&self, to: Destination<'_>, size: usize) {
        if to.name.is_some()
            && let Some(names) = self.targets.borrow().get(&to.target)
        {
            trim(names, size);
        }
    }

    /// A name of a client's choice that nothing came of leaves nothing behind.
    fn forget_unused(&self, to: Destination<'_>) {
        if let Some(name) = to.name
            && let Some(names) = self.targets.borrow_mut().get_mut(&to.target)
            && !names.get(name).is_some_and(|nodes| nodes.iter().any(|node| node.is_used()))
        {
            names.remove(name);
        }
    }

    /// Lets go of what has been idle for too long, has ended, or is idle beyond the size of the pool.
    pub(crate) fn sweep(&self, now: u64) {
        self.targets.borrow_mut().retain(|_, names| {
            names.values().flatten().for_each(|node| node.sweep(now));
            let size = names.values().flatten().next().map_or(0, |node| node.keepalive.size);
            trim(names, size);
            if names.len() > MAX_NAMES_OF_HTTP1 {
                names.values().flatten().for_each(|node| node.chose_http1.set(false));
            }
            names.retain(|_, nodes| nodes.iter().any(|node| node.is_used()));
            !names.is_empty()
        });
    }

    /// Lets go of what leads to targets that no request comes to any more: streams that are open go on to their end.
    pub(crate) fn keep_only(&self, reachable: &HashSet<u64>) {
        self.targets.borrow_mut().retain(|target, _| reachable.contains(target));
    }
}

/// Lets go of the idle connections of a target beyond `size`: those first that have carried one stream only, as a client's
/// that makes up names, then those that have been idle for longest.
fn trim(names: &Names, size: usize) {
    let mut idle = Vec::new();
    for node in names.values().flatten() {
        let connections = node.connections.borrow();
        idle.extend(connections.iter().filter(|one| one.is_idle()).map(|one| (node, Rc::clone(one))));
    }
    let Some(beyond) = idle.len().checked_sub(size).filter(|beyond| *beyond > 0) else { return };
    idle.sort_by_key(|(_, connection)| (connection.opened() > 1, connection.idle_until()));
    for (node, connection) in idle.iter().take(beyond) {
        node.remove(connection);
    }
}

impl Node {
    fn new(keepalive: KeepalivePool) -> Node {
        Node {
            keepalive,
            connections: RefCell::default(),
            connecting: Cell::new(false),
            failures: Cell::new(0),
            failed_for: Cell::new(Reason::ConnectFailed),
            chose_http1: Cell::new(false),
            http1_until: Cell::new(0),
            waiting: Cell::new(0),
            waking: Notify::new(),
        }
    }

    async fn place(
        self: &Rc<Node>,
        limits: &Limits,
        fresh: bool,
        is_full: &Cell<bool>,
        connect: impl AsyncFn(Option<IpAddr>) -> Result<(UpstreamConnection, bool), NoPlace>,
    ) -> Result<Opened, NoPlace> {
        let mut rather_new = fresh;
        let next = self.next();
        loop {
            let may_grow = || !self.is_growing() && self.connections.borrow().len() < limits.connections;
            let unreached = next.is_some_and(|ip| !self.leads_to(ip) && may_grow());
            if !rather_new
                && !unreached
                && let Some(place) = self.take(next)
            {
                return Ok(Opened::Place(place));
            }
            // Where nothing is shared, nobody waits for another's connection.
            if may_grow() || self.chose_http1.get() {
                return self.connect(limits, async || connect(next).await).await;
            }
            if !std::mem::take(&mut rather_new) {
                is_full.set(!self.is_growing());
                let waited = self.wait(limits.waiting).await;
                is_full.set(false);
                waited?;
            }
        }
    }

    /// Whether it has a connection, or somebody who needs one, or something is known of it.
    fn is_used(&self) -> bool {
        self.chose_http1.get()
            || !self.connections.borrow().is_empty()
            || self.connecting.get()
            || self.waiting.get() > 0
    }

    /// The address whose turn it is, where the node is a name with several.
    fn next(&self) -> Option<IpAddr> {
        self.connections.borrow().first()?.origin()?.next()
    }

    /// Whether there is a connection to an address.
    fn leads_to(&self, ip: IpAddr) -> bool {
        let connections = self.connections.borrow();
        connections.iter().any(|one| one.origin().map(Origin::ip) == Some(ip) && one.takes_streams())
    }

    /// A place on the first connection to `next` that has one, else on the first of all.
    fn take(&self, next: Option<IpAddr>) -> Option<Place> {
        let leads_there = |connection: &Connection| connection.origin().map(Origin::ip) == next;
        let there = next.and_then(|_| self.take_of(leads_there));
        there.or_else(|| self.take_of(|_| true))
    }

    /// A place on the first of some connections that has one. Of these, those that take no more streams leave the pool.
    fn take_of(&self, is_one: impl Fn(&Connection) -> bool) -> Option<Place> {
        let mut connections = self.connections.borrow_mut();
        let mut at = 0;
        while let Some(connection) = connections.get(at) {
            if !is_one(connection) {
                at += 1;
                continue;
            }
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
        connect: impl AsyncFn() -> Result<(UpstreamConnection, bool), NoPlace>,
    ) -> Result<Opened, NoPlace> {
        let mut attempt = Connecting::begin(self);
        let result = async {
            let (connected, speaks_http2) = connect().await?;
            self.chose_http1.set(!speaks_http2);
            self.http1_until.set(0);
            if !speaks_http2 {
                return Ok(Opened::Http1(connected));
            }
            let connection = Connection::start(connected, self, limits).await?;
            let place =
                connection.place().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            if connection.opened() < self.keepalive.requests {
                self.connections.borrow_mut().push(connection);
            }
            Ok(Opened::Place(place))
        };
        let result = result.await;
        attempt.failed = result.is_err();
        if let Err(NoPlace::Connect(error)) = &result {
            self.failed_for.set(fault::reason(error));
        }
        result
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
            return Err(NoPlace::AsBefore(self.failed_for.get()));
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
        match self.http1_until.get() {
            0 => self.http1_until.set(now + idle_ticks),
            until if until <= now => self.chose_http1.set(false),
            _ => {}
        }
        self.connections.borrow_mut().retain(|connection| {
            connection.takes_streams() && !connection.is_idle_for_too_long(now, idle_ticks)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_chose_is_known_until_nobody_has_asked_for_long() {
        let keepalive = KeepalivePool { size: 1, idle_timeout_ms: 1_000, requests: 1 };
        let pools = Http2Pools::default();
        let to = Destination { target: 1, node: 0, name: None };
        pools.node(to, keepalive).chose_http1.set(true);
        let is_known = || pools.node(to, keepalive).chose_http1.get();
        for now in [5, 10, 14] {
            pools.sweep(now);
            assert!(is_known(), "{now}");
        }
        pools.sweep(15);
        assert!(!is_known());
    }
}
