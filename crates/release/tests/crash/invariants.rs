//! What holds at the end of every release, wherever a controller was hit on its way.

use super::{ID, Run};
use model::colour::Colour;
use model::resource::Kind;
use release::gate::Verdict;
use release::journal::{Entry, Event, read};
use release::machine::{Action, ActionResult, Outcome};
use release::view::ReleaseView;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Nobody waits for a notice any more.
pub(crate) fn all_told(view: &ReleaseView) -> bool {
    view.notifications.iter().all(|receiver| receiver.waiting == 0)
}

pub(crate) async fn check(run: &Run<'_>) {
    let site = &run.site;
    assert_eq!(*site.notes.violations.lock().unwrap(), Vec::<String>::new());
    for id in site.store.releases().await.unwrap() {
        let chain = read(&site.store.journal(&id).await.unwrap()).expect("a whole journal");
        one_end(&chain.entries);
        each_action_once(&chain.entries);
        gates_before_users(&chain.entries);
    }
    ended_as_it_should(run).await;
    nothing_left_behind(run).await;
    let services = site.notes.services.lock().unwrap().clone();
    assert!(services.windows(2).all(|pair| pair[0] != pair[1]), "written twice: {services:#?}");
    for (started, times) in counted(&site.driver.started.lock().unwrap()) {
        assert_eq!(times, 1, "{started} was started {times} times");
    }
    if run.scenario.unseen {
        assert_eq!(site.gateway.versions(), ["1"], "no user before the gates passed");
    }
    only_one_acted(run).await;
}

fn counted(of: &[String]) -> BTreeMap<&str, usize> {
    of.iter().fold(BTreeMap::new(), |mut counts, one| {
        *counts.entry(one.as_str()).or_default() += 1;
        counts
    })
}

/// There is exactly one outcome, and it never changes.
fn one_end(entries: &[Entry]) {
    let outcomes = entries.iter().filter_map(|entry| match &entry.event {
        Event::Decided { state, .. } => Some(state.outcome),
        Event::Withdrawn { outcome, .. } => Some(Some(*outcome)),
        Event::Refused { .. } => Some(Some(Outcome::Refused)),
        _ => None,
    });
    let mut decided: Vec<Option<Outcome>> = outcomes.collect();
    decided.dedup();
    let known: Vec<Outcome> = decided.iter().flatten().copied().collect();
    assert!(known.len() == 1 && decided.last().is_some_and(Option::is_some), "{decided:?}");
}

/// An id is intended once, and heard of at most once; what ended was intended.
fn each_action_once(entries: &[Entry]) {
    let (mut intended, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        match &entry.event {
            Event::Decided { intents, .. } => {
                for intent in intents {
                    assert!(intended.insert(intent.id.clone()), "{} is intended twice", intent.id);
                }
            }
            Event::Ended { id, .. } => {
                assert!(intended.contains(id), "{id} was never intended");
                assert!(ended.insert(id.clone()), "{id} ended twice");
            }
            _ => {}
        }
    }
}

/// No share is intended before all gates of the test phase have passed.
fn gates_before_users(entries: &[Entry]) {
    let plan = entries.iter().find_map(|entry| match &entry.event {
        Event::Planned { plan } => Some(plan),
        _ => None,
    });
    let Some(plan) = plan else { return };
    let (mut gates, mut passed) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries {
        match &entry.event {
            Event::Decided { intents, .. } => {
                for intent in intents {
                    match intent.action {
                        Action::RunGate { gate, .. } => drop(gates.insert(intent.id.clone(), gate)),
                        Action::SetShare { share, .. } if share > 0 => {
                            assert_eq!(passed.len(), plan.gates.len(), "users before the gates passed");
                        }
                        _ => {}
                    }
                }
            }
            Event::Ended { id, result: ActionResult::Gate { outcome } }
                if outcome.verdict == Verdict::Pass =>
            {
                passed.extend(gates.get(id).copied());
            }
            _ => {}
        }
    }
}

async fn ended_as_it_should(run: &Run<'_>) {
    let view = run.current.get(ID).await.unwrap();
    let outcome = view.outcome.unwrap();
    assert!(run.scenario.outcomes.contains(&outcome), "{outcome:?}: {view:#?}");
    assert!(!view.in_flight);
}

/// The service says only who is live, and nothing runs that should not.
async fn nothing_left_behind(run: &Run<'_>) {
    let site = &run.site;
    let on = |version: &str| {
        Colour::BOTH.into_iter().find(|colour| site.driver.version_on(*colour).as_deref() == Some(version))
    };
    let live = on(run.scenario.live).expect("the live version runs");
    assert_eq!(site.service().await, json!({"id": "shop", "upstream_id": format!("shop-{live}")}));
    assert_eq!(site.store.list(Kind::Overlay).await.unwrap().len(), 0);
    let upstream = site.store.get(Kind::Upstream, &format!("shop-{live}")).await.unwrap().unwrap();
    assert_eq!(upstream.value.pointer("/labels/tealgate.version"), Some(&Value::from(run.scenario.live)));
    assert_eq!(site.driver.version_on(live.other()).as_deref(), run.scenario.kept, "nothing else runs");
}

/// A controller that woke up after its lease was another's wrote nothing and touched nothing.
async fn only_one_acted(run: &Run<'_>) {
    let Some(waking) = &run.at_waking else { return };
    for (id, seen) in &waking.entries {
        let chain = read(&run.site.store.journal(id).await.unwrap()).unwrap();
        let late = chain.entries.iter().filter(|entry| entry.seq > *seen as u64);
        let others: Vec<&Entry> = late.filter(|entry| entry.actor == "controller c-1").collect();
        assert!(others.is_empty(), "it wrote although the lease was another's: {others:#?}");
    }
    let hands = run.site.notes.hands.lock().unwrap();
    let late: Vec<&String> = hands.iter().skip(waking.hands).filter(|hand| *hand == "c-1").collect();
    assert!(late.is_empty(), "it touched an environment although the lease was another's");
}
