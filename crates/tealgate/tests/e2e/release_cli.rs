//! Releases from the command line: what they do, how they exit, what they report.

use crate::harness::cli::{release, run};
use crate::harness::gate::Gate;
use crate::harness::sample::Sample;
use crate::harness::shop::{self, approval, policy};
use crate::harness::world::World;
use crate::harness::{client, processes};
use load::kind::RequestKind;
use load::run::Load;
use serde_json::{Value, json};
use testkit::clock::eventually;

async fn with_shop(world: &World, changes: Value) -> Gate {
    let gate = Gate::start(world).await;
    shop::put(&gate, shop::target(world), policy(changes)).await;
    gate
}

#[tokio::test]
async fn a_first_release_has_no_blue_and_a_second_takes_its_place() {
    let world = World::new();
    let gate = with_shop(&world, json!({})).await;
    assert_eq!(client::get(gate.gateway(), "/who").await.status, 503, "nothing to go to yet");

    let first = release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    assert_eq!((&first.json()["outcome"], &first.json()["version"]), (&json!("promoted"), &json!("v1")));
    assert_eq!(shop::live(&gate).await, "v1");

    release(&gate, &["start", "shop", "--version", "v2"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v2");
    let service = gate.admin().value("services/shop").await;
    assert!(service.pointer("/plugins/traffic-split").is_none(), "cleaned up: {service}");
    eventually("the end of version 1", async || shop::processes(&world, "v1").is_empty()).await;

    let status = release(&gate, &["status", "shop"]).await.exits(0);
    assert_eq!(status.json()["version"], "v2");
    let list = release(&gate, &["list", "shop"]).await.exits(0).json();
    assert_eq!(list["total"], 2);
    let apps = release(&gate, &["list"]).await.exits(0).json();
    assert_eq!(apps["list"][0]["value"]["id"], "shop");

    let report = release(&gate, &["report", "shop"]).await.exits(0).json();
    assert_eq!((&report["outcome"], &report["version"]), (&json!("promoted"), &json!("v2")));
    let phases: Vec<&str> =
        report["phases"].as_array().unwrap().iter().map(|span| span["phase"].as_str().unwrap()).collect();
    let position = |phase: &str| phases.iter().position(|seen| *seen == phase).expect(phase);
    let order = ["provision", "test", "shift", "soak"].map(position);
    assert!(order.is_sorted(), "{phases:?}");
    let markdown = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    for part in ["# Release", "v2", "## Plan", "## Ledger", "## Timeline", "* lost: 0"] {
        assert!(markdown.contains(part), "{part} is missing in:\n{markdown}");
    }
}

#[tokio::test]
async fn a_rollback_after_the_commit_releases_the_version_before() {
    let world = World::new();
    let gate = with_shop(&world, json!({})).await;
    for version in ["v1", "v2"] {
        release(&gate, &["start", "shop", "--version", version]).await.exits(0);
    }
    release(&gate, &["rollback", "shop"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v1");
    let newest = shop::newest(&gate).await;
    assert_eq!((&newest["version"], &newest["outcome"]), (&json!("v1"), &json!("promoted")));
}

#[tokio::test]
async fn a_version_that_fails_for_users_is_taken_back_by_itself() {
    let world = World::new();
    let limits = json!({"max_error_rate": 0.05, "min_requests": 20});
    let steps = json!([{"share": 20, "pause_ms": 20_000}, 100]);
    let gate =
        with_shop(&world, json!({"limits": limits, "steps": [100], "on_inconclusive": "proceed"})).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    shop::change(&gate, shop::target(&world), policy(json!({"limits": limits, "steps": steps}))).await;

    let spec = world.file("broken.yaml", shop::broken_target(&world).to_string());
    let mix = vec![RequestKind::get("/echo"), RequestKind::post("/echo/orders", 500)];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 4) }.start().unwrap();
    let ended = release(&gate, &["start", "shop", "--version", "v2", "--spec", &spec]).await.exits(1);
    let ledger = load.stop().await;

    assert_eq!(ended.json()["outcome"], "rolled_back");
    assert_eq!(shop::live(&gate).await, "v1");
    assert_eq!(ledger.tally.lost, 0, "{:?}", ledger.failures);
    let errors = ledger.tally.user_errors_total();
    assert!(errors >= 1, "the judge saw users' errors");
    assert_eq!(
        ledger.tally.user_errors.len(),
        1,
        "only version 2 answers with errors: {:?}",
        ledger.tally.user_errors
    );

    let report = release(&gate, &["report", "shop"]).await.exits(0).json();
    assert!(report["why"].as_str().is_some_and(|why| why.contains("requests failed")), "{}", report["why"]);
    assert!(!report["failures"].as_array().unwrap().is_empty(), "samples of failures");
    assert!(!report["log_lines"].as_array().unwrap().is_empty(), "Green's last log lines");
    assert_eq!(report["ledger"]["lost"], 0, "{}", report["ledger"]);
    let found = load::reconcile::reconcile(&ledger, &shop::backends(&world));
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
}

#[tokio::test]
async fn a_release_waits_for_approval_and_the_preview_sees_green_before_users_do() {
    let world = World::new();
    let gate = with_shop(&world, json!({})).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    shop::change(&gate, shop::target(&world), policy(json!({"gates": approval("before_shift")}))).await;
    let waiting = release(&gate, &["start", "shop", "--version", "v2", "--timeout", "1s"]).await.exits(5);
    assert!(waiting.err.contains("release abort shop"), "it says how to go on: {waiting:?}");
    let asks = |view: &Value| view["waiting_for"][0]["asks_person"] == true;
    shop::until(&gate, "the question", asks).await;
    release(&gate, &["status", "shop"]).await.exits(5);

    let service = gate.admin().value("services/shop").await;
    let token = token_of(&service["plugins"]["traffic-split"]);
    assert_eq!(shop::live(&gate).await, "v1");
    let preview = client::get_with(gate.gateway(), "/who", &[("x-tealgate-preview", &token)]).await;
    assert_eq!(preview.header("x-version"), "v2");
    let guess = client::get_with(gate.gateway(), "/who", &[("x-tealgate-preview", "guess")]).await;
    assert_eq!(guess.header("x-version"), "v1");

    release(&gate, &["promote", "shop"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v2");
    let report = release(&gate, &["report", "shop"]).await.out;
    let told = report + &gate.log() + &waiting.out + &waiting.err;
    assert!(!told.contains(&token), "the token is in a log, a report or on the screen");
}

/// The secret in the rule of the preview: its longest text.
fn token_of(split: &Value) -> String {
    fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(map) => map.values().for_each(|item| texts(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    texts(split, &mut found);
    let token = found.into_iter().max_by_key(|text| text.len()).unwrap();
    assert!(token.len() >= 22, "128 bits or more: {token:?}");
    token.to_owned()
}

#[tokio::test]
async fn an_abort_restores_what_was_live() {
    let world = World::new();
    let gate = with_shop(&world, json!({})).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let soak = json!({"duration_ms": 60_000, "interval_ms": 500});
    shop::change(&gate, shop::target(&world), policy(json!({"soak": soak}))).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until_phase(&gate, "soak").await;
    assert_eq!(shop::live(&gate).await, "v2");
    release(&gate, &["abort", "shop"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v1");
    release(&gate, &["status", "shop"]).await.exits(4);
    release(&gate, &["promote", "shop"]).await.exits(3);
}

#[tokio::test]
async fn a_rollback_before_the_commit_is_taken_at_once() {
    let world = World::new();
    let gate = with_shop(&world, json!({})).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let steps = json!([{"share": 50, "pause_ms": 60_000}, 100]);
    shop::change(&gate, shop::target(&world), policy(json!({"steps": steps}))).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until(&gate, "half of the traffic", |view| view["share"] == 50).await;
    release(&gate, &["rollback", "shop"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v1");
}

#[tokio::test]
async fn a_second_release_waits_for_its_turn_or_takes_it() {
    let world = World::new();
    let gate = with_shop(&world, json!({"gates": approval("before_shift")})).await;
    release(&gate, &["start", "shop", "--version", "v1", "--detach"]).await.exits(5);
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    let queued = shop::newest(&gate).await;
    assert_eq!((&queued["version"], &queued["phase"]), (&json!("v2"), &json!("queued")));
    let list = release(&gate, &["list", "shop"]).await.json();
    let first = list["list"][1]["release"].as_str().unwrap().to_owned();
    let path = format!("/tealgate/v1/apps/shop/releases/{first}");
    let asked = async || gate.admin().get(&path).await.json()["waiting_for"][0]["asks_person"] == true;
    eventually("the question", asked).await;
    let queued = shop::newest(&gate).await;
    let behind = &queued["waiting_for"][0]["behind"][0];
    assert_eq!((&behind["release"], &behind["asks_person"]), (&json!(first), &json!(true)), "{queued}");
    let tree = run(&gate, &["release", "status", "shop"], None).await.exits(5).out;
    let (other, own) = (format!("abort shop --release {first}"), queued["release"].as_str().unwrap());
    for part in [&format!("behind release {first} of v1"), &other, &format!("abort shop --release {own}")] {
        assert!(tree.contains(part.as_str()), "{part} is missing in:\n{tree}");
    }
    // Meant is the one in flight, not the newer one that waits for its turn.
    release(&gate, &["promote", "shop"]).await.exits(0);
    shop::until(&gate, "its turn", |view| view["phase"] == "test").await;

    let change = json!({"gates": approval("before_shift"), "on_conflict": "supersede"});
    shop::change(&gate, shop::target(&world), policy(change)).await;
    let second = shop::newest(&gate).await["release"].as_str().unwrap().to_owned();
    release(&gate, &["start", "shop", "--version", "v3", "--detach"]).await.exits(5);
    let third = shop::until(&gate, "the third", |view| view["waiting_for"][0]["asks_person"] == true).await;
    assert_eq!(third["version"], "v3");
    release(&gate, &["status", "shop", "--release", &second]).await.exits(4);
    release(&gate, &["promote", "shop"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v3");
}

#[tokio::test]
async fn two_environments_of_someone_else_are_switched_and_never_stopped() {
    let world = World::new();
    let (blue, green) = (Sample::start(&world, "blue"), Sample::start(&world, "green"));
    let gate = Gate::start(&world).await;
    let target = json!({"upstream": {"blue": {"nodes": blue.node()}, "green": {"nodes": green.node()}}});
    shop::put(&gate, target, policy(json!({}))).await;
    let colour = async || client::get(gate.gateway(), "/who").await.header("x-colour").to_owned();
    for (version, expected) in [("v1", "blue"), ("v2", "green"), ("v3", "blue")] {
        release(&gate, &["start", "shop", "--version", version]).await.exits(0);
        assert_eq!(colour().await, expected);
    }
    release(&gate, &["rollback", "shop"]).await.exits(0);
    assert_eq!(colour().await, "green");
    assert!(processes::naming(&world.path().display().to_string()).len() >= 3, "both are still there");
}

#[tokio::test]
async fn what_cannot_be_released_is_refused_by_name_before_anything_is_touched() {
    let world = World::new();
    let gate = with_shop(&world, json!({})).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let not_there = json!({"process": {"command": ["/nonexistent/program", "{port}"]}}).to_string();
    let not_there = world.file("not-there.yaml", not_there);
    let misspelt = world.file("misspelt.yaml", "process: {command: [x, '{prot}']}\n");
    let broken = world.file("broken.yaml", "process: [\n");
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["start", "none", "--version", "v2"], 3, &["none"]),
        (&["start", "shop", "--version", "no good"], 3, &["no good"]),
        (&["start", "shop", "--version", "v2", "--spec", &not_there], 3, &["/nonexistent/program"]),
        (&["start", "shop", "--version", "v2", "--spec", &misspelt], 3, &["prot"]),
        (&["start", "shop", "--version", "v2", "--spec", &broken], 2, &["broken.yaml"]),
        (&["start", "shop"], 2, &["--version"]),
        (&["abort", "none"], 3, &["none"]),
        (&["report", "shop", "--release", "none"], 3, &["none"]),
    ];
    for (arguments, code, parts) in table {
        let ended = release(&gate, arguments).await.exits(*code);
        for part in *parts {
            assert!((ended.err.clone() + &ended.out).contains(part), "{part} is missing: {ended:?}");
        }
    }
    let split = json!({"uri": "/beside", "service_id": "shop", "plugins": {"traffic-split": {"rules": [
        {"weighted_upstreams": [{"weight": 1}]}]}}});
    gate.admin().put("routes/beside", &split).await;
    let bypass = release(&gate, &["start", "shop", "--version", "v2"]).await.exits(3);
    assert!((bypass.err.clone() + &bypass.out).contains("beside"), "it names the route: {bypass:?}");
    assert_eq!(shop::live(&gate).await, "v1");
}
