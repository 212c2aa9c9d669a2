//! Whether a controller is there, by what was last known of its lease. Pure.
//!
//! Time is counted on a clock that nobody can set. Who cannot read the store learns nothing new, and so the lease that
//! was known last ends: a store that is locked is no sign of a living controller.

use model::policy::OnMissing;
use model::traffic_split::GuardRule;
use std::time::{Duration, Instant};

/// What is known of the controller's lease.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lease {
    /// The controller was heard of then, and its lease ends then, unless it is renewed.
    Held {
        /// Its last sign of life.
        heard: Instant,
        /// The end of its lease.
        until: Instant,
    },
    /// The controller gave it back at this moment, as one does that will be started again. So it is taken to be when
    /// the gateway starts: both may have been started together.
    GivenBack(Instant),
}

impl Lease {
    /// Whether a guard goes back for want of a controller: since when there is none, in words.
    pub(super) fn missing(self, rule: &GuardRule, now: Instant) -> Option<String> {
        let (since, wait_ms) = match self {
            Lease::Held { until, .. } => (until, rule.missing_after_ms),
            Lease::GivenBack(since) => (since, rule.planned_restart_ms),
        };
        let missing = now.saturating_duration_since(since);
        let reverts = rule.controller_missing == OnMissing::Revert;
        (reverts && missing > Duration::from_millis(wait_ms)).then(|| self.words(missing, wait_ms, now))
    }

    /// What passed before the end of the lease is told apart from what passed after it: the policy limits the latter.
    fn words(self, missing: Duration, wait_ms: u64, now: Instant) -> String {
        let since_end = missing.as_millis();
        match self {
            Lease::Held { heard, until } => {
                let unheard = now.saturating_duration_since(heard).as_millis();
                let lease = until.saturating_duration_since(heard).as_millis();
                format!(
                    "no controller for {unheard} ms: its lease held for {lease} ms of them, and has been over for {since_end} ms (limit {wait_ms} ms)"
                )
            }
            Lease::GivenBack(_) => {
                format!("no controller for {since_end} ms: it gave its lease back (limit {wait_ms} ms)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::rule;

    #[test]
    fn a_lease_that_is_over_and_one_that_was_given_back_are_waited_for_as_the_rule_says() {
        let start = crate::clock::now();
        let after = |ms: u64| start + Duration::from_millis(ms);
        let rule = GuardRule { missing_after_ms: 100, planned_restart_ms: 1_000, ..rule() };
        let held = Lease::Held { heard: start, until: after(50) };
        assert_eq!(held.missing(&rule, after(150)), None);
        let words = "no controller for 151 ms: its lease held for 50 ms of them, and has been over for 101 ms (limit 100 ms)";
        assert_eq!(held.missing(&rule, after(151)).as_deref(), Some(words));
        let given_back = Lease::GivenBack(start);
        assert_eq!(given_back.missing(&rule, after(1_000)), None);
        let words = "no controller for 1001 ms: it gave its lease back (limit 1000 ms)";
        assert_eq!(given_back.missing(&rule, after(1_001)).as_deref(), Some(words));
        let stays = GuardRule { controller_missing: OnMissing::Stay, ..rule };
        assert_eq!(held.missing(&stays, after(100_000)), None);
    }
}
