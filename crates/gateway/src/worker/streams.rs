//! The upgraded connections of a thread, so that those on a colour that traffic has left can be drained.

use crate::table::Table;
use crate::timer::Timer;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// All open streams of a thread.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: RefCell<Slab<Rc<Stream>>>,
}

/// One open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) route: String,
    /// Uid of the target that it leads to.
    pub(crate) target: u64,
    /// Its upstream's own drain time, if it has one, milliseconds.
    pub(crate) drain_timeout_ms: Option<u64>,
    /// Fires when the stream is to end.
    pub(crate) deadline: Timer,
    draining: Cell<bool>,
}

impl Stream {
    pub(crate) fn new(
        route: String,
        target: u64,
        drain_timeout_ms: Option<u64>,
        deadline: Timer,
    ) -> Rc<Stream> {
        Rc::new(Stream { route, target, drain_timeout_ms, deadline, draining: Cell::new(false) })
    }
}

impl Streams {
    /// Tracks a stream from its first byte; gives the key to [`Streams::remove`] it.
    pub(crate) fn insert(&self, stream: Rc<Stream>) -> usize {
        self.open.borrow_mut().insert(stream)
    }

    pub(crate) fn remove(&self, key: usize) {
        self.open.borrow_mut().try_remove(key);
    }

    /// Sets the deadline of each stream whose target its route does not lead to any more, and takes it back where
    /// traffic has come back.
    pub(crate) fn retarget(&self, table: &Table, default_ms: u64) {
        for (_, stream) in self.open.borrow().iter() {
            let left = !table.leads_to(&stream.route, stream.target);
            if left && !stream.draining.replace(true) {
                stream.deadline.arm(stream.drain_timeout_ms.unwrap_or(default_ms).max(1));
            } else if !left && stream.draining.replace(false) {
                stream.deadline.disarm();
            }
        }
    }

    /// Ends every stream with the next tick.
    pub(crate) fn end_all(&self) {
        for (_, stream) in self.open.borrow().iter() {
            stream.draining.set(true);
            stream.deadline.arm(1);
        }
    }
}
