//! Idle connections to upstreams, per thread, by target and node.
//!
//! Where TLS is spoken with the name that a client has sent, a connection is good for that name alone: its certificate was
//! verified for it, and the server may choose by it what is behind. So names are compared, never hashes of them; and all
//! names of a target share one bound, for clients can make up as many as they like. Who makes up names displaces connections
//! that nobody came back to, and not those that others use again.

use super::connecting::Connecting;
use super::dial::Origin;
use super::http2::Http2Pools;
use super::io::UpstreamIo;
use foldhash::{HashMap, HashSet};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::Range;

/// A connection and what it has done.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    pub(crate) io: UpstreamIo,
    /// Where it leads to, if it was made by a name.
    pub(crate) origin: Option<Origin>,
    /// The name that TLS was spoken with, where that was the client's choice.
    pub(crate) name: Option<Box<str>>,
    /// Requests that it has carried.
    pub(crate) requests: u64,
    /// Whether it was idle in a pool before.
    pub(crate) reused: bool,
}

/// What a connection leads to: those that lead to the same may be used in place of each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    /// The target's uid.
    pub(crate) target: u64,
    /// The node's place there.
    pub(crate) node: usize,
    /// The name that TLS is spoken with, where that is the client's choice.
    pub(crate) name: Option<&'a str>,
}

/// The idle connections of one thread, and those that streams share.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    /// Connections that are being made, one for each request.
    pub(crate) connecting: Connecting,
    pub(crate) http2: Http2Pools,
    by_target: RefCell<HashMap<u64, Pool>>,
}

#[derive(Debug, Default)]
struct Pool {
    nodes: Vec<VecDeque<Idle>>,
    count: usize,
}

#[derive(Debug)]
struct Idle {
    connection: UpstreamConnection,
    /// From the tick in which it came until that at which it has been idle for too long.
    good: Range<u64>,
}

impl UpstreamConnection {
    /// Whether the name that it was made by leads elsewhere now.
    pub(crate) fn has_left(&self) -> bool {
        self.origin.as_ref().is_some_and(Origin::has_left)
    }
}

impl Pools {
    /// The connection to a node that was used last, if one still is good. `careful` asks the system once more, unless it
    /// came in this very tick: for so short a time it is enough what the runtime has heard.
    ///
    /// Where the node is a name with several addresses, these are taken in turn: of connections to others there is none then.
    ///
    /// # Errors
    /// There is none; with the address whose turn it is, where that has been found: the connection to be made leads there.
    pub(crate) fn take(
        &self,
        to: Destination<'_>,
        now: u64,
        careful: bool,
    ) -> Result<UpstreamConnection, Option<IpAddr>> {
        let mut by_target = self.by_target.borrow_mut();
        let Some(pool) = by_target.get_mut(&to.target) else { return Err(None) };
        let Some(idle) = pool.nodes.get_mut(to.node) else { return Err(None) };
        let next = idle.back().and_then(|last| last.connection.origin.as_ref()).and_then(Origin::next);
        while let Some(mut last) = newest(idle, to.name, next) {
            pool.count -= 1;
            let io = &last.connection.io;
            let gone = io.is_stale() || (careful && last.good.start < now && io.is_closed());
            if last.good.end > now && !gone && !last.connection.has_left() {
                last.connection.reused = true;
                return Ok(last.connection);
            }
        }
        Err(next)
    }

    /// Keeps a connection for these ticks. With `size` idle ones to the target already, the oldest to this node
    /// goes, where clients choose the names the oldest that has carried one request only; with none to this node, the
    /// connection itself.
    pub(crate) fn give(
        &self,
        target: u64,
        node: usize,
        connection: UpstreamConnection,
        size: usize,
        good: Range<u64>,
    ) {
        let mut by_target = self.by_target.borrow_mut();
        let pool = by_target.entry(target).or_default();
        if pool.nodes.len() <= node {
            pool.nodes.resize_with(node + 1, VecDeque::new);
        }
        let Some(idle) = pool.nodes.get_mut(node) else { return };
        if pool.count >= size {
            if displaced(idle, connection.name.is_some()).is_none() {
                return;
            }
            pool.count -= 1;
        }
        idle.push_back(Idle { connection, good });
        pool.count += 1;
    }

    /// Closes what was idle for too long or went stale.
    pub(crate) fn sweep(&self, now: u64) {
        let mut by_target = self.by_target.borrow_mut();
        for pool in by_target.values_mut() {
            for idle in &mut pool.nodes {
                idle.retain(|Idle { connection, good }| {
                    good.end > now && !connection.has_left() && !connection.io.is_stale()
                });
            }
            pool.count = pool.nodes.iter().map(VecDeque::len).sum();
        }
        by_target.retain(|_, pool| pool.count > 0);
        self.http2.sweep(now);
    }

    /// Closes what leads to targets that no request comes to any more.
    pub(crate) fn keep_only(&self, reachable: &HashSet<u64>) {
        self.by_target.borrow_mut().retain(|target, _| reachable.contains(target));
        self.http2.keep_only(reachable);
    }
}

/// Takes out the connection that makes room for another one.
fn displaced(idle: &mut VecDeque<Idle>, named: bool) -> Option<Idle> {
    if !named {
        return idle.pop_front();
    }
    let at = idle.iter().position(|idle| idle.connection.requests <= 1).unwrap_or(0);
    idle.remove(at)
}

/// Takes out the connection that was used last, for a name if there is one, and to an address if there is one.
fn newest(idle: &mut VecDeque<Idle>, name: Option<&str>, ip: Option<IpAddr>) -> Option<Idle> {
    if name.is_none() && ip.is_none() {
        return idle.pop_back();
    }
    let leads_there =
        |connection: &UpstreamConnection| ip.is_none() || connection.origin.as_ref().map(Origin::ip) == ip;
    let fits = |idle: &Idle| idle.connection.name.as_deref() == name && leads_there(&idle.connection);
    let at = idle.iter().rposition(fits)?;
    idle.remove(at)
}
