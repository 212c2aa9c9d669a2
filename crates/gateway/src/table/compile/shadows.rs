//! Shadows: cast by a rule on what it sends to others than the new version.

use crate::shadow::Shadows;
use crate::table::{Choice, Goal, Target};
use model::traffic_split::ShadowRule;
use std::sync::Arc;

/// Casts the shadow of a rule on those of its choices that are not the new version. `is_live` is of each choice.
pub(super) fn cast(
    shadows: &Shadows,
    rule: &ShadowRule,
    to: Option<Arc<Target>>,
    choices: &mut [Choice],
    is_live: &[bool],
    threads: usize,
) {
    let of_live = || choices.iter().zip(is_live).filter(|(_, live)| **live).map(|(choice, _)| choice);
    let targets = of_live().filter_map(|choice| match &choice.goal {
        Goal::Target(target) => Some(Arc::clone(target)),
        Goal::Nowhere(_) => None,
    });
    let shadow = shadows.cast(rule, to, targets.collect(), threads);
    for (choice, _) in choices.iter_mut().zip(is_live).filter(|(_, live)| **live) {
        choice.shadow.clone_from(&shadow);
    }
}
