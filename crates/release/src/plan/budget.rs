//! The one budget of false alarms of a release, and who may spend how much of it.
//!
//! Two look at the same failures while both versions have a share: every gateway's guard at its own counters, at once, and
//! the judge of the release at the sum. Each may be wrong by itself, so each gets a part, and the parts add up to the
//! budget. A gateway that is started anew begins to look anew, and one that comes later is one more: so there is room for
//! twice as many gateways as live when the plan is made. A part that is half as large costs less than one failed request
//! more (docs/judge.md).

use judge::budget::{Budget, Terms, Unit};
use judge::metric::Metric;
use model::policy::ReleasePolicy;

/// Looks of gateways that there is room for, for each gateway that lives when the plan is made.
const ROOM: u32 = 2;

/// The parts of one release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parts {
    /// Of all guards together; `None`: they compare nothing.
    pub(super) guard: Option<f64>,
    /// Of the release's own comparison; `None`: there is none.
    pub(super) judge: Option<f64>,
    /// Looks of gateways among which the guards' part is split.
    pub(super) gateways: u32,
}

impl Parts {
    /// Splits a policy's budget: who looks alone has all of it.
    pub(super) fn of(policy: &ReleasePolicy, gateways: u32) -> Parts {
        // Where users keep their version, only a gateway sees them, and its guard is what compares them.
        let by_judge = policy.judge.is_some() && policy.sticky.is_none();
        let by_guard = policy.guard.is_some();
        let part = if by_guard && by_judge { policy.alpha / 2.0 } else { policy.alpha };
        Parts {
            guard: by_guard.then_some(part),
            judge: by_judge.then_some(part),
            gateways: gateways.max(1).saturating_mul(ROOM),
        }
    }

    /// What the guard of one gateway compares, and how sure each answer must be. `None`: nothing, or the policy's numbers
    /// are none.
    pub(super) fn of_gateway(&self, tolerance: f64, metrics: &[Metric], unit: Unit) -> Option<Terms> {
        let budget = Budget { alpha: self.guard?, tolerance, gateways: self.gateways, shares: false };
        budget.terms(metrics, unit).ok()
    }

    /// What a person should know of it, where the release compares anything itself.
    pub(super) fn note(&self, alpha: f64) -> Option<String> {
        let (whole, gateways) = (one_in(alpha), self.gateways);
        let parts = match (self.guard, self.judge) {
            (Some(_), Some(_)) => {
                format!(": half of that by the guards of up to {gateways} gateways, half by the judge")
            }
            (Some(_), None) => format!(", by the guards of up to {gateways} gateways"),
            (None, Some(_)) => String::new(),
            (None, None) => return None,
        };
        Some(format!("a version that is no worse is blamed at most once in {whole} releases{parts}"))
    }
}

/// One in how many that is.
pub(super) fn one_in(alpha: f64) -> u64 {
    super::guard::whole((1.0 / alpha).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::policy::Judge;

    #[test]
    fn all_looks_of_a_release_together_cost_no_more_than_its_budget() {
        let policy = ReleasePolicy { judge: Some(Judge::default()), ..ReleasePolicy::default() };
        for gateways in [0, 1, 3, 50] {
            let parts = Parts::of(&policy, gateways);
            let terms = parts.of_gateway(1.2, &[Metric::Failures], Unit::Request).unwrap();
            let of_one: f64 = terms.charges.iter().map(|charge| charge.bound.alpha()).sum();
            let all = of_one * f64::from(gateways.max(1) * ROOM) + parts.judge.unwrap();
            assert!((all - policy.alpha).abs() < 1e-15, "{gateways}: {all}");
        }
    }

    #[test]
    fn who_looks_alone_has_all_of_it() {
        let alone = Parts::of(&ReleasePolicy::default(), 1);
        assert_eq!((alone.guard, alone.judge), (Some(0.001), None));
        let judge = Some(Judge::default());
        let alone = Parts::of(&ReleasePolicy { guard: None, judge, ..ReleasePolicy::default() }, 1);
        assert_eq!((alone.guard, alone.judge), (None, Some(0.001)));
        assert_eq!(alone.of_gateway(1.0, &[Metric::Failures], Unit::Request), None);
    }
}
