//! Whether the versions are compared side by side, and what a person should know of it.

use super::PlannedStep;
use super::budget::Parts;
use model::policy::{Judge, Reaction, ReleasePolicy};
use serde::{Deserialize, Serialize};

/// The comparison of a release as it was planned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedJudge {
    /// Its part of the release's budget of false alarms, 0 to 1.
    pub alpha: f64,
    /// How many times as high the new version's odds of failing may be, 1 to 1000.
    pub tolerance: f64,
    /// What happens when it is worse.
    pub on_fail: Reaction,
    /// What happens when it cannot be said at the end of a step.
    pub on_inconclusive: Reaction,
    /// Users keep their version: they are compared, by the guards of the gateways.
    #[serde(default)]
    pub by_users: bool,
}

/// The comparison of a release with these steps, and what is to be said of it.
pub(super) fn planned(
    policy: &ReleasePolicy,
    parts: &Parts,
    steps: &[PlannedStep],
) -> (Option<PlannedJudge>, Vec<String>) {
    let is_shared = steps.iter().any(|step| step.share < 100);
    let Some(judge) = &policy.judge else { return (None, Vec::new()) };
    let by_users = policy.sticky.is_some();
    let Some(alpha) = (if by_users { parts.guard } else { parts.judge }) else {
        // Requests of one user who always fails would be taken for many users.
        let note =
            "users keep their version, and only a guard can tell them apart: it is off, so the judge is, too";
        return (None, vec![note.to_owned()]);
    };
    let mut notes: Vec<String> = parts.note(policy.alpha).filter(|_| is_shared).into_iter().collect();
    notes.push(if is_shared {
        "judged side by side while both versions have a share; at 100 % nothing is held back, and it is compared with \
         the time before (historical)"
            .to_owned()
    } else {
        "the judge has nothing to compare side by side: no step leaves a share on the old version, so it is \
         compared with the time before (historical), which acts on nothing"
            .to_owned()
    });
    if by_users && is_shared {
        notes.push(
            "users keep their version, so each of them counts once, in every gateway for itself: failures and checks of \
             the business are compared, times are not"
                .to_owned(),
        );
    }
    let Judge { tolerance, on_fail, on_inconclusive } = *judge;
    (Some(PlannedJudge { alpha, tolerance, on_fail, on_inconclusive, by_users }), notes)
}
