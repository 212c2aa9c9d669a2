//! The streams of a thread, so that those on a colour that traffic has left can be drained.
//!
//! A stream that is to go has its drain time, and its end lies somewhere in a window before that time is over. The ends
//! are spread over the window as evenly as can be, so that clients do not come back all at once.

use crate::table::Table;
use crate::timer::Timer;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use telemetry::cell::Cell as Counters;

/// 2⁶⁴/φ: its multiples fill an interval evenly ([`crate::balance::sequence`]).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// All open streams of a thread.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: RefCell<Slab<Rc<Stream>>>,
    /// Where in its window the last stream ends, as a fraction of 2⁶⁴.
    point: Cell<u64>,
}

/// One open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Id of its route.
    route: String,
    /// Uid of the target that it leads to.
    target: u64,
    /// How long it may stay when traffic has left that target, milliseconds.
    stays_ms: u64,
    /// How long it may stay when the gateway closes, milliseconds.
    grace_ms: u64,
    /// Fires when the stream is to end.
    pub(crate) deadline: Timer,
    /// Traffic has left.
    draining: Cell<bool>,
}

/// A stream that is tracked, and counted as open, while this is held.
#[derive(Debug)]
pub(crate) struct Tracked<'a> {
    streams: &'a Streams,
    counters: &'a Counters,
    stream: Rc<Stream>,
    key: usize,
}

/// How long a stream may stay when traffic has left its target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainTime {
    /// At most, milliseconds.
    pub(crate) timeout_ms: u64,
    /// Streams end in so long a window before that, milliseconds; never in more than half of the time.
    pub(crate) jitter_ms: u64,
    /// When the gateway closes, milliseconds.
    pub(crate) grace_ms: u64,
}

impl DrainTime {
    /// The time of a stream whose place in the window is a fraction of 2⁶⁴.
    fn at(self, point: u64) -> u64 {
        let window = u128::from(self.jitter_ms.min(self.timeout_ms / 2));
        let earlier = u64::try_from((window * u128::from(point)) >> 64).unwrap_or(0);
        self.timeout_ms.saturating_sub(earlier).max(1)
    }
}

impl Streams {
    /// Tracks a stream from its first byte, on the counters of its claim.
    pub(crate) fn track<'a>(
        &'a self,
        route: &str,
        target: u64,
        drain: DrainTime,
        deadline: Timer,
        counters: &'a Counters,
    ) -> Tracked<'a> {
        let point = self.point.get().wrapping_add(STEP);
        self.point.set(point);
        let (route, draining) = (route.to_owned(), Cell::new(false));
        let (stays_ms, grace_ms) = (drain.at(point), drain.grace_ms);
        let stream = Rc::new(Stream { route, target, stays_ms, grace_ms, deadline, draining });
        let key = self.open.borrow_mut().insert(Rc::clone(&stream));
        counters.stream_opened();
        Tracked { streams: self, counters, stream, key }
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
            self.deadline.arm(self.stays_ms);
        } else if !left && self.draining.replace(false) {
            self.deadline.disarm();
        }
    }

    /// Ends with the next tick, or after its grace.
    pub(crate) fn end(&self) {
        self.draining.set(true);
        self.deadline.arm(self.grace_ms.max(1));
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
        self.counters.stream_closed();
        self.streams.open.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_are_spread_over_the_window_and_none_is_late(
            timeout_ms in 1u64..100_000, jitter_ms in 0u64..100_000, count in 2usize..400,
        ) {
            let drain = DrainTime { timeout_ms, jitter_ms, grace_ms: 0 };
            let window = jitter_ms.min(timeout_ms / 2);
            let mut ends: Vec<u64> = (1..=count as u64).map(|n| drain.at(n.wrapping_mul(STEP))).collect();
            prop_assert!(ends.iter().all(|end| (timeout_ms - window..=timeout_ms).contains(end)));
            ends.sort_unstable();
            // No part of the window holds far more than its share: of n evenly spread ends the gaps are of three
            // lengths, the largest less than 3/n.
            let widest = ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            prop_assert!(widest as f64 <= 3.0 * window as f64 / count as f64 + 1.0, "{widest} of {window} for {count}");
        }
    }
}
