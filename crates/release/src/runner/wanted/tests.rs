use super::*;
use crate::example::{app, environment, input, request, resource};
use crate::journal::{Chain, Entry, Event, fold};
use crate::machine::State;
use crate::plan::{PlanInput, plan};
use model::resource::Kind;
use serde_json::json;

/// A release of `version` onto green over blue 1, in this phase.
fn release(version: &str, phase: Phase, stage: Stage) -> Folded {
    let resources = [resource(Kind::Service, "shop", json!({"id": "shop", "upstream_id": "shop-blue"}))];
    let environments = BTreeMap::from([(Colour::Blue, environment(Colour::Blue, "1"))]);
    let id = format!("shop-{version}");
    let app = app();
    let input = PlanInput { release: &id, version, ..input(&app, &resources, &environments) };
    let plan = plan(&input).unwrap();
    let state = State { phase, stage, provisioned: phase != Phase::Provision, ..State::new(0) };
    let events = [
        Event::Requested(Box::new(request(version))),
        Event::Planned { plan: Box::new(plan) },
        Event::Decided { notes: Vec::new(), intents: Vec::new(), state: Box::new(state) },
    ];
    let entry = |(seq, event)| Entry { seq, at_ms: 0, actor: "ann".to_owned(), event };
    let chain = Chain { entries: (1..).zip(events).map(entry).collect(), ..Chain::default() };
    fold(&id, &chain).unwrap()
}

fn runs(releases: &[Folded], live: &[EnvironmentSpec]) -> Vec<(Colour, String, bool)> {
    let wanted = wanted(releases.iter(), live.iter().cloned());
    wanted.into_iter().map(|(colour, wanted)| (colour, wanted.spec.version, wanted.runs)).collect()
}

#[test]
fn the_live_environment_always_runs_whatever_a_release_says() {
    let live = [environment(Colour::Blue, "1")];
    assert_eq!(runs(&[], &live), [(Colour::Blue, "1".to_owned(), true)]);
    let green = [environment(Colour::Green, "2")];
    for (phase, stage) in
        [(Phase::KeepFailed, Stage::Act), (Phase::Revert, Stage::Act), (Phase::Decommission, Stage::Act)]
    {
        let seen = runs(&[release("2", phase, stage)], &green);
        assert!(seen.contains(&(Colour::Green, "2".to_owned(), true)), "{phase:?}: {seen:?}");
    }
}

#[test]
fn a_new_environment_runs_once_it_was_started_and_until_it_failed() {
    let live = [environment(Colour::Blue, "1")];
    let green = |phase, stage| runs(&[release("2", phase, stage)], &live)[1].clone();
    assert!(!green(Phase::Provision, Stage::Act).2);
    assert!(green(Phase::Test, Stage::Check).2);
    assert!(green(Phase::Soak, Stage::Watch).2);
    assert!(!green(Phase::KeepFailed, Stage::Keep).2, "only looked at");
}

#[test]
fn the_old_environment_runs_until_it_is_to_be_stopped() {
    let live = [environment(Colour::Green, "2")];
    let blue = |stage| runs(&[release("2", Phase::Decommission, stage)], &live)[0].clone();
    assert!(blue(Stage::Drain).2);
    assert!(blue(Stage::Keep).2);
    assert!(!blue(Stage::Act).2);
}

#[test]
fn a_later_release_takes_the_environment_over() {
    let releases = [release("2", Phase::KeepFailed, Stage::Keep), release("3", Phase::Test, Stage::Check)];
    let seen = runs(&releases, &[environment(Colour::Blue, "1")]);
    assert_eq!(seen[1], (Colour::Green, "3".to_owned(), true));
    let ended = release("3", Phase::Ended, Stage::Keep);
    assert_eq!(runs(&[ended], &[]), []);
}
