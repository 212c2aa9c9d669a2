//! Whether the versions are compared side by side, and what a person should know of it.

use super::PlannedStep;
use super::budget::Parts;
use model::policy::{Historical, Judge, Reaction, ReleasePolicy, Soak};
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
    /// How it is compared with the time before, where the soak holds nothing back.
    #[serde(default)]
    pub historical: Historical,
}

/// The steps without what the soak holds back: it is taken from the last one.
pub(super) fn without_held_back(mut steps: Vec<PlannedStep>, soak: &Soak) -> Vec<PlannedStep> {
    if let Some(last) = steps.last_mut() {
        last.share = last.share.min(soak.share());
    }
    steps
}

/// What a person should know of the share that is held back.
pub(super) fn held_back(policy: &ReleasePolicy, soak: &Soak) -> Vec<String> {
    let share = soak.hold_back;
    if share == 0 {
        return Vec::new();
    }
    let follows = format!(
        "{share} % stay on the old version through the soak, and follow at its end in a switch of their own"
    );
    let in_vain = if soak.duration_ms == 0 {
        Some("the soak has no time (soak.duration_ms is 0)")
    } else if policy.judge.is_none() && policy.guard.is_none() {
        Some("there is neither a judge nor a guard")
    } else {
        None
    };
    let in_vain = in_vain.map(|why| format!("soak.hold_back gives nothing to compare with: {why}"));
    [follows].into_iter().chain(in_vain).collect()
}

/// The comparison of a release with these steps and this soak, and what is to be said of it.
pub(super) fn planned(
    policy: &ReleasePolicy,
    parts: &Parts,
    steps: &[PlannedStep],
    soak: &Soak,
) -> (Option<PlannedJudge>, Vec<String>) {
    let is_shared = steps.iter().any(|step| step.share < 100);
    let Some(judge) = &policy.judge else { return (None, Vec::new()) };
    let by_users = policy.sticky.is_some();
    let Some(alpha) = (if by_users { parts.guard } else { parts.judge }) else {
        // Requests of one user who always fails would be taken for many users. That it is so is told among what nobody watches.
        return (None, Vec::new());
    };
    let mut notes: Vec<String> = parts.note(policy.alpha).filter(|_| is_shared).into_iter().collect();
    notes.push(basis(judge, by_users, is_shared, soak.hold_back > 0));
    if by_users && is_shared {
        notes.push(
            "users keep their version, so each of them counts once, in every gateway for itself: failures and checks of \
             the business are compared, times are not"
                .to_owned(),
        );
    }
    let Judge { tolerance, on_fail, on_inconclusive, historical } = *judge;
    (Some(PlannedJudge { alpha, tolerance, on_fail, on_inconclusive, by_users, historical }), notes)
}

/// With what the new version is compared, and when.
fn basis(judge: &Judge, by_users: bool, is_shared: bool, is_held_back: bool) -> String {
    if is_held_back {
        return "judged side by side from the first share to the end of the soak".to_owned();
    }
    let Historical { window_ms, tolerance } = judge.historical;
    // One user who always fails would look like many.
    let then = if by_users {
        "nothing is compared".to_owned()
    } else {
        format!(
            "it is compared with the old version's last {} s before (historical: {tolerance} times as bad is tolerated, \
             nothing follows from it, and no rate of false alarms is promised)",
            window_ms / 1_000
        )
    };
    if is_shared {
        format!(
            "judged side by side while both versions have a share; at 100 % nothing is held back (soak.hold_back), and {then}"
        )
    } else {
        format!(
            "the judge has nothing to compare side by side: no step leaves a share on the old version, and the soak holds \
             none back (soak.hold_back); at 100 % {then}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_back_that_is_compared_with_nothing_is_told() {
        let (mut policy, soak) = (ReleasePolicy::default(), Soak { hold_back: 5, ..Soak::default() });
        let said = |policy: &ReleasePolicy, soak: &Soak| held_back(policy, soak).into_iter().nth(1);
        assert!(soak.duration_ms > 0 && policy.judge.is_none());
        assert_eq!(said(&policy, &soak), None, "the guard compares");
        let why = said(&policy, &Soak { duration_ms: 0, ..soak.clone() }).unwrap();
        assert!(why.ends_with("the soak has no time (soak.duration_ms is 0)"), "{why}");
        policy.guard = None;
        assert!(said(&policy, &soak).unwrap().ends_with("there is neither a judge nor a guard"));
        policy.judge = Some(Judge::default());
        assert_eq!((said(&policy, &soak), held_back(&policy, &Soak::default())), (None, Vec::new()));
    }
}
