//! The configuration file changes while releases own part of what it says.

use crate::clock;
use crate::harness::admin::Admin;
use crate::harness::cli::release;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use crate::harness::{certificate, client, shell};
use http::Method;
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
    let gate = Start::new(world).staying().with(&["--config", &config]).ready().await;
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

#[tokio::test]
async fn sighup_reads_the_admin_keys_and_the_certificate_again_and_keeps_those_that_cannot_be_replaced() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let in_data_dir = |name: &str| world.data_dir().join(name);
    let (keys, own) = (in_data_dir("admin-keys.json"), gate.admin());
    let status = async |admin: &Admin| admin.call(Method::GET, "/apisix/admin/routes", "").await.status;
    let written = std::fs::read_to_string(&keys).unwrap();
    certificate::write(world.path());
    let trusted = format!(
        "curl -sS --cacert {} https://localhost:7443/status",
        world.path().join("cert.pem").display()
    );

    std::fs::write(&keys, "{").unwrap();
    std::fs::write(in_data_dir("admin-tls.key"), "no key").unwrap();
    gate.signal(Signal::HUP);
    gate.logged("the certificate of the Admin API stays as it was").await;
    assert!(gate.log().contains("the admin keys stay as they were"));
    assert_eq!(status(&own).await, 200);

    let key = "a-key-that-was-made-today";
    std::fs::write(&keys, written.replace(own.key(), key)).unwrap();
    assert!(!shell::run(&gate, &trusted).await.status.success(), "another certificate is shown still");
    for (from, to) in [("cert.pem", "admin-tls.crt"), ("key.pem", "admin-tls.key")] {
        std::fs::copy(world.path().join(from), in_data_dir(to)).unwrap();
    }
    gate.signal(Signal::HUP);
    let new = Admin::new(gate.admin_address(), key.to_owned());
    clock::until("the new key", async || status(&new).await == 200, || gate.log()).await;
    assert_eq!(status(&own).await, 401, "a key that was taken away is taken away at once");
    let shown = async || shell::run(&gate, &trusted).await.status.success();
    clock::until("the new certificate", shown, || gate.log()).await;
}
