//! How many handshakes a thread has under way, and which of them goes when there are too many.
//!
//! One counts from the first byte of the client's hello: a connection that says nothing costs no more than an idle one. A
//! client that stops in the middle could hold its place up to the handshake's timeout, and a few thousand such clients
//! could keep everybody out. So who has been at it for longer than a handshake takes makes room for the next. A crowd of
//! honest clients is no reason to end what is nearly done: then it is the newest that has to go.

use crate::timer::{Timer, ticks};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A handshake that has lasted for this part of its timeout may be ended to make room.
const SLOW_PART: u64 = 10;

/// The handshakes of a thread, by number of arrival.
#[derive(Debug)]
pub(crate) struct Handshakes {
    under_way: RefCell<BTreeMap<u64, UnderWay>>,
    arrivals: Cell<u64>,
    most: usize,
    /// How many ticks make a handshake a slow one.
    slow_ticks: u64,
}

#[derive(Debug)]
struct UnderWay {
    /// The tick at which it began.
    began: u64,
    timer: Rc<Timer>,
}

/// A handshake that is counted while this lives.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    all: &'a Handshakes,
    number: u64,
}

impl Handshakes {
    /// At most `most` at a time, which may take `timeout_ms` each.
    pub(crate) fn new(most: usize, timeout_ms: u64) -> Handshakes {
        Handshakes {
            under_way: RefCell::default(),
            arrivals: Cell::new(0),
            most: most.max(1),
            slow_ticks: ticks(timeout_ms / SLOW_PART),
        }
    }

    /// Counts one that begins at tick `now`, and that ends when its timer fires. With too many under way, the oldest ends
    /// if it is slow; if it is not, there is `None`.
    pub(super) fn begin(&self, timer: &Rc<Timer>, now: u64) -> Option<Counted<'_>> {
        let mut under_way = self.under_way.borrow_mut();
        if under_way.len() >= self.most {
            let oldest = under_way.first_entry()?;
            if now < oldest.get().began + self.slow_ticks {
                return None;
            }
            oldest.remove().timer.fire();
        }
        let number = self.arrivals.get();
        self.arrivals.set(number + 1);
        under_way.insert(number, UnderWay { began: now, timer: Rc::clone(timer) });
        Some(Counted { all: self, number })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        // It may have made room before.
        self.all.under_way.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timer::{TICK_MS, Timers};
    use std::task::{Context, Waker};

    #[test]
    fn the_newest_is_turned_away_unless_the_oldest_is_slow() {
        let timers = Rc::new(Timers::default());
        let handshakes = Handshakes::new(2, 30 * TICK_MS);
        let timer: Vec<_> = (0..5).map(|_| Rc::new(timers.timer())).collect();
        let fired = |at: usize| timer[at].poll_elapsed(&Context::from_waker(Waker::noop())).is_ready();
        let first = handshakes.begin(&timer[0], 0);
        let _second = handshakes.begin(&timer[1], 2).unwrap();
        assert!(handshakes.begin(&timer[2], 2).is_none());
        assert!(!fired(0));
        let _third = handshakes.begin(&timer[3], 3).unwrap();
        assert!(fired(0) && !fired(1));
        drop(first);
        assert!(handshakes.begin(&timer[4], 4).is_none(), "its place was taken");
    }

    #[test]
    fn what_has_ended_leaves_its_place() {
        let timers = Rc::new(Timers::default());
        let handshakes = Handshakes::new(1, 1_000);
        for _ in 0..3 {
            assert!(handshakes.begin(&Rc::new(timers.timer()), 0).is_some());
        }
        assert!(handshakes.under_way.borrow().is_empty());
    }
}
