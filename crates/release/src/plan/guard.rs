//! The guard with which each share of a release is written: what the gateways take it back for by themselves.

use super::budget::{Parts, one_in};
use judge::budget::Unit;
use judge::metric::Metric;
use model::policy::{Limits, OnMissing, ReleasePolicy};
use model::traffic_split::GuardRule;
use serde::{Deserialize, Serialize};

/// A guard as it was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedGuard {
    /// The rule while both colours have a share.
    pub rule: GuardRule,
    /// What happens without a controller when the new version has all of the traffic but for what is held back.
    pub in_soak: OnMissing,
}

impl PlannedGuard {
    /// The rule at a share of the new version, percent; `None`: it has none. `soak`: its share in the soak.
    #[must_use]
    pub fn at(&self, share: u8, soak: u8) -> Option<GuardRule> {
        let rule = self.rule.clone();
        match share {
            0 => None,
            _ if share < soak => Some(rule),
            _ => Some(GuardRule { controller_missing: self.in_soak, ..rule }),
        }
    }
}

/// Plans the guard of a release to `new`, an upstream. The moment of the plan tells it from every other one, also from
/// one of the same name in a store that was lost.
pub(super) fn planned(
    policy: &ReleasePolicy,
    parts: &Parts,
    release: &str,
    now_ms: i64,
    new: String,
    takes_back: bool,
) -> Option<PlannedGuard> {
    let guard = policy.guard.as_ref()?;
    let Limits { max_error_rate, min_requests, .. } = policy.limits;
    let missing = &guard.controller_missing;
    // A person has fled from the other version: only what is measured leads back to it.
    let without = |policy: OnMissing| if takes_back { OnMissing::Stay } else { policy };
    // Where users keep their colour a request is no unit of assignment: one user who always fails would be taken for many.
    let by_users = policy.sticky.is_some();
    let unit = if by_users { Unit::User } else { Unit::Request };
    // Only requests are told apart by when they began.
    let unended = guard.hang.filter(|_| !by_users).map(|hang| Metric::Unended { after_ms: hang.after_ms });
    let checks = policy.checks.iter().flat_map(|check| {
        let check = || check.name.clone();
        [Metric::Business { check: check() }, Metric::Unexamined { check: check() }]
    });
    let metrics: Vec<Metric> = std::iter::once(Metric::Failures).chain(unended).chain(checks).collect();
    let terms = parts.of_gateway(guard.tolerance, &metrics, unit).unwrap_or_default();
    let rate = |is_it: fn(&Metric) -> bool| {
        let charge = terms.charges.iter().find(|charge| is_it(&charge.metric))?;
        Some(one_in(charge.bound.alpha()).max(2))
    };
    Some(PlannedGuard {
        rule: GuardRule {
            id: format!("{}-{now_ms}", release.trim_start_matches('.')),
            new,
            max_error_ppm: max_error_rate.map(|rate| ppm(rate).min(1_000_000)),
            min_requests,
            break_ppm: ppm(guard.break_rate).clamp(1, 1_000_000),
            hang: guard.hang,
            false_alarm_one_in: rate(|metric| matches!(metric, Metric::Failures)),
            by_users,
            checks: policy.checks.iter().map(|check| check.name.clone()).collect(),
            check_false_alarm_one_in: rate(|metric| matches!(metric, Metric::Business { .. })),
            unexamined_false_alarm_one_in: rate(|metric| matches!(metric, Metric::Unexamined { .. })),
            unended_false_alarm_one_in: rate(|metric| matches!(metric, Metric::Unended { .. })),
            tolerance_percent: u32::try_from(whole(guard.tolerance * 100.0))
                .unwrap_or(u32::MAX)
                .clamp(100, 100_000),
            controller_missing: without(missing.shift),
            missing_after_ms: missing.after_ms,
            planned_restart_ms: missing.planned_restart_ms,
        },
        in_soak: without(missing.soak),
    })
}

fn ppm(rate: f64) -> u32 {
    u32::try_from(whole(rate * 1e6)).unwrap_or(u32::MAX)
}

/// The nearest whole number; what is none or below it is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from f64 saturates")]
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::policy::{Guard, Sticky, StickyBy};

    fn plan(policy: &ReleasePolicy) -> Option<PlannedGuard> {
        planned(policy, &Parts::of(policy, 1), "shop-7", 1_234, "shop-green".to_owned(), false)
    }

    #[test]
    fn the_default_policy_arms_every_share_and_leaves_the_soak_to_itself_without_a_controller() {
        let guard = plan(&ReleasePolicy::default()).unwrap();
        assert_eq!(guard.at(0, 100), None);
        let rule = guard.at(10, 100).unwrap();
        assert_eq!(
            (rule.id.as_str(), rule.max_error_ppm, rule.break_ppm),
            ("shop-7-1234", Some(50_000), 250_000)
        );
        assert_eq!((rule.false_alarm_one_in, rule.tolerance_percent), (Some(2_500), 120));
        assert_eq!(
            (rule.unended_false_alarm_one_in, rule.unexamined_false_alarm_one_in),
            (Some(10_000), None)
        );
        assert_eq!(rule.controller_missing, OnMissing::Revert);
        assert_eq!(guard.at(100, 100).unwrap().controller_missing, OnMissing::Stay);
        let held_back = [94, 95, 100].map(|share| guard.at(share, 95).unwrap().controller_missing);
        assert_eq!(held_back, [OnMissing::Revert, OnMissing::Stay, OnMissing::Stay]);
    }

    #[test]
    fn users_who_keep_their_colour_are_compared_themselves_and_null_switches_it_off() {
        let sticky = Some(Sticky { by: StickyBy::Address, name: String::new(), lifetime_ms: 1_000 });
        let guard = plan(&ReleasePolicy { sticky, ..ReleasePolicy::default() }).unwrap();
        assert_eq!((guard.rule.false_alarm_one_in, guard.rule.by_users), (Some(2_000), true));
        assert_eq!(
            guard.rule.unended_false_alarm_one_in, None,
            "only requests are told apart by when they began"
        );
        assert!(!plan(&ReleasePolicy::default()).unwrap().rule.by_users);
        assert_eq!(plan(&ReleasePolicy { guard: None, ..ReleasePolicy::default() }), None);
    }

    #[test]
    fn whatever_a_policy_says_the_rule_can_be_armed() {
        for (alpha, tolerance, break_rate) in
            [(0.0, 0.0, 0.0), (f64::NAN, f64::INFINITY, -1.0), (1.0, 1e9, 2.0)]
        {
            let guard = Some(Guard { tolerance, break_rate, ..Guard::default() });
            let rule = plan(&ReleasePolicy { alpha, guard, ..ReleasePolicy::default() }).unwrap().rule;
            let extension = model::traffic_split::Extension { guard: Some(rule), ..Default::default() };
            let written = serde_json::json!({"tealgate": extension.to_value()});
            assert_eq!(model::traffic_split::Extension::of(&written), Ok(extension));
        }
    }
}
