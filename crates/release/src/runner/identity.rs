//! Whether the answers came from the version that was asked: a switch that leads to the wrong side makes every comparison
//! look perfect.

use crate::counters::Gateways;
use crate::machine::State;
use crate::plan::{Component, Plan};
use judge::identity::Identity;
use judge::verdict::Finding;
use model::colour::Colour;

/// What both versions' answers say of themselves since the release moved the first share; empty: nobody asks, or nobody
/// could have answered yet.
pub(super) fn findings(
    plan: &Plan,
    component: &Component,
    state: &State,
    gateways: &Gateways,
) -> Vec<Finding> {
    let (Some(rule), Some(since)) =
        (&plan.identity, state.first_revision.filter(|_| state.phase.has_traffic()))
    else {
        return Vec::new();
    };
    // Those who preview it are asked, too.
    let of = |colour: Colour, version: &str| {
        let counts = gateways.of_colour(&component.app, colour, since, None);
        let [right, other, silent] = counts.origins;
        let identity = Identity { right, other, silent };
        (identity != Identity::default()).then(|| {
            let mut finding = identity.finding(version);
            finding.words += &format!(" (told by {})", rule.header);
            finding
        })
    };
    let old = component.old.as_ref().filter(|old| old.is_known());
    let old = old.and_then(|old| of(old.colour, &old.version));
    of(component.new.colour, &component.new.version).into_iter().chain(old).collect()
}
