//! Users as units: where users keep their version, what a guard compares are users, each of whom counts once.
//!
//! A request thread writes one word for each request that has ended (who, on which side, what failed) into a ring of its
//! own; the thread of the guards reads them and keeps the users ([`judge::keys`]). Nobody waits: when a ring is full, what
//! comes next is not counted, whatever became of it. So evidence may be lost, and none is made up. Memory: 16 KiB a thread,
//! and some 2 MiB for at most 65,536 users; of more, an arbitrary half is followed.

use super::sums::Counted;
use judge::keys::{DEFAULT_MAX_USERS, Keys, Side};
use judge::panel::{Alarm, Panel};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Requests of one thread between two looks that are counted.
const SLOTS: usize = 2_048;
/// Below them a word says what became of the request, above who sent it.
const KEY_SHIFT: u32 = 16;
/// The place of the stratum's last bits: more than there can be new ones between two looks.
const STRATUM_SHIFT: u32 = 11;
const STRATUM_MASK: u64 = 0x1f;
/// The places of the bits that say what could be asked and what failed: all, then each check of the business. A check that could not
/// look at a good answer has failed without having been asked.
const ASKED_SHIFT: u32 = 6;
const FAILED_SHIFT: u32 = 1;
const KINDS_MASK: u64 = 0x1f;
const NEW: u64 = 1;

/// What request threads have written and the guard has not read yet.
#[derive(Debug)]
pub(crate) struct UserLog {
    rings: Box<[Ring]>,
}

/// Of one thread; padded, so that threads do not share a cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Ring {
    written: AtomicUsize,
    read: AtomicUsize,
    slots: Box<[AtomicU64]>,
}

/// Where the requests of one choice are written.
#[derive(Debug)]
pub struct Seat {
    log: Arc<UserLog>,
    /// What all its words have in common.
    common: u64,
}

impl Seat {
    /// The seat of the new version or of the old one, under these shares.
    pub(super) fn new(log: &Arc<UserLog>, is_new: bool, stratum: u64) -> Seat {
        let side = if is_new { NEW } else { 0 };
        Seat { log: Arc::clone(log), common: side | (stratum & STRATUM_MASK) << STRATUM_SHIFT }
    }

    /// A request of the user at this point has ended so that it can be judged; the bits say what could be asked of it,
    /// and what failed.
    pub(crate) fn ended(&self, thread: usize, point: u64, asked: u8, failed: u8) {
        if let Some(ring) = self.log.rings.get(thread) {
            let kinds = |bits: u8, shift: u32| (u64::from(bits) & KINDS_MASK) << shift;
            let said = kinds(asked, ASKED_SHIFT) | kinds(failed, FAILED_SHIFT);
            ring.write(point >> KEY_SHIFT << KEY_SHIFT | self.common | said);
        }
    }
}

impl UserLog {
    pub(super) fn new(threads: usize) -> UserLog {
        let ring = || Ring {
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            slots: std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect(),
        };
        UserLog { rings: std::iter::repeat_with(ring).take(threads).collect() }
    }

    /// Takes what was written.
    fn take(&self, words: &mut Vec<u64>) {
        self.rings.iter().for_each(|ring| ring.take(words));
    }
}

impl Ring {
    /// Only its thread writes.
    fn write(&self, word: u64) {
        let written = self.written.load(Relaxed);
        if written.wrapping_sub(self.read.load(Acquire)) >= SLOTS {
            return;
        }
        if let Some(slot) = self.slots.get(written % SLOTS) {
            slot.store(word, Relaxed);
            self.written.store(written.wrapping_add(1), Release);
        }
    }

    /// Only the thread of the guards reads.
    fn take(&self, words: &mut Vec<u64>) {
        let written = self.written.load(Acquire);
        let mut read = self.read.load(Relaxed);
        while read != written {
            words.extend(self.slots.get(read % SLOTS).map(|slot| slot.load(Relaxed)));
            read = read.wrapping_add(1);
        }
        self.read.store(read, Release);
    }
}

/// The users of one guard.
#[derive(Debug)]
pub(super) struct Users {
    log: Arc<UserLog>,
    keys: Keys,
    stratum: u64,
    words: Vec<u64>,
    /// How many checks of the business there are: each is asked two things.
    checks: usize,
}

impl Users {
    pub(super) fn new(threads: usize, checks: usize) -> Users {
        let log = Arc::new(UserLog::new(threads));
        Users { log, keys: Keys::new(DEFAULT_MAX_USERS), stratum: 0, words: Vec::new(), checks }
    }

    pub(super) fn log(&self) -> &Arc<UserLog> {
        &self.log
    }

    /// Counts who came since the last look, and shows it to the panel.
    pub(super) fn look(&mut self, counted: &Counted, panel: &mut Panel) -> Option<Alarm> {
        self.words.clear();
        self.log.take(&mut self.words);
        if self.stratum != counted.stratum {
            // Under the old shares first, then their window is over.
            self.saw(self.stratum);
            self.keys.look(counted.wall_ms, counted.stratum, panel);
            self.stratum = counted.stratum;
        }
        self.saw(self.stratum);
        self.keys.look(counted.wall_ms, counted.stratum, panel)
    }

    /// How many users of the new version have failed, by all failures or by a check of the business.
    pub(super) fn failing(&self, check: Option<usize>) -> u64 {
        self.keys.failing(Side::Green, check.map_or(0, |place| place + 1))
    }

    fn saw(&mut self, stratum: u64) {
        for word in &self.words {
            if word >> STRATUM_SHIFT & STRATUM_MASK == stratum & STRATUM_MASK {
                let side = if word & NEW == NEW { Side::Green } else { Side::Blue };
                let kinds = |shift: u32| u32::try_from(word >> shift & KINDS_MASK).unwrap_or(0);
                let (asked, failed) = (kinds(ASKED_SHIFT), kinds(FAILED_SHIFT));
                let checks = (1u32 << self.checks) - 1;
                let looked_at = (asked | failed) >> 1 & checks;
                let unexamined = (failed & !asked) >> 1 & checks;
                let (asked, failed) = (
                    asked & (checks << 1 | 1) | looked_at << (1 + self.checks),
                    failed & asked | unexamined << (1 + self.checks),
                );
                self.keys.saw(side, word >> KEY_SHIFT, asked, failed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::budget::{Budget, Unit};
    use judge::metric::Metric;
    use judge::tally::Tally;

    /// All could be asked.
    const ALL: u8 = u8::MAX;

    fn panel() -> Panel {
        Panel::armed(&Budget::default().terms(&[Metric::Failures], Unit::User).unwrap())
    }

    fn counted(stratum: u64) -> Counted {
        Counted { stratum, wall_ms: 1, ..Counted::default() }
    }

    /// A point that belongs to this user alone.
    fn point(user: u64) -> u64 {
        user << 40 | 7
    }

    #[test]
    fn a_user_who_always_fails_is_one_failure_however_busy() {
        let (mut users, mut panel) = (Users::new(2, 4), panel());
        let seats = [false, true].map(|is_new| Seat::new(users.log(), is_new, 1));
        for _ in 0..200 {
            for user in 0..40 {
                let is_new = user % 10 == 0;
                seats[usize::from(is_new)].ended((user % 2) as usize, point(user), ALL, u8::from(user == 10));
            }
            assert_eq!(users.look(&counted(1), &mut panel), None);
        }
        let (_, watch) = panel.get(0).unwrap();
        assert_eq!((watch.evidence().green().failed, users.failing(None)), (1, 1));
    }

    #[test]
    fn many_users_who_fail_are_found_and_a_failed_check_is_counted_apart() {
        let (mut users, mut panel) = (Users::new(1, 4), panel());
        let seats = [false, true].map(|is_new| Seat::new(users.log(), is_new, 1));
        for user in 0..1_000 {
            let is_new = user % 10 == 0;
            let failed = if is_new && user % 20 == 0 { 0b101 } else { 0 };
            seats[usize::from(is_new)].ended(0, point(user), ALL, failed);
        }
        assert!(users.look(&counted(1), &mut panel).is_some());
        assert_eq!([None, Some(0), Some(1)].map(|check| users.failing(check)), [50, 0, 50]);
    }

    #[test]
    fn an_answer_that_a_check_could_not_look_at_is_no_unit_of_it() {
        let check = Metric::Business { check: "order".to_owned() };
        let terms = Budget::default().terms(&[Metric::Failures, check], Unit::User).unwrap();
        let (mut users, mut panel) = (Users::new(1, 4), Panel::armed(&terms));
        let seats = [false, true].map(|is_new| Seat::new(users.log(), is_new, 1));
        for user in 0..20 {
            let asked = if user < 10 { 0b11 } else { 0b1 };
            seats[usize::from(user % 2 == 0)].ended(0, point(user), asked, 0b10);
        }
        users.look(&counted(1), &mut panel);
        let seen = [0, 1].map(|charge| panel.get(charge).unwrap().1.evidence().green());
        assert_eq!(seen, [Tally::new(10, 0), Tally::new(5, 5)]);
    }

    #[test]
    fn users_whose_answers_a_check_could_not_look_at_are_compared_apart() {
        let metrics = [
            Metric::Failures,
            Metric::Business { check: "order".to_owned() },
            Metric::Unexamined { check: "order".to_owned() },
        ];
        let terms = Budget::default().terms(&metrics, Unit::User).unwrap();
        let (mut users, mut panel) = (Users::new(1, 1), Panel::armed(&terms));
        let seats = [false, true].map(|is_new| Seat::new(users.log(), is_new, 1));
        for user in 0..1_000 {
            let is_new = user % 10 == 0;
            // The new version's cannot be looked at, and a check that is none of the rule's has failed.
            let (asked, failed) = if is_new { (0b1_0001, 0b1_0010) } else { (0b1_0011, 0) };
            seats[usize::from(is_new)].ended(0, point(user), asked, failed);
        }
        assert_eq!(users.look(&counted(1), &mut panel).map(|alarm| alarm.charge), Some(2));
        let seen = [0, 1, 2].map(|charge| panel.get(charge).unwrap().1.evidence().green());
        assert_eq!(seen, [Tally::new(100, 0), Tally::default(), Tally::new(100, 100)]);
        assert_eq!(users.failing(None), 0, "nobody has failed");
    }

    #[test]
    fn what_came_under_other_shares_is_not_mixed_in() {
        let (mut users, mut panel) = (Users::new(1, 4), panel());
        users.look(&counted(1), &mut panel);
        for stratum in [1, 2, 3] {
            let seats = [false, true].map(|is_new| Seat::new(users.log(), is_new, stratum));
            (0..20).for_each(|user| {
                seats[usize::from(user % 2 == 0)].ended(0, point(user + 100 * stratum), ALL, 0)
            });
        }
        users.look(&counted(2), &mut panel);
        let (_, watch) = panel.get(0).unwrap();
        assert_eq!(
            [watch.evidence().blue(), watch.evidence().green()],
            [Tally::new(20, 0); 2],
            "not the third"
        );
    }

    #[test]
    fn a_full_ring_loses_the_rest_and_goes_on() {
        let (mut users, mut panel) = (Users::new(1, 4), panel());
        let seat = Seat::new(users.log(), true, 1);
        for round in 0..3u64 {
            (0..5_000).for_each(|user| seat.ended(0, point(user + 10_000 * round), ALL, 1));
            users.look(&counted(1), &mut panel);
            assert_eq!(users.failing(None), 2_048 * (round + 1));
        }
        seat.ended(9, point(1), ALL, 1);
    }
}
