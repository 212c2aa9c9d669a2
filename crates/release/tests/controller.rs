//! Whole releases by the controller, against a store in memory: what follows from wishes, failures and other people.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;

use fakes::{Site, ann, policy, wait_for};
use model::colour::Colour;
use model::overlay::Owned;
use model::policy::Role;
use model::resource::{Kind, Origin};
use release::controller::{Actor, CommandError, StartError, StartRequest};
use release::gate::Verdict;
use release::machine::Outcome;
use release::report::{HoldEnd, HoldSummary, Lost};
use release::view::ReleaseView;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Expect, Write};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_first_release_becomes_blue_and_the_second_green() {
    let site = Site::new(policy(json!({}))).await;
    let first = site.release("1").await;
    assert_eq!(first.outcome, Some(Outcome::Promoted));
    assert_eq!(site.service().await["upstream_id"], "shop-blue");
    let second = site.release("2").await;
    assert_eq!(second.outcome, Some(Outcome::Promoted));
    let service = site.service().await;
    assert_eq!(service["upstream_id"], "shop-green");
    assert_eq!(service.pointer("/plugins/traffic-split"), None, "the split is cleaned up");
    site.until(&second.release, |view| view.ended_at_ms.is_some()).await;
    assert_eq!(site.driver.version_on(Colour::Blue), None, "the old environment is stopped");
    assert_eq!(site.driver.version_on(Colour::Green).as_deref(), Some("2"));
    assert_eq!(site.gateway.versions(), ["1", "2"]);
}

#[tokio::test]
async fn a_version_that_fails_for_users_is_taken_back_and_its_environment_is_kept_until_it_is_needed() {
    let site = Site::new(policy(json!({"steps": [20, 100]}))).await;
    site.release("1").await;
    site.gateway.make_bad("2");
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert!(view.why.as_ref().unwrap().contains("limits exceeded"), "{:?}", view.why);
    assert_eq!(site.service().await["upstream_id"], "shop-blue");
    assert_eq!(site.service().await.get("plugins"), None);
    assert_eq!(site.driver.version_on(Colour::Green).as_deref(), Some("2"), "kept to look at");
    let restore = view.moves.iter().find(|moved| moved.kind == "restore").unwrap();
    assert!(restore.took_ms.is_some_and(|ms| ms < 2_000));
    let report = site.controller().report(&view.release).await.unwrap();
    assert!(report.ledger.green > 0 && report.ledger.lost == Lost::Known(0), "{:?}", report.ledger);
    assert_eq!(report.log_lines, ["version 2 says good-bye"]);
    assert!((1..=20).contains(&report.failures.len()), "{:?}", report.failures);
    assert!(report.to_markdown().contains("GET /cart?key=*** → 500"));
    assert!(report.to_markdown().contains("limits exceeded"));
    let third = site.release("3").await;
    assert_eq!(third.outcome, Some(Outcome::Promoted));
    let second = site.until(&view.release, |view| view.ended_at_ms.is_some()).await;
    assert_eq!(second.outcome, Some(Outcome::RolledBack));
    assert!(!site.driver.calls.lock().unwrap().contains(&"stop green 2".to_owned()), "it was taken over");
}

#[tokio::test]
async fn a_gate_that_fails_keeps_every_user_from_the_version() {
    let gates = json!([{"name": "tests", "check": {"command": {"command": ["t"]}}}]);
    let site = Site::new(policy(json!({ "gates": gates }))).await;
    site.release("1").await;
    site.gates.verdicts.lock().unwrap().push_back(Verdict::Fail);
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert_eq!(site.gateway.versions(), ["1"]);
    let asked = site.gates.asked.lock().unwrap();
    let context = asked.last().unwrap();
    assert_eq!((context.colour, context.version.as_str()), (Colour::Green, "2"));
    assert_eq!(context.host.as_deref(), Some("shop.test"));
    assert_eq!(context.instances.len(), 1);
    assert!(context.gateway.is_some() && context.preview.is_some());
}

#[tokio::test]
async fn a_gate_that_only_advises_stops_nobody_and_is_in_the_report() {
    let gates = json!([{"name": "tests", "on_fail": "advise", "check": {"command": {"command": ["t"]}}}]);
    let site = Site::new(policy(json!({ "gates": gates }))).await;
    site.gates.verdicts.lock().unwrap().push_back(Verdict::Fail);
    let view = site.release("1").await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    let report = site.controller().report(&view.release).await.unwrap();
    assert_eq!(report.gates[0].verdict, release::machine::Verdict::Fail);
    assert!(report.to_markdown().contains("gate tests failed, which only advises: went on"));
}

#[tokio::test]
async fn a_gate_that_pauses_waits_for_a_person_and_goes_back_if_none_comes() {
    let gates = json!([{"name": "tests", "on_fail": "pause", "check": {"command": {"command": ["t"]}}}]);
    let site = Site::new(policy(json!({ "gates": gates, "inconclusive_hold_ms": 1_500 }))).await;
    site.gates.verdicts.lock().unwrap().push_back(Verdict::Fail);
    let id = site.start("1").await;
    let asked =
        |view: &release::view::ReleaseView| view.waiting_for.iter().any(|waiting| waiting.asks_person);
    let view = site.until(&id, asked).await;
    assert!(view.waiting_for[0].what.contains("gate tests failed: said Fail"), "{:?}", view.waiting_for);
    site.controller().promote(&id, &ann()).await.unwrap();
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));

    site.gates.verdicts.lock().unwrap().push_back(Verdict::Fail);
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert_eq!(view.why.as_deref(), Some("gate tests failed: said Fail"));
    assert_eq!(site.gateway.versions(), ["1"], "no user has seen it");
}

/// A rehearsal that is over.
async fn rehearsed(site: &Site, version: &str) -> ReleaseView {
    let request = StartRequest {
        app: "shop".to_owned(),
        version: version.to_owned(),
        rehearsal: true,
        ..StartRequest::default()
    };
    let id = site.controller().start(request, &ann()).await.unwrap();
    site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await
}

#[tokio::test]
async fn a_rehearsal_goes_there_and_back_without_a_user_and_only_then_its_version_may_be_released() {
    let changes = json!({"steps": [10, 100], "rehearsal": {"required": true, "watch_ms": 0}});
    let site = Site::new(policy(changes)).await;
    site.release("1").await;
    let start = |version: &str| {
        let request = StartRequest { app: "shop".into(), version: version.into(), ..StartRequest::default() };
        async { site.controller().start(request, &ann()).await }
    };
    let refused = start("2").await.unwrap_err().to_string();
    assert!(refused.contains("no rehearsal of version 2 has gone well"), "{refused}");

    let view = rehearsed(&site, "2").await;
    assert_eq!((view.outcome, view.why.as_deref(), view.committed), (Some(Outcome::Rehearsed), None, false));
    let moves: Vec<_> = view.moves.iter().map(|one| (one.kind.as_str(), one.share, one.rehearses)).collect();
    assert_eq!(
        moves,
        [("share", 0, None), ("share", 0, Some(10)), ("share", 0, Some(100)), ("restore", 0, None)]
    );
    assert!(view.moves.iter().all(|one| one.took_ms.is_some()), "{:?}", view.moves);
    assert_eq!(site.service().await, json!({"id": "shop", "upstream_id": "shop-blue"}));
    assert_eq!(site.gateway.versions(), ["1"], "no user has seen it");
    assert_eq!(site.driver.version_on(Colour::Green), None, "nothing is left of it");
    let report = site.controller().report(&view.release).await.unwrap();
    let shown = report.rehearsal.as_ref().unwrap();
    assert_eq!((shown.users_on_new, shown.steps_ms.len()), (Some(0), 2), "{shown:?}");
    assert!(shown.there_ms.is_some() && shown.back_ms.is_some(), "{shown:?}");
    assert!(report.to_markdown().contains("**Rehearsal:** the way there took "));
    assert!(report.to_html().contains("Rehearsal: the way there took "));

    let refused = start("3").await.unwrap_err().to_string();
    assert!(refused.contains("no rehearsal of version 3 has gone well"), "{refused}");
    let released = site.release("2").await;
    assert_eq!((released.outcome, &released.rehearsal), (Some(Outcome::Promoted), &None));
    assert_eq!(site.gateway.versions(), ["1", "2"]);
}

#[tokio::test]
async fn a_rehearsal_that_fails_allows_nothing() {
    let gates = json!([{"name": "tests", "check": {"command": {"command": ["t"]}}}]);
    let site =
        Site::new(policy(json!({"gates": gates, "rehearsal": {"required": true, "watch_ms": 0}}))).await;
    site.release("1").await;
    site.gates.verdicts.lock().unwrap().push_back(Verdict::Fail);
    let view = rehearsed(&site, "2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert_eq!(view.rehearsal.and_then(|shown| shown.there_ms), None);
    let request = StartRequest { app: "shop".into(), version: "2".into(), ..StartRequest::default() };
    let refused = site.controller().start(request, &ann()).await.unwrap_err();
    assert!(matches!(refused, StartError::Refused(_)), "{refused}");
    assert_eq!(site.gateway.versions(), ["1"]);
}

#[tokio::test]
async fn an_approval_waits_for_someone_who_may() {
    let gates = json!([{"name": "ok", "check": {"approval": {}}}]);
    let permissions = json!({"self_approval": false});
    let site = Site::new(policy(json!({ "gates": gates, "permissions": permissions }))).await;
    let id = site.start("1").await;
    site.until(&id, |view| view.waiting_for.iter().any(|waiting| waiting.asks_person)).await;
    let controller = site.controller();
    let operator = Actor::new("bob", Role::Operator);
    assert!(matches!(controller.promote(&id, &operator).await, Err(CommandError::Forbidden(_))));
    assert!(matches!(controller.promote(&id, &ann()).await, Err(CommandError::Forbidden(_))));
    controller.promote(&id, &Actor::new("eve", Role::Approver)).await.unwrap();
    let view = site.until(&id, |view| view.outcome.is_some()).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    assert!(matches!(controller.promote(&id, &ann()).await, Err(CommandError::Forbidden(_))));
    let again = controller.promote(&id, &Actor::new("eve", Role::Approver)).await;
    assert!(matches!(again, Err(CommandError::Conflict(_))));
}

#[tokio::test]
async fn an_abort_in_the_soak_restores_and_is_idempotent() {
    let site = Site::new(policy(json!({"soak": {"duration_ms": 60_000}}))).await;
    site.release("1").await;
    let id = site.start("2").await;
    site.until(&id, |view| view.phase == "soak").await;
    site.controller().abort(&id, "not today", &ann()).await.unwrap();
    site.controller().abort(&id, "not today", &ann()).await.unwrap();
    let view = site.until(&id, |view| view.outcome.is_some()).await;
    assert_eq!(view.outcome, Some(Outcome::Aborted));
    assert_eq!(site.service().await, json!({"id": "shop", "upstream_id": "shop-blue"}));
    assert_eq!(site.driver.version_on(Colour::Blue).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_second_release_waits_for_the_first_or_can_be_withdrawn() {
    let site = Site::new(policy(json!({"soak": {"duration_ms": 60_000}}))).await;
    site.release("1").await;
    let second = site.start("2").await;
    site.until(&second, |view| view.phase == "soak").await;
    let third = site.start("3").await;
    let fourth = site.start("4").await;
    assert_eq!(site.controller().status("shop").await.unwrap().queued, [third.clone(), fourth.clone()]);
    site.controller().abort(&third, "never mind", &ann()).await.unwrap();
    site.until(&third, |view| view.outcome == Some(Outcome::Aborted)).await;
    site.controller().abort(&second, "", &ann()).await.unwrap();
    site.until(&fourth, |view| view.phase == "soak").await;
}

#[tokio::test]
async fn a_newer_release_takes_the_older_one_back_first() {
    let changes = json!({"soak": {"duration_ms": 400}, "on_conflict": "supersede"});
    let site = Site::new(policy(changes)).await;
    site.release("1").await;
    let second = site.start("2").await;
    site.until(&second, |view| view.phase == "soak").await;
    let third = site.start("3").await;
    let view = site.until(&second, |view| view.outcome.is_some()).await;
    assert_eq!(view.outcome, Some(Outcome::Superseded));
    let view = site.until(&third, |view| view.outcome.is_some()).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    assert_eq!(site.driver.version_on(Colour::Green).as_deref(), Some("3"));
}

#[tokio::test]
async fn rollback_after_the_commit_goes_back_by_one_version_each_time() {
    let site = Site::new(policy(json!({"decommission": {"keep_warm": {"for_ms": 60_000}}}))).await;
    for version in ["1", "2", "3"] {
        assert_eq!(site.release(version).await.outcome, Some(Outcome::Promoted));
    }
    let calls_before = site.driver.calls.lock().unwrap().len();
    for version in ["2", "1"] {
        let id = site.controller().rollback("shop", &ann()).await.unwrap();
        let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
        assert_eq!((view.version.as_str(), view.outcome), (version, Some(Outcome::Promoted)));
        assert_eq!(site.controller().status("shop").await.unwrap().live.as_deref(), Some(version));
    }
    let calls = site.driver.calls.lock().unwrap()[calls_before..].to_vec();
    assert!(calls.contains(&"provision green 2".to_owned()), "{calls:?}");
    let nothing = site.controller().rollback("shop", &ann()).await;
    assert!(matches!(nothing, Err(CommandError::Conflict(_))), "{nothing:?}");
}

#[tokio::test]
async fn someones_edit_pauses_the_release_until_a_person_has_looked() {
    let site = Site::new(policy(json!({"soak": {"duration_ms": 300}}))).await;
    site.release("1").await;
    let id = site.start("2").await;
    site.until(&id, |view| view.phase == "soak").await;
    edit_service(&site, |service| service["plugins"]["traffic-split"] = json!({"rules": []})).await;
    let view =
        site.until(&id, |view| view.waiting_for.iter().any(|waiting| waiting.what.contains("edit"))).await;
    assert!(!view.waiting_for[0].what.contains("(absent) became"), "{:?}", view.waiting_for);
    // An edit of what the release does not own passes.
    edit_service(&site, |service| service["name"] = json!("the shop")).await;
    site.controller().promote(&id, &ann()).await.unwrap();
    let view = site.until(&id, |view| view.outcome.is_some()).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    let expected = json!({"id": "shop", "name": "the shop", "upstream_id": "shop-green"});
    wait_for(LIMIT, || async { site.service().await == expected }).await;
}

async fn edit_service(site: &Site, edit: impl Fn(&mut Value)) {
    loop {
        let service = site.store.get(Kind::Service, "shop").await.unwrap().unwrap();
        let mut value = (*service.value).clone();
        edit(&mut value);
        let write = Write::Put {
            kind: Kind::Service,
            id: Some("shop".to_owned()),
            value,
            origin: service.origin,
            expect: Expect::Modified(service.modified),
        };
        if site.store.commit(vec![write], None).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn a_service_of_the_file_is_left_alone_and_an_overlay_says_what_holds() {
    let service = json!({"name": "from the file"});
    let site = Site::with_service(policy(json!({})), service.clone(), Origin::File).await;
    site.release("1").await;
    site.gateway.make_bad("2");
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    let stored = site.store.get(Kind::Service, "shop").await.unwrap().unwrap();
    assert_eq!(
        (stored.value["name"].as_str(), Owned::of(&stored.value)),
        (Some("from the file"), Owned::default())
    );
    assert_eq!(site.service().await["upstream_id"], "shop-blue");
    site.release("3").await;
    assert_eq!(site.service().await["upstream_id"], "shop-green");
    let overlay = site.store.get(Kind::Overlay, "shop").await.unwrap().unwrap();
    assert_eq!(overlay.origin, Origin::Release);
    assert_eq!(overlay.value["app"], "shop");
}

#[tokio::test]
async fn environments_that_someone_else_runs_are_switched_by_their_addresses() {
    let target = json!({"upstream": {
        "blue": {"nodes": {"10.0.0.1:80": 1}, "retries": 1},
        "green": {"nodes": {"10.0.0.2:80": 1}},
    }});
    let service = json!({"upstream": {"nodes": [{"host": "10.0.0.1", "port": 80, "weight": 1}]}});
    let site =
        Site::with_target(target, policy(json!({})), service.clone(), Origin::Api).await.with_controller();
    site.gateway.make_bad("2");
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    let versions: Vec<&str> = view.colours.iter().map(|colour| colour.version.as_str()).collect();
    assert_eq!(versions, ["unknown", "2"], "who is live is known by the address");
    let mut before = service;
    before["id"] = json!("shop");
    assert_eq!(site.service().await, before, "exactly as it was");
    let view = site.release("3").await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    assert_eq!(site.service().await, json!({"id": "shop", "upstream_id": "shop-green"}));
    let green = site.store.get(Kind::Upstream, "shop-green").await.unwrap().unwrap();
    assert_eq!(green.value["nodes"], json!({"10.0.0.2:80": 1}));
    assert_eq!(green.value["labels"]["tealgate.version"], "3");
}

#[tokio::test]
async fn a_released_environment_that_moves_to_another_port_is_followed() {
    let site = Site::new(policy(json!({}))).await;
    let view = site.release("1").await;
    site.until(&view.release, |view| view.ended_at_ms.is_some()).await;
    let before = site.store.get(Kind::Upstream, "shop-blue").await.unwrap().unwrap().value["nodes"].clone();
    site.driver.move_to_another_port(Colour::Blue);
    wait_for(LIMIT, || async {
        let now = site.store.get(Kind::Upstream, "shop-blue").await.unwrap().unwrap();
        now.value["nodes"] != before && now.value["labels"]["tealgate.drain_timeout_ms"] == "200"
    })
    .await;
}

#[tokio::test]
async fn a_refused_plan_says_every_reason_and_writes_nothing() {
    let site = Site::new(policy(json!({"steps": [50, 40]}))).await;
    wait_for(LIMIT, || async { site.controller().holder().await.unwrap().is_some() }).await;
    let request =
        StartRequest { app: "shop".to_owned(), version: "a b".to_owned(), ..StartRequest::default() };
    let Err(StartError::Refused(reasons)) = site.controller().start(request, &ann()).await else {
        panic!("it is refused")
    };
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(site.store.releases().await.unwrap().is_empty());
    let request = StartRequest { app: "shop".to_owned(), version: "1".to_owned(), ..StartRequest::default() };
    let viewer = Actor::new("bob", Role::Viewer);
    assert!(matches!(site.controller().start(request, &viewer).await, Err(StartError::Forbidden(_))));
    let request = StartRequest { app: "none".to_owned(), version: "1".to_owned(), ..StartRequest::default() };
    assert!(matches!(site.controller().start(request, &ann()).await, Err(StartError::NoSuchApp(_))));
}

#[tokio::test]
async fn a_program_that_does_not_exist_or_cannot_start_is_said_plainly() {
    let site = Site::new(policy(json!({}))).await;
    wait_for(LIMIT, || async { site.controller().holder().await.unwrap().is_some() }).await;
    let request =
        StartRequest { app: "shop".to_owned(), version: "uncheckable".to_owned(), ..StartRequest::default() };
    let refused = site.controller().start(request, &ann()).await.unwrap_err();
    assert!(refused.to_string().contains("does not exist"), "{refused}");
    site.driver.broken.lock().unwrap().push("1".to_owned());
    let view = site.release("1").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert!(view.why.as_ref().unwrap().contains("cannot start shop: permission denied"), "{:?}", view.why);
    assert_eq!(site.service().await, json!({"id": "shop"}));
}

#[tokio::test]
async fn too_little_traffic_is_held_and_then_taken_back() {
    let changes = json!({"inconclusive_hold_ms": 300});
    let site = Site::new(policy(changes)).await;
    site.release("1").await;
    site.gateway.set_busy(false);
    let id = site.start("2").await;
    site.until(&id, |view| view.waiting_for.iter().any(|waiting| waiting.asks_person)).await;
    let view = site.until(&id, |view| view.outcome.is_some()).await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert!(view.why.as_ref().unwrap().contains("0 requests"), "{:?}", view.why);
}

#[tokio::test]
async fn a_damaged_journal_refuses_releases_of_its_app_only() {
    let site = Site::new(policy(json!({}))).await;
    site.release("1").await;
    let fence = site.store.lease(release::lease::LEASE).await.unwrap().unwrap().fence;
    let entry = store::JournalEntry { seq: 1, body: "{\"format\":1,\"hash\":\"no\"}".to_owned() };
    site.store.append("shop-9", release::lease::LEASE, fence, entry).await.unwrap();
    let request = StartRequest { app: "shop".to_owned(), version: "2".to_owned(), ..StartRequest::default() };
    let refused = site.controller().start(request, &ann()).await;
    assert!(matches!(refused, Err(StartError::Damaged { .. })), "{refused:?}");
    assert_eq!(site.service().await["upstream_id"], "shop-blue", "traffic goes on");
    assert!(site.controller().status("shop").await.unwrap().trouble.is_some());
}

async fn put(site: &Site, kind: Kind, id: &str, value: Value) {
    let write = Write::Put { kind, id: Some(id.to_owned()), value, origin: Origin::Api, expect: Expect::Any };
    site.store.commit(vec![write], None).await.unwrap();
}

#[tokio::test]
async fn an_environment_that_a_route_was_switched_to_by_hand_outlives_its_time() {
    let site = Site::new(policy(json!({"decommission": {"keep_warm": {"for_ms": 700}}}))).await;
    site.release("1").await;
    let second = site.release("2").await;
    let split = json!({"rules": [{"weighted_upstreams": [{"upstream_id": "shop-blue", "weight": 100}]}]});
    let route = json!({"uri": "/*", "service_id": "shop", "plugins": {"traffic-split": split}});
    put(&site, Kind::Route, "all", route).await;
    site.until(&second.release, |view| view.ended_at_ms.is_some()).await;
    assert_eq!(site.driver.version_on(Colour::Blue).as_deref(), Some("1"), "all users are on it");
    let report = site.controller().report(&second.release).await.unwrap();
    assert!(report.to_markdown().contains("left running: someone gave this environment traffic"));
}

#[tokio::test]
async fn a_switch_by_hand_while_a_release_only_provisions_survives_its_failure() {
    let site = Site::new(policy(json!({}))).await;
    site.release("1").await;
    site.driver.sick.lock().unwrap().push("2".to_owned());
    let id = site.start("2").await;
    site.until(&id, |view| view.phase == "provision").await;
    let by_hand = json!({"upstream": {"nodes": {"10.9.9.9:80": 1}}});
    put(&site, Kind::Service, "shop", by_hand).await;
    site.controller().abort(&id, "wrong version", &ann()).await.unwrap();
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!((view.outcome, view.moves.len()), (Some(Outcome::Aborted), 0));
    assert_eq!(site.service().await["upstream"]["nodes"], json!({"10.9.9.9:80": 1}));
}

#[tokio::test]
async fn only_an_administrator_may_say_what_runs() {
    let site = Site::new(policy(json!({}))).await;
    site.release("1").await;
    let target = serde_json::from_value(json!({"process": {"command": ["anything"]}})).unwrap();
    let request = StartRequest {
        app: "shop".to_owned(),
        version: "2".to_owned(),
        target: Some(target),
        ..StartRequest::default()
    };
    for role in [Role::Operator, Role::Approver] {
        let refused = site.controller().start(request.clone(), &Actor::new("bob", role)).await;
        let Err(StartError::Forbidden(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("admin is needed: a spec may run any program"), "{why}");
    }
    site.controller().start(request, &ann()).await.unwrap();
}

#[tokio::test]
async fn the_share_moves_when_what_was_under_way_has_ended_and_the_report_says_who_waited() {
    let site = Site::new(policy(json!({"hold": {"requests": "writes", "budget_ms": 5_000}}))).await;
    assert_eq!(site.release("1").await.outcome, Some(Outcome::Promoted), "nothing to wait for yet");
    site.gateway.set_writes(3);
    let id = site.start("2").await;
    let view = site.until(&id, |view| view.hold.is_some_and(|hold| hold.open == 3)).await;
    assert_eq!((view.share, view.phase.as_str()), (0, "shift"));
    let rules = site.service().await["plugins"]["traffic-split"]["rules"].clone();
    assert_eq!(rules[1]["weighted_upstreams"][1]["weight"], 100, "everyone is still on the old one");
    site.gateway.set_writes(0);
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    let report = site.controller().report(&id).await.unwrap();
    assert_eq!(report.holds.len(), 1, "{:?}", report.holds);
    assert!(report.holds[0].in_time && report.to_markdown().contains("## Holds"));
    let line = |part: &str| report.timeline.iter().position(|line| line.what.contains(part)).expect("a line");
    let account = format!("hold {}: no request had to wait", report.holds[0].id);
    assert!(line(&account) < line("100 % of user traffic is on the new version"), "{:#?}", report.timeline);
}

#[tokio::test]
async fn what_never_ends_keeps_everyone_on_the_old_version() {
    let site = Site::new(policy(json!({"hold": {"requests": "writes", "budget_ms": 30, "tries": 2}}))).await;
    site.release("1").await;
    site.gateway.set_writes(1);
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    let why = view.why.unwrap();
    assert!(why.contains("with requests waiting, tried 2 times"), "{why}");
    assert_eq!(view.holds.iter().map(HoldSummary::end).collect::<Vec<_>>(), [HoldEnd::Budget; 2]);
    let report = site.controller().report(&view.release).await.unwrap();
    let lines =
        |part: &str| report.timeline.iter().rposition(|line| line.what.contains(part)).expect("a line");
    assert!(
        lines("no request had to wait; the budget was over") < lines("going back"),
        "{:#?}",
        report.timeline
    );
    assert_eq!(site.service().await, json!({"id": "shop", "upstream_id": "shop-blue"}));
    assert_eq!(site.gateway.versions(), ["1"], "nobody has seen the new one");
}
