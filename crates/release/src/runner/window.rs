//! The last seconds of the new version's user traffic.
//!
//! Counts since the last change of the share are exact, but a version that was good for an hour could fail for minutes
//! before its rate since then shows it. So the last interval of the soak is judged as well, when enough requests came
//! in it to say anything; it can only find fault. The samples are not journaled: a successor begins with a new window.

use super::app::AppRunner;
use crate::book::Release;
use crate::counters::{Gateways, judge_counts};
use crate::machine::{State, Traffic};
use crate::plan::Plan;
use model::policy::{AnswerCheck, Limits};
use model::record::Lane;
use model::resource::Revision;
use std::collections::VecDeque;
use telemetry::counts::Counts;

/// Between two samples, milliseconds.
const SAMPLE_MS: i64 = 1_000;
/// Most samples, and so the longest window in seconds.
const MAX_SAMPLES: usize = 60;

/// Samples of the counts since one change of the share.
#[derive(Debug, Default)]
pub(super) struct Window {
    since: Revision,
    samples: VecDeque<(i64, Counts)>,
}

impl Window {
    /// Adds what is counted now and judges what came in the last `length_ms`. `None`: no fault is found.
    fn judge(
        &mut self,
        since: Revision,
        counts: &Counts,
        now_ms: i64,
        length_ms: i64,
        limits: &Limits,
        checks: &[AnswerCheck],
    ) -> Option<Traffic> {
        if self.since != since || self.samples.back().is_some_and(|(at_ms, _)| *at_ms > now_ms) {
            *self = Window { since, samples: VecDeque::new() };
        }
        if self.samples.back().is_none_or(|(at_ms, _)| now_ms - at_ms >= SAMPLE_MS) {
            self.samples.push_back((now_ms, counts.clone()));
        }
        while self.samples.len() > MAX_SAMPLES
            || self.samples.get(1).is_some_and(|(at_ms, _)| now_ms - at_ms >= length_ms)
        {
            self.samples.pop_front();
        }
        let (began_at_ms, baseline) = self.samples.front()?;
        match judge_counts(&counts.minus(baseline), limits, checks) {
            Traffic::Bad { evidence } => {
                let seconds = (now_ms - began_at_ms).max(0) / 1_000;
                let evidence = evidence.into_iter().map(|one| format!("{one}, in the last {seconds} s"));
                Some(Traffic::Bad { evidence: evidence.collect() })
            }
            Traffic::Good | Traffic::Unknown { .. } => None,
        }
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
        let (Some(failing), Some(limits), Some(lead)) =
            (failing.filter(|users| *users < FAILING_USERS), &plan.limits, Plan::lead(plan))
        else {
            return traffic;
        };
        let Some(written) = state.written else { return traffic };
        let counts = gateways.of_colour(&lead.app, lead.new.colour, written.revision, Some(Lane::Share));
        let times = Limits { max_error_rate: None, ..limits.clone() };
        match judge_counts(&counts, &times, &[]) {
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
        let lead = Plan::lead(plan)?;
        let limits = plan.limits.as_ref()?;
        let written = state.written.filter(|written| state.phase.has_traffic() && written.share > 0)?;
        let counts = gateways.of_colour(&lead.app, lead.new.colour, written.revision, Some(Lane::Share));
        let length_ms = i64::try_from(plan.soak.interval_ms).unwrap_or(i64::MAX).max(SAMPLE_MS);
        let window = self.windows.entry(release.folded.release.clone()).or_default();
        window.judge(written.revision, &counts, now_ms, length_ms, limits, &plan.checks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(good: u64, bad: u64) -> Counts {
        let mut counts = Counts { received: good + bad, ..Counts::default() };
        counts.whole = [0, good, 0, 0, bad];
        counts
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
            assert_eq!(window.judge(7, &counts, now_ms, 10_000, &limits, &[]), None);
        }
        let burst = counts(6_000, 150);
        assert_eq!(judge_counts(&burst, &limits, &[]), Traffic::Good, "2.4 % over all");
        let Some(Traffic::Bad { evidence }) = window.judge(7, &burst, 60_000, 10_000, &limits, &[]) else {
            panic!("it is found")
        };
        assert!(evidence[0].ends_with("in the last 10 s"), "{evidence:?}");
    }

    #[test]
    fn a_change_of_the_share_begins_a_new_window() {
        let mut window = Window::default();
        window.judge(7, &counts(100, 0), 0, 10_000, &limits(), &[]);
        assert_eq!(window.judge(8, &counts(0, 50), 1_000, 10_000, &limits(), &[]), None, "the first sample");
        assert!(window.judge(8, &counts(0, 100), 2_000, 10_000, &limits(), &[]).is_some());
    }

    #[test]
    fn too_few_requests_in_the_window_say_nothing() {
        let mut window = Window::default();
        window.judge(7, &counts(100, 0), 0, 10_000, &limits(), &[]);
        assert_eq!(window.judge(7, &counts(105, 2), 1_000, 10_000, &limits(), &[]), None);
    }

    #[test]
    fn the_samples_are_bounded() {
        let mut window = Window::default();
        for second in 0..1_000 {
            window.judge(7, &counts(1, 0), second * 1_000, i64::MAX, &limits(), &[]);
        }
        assert!(window.samples.len() <= MAX_SAMPLES);
    }
}
