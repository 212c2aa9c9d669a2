//! What the live version did last, so that there is something to compare with when it has no traffic any more.
//!
//! Counters only add up; so a look is kept every few seconds, for five minutes, whether or not a release goes on. When all of the
//! traffic has moved, what lies between a look and that moment is the old version's last window, and is journaled: a
//! successor compares with the same numbers. The looks themselves are not journaled; but every move of traffic is followed
//! by an account, and one that takes over in a step knows by it what the old version did since the step began. If that was
//! too long ago its window is as long as it has watched, or there is none, and the comparison says so.

use super::app::AppRunner;
use crate::book::Release;
use crate::counters::{Gateways, Sides, hold_against};
use crate::journal::Event;
use crate::machine::{Stage, State, Traffic};
use crate::plan::Plan;
use crate::report::{Account, Baseline};
use model::colour::Colour;
use model::policy::{Limits, MAX_HISTORICAL_MS};
use model::record::Lane;
use std::collections::VecDeque;
use std::sync::Arc;
use telemetry::counts::Counts;

/// Between two looks, milliseconds.
const LOOK_MS: i64 = 5_000;
/// A shorter window is none: the look was made by a successor, when all of the traffic had moved already.
const LEAST_MS: u64 = 100;
/// Most looks: five minutes of them ([`model::policy::MAX_HISTORICAL_MS`]), and both ends.
const MAX_LOOKS: usize = 62;

/// What both colours had counted at each look.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The release that brought the live version. After another one a colour is another version's.
    live: Option<String>,
    /// Whose counters are added up. Those of one that goes or comes would be taken for what happened meanwhile.
    instances: Vec<String>,
    looks: VecDeque<(i64, [Counts; 2])>,
}

impl Past {
    fn look(
        &mut self,
        live: Option<&str>,
        instances: Vec<String>,
        at_ms: i64,
        counts: impl FnOnce() -> [Counts; 2],
    ) {
        let last_ms = self.looks.back().map(|(then_ms, _)| *then_ms);
        let is_same = self.live.as_deref() == live && self.instances == instances;
        if !is_same || last_ms.is_some_and(|then_ms| then_ms > at_ms) {
            *self = Past { live: live.map(str::to_owned), instances, looks: VecDeque::new() };
        }
        if self.looks.back().is_none_or(|(then_ms, _)| at_ms.saturating_sub(*then_ms) >= LOOK_MS) {
            self.looks.push_back((at_ms, counts()));
        }
        if self.looks.len() > MAX_LOOKS {
            self.looks.pop_front();
        }
    }

    /// What a colour has counted in at most the last `most_ms`; `counts`: what it has counted in all.
    fn window(&self, colour: Colour, now_ms: i64, most_ms: u64, counts: &Counts) -> Baseline {
        let age_ms = |at_ms: i64| u64::try_from(now_ms.saturating_sub(at_ms)).ok();
        let within = |(at_ms, then): &(i64, [Counts; 2])| {
            let ms = age_ms(*at_ms).filter(|ms| (LEAST_MS..=most_ms).contains(ms))?;
            let (_, then) = Colour::BOTH.iter().zip(then).find(|(one, _)| **one == colour)?;
            Some(Baseline { ms, counts: counts.minus(then) })
        };
        self.looks.iter().find_map(within).unwrap_or_default()
    }
}

impl AppRunner {
    /// Looks at what both colours have counted, if it is time to.
    pub(super) fn look_back(&mut self, releases: &[Arc<Release>], gateways: &Gateways, now_ms: i64) {
        if !gateways.count_all() {
            return;
        }
        let brought = releases.iter().rev().find(|release| release.folded.promoted_environment().is_some());
        let of = |colour: Colour| gateways.of_colour(&self.app, colour, 0, Some(Lane::Share));
        let live = brought.map(|release| release.folded.release.as_str());
        self.past.look(live, gateways.instances(), now_ms, || Colour::BOTH.map(of));
    }

    /// What a person should know of limits that the live version breaks itself, by what it did in the last minutes.
    pub(super) fn already_broken(&self, plan: &Plan, gateways: &Gateways, now_ms: i64) -> Option<String> {
        let limits = plan.limits.as_ref().filter(|_| plan.rehearsal.is_none() && gateways.count_all())?;
        let lead = Plan::lead(plan)?;
        let live = lead.old.as_ref()?.colour;
        let counts = gateways.of_colour(&lead.app, live, 0, Some(Lane::Share));
        breaks(limits, &self.past.window(live, now_ms, MAX_HISTORICAL_MS, &counts))
    }

    /// The old version's last window, when all of the traffic has just moved and something will be compared with it.
    pub(super) fn last_window(
        &self,
        release: &Release,
        state: &State,
        gateways: &Gateways,
        now_ms: i64,
    ) -> Option<Event> {
        let plan = release.folded.plan.as_ref().filter(|plan| plan.soak.hold_back == 0)?;
        let judge = plan.judge.filter(|judge| !judge.by_users && release.folded.baseline.is_none())?;
        let has_moved = state.phase.has_traffic() && !matches!(state.stage, Stage::Spread { .. });
        let written = state.written.filter(|written| has_moved && written.share == 100)?;
        let lead = Plan::lead(plan)?;
        let old = lead.old.as_ref()?.colour;
        if !gateways.count_all() {
            return None;
        }
        let since = |revision| gateways.of_colour(&lead.app, old, revision, Some(Lane::Share));
        let (after, most_ms) = (since(written.revision), judge.historical.window_ms);
        let watched = self.past.window(old, now_ms, most_ms, &since(0).minus(&after));
        let account = release.folded.account.as_ref().filter(|account| account.since == state.first_revision);
        let journaled = account.zip(state.first_revision).and_then(|(account, first)| {
            let counts = since(first).minus(&after);
            since_account(account, &gateways.instances(), old, (now_ms, most_ms), &counts)
        });
        let longest = [watched].into_iter().chain(journaled).max_by_key(|window| window.ms)?;
        Some(Event::Baseline { baseline: Box::new(longest) })
    }
}

/// What a colour has counted from the last account in the journal on, if that is at most so long ago and of the same
/// gateways; `counts`: since the release's first change.
fn since_account(
    account: &Account,
    instances: &[String],
    colour: Colour,
    (now_ms, most_ms): (i64, u64),
    counts: &Counts,
) -> Option<Baseline> {
    let ms = u64::try_from(now_ms.saturating_sub(account.at_ms)).ok()?;
    let is_it = (LEAST_MS..=most_ms).contains(&ms) && account.gateways == instances;
    is_it.then(|| Baseline { ms, counts: counts.minus(&account.of_users(colour)) })
}

/// Whether what the live version shows is more than a limit allows, in words.
fn breaks(limits: &Limits, shown: &Baseline) -> Option<String> {
    let new = shown.counts.clone();
    let Traffic::Bad { evidence } = hold_against(&Sides { new, ..Sides::default() }, limits, &[]).traffic
    else {
        return None;
    };
    let (evidence, seconds) = (evidence.join("; "), shown.ms as f64 / 1_000.0);
    Some(format!(
        "the live version itself breaks the limits: {evidence}, in the last {seconds:.0} s; they are absolute, so a new version \
         that does no better is taken back"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Row;
    use model::record::Answerer;

    #[test]
    fn limits_that_the_live_version_breaks_itself_are_told() {
        let limits = Limits { max_error_rate: Some(0.01), max_p99_ms: None, min_requests: 20 };
        let of = |good, bad| {
            let whole = [0, good, 0, 0, bad];
            Baseline { ms: 296_000, counts: Counts { received: good + bad, whole, ..Counts::default() } }
        };
        let words = breaks(&limits, &of(959, 41)).unwrap();
        let expected = "the live version itself breaks the limits: 41 of 1000 requests failed (4.1 %), limit 1 %, in the last \
                        296 s; they are absolute, so a new version that does no better is taken back";
        assert_eq!(words, expected);
        assert_eq!(
            [of(990, 10), of(3, 4), Baseline::default()].map(|shown| breaks(&limits, &shown)),
            [None, None, None]
        );
    }

    fn counts(good: u64) -> Counts {
        Counts { received: good, whole: [0, good, 0, 0, 0], ..Counts::default() }
    }

    fn gateways() -> Vec<String> {
        vec!["gw-1".to_owned(), "gw-2".to_owned()]
    }

    /// Blue has answered 10 requests a second since the first of these looks, one each second.
    fn watched(seconds: std::ops::RangeInclusive<i64>) -> Past {
        let mut past = Past::default();
        for second in seconds {
            let blue = counts(u64::try_from(second).unwrap() * 10);
            past.look(Some("shop-1"), gateways(), second * 1_000, || [blue, counts(7)]);
        }
        past
    }

    #[test]
    fn the_window_is_as_long_as_was_asked_and_no_longer_than_was_watched() {
        let past = watched(0..=1_000);
        let of = |past: &Past, most_ms| {
            let window = past.window(Colour::Blue, 1_001_000, most_ms, &counts(10_010));
            (window.ms, window.counts.requests())
        };
        assert_eq!(of(&past, 300_000), (296_000, 2_960), "to the look that lies within");
        assert_eq!(of(&past, 10_000), (6_000, 60));
        assert_eq!(of(&watched(998..=1_000), 300_000), (3_000, 30), "it has just begun to watch");
        assert!(past.looks.len() <= MAX_LOOKS);
    }

    #[test]
    fn where_nobody_has_watched_there_is_no_window() {
        for past in [Past::default(), watched(0..=100)] {
            let window = past.window(Colour::Blue, 1_001_000, 300_000, &counts(10_010));
            assert_eq!((window.ms, window.counts.requests()), (0, 0));
            assert!(window.words().contains("is not known"), "{}", window.words());
        }
    }

    #[test]
    fn what_another_version_did_under_the_same_colour_does_not_count() {
        let mut past = watched(0..=100);
        past.look(Some("shop-2"), gateways(), 101_000, || [counts(5_000), counts(7)]);
        assert_eq!(past.window(Colour::Blue, 102_000, 300_000, &counts(5_030)).counts.requests(), 30);
    }

    #[test]
    fn a_gateway_that_goes_or_comes_back_does_not_take_its_counts_with_it() {
        for (instances, then) in
            [(&gateways()[..1], 400), (&[gateways(), vec!["gw-3".to_owned()]].concat(), 9_000)]
        {
            let mut past = watched(0..=100);
            past.look(Some("shop-1"), instances.to_vec(), 101_000, || [counts(then), counts(7)]);
            let window = past.window(Colour::Blue, 103_000, 300_000, &counts(then + 20));
            assert_eq!((window.ms, window.counts.requests()), (2_000, 20));
        }
    }

    #[test]
    fn one_that_takes_over_in_a_step_knows_what_was_since_it_began() {
        let row = |answerer, lane, requests| Row { epoch: 7, answerer, lane, counts: counts(requests) };
        let rows = vec![
            row(Answerer::Blue, Lane::Share, 40),
            row(Answerer::Blue, Lane::Matched, 9),
            row(Answerer::Green, Lane::Share, 5),
        ];
        let account =
            Account { at_ms: 10_000, since: Some(7), gateways: gateways(), rows, ..Account::default() };
        let of = |instances: &[String], now_ms| {
            let window = since_account(&account, instances, Colour::Blue, (now_ms, 300_000), &counts(1_240));
            window.map(|window| (window.ms, window.counts.requests()))
        };
        assert_eq!(of(&gateways(), 40_000), Some((30_000, 1_200)));
        assert_eq!(of(&gateways()[..1], 40_000), None, "what one of them had counted is not known");
        assert_eq!([of(&gateways(), 310_001), of(&gateways(), 10_050), of(&gateways(), 9_000)], [None; 3]);
    }

    #[test]
    fn a_look_of_a_moment_ago_is_no_window() {
        let window = watched(1_000..=1_000).window(Colour::Blue, 1_000_003, 300_000, &counts(10_000));
        assert_eq!((window.ms, window.counts.requests()), (0, 0));
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let mut past = watched(0..=100);
        past.look(Some("shop-1"), gateways(), 50_000, || [counts(1_000), counts(7)]);
        assert_eq!(past.window(Colour::Blue, 51_000, 300_000, &counts(1_010)).ms, 1_000);
    }
}
