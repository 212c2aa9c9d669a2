//! The upgraded connections of a thread, so that those on a colour that traffic has left can be drained.

use crate::table::Table;
use crate::timer::Timer;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

/// All open streams of a thread.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: RefCell<Slab<Rc<Stream>>>,
}

/// One open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Id of its route.
    pub(crate) route: String,
    /// Uid of the target that it leads to.
    pub(crate) target: u64,
    /// How long it may stay when traffic has left that target, milliseconds.
    pub(crate) drain_timeout_ms: u64,
    /// Fires when the stream is to end.
    pub(crate) deadline: Timer,
    /// Traffic has left.
    pub(crate) draining: Cell<bool>,
}

/// A stream that is tracked while this is held.
#[derive(Debug)]
pub(crate) struct Tracked<'a> {
    streams: &'a Streams,
    stream: Rc<Stream>,
    key: usize,
}

impl Streams {
    /// Tracks a stream from its first byte.
    pub(crate) fn track(&self, stream: Stream) -> Tracked<'_> {
        let stream = Rc::new(stream);
        let key = self.open.borrow_mut().insert(Rc::clone(&stream));
        Tracked { streams: self, stream, key }
    }

    /// Sets the deadline of each stream whose target its route does not lead to any more, and takes it back where
    /// traffic has come back.
    pub(crate) fn retarget(&self, table: &Table) {
        for (_, stream) in self.open.borrow().iter() {
            stream.retarget(table);
        }
    }

    /// Ends every stream with the next tick.
    pub(crate) fn end_all(&self) {
        for (_, stream) in self.open.borrow().iter() {
            stream.end();
        }
    }
}

impl Stream {
    /// Sees whether traffic still comes to this stream's target.
    pub(crate) fn retarget(&self, table: &Table) {
        let left = !table.leads_to(&self.route, self.target);
        if left && !self.draining.replace(true) {
            self.deadline.arm(self.drain_timeout_ms.max(1));
        } else if !left && self.draining.replace(false) {
            self.deadline.disarm();
        }
    }

    /// Ends with the next tick.
    pub(crate) fn end(&self) {
        self.draining.set(true);
        self.deadline.arm(1);
    }
}

impl Deref for Tracked<'_> {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.stream
    }
}

impl Drop for Tracked<'_> {
    fn drop(&mut self) {
        self.streams.open.borrow_mut().try_remove(self.key);
    }
}
