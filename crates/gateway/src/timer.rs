//! Coarse deadlines: one tick serves all connections of a thread.
//!
//! A timer of the runtime would cost more than parsing the request. Limits are seconds, so it is enough to look every
//! [`TICK_MS`]: arming a deadline is one store, and only those that are due wake their task.

use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How often deadlines are looked at, milliseconds; a deadline fires up to one tick late.
pub(crate) const TICK_MS: u64 = 100;
/// Ticks that are made up for at once. A thread that gets no time, on a machine that has too little of it, is not to
/// stretch every limit; one that was stopped for longer is not to find all of them over.
const MAX_TICKS_AT_ONCE: u64 = 50;

/// The deadlines of one thread.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    now: Cell<u64>,
    slots: RefCell<Slab<Rc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The tick at which it fires; 0: not armed.
    due: Cell<u64>,
    fired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The one deadline of a task. Arming it again replaces what was armed.
#[derive(Debug)]
pub(crate) struct Timer {
    timers: Rc<Timers>,
    slot: Rc<Slot>,
    key: usize,
    /// The tick beyond which no deadline lies; 0: none.
    limit: Cell<u64>,
}

/// The deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timers {
    /// A deadline for the calling task.
    pub(crate) fn timer(self: &Rc<Timers>) -> Timer {
        let slot = Rc::new(Slot::default());
        let key = self.slots.borrow_mut().insert(Rc::clone(&slot));
        Timer { timers: Rc::clone(self), slot, key, limit: Cell::new(0) }
    }

    /// Moves on by so many ticks and wakes the tasks whose deadlines are due.
    pub(crate) fn pass(&self, ticks: u64) {
        let now = self.now.get() + ticks;
        self.now.set(now);
        for (_, slot) in self.slots.borrow().iter() {
            let due = slot.due.get();
            if due != 0 && due <= now {
                slot.fire();
            }
        }
    }

    /// Wakes every task that has a deadline, so that it looks at what else it waits for.
    pub(crate) fn wake_all(&self) {
        for (_, slot) in self.slots.borrow().iter() {
            if let Some(waker) = &*slot.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    /// The number of the current tick.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }
}

impl Slot {
    fn fire(&self) {
        self.due.set(0);
        self.fired.set(true);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Turns time that has passed into ticks.
#[derive(Debug)]
pub(crate) struct Beat {
    /// When the last tick was.
    last: Instant,
}

impl Beat {
    /// Begins at `now`.
    pub(crate) fn new(now: Instant) -> Beat {
        Beat { last: now }
    }

    /// The ticks that have passed since this was last asked, at most [`MAX_TICKS_AT_ONCE`].
    pub(crate) fn ticks(&mut self, now: Instant) -> u64 {
        let tick = Duration::from_millis(TICK_MS);
        let passed = now.saturating_duration_since(self.last).as_millis() / u128::from(TICK_MS);
        match u32::try_from(passed) {
            Ok(passed) if u64::from(passed) <= MAX_TICKS_AT_ONCE => {
                self.last += tick * passed;
                u64::from(passed)
            }
            _ => {
                self.last = now;
                MAX_TICKS_AT_ONCE
            }
        }
    }

    /// The time until the next tick.
    pub(crate) fn until_next(&self, now: Instant) -> Duration {
        (self.last + Duration::from_millis(TICK_MS)).saturating_duration_since(now)
    }
}

/// How many ticks cover a time, at least one.
pub(crate) fn ticks(ms: u64) -> u64 {
    ms.div_ceil(TICK_MS).max(1)
}

impl Timer {
    /// Fires after `ms` milliseconds unless armed again or disarmed before, and at the limit in any case; 0 disarms up
    /// to the limit.
    pub(crate) fn arm(&self, ms: u64) {
        self.slot.fired.set(false);
        let due = match (self.tick_after(ms), self.limit.get()) {
            (due, 0) => due,
            (0, limit) => limit,
            (due, limit) => due.min(limit),
        };
        self.slot.due.set(due);
    }

    /// From now on no deadline lies later than `ms` milliseconds from now; 0 takes the limit away.
    pub(crate) fn limit(&self, ms: u64) {
        self.limit.set(self.tick_after(ms));
    }

    /// Fires after `ms` milliseconds at the latest, however it is armed from now on.
    pub(crate) fn fire_by(&self, ms: u64) {
        self.limit(ms);
        let (due, limit) = (self.slot.due.get(), self.limit.get());
        if !self.slot.fired.get() && (due == 0 || limit < due) {
            self.slot.due.set(limit);
        }
    }

    /// The number of the current tick.
    pub(crate) fn now(&self) -> u64 {
        self.timers.now()
    }

    /// Whether the limit has been reached.
    pub(crate) fn is_over(&self) -> bool {
        let limit = self.limit.get();
        limit != 0 && limit <= self.timers.now()
    }

    /// The tick at which `ms` milliseconds have surely passed; 0 for 0.
    fn tick_after(&self, ms: u64) -> u64 {
        // One tick more: the current one has already begun.
        if ms == 0 { 0 } else { self.timers.now() + ticks(ms) + 1 }
    }

    /// Does not fire any more.
    pub(crate) fn disarm(&self) {
        self.arm(0);
    }

    /// Fires now.
    pub(crate) fn fire(&self) {
        self.slot.fire();
    }

    /// Whether the deadline has passed; otherwise wakes the task when it does.
    pub(crate) fn poll_elapsed(&self, cx: &Context<'_>) -> Poll<Elapsed> {
        if self.slot.fired.get() {
            return Poll::Ready(Elapsed);
        }
        let mut waker = self.slot.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Runs a future until the deadline.
    pub(crate) async fn within<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            self.poll_elapsed(cx).map(Err)
        })
        .await
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.timers.slots.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(timer: &Timer) -> Poll<Elapsed> {
        timer.poll_elapsed(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_deadline_fires_once_its_ticks_have_passed() {
        let timers = Rc::new(Timers::default());
        let timer = timers.timer();
        timer.arm(2 * TICK_MS);
        timers.pass(1);
        timers.pass(1);
        assert_eq!(poll(&timer), Poll::Pending);
        timers.pass(1);
        assert_eq!(poll(&timer), Poll::Ready(Elapsed));
    }

    #[test]
    fn no_deadline_lies_beyond_the_limit() {
        let timers = Rc::new(Timers::default());
        let timer = timers.timer();
        timer.limit(TICK_MS);
        for ms in [100 * TICK_MS, 0] {
            timer.arm(ms);
            assert_eq!(poll(&timer), Poll::Pending);
            timers.pass(1);
        }
        timers.pass(1);
        assert_eq!((poll(&timer), timer.is_over()), (Poll::Ready(Elapsed), true));
        timer.limit(0);
        timer.arm(100 * TICK_MS);
        timers.pass(1);
        assert_eq!((poll(&timer), timer.is_over()), (Poll::Pending, false));
    }

    #[test]
    fn what_is_to_fire_by_a_time_fires_then_or_before_and_cannot_be_put_off() {
        for (armed, expected) in [(0, 4), (TICK_MS, 2), (100 * TICK_MS, 4)] {
            let timers = Rc::new(Timers::default());
            let timer = timers.timer();
            timer.arm(armed);
            timer.fire_by(3 * TICK_MS);
            timers.pass(expected - 1);
            assert_eq!(poll(&timer), Poll::Pending, "{armed}");
            timers.pass(1);
            assert_eq!(poll(&timer), Poll::Ready(Elapsed), "{armed}");
        }
        let timers = Rc::new(Timers::default());
        let timer = timers.timer();
        timer.fire_by(TICK_MS);
        timer.arm(100 * TICK_MS);
        timer.disarm();
        timers.pass(2);
        assert_eq!(poll(&timer), Poll::Ready(Elapsed));
        timer.fire_by(TICK_MS);
        assert_eq!(poll(&timer), Poll::Ready(Elapsed), "what has fired stays fired");
    }

    #[test]
    fn a_thread_that_is_late_makes_up_for_it() {
        let begin = crate::clock::now();
        let ms = Duration::from_millis;
        let mut beat = Beat::new(begin);
        assert_eq!((beat.ticks(begin + ms(99)), beat.until_next(begin + ms(99))), (0, ms(1)));
        assert_eq!((beat.ticks(begin + ms(130)), beat.until_next(begin + ms(130))), (1, ms(70)));
        assert_eq!((beat.ticks(begin + ms(450)), beat.until_next(begin + ms(450))), (3, ms(50)));
        assert_eq!(beat.until_next(begin + ms(900)), ms(0));
    }

    #[test]
    fn a_thread_that_was_stopped_does_not_find_all_its_limits_over() {
        let begin = crate::clock::now();
        let mut beat = Beat::new(begin);
        let hour = begin + Duration::from_secs(3_600);
        assert_eq!((beat.ticks(hour), beat.ticks(hour)), (MAX_TICKS_AT_ONCE, 0));
        assert_eq!(beat.ticks(hour + Duration::from_millis(TICK_MS)), 1);
    }

    #[test]
    fn arming_again_takes_back_what_has_fired() {
        let timers = Rc::new(Timers::default());
        let timer = timers.timer();
        timer.arm(1);
        timers.pass(1);
        timers.pass(1);
        timer.arm(1);
        assert_eq!(poll(&timer), Poll::Pending);
    }
}
