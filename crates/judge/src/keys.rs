//! Users as units: where a user keeps the colour, one draw decided all that happens to that user, so all of it is one
//! piece of evidence per metric.
//!
//! In each window the users are counted who came in it and had not failed yet (they are *at risk*), and of these the
//! ones who now did. Who has failed once never counts again, in no later window and under no other share: a single
//! user who always fails is one failure per release. This is the risk set of the logrank test (its anytime-valid form:
//! ter Schure, Pérez-Ortiz, Ly, Grünwald 2020).
//!
//! Memory is bounded: when there are too many users, half of them are no longer followed, chosen by a hash. That loses
//! evidence and biases nothing.

use crate::budget::MAX_METRICS;
use crate::panel::{Alarm, Panel};
use crate::tally::Tally;
use std::collections::HashMap;

/// Users followed at most, if nobody says otherwise: some 2 MiB.
pub const DEFAULT_MAX_USERS: usize = 65_536;

/// Which version a request went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The live version.
    Blue,
    /// The new version.
    Green,
}

/// What is known of one user.
#[derive(Clone, Copy, Debug, Default)]
struct User {
    /// Metrics by which the user has failed, as bits.
    failed: u32,
    /// Metrics that could say something of the user in the last window in which the user came, as bits.
    asked: u32,
    /// Number of that window.
    window: u64,
}

/// One colour in the open window.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    users: u64,
    /// Of these, of whom each metric could say something, and who had not failed by it before.
    at_risk: [u64; MAX_METRICS],
    /// Of these, who failed now, per metric.
    failed: [u64; MAX_METRICS],
}

/// The users of one release.
#[derive(Clone, Debug)]
pub struct Keys {
    users: HashMap<u64, User>,
    max_users: usize,
    /// Users with a greater hash are not followed.
    greatest: u64,
    window: u64,
    stratum: u64,
    open: [Open; 2],
    /// Users who have failed by each metric since the first look: Blue's, Green's.
    failing: [[u64; MAX_METRICS]; 2],
}

impl Keys {
    /// Follows at most so many users, at least 2.
    #[must_use]
    pub fn new(max_users: usize) -> Keys {
        let open = [Open::default(); 2];
        Keys {
            users: HashMap::new(),
            max_users: max_users.max(2),
            greatest: u64::MAX,
            window: 1,
            stratum: 0,
            open,
            failing: [[0; MAX_METRICS]; 2],
        }
    }

    /// Counts one ended request of a user. `key` is a hash of what the user is known by; bit *i* of `asked` says that
    /// charge *i* of the terms could say something of it, the same bit of `failed` that it failed by that.
    pub fn saw(&mut self, side: Side, key: u64, asked: u32, failed: u32) {
        let failed = failed & asked;
        let key = scattered(key);
        if key > self.greatest {
            return;
        }
        if self.users.len() >= self.max_users && !self.users.contains_key(&key) {
            self.follow_fewer();
            if key > self.greatest {
                return;
            }
        }
        let [blue, green] = &mut self.open;
        let [blue_failing, green_failing] = &mut self.failing;
        let (open, failing) = match side {
            Side::Blue => (blue, blue_failing),
            Side::Green => (green, green_failing),
        };
        let user = self.users.entry(key).or_default();
        if user.window != self.window {
            (user.window, user.asked) = (self.window, 0);
            open.users += 1;
        }
        count(&mut open.at_risk, asked & !user.asked & !user.failed);
        user.asked |= asked;
        count(&mut open.failed, failed & !user.failed);
        count(failing, failed & !user.failed);
        user.failed |= failed;
    }

    /// Ends the window if both colours had enough users in it, and shows it to the panel. In a new `stratum` (see
    /// [`crate::watch::Watch::observe`]) what came before it is a window in any case; so look once before the first
    /// request under new shares is counted.
    pub fn look(&mut self, at_ms: i64, stratum: u64, panel: &mut Panel) -> Option<Alarm> {
        let [blue, green] = &self.open;
        let enough = if self.stratum == stratum { panel.min_units() } else { 1 };
        self.stratum = stratum;
        if blue.users.min(green.users) >= enough {
            let tallies = |open: &Open| -> [Tally; MAX_METRICS] {
                std::array::from_fn(|metric| Tally::new(open.at_risk[metric], open.failed[metric]))
            };
            panel.add_window(at_ms, &tallies(blue), &tallies(green));
            self.open = [Open::default(); 2];
            self.window += 1;
        } else if enough == 1 {
            // Users of one colour only are compared with nobody, and under the new shares they are counted anew.
            self.open = [Open::default(); 2];
            self.window += 1;
        }
        panel.alarm()
    }

    /// How many different users have failed by a charge on one side; of those who were followed.
    #[must_use]
    pub fn failing(&self, side: Side, charge: usize) -> u64 {
        let [blue, green] = &self.failing;
        let failing = match side {
            Side::Blue => blue,
            Side::Green => green,
        };
        failing.get(charge).copied().unwrap_or(0)
    }

    /// How many users are followed.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    fn follow_fewer(&mut self) {
        while self.users.len() >= self.max_users && self.greatest > 0 {
            self.greatest /= 2;
            let greatest = self.greatest;
            self.users.retain(|key, _| *key <= greatest);
        }
    }
}

fn count(counters: &mut [u64; MAX_METRICS], metrics: u32) {
    let mut left = metrics;
    while left != 0 {
        if let Some(counter) = counters.get_mut(left.trailing_zeros() as usize) {
            *counter += 1;
        }
        left &= left - 1;
    }
}

/// Another hash of a hash (the finisher of `SplitMix64`), so that who is followed has nothing to do with who got which
/// colour, even if `key` is the very number that decided it.
fn scattered(key: u64) -> u64 {
    let mixed = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Unit};
    use crate::metric::Metric;

    /// Every metric could say something.
    const ALL: u32 = u32::MAX;

    fn panel() -> Panel {
        Panel::armed(&Budget::default().terms(&[Metric::Failures], Unit::User).unwrap())
    }

    fn seen(panel: &Panel) -> [Tally; 2] {
        let (_, watch) = panel.get(0).unwrap();
        [watch.evidence().blue(), watch.evidence().green()]
    }

    #[test]
    fn a_user_who_always_fails_is_one_failure() {
        let (mut keys, mut panel) = (Keys::new(DEFAULT_MAX_USERS), panel());
        for window in 0..200_i64 {
            for user in 0..50 {
                let side = if user % 10 == 0 { Side::Green } else { Side::Blue };
                keys.saw(side, user, ALL, u32::from(user == 0));
                keys.saw(side, user, ALL, u32::from(user == 0));
            }
            // The share changes in the middle; the users stay.
            assert_eq!(keys.look(window, u64::from(window > 100), &mut panel), None);
        }
        let [blue, green] = seen(&panel);
        assert_eq!((blue, green.failed), (Tally::new(45 * 200, 0), 1));
        assert_eq!(keys.failing(Side::Green, 0), 1);
        assert_eq!(green.units, 5 + 4 * 199, "who has failed is not at risk any more");
    }

    #[test]
    fn of_whom_nothing_could_be_said_is_no_unit() {
        let (mut keys, mut panel) = (Keys::new(DEFAULT_MAX_USERS), panel());
        for user in 0..40 {
            let (side, asked) = (if user < 20 { Side::Green } else { Side::Blue }, u32::from(user % 4 == 0));
            keys.saw(side, user, asked, ALL);
            // What is asked again, or only now, is one unit all the same.
            keys.saw(side, user, u32::from(user % 2 == 0), 0);
        }
        keys.look(1, 0, &mut panel);
        assert_eq!(seen(&panel), [Tally::new(10, 5); 2]);
        assert_eq!([Side::Green, Side::Blue].map(|side| keys.failing(side, 0)), [5, 5]);
    }

    #[test]
    fn many_users_who_fail_are_found() {
        let (mut keys, mut panel) = (Keys::new(DEFAULT_MAX_USERS), panel());
        for user in 0..1_000 {
            let side = if user % 10 == 0 { Side::Green } else { Side::Blue };
            keys.saw(side, user, ALL, u32::from(side == Side::Green && user % 20 == 0));
        }
        assert!(keys.look(1, 0, &mut panel).is_some());
    }

    #[test]
    fn a_window_waits_for_users_of_both_colours() {
        let (mut keys, mut panel) = (Keys::new(DEFAULT_MAX_USERS), panel());
        (0..40).for_each(|user| keys.saw(Side::Blue, user, ALL, 0));
        (40..43).for_each(|user| keys.saw(Side::Green, user, ALL, 0));
        keys.look(1, 0, &mut panel);
        assert_eq!(seen(&panel)[1].units, 0);
        (40..44).for_each(|user| keys.saw(Side::Green, user, ALL, 0));
        keys.look(2, 0, &mut panel);
        assert_eq!(seen(&panel), [Tally::new(40, 0), Tally::new(4, 0)]);
    }

    #[test]
    fn memory_is_bounded_and_both_colours_lose_alike() {
        let (mut keys, mut panel) = (Keys::new(1_024), panel());
        for user in 0..100_000 {
            keys.saw(if user % 2 == 0 { Side::Green } else { Side::Blue }, user, ALL, 0);
            assert!(keys.users() <= 1_024);
        }
        let mut fresh = keys.clone();
        fresh.look(0, 1, &mut panel);
        (0..100_000)
            .for_each(|user| fresh.saw(if user % 2 == 0 { Side::Green } else { Side::Blue }, user, ALL, 0));
        fresh.look(1, 2, &mut panel);
        let [blue, green] = fresh.open.map(|open| open.users);
        assert_eq!((blue, green), (0, 0));
        let [blue, green] = seen(&panel);
        let share = green.units as f64 / (blue.units + green.units) as f64;
        assert!((share - 0.5).abs() < 0.1, "{share}");
    }
}
