//! Guards: armed with the service whose split they stand in, and heeded in the rules of its routes.

use super::changes::Changes;
use super::routes::split_config;
use super::{Compiler, EffectiveService};
use crate::guard::{Guard, Pair};
use crate::table::{Choice, Goal, Table};
use foldhash::HashSet;
use model::resource::{Kind, Revision};
use model::service::Service;
use model::traffic_split::Extension;
use serde_json::Value;
use std::sync::Arc;
use telemetry::series::{Registry, Series};

impl Compiler {
    /// The table of the last resources once more, with what the guards say now.
    pub(crate) fn compile_again(&mut self) -> Table {
        self.compile(self.revision, self.resources.clone()).0
    }

    /// Arms the guards of a service's split. What is wrong with one is told where its rule is compiled.
    pub(super) fn guards_of(&self, service: &Service) -> Vec<Arc<Guard>> {
        let Some(config) = split_config(None, Some(service)) else { return Vec::new() };
        let rules = config.get("rules").and_then(Value::as_array).into_iter().flatten();
        let armed = rules.filter_map(|rule| Extension::readable(rule).0.guard);
        armed.map(|rule| self.guards.arm(&rule, &service.id)).collect()
    }

    /// Ends the guards that stand in no split any more.
    pub(super) fn end_guards(&self, changes: &Changes<'_>) {
        let may_have_gone =
            [Kind::Service, Kind::Overlay].iter().any(|kind| changes.of(*kind).next().is_some());
        if may_have_gone || !self.has_compiled {
            let guards = self.services.values().flat_map(|service| &service.guards);
            let ids: HashSet<&str> = guards.map(|guard| guard.id.as_str()).collect();
            self.guards.keep_only(|id| ids.contains(id), !self.has_compiled);
        }
    }
}

impl EffectiveService {
    /// Whether a guard keeps its traffic on the old version.
    pub(super) fn is_sent_back(&self) -> bool {
        self.guards.iter().any(|guard| guard.sends_back())
    }
}

/// Gives all of a rule to the choices that are not the new version, if the guard says so; whether it does. `is_new` is
/// of each choice.
pub(super) fn heed(guard: &Guard, choices: &mut [Choice], is_new: &[bool]) -> bool {
    if !guard.sends_back() || is_new.iter().all(|new| *new) {
        return false;
    }
    let has_share = choices.iter().zip(is_new).any(|(choice, new)| !new && choice.weight > 0);
    for (choice, new) in choices.iter_mut().zip(is_new) {
        choice.weight = match (new, has_share) {
            (true, _) => 0,
            (false, true) => choice.weight,
            (false, false) => 1,
        };
    }
    true
}

/// Whether a guard cannot tell the versions apart: the new one is not in the rule, or both are counted as one, because
/// their upstreams have no labels that say which colour they are.
fn is_blind(counted: &[&Arc<Series>], is_new: &[bool]) -> bool {
    let of =
        |new: bool| counted.iter().zip(is_new).filter(move |(_, is)| **is == new).map(|(series, _)| *series);
    let as_old = |series: &Arc<Series>| of(false).any(|old| Arc::ptr_eq(old, series));
    of(true).next().is_none() || of(true).any(as_old)
}

/// Lets the guard look at what a route counts from now on.
pub(super) fn show(
    guard: &Guard,
    known: &Registry,
    choices: &mut [Choice],
    is_new: &[bool],
    at: (&str, Revision),
) {
    let choices_now: &[Choice] = choices;
    let counted: Vec<_> = choices_now.iter().map(|choice| &choice.series).collect();
    if is_blind(&counted, is_new) {
        tracing::warn!(
            guard = guard.id,
            route = at.0,
            "this guard cannot tell the versions apart and never fires by what is counted: `new` must be an upstream of the \
             rule, and its upstreams need the labels tealgate.app and tealgate.colour"
        );
    }
    let of = |new: bool| {
        choices_now.iter().zip(is_new).filter(move |(_, is)| **is == new).map(|(choice, _)| choice)
    };
    let series = |new: bool| of(new).map(|choice| Arc::clone(&choice.series)).collect();
    let targets = |new: bool| {
        let reached = of(new).filter(|choice| choice.weight > 0 || new);
        reached
            .filter_map(|choice| match &choice.goal {
                Goal::Target(target) => Some(Arc::clone(target)),
                Goal::Nowhere(_) => None,
            })
            .collect()
    };
    let weights: Vec<u32> = choices_now.iter().map(|choice| choice.weight).collect();
    let concurrent = of(false).any(|choice| choice.weight > 0);
    let former = |new: bool| of(new).flat_map(|choice| known.former(choice.series.key())).collect();
    let former = Pair { old: former(false), new: former(true) };
    guard.count(&weights, concurrent, at, Pair { old: series(false), new: series(true) }, former);
    guard.lead_to(targets(false), targets(true));
    for (choice, new) in choices.iter_mut().zip(is_new) {
        choice.seat = guard.seat(*new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::{Answerer, Lane};
    use telemetry::series::SeriesKey;

    #[test]
    fn a_guard_sees_only_versions_that_are_counted_apart() {
        let registry = Registry::new(1);
        let counted = |answerer| {
            let of = "shop".to_owned();
            let (route, service, app) = (of.clone(), of.clone(), of);
            registry.series(&SeriesKey { route, service, app, answerer, lane: Lane::Share, epoch: 1 })
        };
        let [blue, green, neither] = [Answerer::Blue, Answerer::Green, Answerer::Upstream].map(counted);
        assert!(!is_blind(&[&green, &blue], &[true, false]));
        assert!(is_blind(&[&neither, &neither], &[true, false]), "no labels");
        assert!(is_blind(&[&green, &blue], &[false, false]), "the new version is not in the rule");
        assert!(!is_blind(&[&green], &[true]), "without an old version there is none to take it for");
    }
}
