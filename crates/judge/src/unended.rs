//! Answers that begin and do not end, as something that can be compared: each answer is one trial, decided once.
//!
//! Who counts tells answers apart by the *turn* in which they began ([`crate::silence::Listener::turn`]), of half the patience each.
//! Once it is three turns later, every one of them had at least the whole patience to end: then that turn is decided. Not ended is
//! what is open then, and what its client had waited for and given up. What broke off until then is no trial: that it failed is counted
//! elsewhere.
//!
//! Turns are those of both versions at once, so streams, long downloads and slow clients fall on both alike, and are no evidence:
//! only how much *more* of the new version's does not end.

use crate::silence::TURNS;
use crate::tally::Tally;

/// Turns from that in which an answer began to that in which it is decided.
pub const DECIDED_AFTER: usize = 3;

/// What one version has begun and ended, cumulative, by place of the turn in which it began (turn modulo [`TURNS`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Answers that have begun.
    pub begun: [u64; TURNS],
    /// Of these, ended whole, at most two turns after their own.
    pub in_time: [u64; TURNS],
    /// Of these, over until then in a way that says nothing.
    pub void: [u64; TURNS],
}

/// Decides turn after turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    stratum: Option<u64>,
    turn: usize,
    /// What each side had counted in each place when the turn before in that place was decided.
    counted: [Ends; 2],
    decided: [Tally; 2],
}

impl Turns {
    /// Looks at what both versions have counted, the old one first: what of it is decided, in this stratum, cumulative.
    /// `turn` is what those who count were told after the look before this one. In a new stratum counters begin at 0; what was open in
    /// the one before is never decided.
    pub fn look(&mut self, stratum: u64, turn: usize, now: [Ends; 2]) -> [Tally; 2] {
        if self.stratum != Some(stratum) {
            *self = Turns { stratum: Some(stratum), turn, counted: now, decided: Default::default() };
        } else if turn == self.turn.wrapping_add(1) {
            self.turn = turn;
            self.decide(turn.wrapping_sub(DECIDED_AFTER) % TURNS, now);
        } else if turn != self.turn {
            // Turns began anew.
            (self.turn, self.counted) = (turn, now);
        }
        self.decided
    }

    fn decide(&mut self, place: usize, now: [Ends; 2]) {
        for ((decided, counted), now) in self.decided.iter_mut().zip(&mut self.counted).zip(now) {
            let came = |of: fn(&mut Ends) -> &mut [u64; TURNS], counted: &mut Ends| {
                let now = of(&mut { now }).get(place).copied().unwrap_or(0);
                let before = of(counted).get_mut(place).map(|counted| std::mem::replace(counted, now));
                now.saturating_sub(before.unwrap_or(now))
            };
            let begun = came(|ends| &mut ends.begun, counted);
            let units = begun.saturating_sub(came(|ends| &mut ends.void, counted));
            let unended = units.saturating_sub(came(|ends| &mut ends.in_time, counted));
            *decided = decided.plus(Tally::new(units, unended));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bound::Bound;
    use crate::watch::Watch;

    /// Both versions under one clock of turns.
    struct Run {
        turns: Turns,
        turn: usize,
        now: [Ends; 2],
        decided: [Tally; 2],
    }

    impl Run {
        fn new() -> Run {
            let mut turns = Turns::default();
            let decided = turns.look(1, 1, Default::default());
            Run { turns, turn: 1, now: Default::default(), decided }
        }

        /// So many answers of one side begin in this turn, of which so many end.
        fn begins(&mut self, side: usize, begun: u64, in_time: u64) {
            let place = self.turn % TURNS;
            self.now[side].begun[place] += begun;
            self.now[side].in_time[place] += in_time;
        }

        fn next(&mut self) -> [Tally; 2] {
            self.turn += 1;
            self.decided = self.turns.look(1, self.turn, self.now);
            self.decided
        }
    }

    #[test]
    fn a_turn_is_decided_three_turns_later_and_once() {
        let mut run = Run::new();
        run.begins(0, 90, 88);
        run.begins(1, 10, 0);
        run.now[1].void[1] += 3;
        let nothing = [Tally::default(); 2];
        assert_eq!([run.next(), run.next()], [nothing; 2]);
        let decided = [Tally::new(90, 2), Tally::new(7, 7)];
        assert_eq!(run.next(), decided);
        // What ends now was late.
        run.begins(0, 5, 5);
        assert_eq!([run.next(), run.next()], [decided; 2]);
        assert_eq!(run.next(), [Tally::new(95, 2), Tally::new(7, 7)]);
    }

    #[test]
    fn what_was_there_before_the_first_look_and_before_turns_began_anew_is_no_trial() {
        let mut turns = Turns::default();
        let before = Ends { begun: [40; TURNS], in_time: [10; TURNS], void: [0; TURNS] };
        turns.look(1, 1, [before; 2]);
        for turn in 2..9 {
            assert_eq!(turns.look(1, turn, [before; 2]), [Tally::default(); 2]);
        }
        let more = Ends { begun: [50; TURNS], ..before };
        turns.look(1, 3, [more; 2]);
        assert_eq!([4, 5, 6, 7].map(|turn| turns.look(1, turn, [more; 2])), [[Tally::default(); 2]; 4]);
        assert_eq!(turns.look(2, 7, Default::default()), [Tally::default(); 2], "other shares");
    }

    /// A generator of its own: no crate is worth it.
    fn random(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether a watch is crossed within ten minutes of 20 answers a second, a tenth of them of the new version, of which these shares
    /// do not end.
    fn is_found(seed: u64, unended: [f64; 2]) -> bool {
        let (mut run, mut state) = (Run::new(), seed);
        let mut watch = Watch::armed(Bound::new(1e-3).unwrap().tolerating(2.0).unwrap());
        (0..600).any(|turn| {
            for _ in 0..20 {
                let side = usize::from(random(&mut state) < 0.1);
                let ends = random(&mut state) >= unended[side];
                run.begins(side, 1, u64::from(ends));
            }
            let [old, new] = run.next();
            watch.observe(turn, 1, old, new).is_some()
        })
    }

    #[test]
    fn streams_on_both_versions_are_no_evidence_however_many_they_are() {
        for share in [0.01, 0.3, 0.9, 1.0] {
            assert_eq!((0..50).filter(|seed| is_found(*seed, [share; 2])).count(), 0, "{share}");
        }
    }

    #[test]
    fn a_version_whose_answers_do_not_end_is_found_beside_streams_of_the_old_one() {
        for (old, new) in [(0.0, 0.1), (0.0, 1.0), (0.3, 1.0), (0.05, 0.3)] {
            assert!((0..20).all(|seed| is_found(seed, [old, new])), "{old} {new}");
        }
    }
}
