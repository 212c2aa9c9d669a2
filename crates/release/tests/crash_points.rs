//! Every point at which a controller can die or fall asleep, found by the code itself: whatever a release leaves
//! behind (an entry, an action, a write) has one before it and one after it. At each of them the controller is hit, another
//! one goes on, and the release ends as it would have.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(debug_assertions)]

mod crash;
mod fakes;

use crash::run;
use crash::scenarios::{Scenario, scenarios};
use fakes::{Blow, Place, kind_of, simulated};
use release::failpoint::{Deed, Point, Side};
use release::journal::Event;
use release::machine::Action;
use std::collections::BTreeSet;

/// The points of a scenario in which nobody is hit, each with how often it was reached before.
fn places(scenario: &Scenario) -> Vec<Place> {
    let (reached, _) = simulated(run(scenario, None));
    numbered(&reached)
}

fn numbered(reached: &[Point]) -> Vec<Place> {
    let kinds: Vec<String> = reached.iter().map(kind_of).collect();
    let before = |place: usize, kind: &String| kinds[..place].iter().filter(|one| *one == kind).count();
    kinds.iter().enumerate().map(|(place, kind)| (kind.clone(), before(place, kind))).collect()
}

fn named(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.name == name).expect("a scenario of that name")
}

/// How often a point is tried that one run has and the next has not: where two things happen at the same moment, their
/// order is chance.
const TRIES: usize = 3;

/// Hits the controller at every point of a scenario, once each.
fn everywhere(name: &str, blow: Blow) {
    let scenario = named(name);
    let places = places(&scenario);
    assert!(places.len() > 20, "the failpoints have gone: {places:?}");
    let mut missed = Vec::new();
    for place in &places {
        eprintln!("{name}: {blow:?} {} ({})", place.0, place.1);
        if !(0..TRIES).any(|_| simulated(run(&scenario, Some((place.clone(), blow)))).1) {
            missed.push(place);
        }
    }
    // The last of a kind may come once more or once less: how often counters are written down is chance as well.
    assert!(missed.len() <= places.len() / 20, "not reached again: {missed:?}");
}

/// The words for all kinds of a type that is tagged in JSON, as serde knows them.
fn kinds_of<T: serde::de::DeserializeOwned>(tag: &str) -> BTreeSet<String> {
    let unknown = serde_json::from_value::<T>(serde_json::json!({ tag: "?" }));
    let Err(error) = unknown else { panic!("there is no such kind") };
    let text = error.to_string();
    let (_, known) = text.split_once("expected one of ").expect("a list");
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_kind_of_entry_and_action_is_reached_by_a_scenario() {
    let reached: Vec<Point> = scenarios().iter().flat_map(|one| simulated(run(one, None)).0).collect();
    let mut missing = BTreeSet::new();
    for side in [Side::Before, Side::After] {
        let (mut entries, mut actions) = (kinds_of::<Event>("event"), kinds_of::<Action>("do"));
        for point in reached.iter().filter(|point| point.side == side) {
            match &point.deed {
                Deed::Entry { kind, .. } => entries.remove(*kind),
                Deed::Action { kind, .. } => actions.remove(*kind),
                Deed::Write { .. } | Deed::Process { .. } => false,
            };
        }
        missing.extend(entries.into_iter().chain(actions));
    }
    assert!(missing.is_empty(), "no scenario of tests/crash/scenarios.rs has {missing:?}");
}

macro_rules! everywhere {
    ($blow:expr, $($scenario:ident)*) => {
        $(#[test] fn $scenario() { super::everywhere(stringify!($scenario), $blow); })*

        pub(super) const TESTED: &[&str] = &[$(stringify!($scenario)),*];
    };
}

/// The controller dies.
mod dies {
    everywhere! { super::Blow::Dies,
        good good_upstream held held_back held_back_abort compared_with_before notified reduced kept_warm limits limits_upstream guard hold_in_vain gate abort edited a_gateway_goes torn rehearsed shadow judged superseded next_is_withdrawn next_is_refused
    }
}

/// The controller stops, another one takes over, and the first goes on in the middle of that.
mod sleeps {
    everywhere! { super::Blow::Stops,
        good good_upstream held held_back held_back_abort compared_with_before notified reduced kept_warm limits limits_upstream guard hold_in_vain gate abort edited a_gateway_goes torn rehearsed shadow judged superseded next_is_withdrawn next_is_refused
    }
}

#[test]
fn every_scenario_is_hit_everywhere() {
    let known = scenarios().iter().map(|one| one.name).collect::<BTreeSet<_>>();
    assert_eq!(known, BTreeSet::from_iter(dies::TESTED.iter().copied()));
    assert_eq!(known, BTreeSet::from_iter(sleeps::TESTED.iter().copied()));
}
