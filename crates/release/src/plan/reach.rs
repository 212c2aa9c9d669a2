//! Where the gateway's configuration can send users: every default, rule and inline choice with a share, of every
//! service and every enabled route.
//!
//! A route may bypass its service, and a service of another app may name an environment of this one. What is asked is
//! whether an environment may be stopped, so a condition that nobody may meet counts like one that everybody meets.
//! Only the preview of a release is left out: those who see it hold its secret, and it goes with the release.

use super::standing::{Standing, addresses, read_overlay};
use model::overlay::Owned;
use model::resource::{Kind, Resource};
use model::traffic_split::{Choice, Rule, TrafficSplit, WeightedUpstream};
use model::upstream::{Upstream, id_text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What users can come to.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Upstreams by id.
    pub(super) ids: BTreeSet<String>,
    /// Hosts and ports that are written in place.
    pub(super) nodes: BTreeSet<(String, Option<u16>)>,
}

/// Looks through everything; `previews` are the preview rules of the app's releases.
pub(super) fn reach(standing: &Standing, previews: &[Value], resources: &[Arc<Resource>]) -> Reach {
    let of_kind = |kind: Kind| resources.iter().filter(move |resource| resource.kind == kind);
    let overlays: BTreeMap<&str, Owned> = of_kind(Kind::Overlay)
        .filter_map(|resource| Some((resource.id.as_str(), read_overlay(resource)?.owned)))
        .collect();
    let mut reach = Reach::default();
    reach.add(&without_previews(&standing.owned, previews));
    for service in of_kind(Kind::Service).filter(|service| service.id != standing.service.id) {
        match overlays.get(service.id.as_str()) {
            Some(owned) => reach.add(owned),
            None => reach.add(&Owned::of(&service.value)),
        }
    }
    let is_enabled = |route: &&Arc<Resource>| route.value.get("status").and_then(Value::as_i64) != Some(0);
    for route in of_kind(Kind::Route).filter(is_enabled) {
        reach.add(&Owned::of(&route.value));
    }
    reach
}

impl Reach {
    fn add(&mut self, owner: &Owned) {
        self.ids.extend(owner.upstream_id.as_ref().map(|id| id_text(Some(id))));
        if let Some(inline) = &owner.upstream {
            self.nodes.extend(addresses(Upstream::from_value(inline, true)));
        }
        let is_disabled =
            |split: &&Value| split.pointer("/_meta/disable").and_then(Value::as_bool) == Some(true);
        let Some(split) = owner.traffic_split.as_ref().filter(|split| !is_disabled(split)) else { return };
        // A split that cannot be read is not run: neither are the routes that it would hold for.
        let rules = TrafficSplit::from_value(split).ok().and_then(|split| split.rules);
        for rule in rules.into_iter().flatten() {
            for choice in reachable(rule) {
                match choice {
                    Choice::ById(id) => _ = self.ids.insert(id),
                    Choice::Inline(upstream) => self.nodes.extend(addresses(*upstream)),
                    // The owner's own default, which counts in any case.
                    Choice::Default => {}
                }
            }
        }
    }
}

/// The choices of a rule that requests can come to, as the gateway sees them: of a repeated id the last weight holds;
/// a single choice, or all where none has a weight, are reached too (APISIX §2.4).
fn reachable(rule: Rule) -> impl Iterator<Item = Choice> {
    let mut choices: Vec<WeightedUpstream> = Vec::new();
    for one in rule.weighted_upstreams {
        let same = |other: &&mut WeightedUpstream| match (&other.choice, &one.choice) {
            (Choice::ById(id), Choice::ById(other)) => id == other,
            (Choice::Default, Choice::Default) => true,
            _ => false,
        };
        match choices.iter_mut().find(same) {
            Some(known) => *known = one,
            None => choices.push(one),
        }
    }
    let all = choices.len() == 1 || choices.iter().all(|one| one.weight == 0);
    choices.into_iter().filter(move |one| all || one.weight > 0).map(|one| one.choice)
}

fn without_previews(owned: &Owned, previews: &[Value]) -> Owned {
    let rules = owned.traffic_split.as_ref().and_then(|split| split.get("rules")).and_then(Value::as_array);
    let Some(rules) = rules.filter(|rules| rules.iter().any(|rule| previews.contains(rule))) else {
        return owned.clone();
    };
    let users: Vec<&Value> = rules.iter().filter(|rule| !previews.contains(rule)).collect();
    Owned { traffic_split: Some(json!({ "rules": users })), ..owned.clone() }
}
