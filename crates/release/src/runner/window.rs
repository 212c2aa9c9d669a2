//! The last seconds of the new version's user traffic.
//!
//! Counts since the last change of the share are exact, but a version that was good for an hour could fail for minutes
//! before its rate since then shows it. So the last interval of the soak is judged as well, when enough requests came
//! in it to say anything; it can only find fault, or that a check can examine next to nothing any more. The samples are not journaled: a successor begins with a new window.

use super::app::AppRunner;
use crate::book::Release;
use crate::counters::{Asked, Gateways, Own, Sides, hold_against};
use crate::machine::{State, Traffic};
use crate::plan::Plan;
use model::policy::{AnswerCheck, Limits};
use model::resource::Revision;
use std::collections::VecDeque;
use telemetry::counts::Counts;

/// Between two samples, milliseconds.
const SAMPLE_MS: i64 = 1_000;
/// Most samples, and so the longest window in seconds.
const MAX_SAMPLES: usize = 60;

/// Samples of the counts since one change of the share, of the new version and the old one.
#[derive(Debug, Default)]
pub(super) struct Window {
    since: Revision,
    samples: VecDeque<(i64, [Counts; 2])>,
    own: Own,
}

impl Window {
    /// Adds what is counted now and judges what came in the last `length_ms`. `None`: no fault is found.
    fn judge(
        &mut self,
        since: Revision,
        sides: Sides,
        now_ms: i64,
        length_ms: i64,
        limits: &Limits,
        checks: &[AnswerCheck],
    ) -> Option<Traffic> {
        if self.since != since || self.samples.back().is_some_and(|(at_ms, _)| *at_ms > now_ms) {
            self.own.begin_anew();
            (self.since, self.samples) = (since, VecDeque::new());
        }
        if self.samples.back().is_none_or(|(at_ms, _)| now_ms - at_ms >= SAMPLE_MS) {
            self.samples.push_back((now_ms, [sides.new.clone(), sides.old.clone()]));
        }
        while self.samples.len() > MAX_SAMPLES
            || self.samples.get(1).is_some_and(|(at_ms, _)| now_ms - at_ms >= length_ms)
        {
            self.samples.pop_front();
        }
        let (began_at_ms, [front, old]) = self.samples.front()?;
        let unknown = self.own.look(front, &sides.new, limits, checks);
        let (new, old) = (sides.new.minus(front), sides.old.minus(old));
        match hold_against(&Sides { new, old, usual: sides.usual }, limits, checks).traffic {
            Traffic::Bad { evidence } => {
                let seconds = (now_ms - began_at_ms).max(0) / 1_000;
                let evidence = evidence.into_iter().map(|one| format!("{one}, in the last {seconds} s"));
                Some(Traffic::Bad { evidence: evidence.collect() })
            }
            _ if !unknown.is_empty() => Some(Traffic::Unknown { reason: unknown.join("; ") }),
            Traffic::Good | Traffic::Unknown { .. } => None,
        }
    }
}

/// What the counts since the last change of the share say, with what the last interval adds: only what is worse.
pub(super) fn with_recent(traffic: Traffic, recent: Option<Traffic>) -> Traffic {
    match (&traffic, recent) {
        (Traffic::Bad { .. }, _) | (Traffic::Unknown { .. }, Some(Traffic::Unknown { .. })) => traffic,
        (_, recent) => recent.unwrap_or(traffic),
    }
}

/// Where users keep their version, so many different ones must have failed before a limit of failures speaks; as the
/// gateways' guards have it.
const FAILING_USERS: u64 = 3;

impl AppRunner {
    /// What follows from limits that failures have broken, where users keep their version: one busy user for whom
    /// everything fails says nothing about the version.
    pub(super) fn spread_over_users(
        &self,
        plan: &Plan,
        state: &State,
        gateways: &Gateways,
        traffic: Traffic,
    ) -> Traffic {
        let Traffic::Bad { evidence } = &traffic else { return traffic };
        let guard = plan.guard.as_ref().filter(|guard| guard.rule.by_users);
        let failing = guard.and_then(|guard| gateways.failing_users(&guard.rule.id));
        let failing = failing.filter(|users| *users < FAILING_USERS);
        let (Some(failing), Some(asked)) = (failing, asked(plan, state)) else { return traffic };
        let times = Limits { max_error_rate: None, ..asked.limits.clone() };
        match hold_against(&gateways.sides(&asked), &times, &[]).traffic {
            Traffic::Bad { evidence } => Traffic::Bad { evidence },
            _ => Traffic::Unknown {
                reason: format!("{}; but only {failing} of the users have failed", evidence.join("; ")),
            },
        }
    }

    /// Judges the last interval; `None`: nothing to say beyond the counts since the last change of the share.
    pub(super) fn judge_recent(
        &mut self,
        release: &Release,
        state: &State,
        gateways: &Gateways,
        now_ms: i64,
    ) -> Option<Traffic> {
        let plan = release.folded.plan.as_ref()?;
        let asked = asked(plan, state)?;
        let sides = gateways.sides(&asked);
        let length_ms = i64::try_from(plan.soak.interval_ms).unwrap_or(i64::MAX).max(SAMPLE_MS);
        let window = self.windows.entry(release.folded.release.clone()).or_default();
        window.judge(asked.since, sides, now_ms, length_ms, asked.limits, asked.checks)
    }
}

/// What is asked of the new version while it has users; `None`: nothing.
pub(super) fn asked<'a>(plan: &'a Plan, state: &State) -> Option<Asked<'a>> {
    let (lead, limits) = (Plan::lead(plan)?, plan.limits.as_ref()?);
    let written = state.written.filter(|written| state.phase.has_traffic() && written.share > 0)?;
    Some(Asked {
        app: &lead.app,
        new: lead.new.colour,
        old: lead.old.as_ref().map(|old| old.colour),
        first: state.first_revision.unwrap_or(written.revision),
        since: written.revision,
        limits,
        checks: &plan.checks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the new version has counted.
    fn counts(good: u64, bad: u64) -> Sides {
        let whole = [0, good, 0, 0, bad];
        Sides { new: Counts { received: good + bad, whole, ..Counts::default() }, ..Sides::default() }
    }

    fn limits() -> Limits {
        Limits { max_error_rate: Some(0.05), max_p99_ms: None, min_requests: 20 }
    }

    #[test]
    fn a_late_burst_of_errors_is_found_although_the_whole_rate_is_low() {
        let mut window = Window::default();
        let limits = limits();
        for second in 0..60 {
            let counts = counts(100 * (second + 1), 0);
            let now_ms = i64::try_from(second).unwrap() * 1_000;
            assert_eq!(window.judge(7, counts, now_ms, 10_000, &limits, &[]), None);
        }
        let burst = counts(6_000, 150);
        assert_eq!(hold_against(&burst, &limits, &[]).traffic, Traffic::Good, "2.4 % over all");
        let Some(Traffic::Bad { evidence }) = window.judge(7, burst.clone(), 60_000, 10_000, &limits, &[])
        else {
            panic!("it is found")
        };
        assert!(evidence[0].ends_with("in the last 10 s"), "{evidence:?}");
    }

    #[test]
    fn a_change_of_the_share_begins_a_new_window() {
        let mut window = Window::default();
        window.judge(7, counts(100, 0), 0, 10_000, &limits(), &[]);
        assert_eq!(window.judge(8, counts(0, 50), 1_000, 10_000, &limits(), &[]), None, "the first sample");
        assert!(window.judge(8, counts(0, 100), 2_000, 10_000, &limits(), &[]).is_some());
    }

    #[test]
    fn too_few_requests_in_the_window_say_nothing() {
        let mut window = Window::default();
        window.judge(7, counts(100, 0), 0, 10_000, &limits(), &[]);
        assert_eq!(window.judge(7, counts(105, 2), 1_000, 10_000, &limits(), &[]), None);
    }

    #[test]
    fn a_check_that_examined_enough_and_then_nothing_more_is_not_known_in_the_last_interval() {
        let check = serde_json::json!({"name": "total", "header": "x-ok", "fails_if": "missing"});
        let checks = [serde_json::from_value(check).unwrap()];
        let seen = |examined: u64, unexamined: u64| {
            let mut sides = counts(examined + unexamined, 0);
            sides.new.checks[0].passed = examined;
            sides.new.checks[0].unexamined = unexamined;
            sides
        };
        let mut window = Window::default();
        assert_eq!(window.judge(7, seen(300, 0), 0, 2_000, &limits(), &checks), None);
        assert_eq!(window.judge(7, seen(450, 0), 2_000, 2_000, &limits(), &checks), None);
        let late = seen(450, 160);
        assert_eq!(hold_against(&late, &limits(), &checks).traffic, Traffic::Good, "over all");
        let recent = window.judge(7, late, 4_000, 2_000, &limits(), &checks);
        let Traffic::Unknown { reason } = with_recent(Traffic::Good, recent.clone()) else {
            panic!("it is not known")
        };
        assert!(reason.starts_with("check total: 0 of 160 answers could be examined"), "{reason}");
        let first = Traffic::Unknown { reason: "too few".to_owned() };
        assert_eq!(with_recent(first.clone(), recent.clone()), first);
        let bad = Traffic::Bad { evidence: vec!["errors".to_owned()] };
        assert_eq!(with_recent(bad.clone(), recent), bad);
        assert_eq!(with_recent(first, Some(bad.clone())), bad);
        assert_eq!(with_recent(Traffic::Good, None), Traffic::Good);
    }

    #[test]
    fn the_samples_are_bounded() {
        let mut window = Window::default();
        for second in 0..1_000 {
            window.judge(7, counts(1, 0), second * 1_000, i64::MAX, &limits(), &[]);
        }
        assert!(window.samples.len() <= MAX_SAMPLES);
    }
}
