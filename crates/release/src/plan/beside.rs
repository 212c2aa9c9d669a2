//! Whether the versions are compared side by side, and what a person should know of it.

use super::PlannedStep;
use model::policy::{Judge, ReleasePolicy};

/// The comparison of a release with these steps, and what is to be said of it.
pub(super) fn planned(policy: &ReleasePolicy, steps: &[PlannedStep]) -> (Option<Judge>, Option<String>) {
    let Some(judge) = &policy.judge else { return (None, None) };
    if policy.sticky.is_some() {
        // One user who always fails would be taken for many.
        let note =
            "users keep their version, and their requests are no evidence by themselves: the judge is off";
        return (None, Some(note.to_owned()));
    }
    let one_in = (1.0 / judge.alpha).round();
    let shared = steps.iter().filter(|step| step.share < 100).count();
    let note = match shared {
        0 => "the judge has nothing to compare side by side: no step leaves a share on the old version, so it is \
              compared with the time before (historical), which acts on nothing"
            .to_owned(),
        _ => format!(
            "judged side by side while both versions have a share: one that is no worse is blamed at most once in \
             {one_in} releases; at 100 % nothing is held back, and it is compared with the time before (historical)"
        ),
    };
    (Some(judge.clone()), Some(note))
}
