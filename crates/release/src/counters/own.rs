//! Whether a check that could examine the new version's answers can examine next to none of them any more. Pure.
//!
//! After the cutover the old version has nothing to compare with, and the answers that were examined before would be enough for a
//! whole soak. So the version's own earlier answers say how many were to be expected. What is unknown is no pass: the limits
//! are inconclusive then, until enough can be examined again.

use super::limits::{GONE_ONE_IN, KNOWN_FROM, SURE_FROM, said, unexamined};
use model::policy::{AnswerCheck, Limits};
use telemetry::counts::Counts;

/// What a release has seen of the new version, by check.
#[derive(Debug, Default)]
pub(crate) struct Own {
    kept: Vec<Kept>,
}

/// The time in which one check could examine what it is about.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// Answers of that time that it examined.
    examined: u64,
    /// All that had not failed.
    good: u64,
    /// The counts at its end, since the share was last changed.
    until: Counts,
}

impl Own {
    /// The share was changed: counts begin anew, what is known stays.
    pub(crate) fn begin_anew(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.until = Counts::default());
    }

    /// Looks at what has come from `front` until `now`, both since the share was last changed. What checks can no longer examine,
    /// in words.
    pub(crate) fn look(
        &mut self,
        front: &Counts,
        now: &Counts,
        limits: &Limits,
        checks: &[AnswerCheck],
    ) -> Vec<String> {
        if limits.max_error_rate.is_none() {
            return Vec::new();
        }
        self.kept.resize(checks.len(), Kept::default());
        let recent = now.minus(front);
        let kept = self.kept.iter_mut().zip(checks).enumerate();
        kept.filter_map(|(place, (kept, check))| {
            kept.look(front, now, &recent, place, limits.min_requests.max(SURE_FROM))
                .map(|gone| kept.words(check, &gone, place))
        })
        .collect()
    }
}

impl Kept {
    /// The counts in which next to none could be examined; `None`: enough could, or too few came to say. Where few come, all that came
    /// since enough could be examined is looked at.
    fn look(
        &mut self,
        front: &Counts,
        now: &Counts,
        recent: &Counts,
        place: usize,
        needed: u64,
    ) -> Option<Counts> {
        let since = now.minus(&self.until);
        let [lately, in_all] = [recent, &since].map(|counts| self.is_gone(counts, place, needed));
        match (lately, in_all) {
            (Some(true), _) => return Some(recent.clone()),
            (None, Some(true)) => return Some(since),
            _ => {}
        }
        let says_nothing_yet = self.good < KNOWN_FROM || self.examined == 0;
        if says_nothing_yet || lately == Some(false) || in_all == Some(false) {
            let (examined, good) = examined_of_good(&front.minus(&self.until), place);
            self.examined = self.examined.saturating_add(examined);
            self.good = self.good.saturating_add(good);
            self.until = front.clone();
        }
        None
    }

    /// Whether fewer than one in ten could be examined of those that were to be expected; `None`: too few were.
    fn is_gone(&self, counts: &Counts, place: usize, needed: u64) -> Option<bool> {
        let (examined, good) = examined_of_good(counts, place);
        let expected = good.saturating_mul(self.examined) / self.good.max(1);
        let is_known = self.good >= KNOWN_FROM && expected >= needed;
        is_known.then(|| examined.saturating_mul(GONE_ONE_IN) < expected)
    }

    fn words(&self, check: &AnswerCheck, gone: &Counts, place: usize) -> String {
        let Kept { examined, good, .. } = self;
        let seen = unexamined(check, gone, said(gone, place));
        format!("check {}: {seen} lately, {examined} of {good} of its own before", check.name)
    }
}

fn examined_of_good(counts: &Counts, place: usize) -> (u64, u64) {
    let said = said(counts, place);
    (said.examined(), said.of_good(counts.failed()).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use telemetry::counts::{Examined, Hindered};

    fn checks() -> Vec<AnswerCheck> {
        let check = json!([{"name": "total", "json": {"pointer": "/total"}, "fails_if": "missing"}]);
        serde_json::from_value(check).unwrap()
    }

    fn limits() -> Limits {
        Limits { max_error_rate: Some(0.05), max_p99_ms: None, min_requests: 20 }
    }

    fn counts(examined: u64, compressed: u64) -> Counts {
        let answers = examined + compressed;
        let hindered = Hindered { compressed, ..Hindered::default() };
        let mut counts =
            Counts { received: answers, whole: [0, answers, 0, 0, 0], hindered, ..Counts::default() };
        counts.checks[0] = Examined { passed: examined, failed: 0, unexamined: compressed };
        counts
    }

    fn look(own: &mut Own, front: (u64, u64), now: (u64, u64)) -> Vec<String> {
        own.look(&counts(front.0, front.1), &counts(now.0, now.1), &limits(), &checks())
    }

    const NONE: [String; 0] = [];

    #[test]
    fn answers_that_turn_so_that_none_can_be_examined_are_told_however_long_it_lasts() {
        let mut own = Own::default();
        for at in 0..4 {
            assert_eq!(look(&mut own, (at * 80, 0), (at * 80 + 160, 0)), NONE);
        }
        let words = "check total: 0 of 160 answers could be examined (compressed 160) lately, 240 of 240 of its own before";
        for at in 0..1_000 {
            assert_eq!(look(&mut own, (400, at * 80), (400, at * 80 + 160)), [words]);
        }
        assert_eq!(look(&mut own, (400, 80_000), (560, 80_000)), NONE, "they can be again");
    }

    #[test]
    fn a_tenth_of_those_that_were_to_be_expected_is_enough() {
        let mut own = Own::default();
        assert_eq!(look(&mut own, (300, 300), (300, 300)), NONE);
        assert_eq!(look(&mut own, (300, 300), (310, 490)), NONE, "10 of 100");
        let mut own = Own::default();
        look(&mut own, (300, 0), (300, 0));
        assert_eq!(look(&mut own, (300, 0), (320, 180)), NONE);
        assert_eq!(look(&mut own, (300, 0), (319, 181)).len(), 1);
    }

    #[test]
    fn of_little_traffic_all_is_looked_at_that_came_since_enough_could_be_examined() {
        let mut own = Own::default();
        look(&mut own, (300, 0), (300, 0));
        for at in 0..19 {
            assert_eq!(look(&mut own, (300, at), (300, at + 1)), NONE, "{at}");
        }
        assert_eq!(look(&mut own, (300, 19), (300, 20)).len(), 1);
    }

    #[test]
    fn what_is_known_outlasts_a_change_of_the_share() {
        let mut own = Own::default();
        look(&mut own, (300, 0), (300, 0));
        own.begin_anew();
        assert_eq!(look(&mut own, (0, 60), (0, 60)).len(), 1);
    }

    #[test]
    fn few_answers_and_a_check_that_never_examined_any_and_no_limit_say_nothing() {
        let mut own = Own::default();
        look(&mut own, (99, 0), (99, 0));
        assert_eq!(look(&mut own, (99, 0), (99, 500)), NONE);
        let mut own = Own::default();
        look(&mut own, (0, 900), (0, 900));
        assert_eq!(look(&mut own, (0, 900), (0, 1_900)), NONE);
        let none = Limits { max_error_rate: None, ..limits() };
        let mut own = Own::default();
        own.look(&counts(300, 0), &counts(300, 0), &limits(), &checks());
        assert_eq!(own.look(&counts(300, 0), &counts(300, 500), &none, &checks()), NONE);
    }
}
