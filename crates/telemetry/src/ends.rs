//! Answers that have begun, and whether they end: what a guard finds a version by that sends heads, and stalls.
//!
//! Answers are told apart by the *turn* in which their head has come ([`Cell::turn`](crate::cell::Cell::turn)), so nobody looks at a
//! clock for it: once it is three turns later, all of them had at least two whole turns to end, and who has not is *late*. Whether one
//! was in time is decided once, when it is over or when its time is, whichever comes first. Answers that began before anybody said a turn
//! have a place of their own: of these nobody knows when.

use crate::cell::{Turn, add, load};
use std::sync::atomic::{AtomicU64, Ordering};

/// Turns that are told apart; each later one shares the place of one of them.
pub const TURNS: usize = 4;
/// Their places, and that of answers that began before anybody said a turn.
pub const PLACES: usize = TURNS + 1;
/// An answer that began in a turn is in time up to so many turns later.
pub const TURNS_IN_TIME: usize = 2;

/// How an answer that had begun was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The client has all of it.
    Whole,
    /// The client has gone, and had waited for its end.
    Left,
    /// In a way that says nothing of whether it would have ended: it broke off, was drained, or its client has gone at once.
    Void,
}

/// Answers that have begun, and what came of them so far. Cumulative, by place of the turn in which they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Begun.
    pub begun: [u64; PLACES],
    /// Of these, ended whole and in time.
    pub in_time: [u64; PLACES],
    /// Over in time, in a way that says nothing.
    pub void: [u64; PLACES],
    /// All others that are over: left by their clients, or over when it was late.
    pub other: [u64; PLACES],
    /// Of these, ended whole.
    pub late: u64,
    /// Clients that had waited for an end and have gone.
    pub left: u64,
}

impl Begun {
    /// Both counter by counter.
    #[must_use]
    pub fn joined(self, other: &Begun, join: fn(u64, u64) -> u64) -> Begun {
        let places = |ours: [u64; PLACES], theirs: [u64; PLACES]| {
            let mut joined = ours;
            joined.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours = join(*ours, theirs));
            joined
        };
        Begun {
            begun: places(self.begun, other.begun),
            in_time: places(self.in_time, other.in_time),
            void: places(self.void, other.void),
            other: places(self.other, other.other),
            late: join(self.late, other.late),
            left: join(self.left, other.left),
        }
    }

    /// Answers that have begun and are not over, by the turn in which they began.
    #[must_use]
    pub fn open(&self) -> [u64; PLACES] {
        let mut open = self.begun;
        for over in [&self.in_time, &self.void, &self.other] {
            open.iter_mut().zip(over).for_each(|(open, over)| *open = open.saturating_sub(*over));
        }
        open
    }
}

/// The counters of one thread.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    begun: [AtomicU64; PLACES],
    in_time: [AtomicU64; PLACES],
    void: [AtomicU64; PLACES],
    other: [AtomicU64; PLACES],
    late: AtomicU64,
    left: AtomicU64,
}

impl Ends {
    /// An answer has begun. `now`: the turn; 0: nobody has said one.
    #[inline]
    pub(crate) fn begin(&self, now: usize) -> Turn {
        count(&self.begun, now, Ordering::Relaxed);
        Turn(now)
    }

    /// It is over in the turn `now`.
    #[inline]
    pub(crate) fn over(&self, Turn(began): Turn, now: usize, how: Over) {
        if how == Over::Left {
            add(&self.left, 1, Ordering::Relaxed);
        }
        // Turns that began anew are other turns: then nobody knows how late it is.
        let is_in_time = now.wrapping_sub(began) <= TURNS_IN_TIME;
        match how {
            Over::Whole if is_in_time => count(&self.in_time, began, Ordering::Release),
            Over::Void if is_in_time => count(&self.void, began, Ordering::Release),
            _ => {
                add(&self.late, u64::from(how == Over::Whole), Ordering::Relaxed);
                count(&self.other, began, Ordering::Release);
            }
        }
    }

    /// What was counted up to now.
    pub(crate) fn snapshot(&self) -> Begun {
        // What is over first: nobody sees an end without its beginning.
        let [in_time, void, other] = [&self.in_time, &self.void, &self.other]
            .map(|over| over.each_ref().map(|counter| counter.load(Ordering::Acquire)));
        let (late, left) = (self.late.load(Ordering::Relaxed), self.left.load(Ordering::Relaxed));
        Begun { begun: load(&self.begun), in_time, void, other, late, left }
    }
}

fn count(counters: &[AtomicU64; PLACES], turn: usize, order: Ordering) {
    let place = if turn == 0 { TURNS } else { turn % TURNS };
    if let Some(counter) = counters.get(place) {
        add(counter, 1, order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_in_time_for_two_turns_after_its_own_and_is_decided_once() {
        let ends = Ends::default();
        for later in 0..6 {
            let began = ends.begin(5);
            ends.over(began, 5 + later, Over::Whole);
        }
        let counted = ends.snapshot();
        assert_eq!((counted.begun, counted.in_time), ([0, 6, 0, 0, 0], [0, 3, 0, 0, 0]));
        assert_eq!((counted.other, counted.late, counted.open()), ([0, 3, 0, 0, 0], 3, [0; PLACES]));
    }

    #[test]
    fn who_leaves_after_a_wait_has_seen_no_end_and_what_says_nothing_is_taken_off_in_time_only() {
        let ends = Ends::default();
        let turns = [(Over::Left, 7), (Over::Void, 7), (Over::Void, 11), (Over::Left, 11)];
        for (how, now) in turns {
            let began = ends.begin(6);
            ends.over(began, now, how);
        }
        let _open = ends.begin(7);
        let counted = ends.snapshot();
        assert_eq!((counted.void, counted.other), ([0, 0, 1, 0, 0], [0, 0, 3, 0, 0]));
        assert_eq!((counted.open(), counted.late, counted.left), ([0, 0, 0, 1, 0], 0, 2));
    }

    #[test]
    fn what_began_before_anybody_said_a_turn_has_a_place_of_its_own() {
        let ends = Ends::default();
        for how in [Over::Whole, Over::Left, Over::Void] {
            let began = ends.begin(0);
            ends.over(began, 40, how);
        }
        let _open = ends.begin(0);
        let _told = ends.begin(40);
        let counted = ends.snapshot();
        assert_eq!((counted.begun, counted.other), ([1, 0, 0, 0, 4], [0, 0, 0, 0, 3]));
        assert_eq!((counted.late, counted.left, counted.open()), (1, 1, [1, 0, 0, 0, 1]));
    }

    #[test]
    fn what_began_before_turns_began_anew_is_not_in_time() {
        let ends = Ends::default();
        let began = ends.begin(40);
        ends.over(began, 1, Over::Whole);
        assert_eq!((ends.snapshot().in_time, ends.snapshot().late), ([0; PLACES], 1));
    }
}
