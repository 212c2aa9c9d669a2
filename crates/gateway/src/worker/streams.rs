//! The streams of a thread, so that those on a colour that traffic has left can be drained.
//!
//! A stream that is to go has its drain time, and its end lies somewhere in a window before that time is over. The ends
//! are spread over the window as evenly as can be, so that clients do not come back all at once. The same once the gateway is to
//! end ([`Leave`]); what comes first holds.

use crate::leave::Leave;
use crate::table::Table;
use crate::timer::{TICK_MS, Timer};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;
use telemetry::cell::Cell as Counters;

/// 2⁶⁴/φ: its multiples fill an interval evenly ([`crate::balance::sequence`]).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// All open streams of a thread.
#[derive(Debug)]
pub(crate) struct Streams {
    open: RefCell<Slab<Rc<Stream>>>,
    /// When the streams end because the gateway does, and the tick from which that counts.
    leave: RefCell<Option<(Leave, u64)>>,
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
    /// Its place in a window, as a fraction of 2⁶⁴.
    point: u64,
    /// It is a call of gRPC.
    is_call: bool,
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
}

impl DrainTime {
    /// The time of a stream whose place in the window is a fraction of 2⁶⁴.
    fn at(self, point: u64) -> u64 {
        let earlier = part(self.jitter_ms.min(self.timeout_ms / 2), point);
        self.timeout_ms.saturating_sub(earlier).max(1)
    }
}

/// So much of a window is before a point, a fraction of 2⁶⁴.
fn part(window_ms: u64, point: u64) -> u64 {
    u64::try_from((u128::from(window_ms) * u128::from(point)) >> 64).unwrap_or(0)
}

impl Streams {
    /// Those of a thread, which are not to end in step with another one's.
    pub(crate) fn of_thread(thread: usize) -> Streams {
        let point = Cell::new((thread as u64).reverse_bits());
        Streams { open: RefCell::default(), leave: RefCell::default(), point }
    }

    /// Tracks a stream from its first byte, on the counters of its claim.
    pub(crate) fn track<'a>(
        &'a self,
        route: &str,
        target: u64,
        is_call: bool,
        drain: DrainTime,
        deadline: Timer,
        counters: &'a Counters,
    ) -> Tracked<'a> {
        let point = self.point.get().wrapping_add(STEP);
        self.point.set(point);
        let (route, draining) = (route.to_owned(), Cell::new(false));
        let stays_ms = drain.at(point);
        let stream = Rc::new(Stream { route, target, stays_ms, point, is_call, deadline, draining });
        if let Some((leave, since)) = &*self.leave.borrow() {
            stream.end(leave, *since);
        }
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

    /// Ends every stream, also those that are still to come, as the gateway is left from this tick on.
    pub(crate) fn leave(&self, leave: Leave, now: u64) {
        for (_, stream) in self.open.borrow().iter() {
            stream.end(&leave, now);
        }
        *self.leave.borrow_mut() = Some((leave, now));
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

    /// Ends at its place in the window, if not before.
    fn end(&self, leave: &Leave, since: u64) {
        let window = if self.is_call { &leave.calls } else { &leave.streams };
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let place = part(ms(window.end).saturating_sub(ms(window.start)), self.point);
        let passed = self.deadline.now().saturating_sub(since).saturating_mul(TICK_MS);
        self.deadline.fire_by(ms(window.start).saturating_add(place).saturating_sub(passed).max(1));
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
    use crate::timer::Timers;
    use proptest::prelude::*;

    fn tracked<'a>(
        streams: &'a Streams,
        timers: &Rc<Timers>,
        is_call: bool,
        counters: &'a Counters,
    ) -> Tracked<'a> {
        let drain = DrainTime { timeout_ms: 1, jitter_ms: 0 };
        streams.track("r", 1, is_call, drain, timers.timer(), counters)
    }

    /// How many of them end with each of so many ticks.
    fn ends(timers: &Timers, streams: &[Tracked<'_>], ticks: u64) -> Vec<usize> {
        let context = std::task::Context::from_waker(std::task::Waker::noop());
        let ended =
            || streams.iter().filter(|stream| stream.deadline.poll_elapsed(&context).is_ready()).count();
        let mut before = 0;
        let mut tick = |_| {
            timers.pass(1);
            let ended = ended();
            ended - std::mem::replace(&mut before, ended)
        };
        (0..ticks).map(&mut tick).collect()
    }

    #[test]
    fn streams_end_spread_over_the_time_in_which_the_gateway_is_left_also_those_that_come_late() {
        let leave = Leave::soon(Duration::from_secs(10), Duration::from_secs(4));
        for thread in [0, 1, 2] {
            let (timers, streams) = (Rc::new(Timers::default()), Streams::of_thread(thread));
            let counters = Counters::default();
            let track = |_: i32| tracked(&streams, &timers, false, &counters);
            let mut open: Vec<_> = (0..300).map(track).collect();
            streams.leave(leave.clone(), timers.now());
            assert_eq!(ends(&timers, &open, 10), [0; 10], "a second passes before the first");
            open.extend((0..100).map(track));
            let ends = ends(&timers, &open, 42);
            assert_eq!(ends.iter().sum::<usize>(), 400, "{ends:?}");
            assert!(ends.iter().all(|count| *count <= 20), "{ends:?}");
        }
    }

    #[test]
    fn calls_have_their_grace_and_a_deadline_that_comes_first_holds() {
        let (timers, streams) = (Rc::new(Timers::default()), Streams::of_thread(0));
        let counters = Counters::default();
        let open = [true, false].map(|is_call| tracked(&streams, &timers, is_call, &counters));
        let [_, drained] = &open;
        drained.retarget(&Table::empty());
        streams.leave(Leave::soon(Duration::from_secs(30), Duration::ZERO), timers.now());
        let ends = ends(&timers, &open, 60);
        let when: Vec<usize> = (0..60).filter(|tick| ends[*tick] > 0).collect();
        assert_eq!(when, [1, 50], "{ends:?}");
    }

    #[test]
    fn the_streams_of_two_threads_do_not_end_in_step() {
        let (timers, counters) = (Rc::new(Timers::default()), Counters::default());
        let points = [0, 1, 2, 3].map(|thread| {
            let streams = Streams::of_thread(thread);
            tracked(&streams, &timers, false, &counters).point >> 60
        });
        let distinct: std::collections::BTreeSet<u64> = points.into_iter().collect();
        assert_eq!(distinct.len(), 4, "{points:?}");
    }

    proptest! {
        #[test]
        fn ends_are_spread_over_the_window_and_none_is_late(
            timeout_ms in 1u64..100_000, jitter_ms in 0u64..100_000, count in 2usize..400,
        ) {
            let drain = DrainTime { timeout_ms, jitter_ms };
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
