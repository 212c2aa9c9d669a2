//! The configuration file changes while releases own part of what it says.

use crate::clock;
use crate::harness::cli::release;
use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::run::Load;
use rustix::process::Signal;
use serde_json::{Value, json};

/// The file of an app whose releases are long enough to be changed in.
fn file(world: &World) -> Value {
    let mut app = shop::app(shop::target(world), policy(json!({})));
    app["id"] = json!("shop");
    json!({
        "services": [{"id": "shop"}],
        "routes": [{"id": "shop", "uri": "/*", "service_id": "shop"}],
        "apps": [app],
    })
}

/// With one route more.
fn with_extra(mut file: Value) -> Value {
    let extra = json!({"id": "extra", "uri": "/extra/*", "service_id": "shop", "priority": 1});
    file["routes"].as_array_mut().unwrap().push(extra);
    file
}

async fn serving(world: &World, file: &Value) -> Gate {
    let config = world.config(file);
    let gate = Start::new(world).with(&["--config", &config]).ready().await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    gate
}

async fn has_route(gate: &Gate, id: &str) -> bool {
    gate.admin().call(http::Method::GET, &format!("/apisix/admin/routes/{id}"), "").await.status == 200
}

#[tokio::test]
async fn a_reload_in_the_middle_of_a_release_changes_the_rest_and_the_release_goes_on() {
    let world = World::new();
    let mut file = file(&world);
    file["apps"][0]["release"]["steps"] = json!([{"share": 50, "pause_ms": 3_000}, 100]);
    let gate = serving(&world, &file).await;
    let load = Load::closed_loop(gate.gateway(), "shop.example", 2);
    let load = Load { mix: vec![load::kind::RequestKind::get("/echo")], ..load }.start().unwrap();
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until(&gate, "half of the traffic", |view| view["share"] == 50).await;

    world.config(&with_extra(file));
    clock::until("the new route", async || has_route(&gate, "extra").await, || gate.log()).await;
    let view = shop::newest(&gate).await;
    assert_eq!((&view["phase"], &view["share"]), (&json!("shift"), &json!(50)), "in the middle");
    let split = gate.admin().value("services/shop").await;
    assert!(split.pointer("/plugins/traffic-split").is_some(), "the overlay stays: {split}");

    let view = shop::until_over(&gate).await;
    assert_eq!(view["outcome"], "promoted", "{view}");
    assert_eq!(shop::live(&gate).await, "v2");
    let ledger = load.stop().await;
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
}

#[tokio::test]
async fn after_the_clean_up_a_restart_and_a_reload_keep_the_live_version() {
    let world = World::new();
    let file = file(&world);
    let mut gate = serving(&world, &file).await;
    release(&gate, &["start", "shop", "--version", "v2"]).await.exits(0);
    clock::until("the end of v1", async || shop::processes(&world, "v1").is_empty(), || gate.log()).await;
    let processes = shop::processes(&world, "v2");
    for crash in [true, false] {
        if crash {
            gate.crash();
        } else {
            gate.signal(Signal::TERM);
            assert_eq!(gate.end().await.code(), Some(0));
        }
        let config = world.config(&file);
        gate = Start::new(&world).where_it_was(&gate).with(&["--config", &config]).ready().await;
        assert_eq!(shop::live(&gate).await, "v2");
        assert_eq!(shop::processes(&world, "v2"), processes, "adopted");
    }
    world.config(&with_extra(file));
    clock::until("the new route", async || has_route(&gate, "extra").await, || gate.log()).await;
    assert_eq!(shop::live(&gate).await, "v2");
}

#[tokio::test]
async fn a_reload_that_conflicts_with_a_release_is_refused_whole() {
    let world = World::new();
    let file = file(&world);
    let gate = serving(&world, &file).await;
    let mut conflict = with_extra(file.clone());
    conflict["services"][0]["upstream"] = json!({"type": "roundrobin", "nodes": {"127.0.0.1:1": 1}});
    world.config(&conflict);
    gate.logged("services[0].upstream").await;
    let log = gate.log();
    assert!(
        log.contains("tealgate.yaml:1:") && log.contains("start a release"),
        "where, and what to do: {log}"
    );
    assert!(!has_route(&gate, "extra").await, "nothing of the file was taken over");
    assert_eq!(shop::live(&gate).await, "v1");

    let mut gone = with_extra(file.clone());
    gone["apps"] = json!([]);
    world.config(&gone);
    gate.logged("no longer in this file").await;
    assert!(!has_route(&gate, "extra").await);

    world.file("tealgate.yaml", "routes: [\n");
    gate.logged("not valid YAML").await;
    assert_eq!(shop::live(&gate).await, "v1");

    world.config(&with_extra(file));
    clock::until("the right file", async || has_route(&gate, "extra").await, || gate.log()).await;
    assert_eq!(shop::live(&gate).await, "v1");
}

#[tokio::test]
async fn sighup_reads_a_file_whose_change_could_not_be_seen() {
    let world = World::new();
    let file = file(&world);
    // The name is a link into a directory that nobody watches, as Kubernetes mounts its files.
    let real = world.file("elsewhere/real.yaml", file.to_string());
    let link = world.path().join("tealgate.yaml");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let gate = Start::new(&world).with(&["--config", link.to_str().unwrap()]).ready().await;
    assert!(!has_route(&gate, "extra").await);
    std::fs::write(&real, with_extra(file).to_string()).unwrap();
    gate.signal(Signal::HUP);
    clock::until("the new route", async || has_route(&gate, "extra").await, || gate.log()).await;
    assert_eq!(client::get(gate.gateway(), "/extra/x").await.status, 503, "no version is live yet");
}
