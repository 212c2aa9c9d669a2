//! Which environments of an app should run, by its journals and its service. Pure.

use crate::journal::Folded;
use crate::machine::{Phase, Stage};
use crate::plan::Plan;
use crate::target::EnvironmentSpec;
use model::colour::Colour;
use std::collections::BTreeMap;

/// An environment that someone cares for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) spec: EnvironmentSpec,
    /// It must run: started again after a reboot. Otherwise it is only looked at.
    pub(super) runs: bool,
}

/// What releases last put into each environment.
pub(crate) fn environments_of<'a>(
    releases: impl Iterator<Item = &'a Folded>,
) -> BTreeMap<Colour, EnvironmentSpec> {
    let mut environments = BTreeMap::new();
    for folded in releases {
        let Some(lead) = folded.plan.as_ref().and_then(Plan::lead) else { continue };
        if folded.state.as_ref().is_some_and(|state| state.provisioned) {
            environments.insert(lead.new.colour, lead.new.clone());
        }
    }
    environments
}

/// The environments to look after: those of releases that go on, the later release before the earlier, and the live
/// ones before all.
pub(super) fn wanted<'a>(
    releases: impl Iterator<Item = &'a Folded>,
    live: impl Iterator<Item = EnvironmentSpec>,
) -> BTreeMap<Colour, Wanted> {
    let mut wanted = BTreeMap::new();
    for folded in releases.filter(|folded| !folded.ended()) {
        let (Some(plan), Some(state)) = (&folded.plan, &folded.state) else { continue };
        let Some(lead) = plan.lead() else { continue };
        let (new_runs, old_runs) = match state.phase {
            Phase::Provision | Phase::Test | Phase::Shift { .. } | Phase::Soak | Phase::Commit => {
                (state.provisioned, true)
            }
            Phase::Revert => (false, true),
            Phase::KeepFailed => (false, false),
            Phase::Decommission => (true, state.stage != Stage::Act),
            Phase::Ended => (false, false),
        };
        let mut want = |spec: &EnvironmentSpec, runs: bool| {
            wanted.insert(spec.colour, Wanted { spec: spec.clone(), runs });
        };
        if let Some(old) = lead.old_environment().filter(|_| state.phase != Phase::KeepFailed) {
            want(old, old_runs);
        }
        want(&lead.new, new_runs);
    }
    for spec in live {
        wanted.insert(spec.colour, Wanted { spec, runs: true });
    }
    wanted
}

#[cfg(test)]
mod tests;
