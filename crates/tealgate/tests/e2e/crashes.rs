//! kill -9 of Tealgate in the middle of each phase: the environments live on, the next process adopts them, and the
//! release ends on a healthy colour.

use crate::harness::cli::{release, run};
use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, approval, policy};
use crate::harness::world::World;
use load::kind::RequestKind;
use load::ledger::Ledger;
use load::reconcile::reconcile;
use load::run::{Handle, Load};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::clock::eventually;

/// Long enough that the crash is in the middle.
const LONG_MS: u32 = 3_000;

fn load(gateway: SocketAddr) -> Handle {
    let mix = vec![RequestKind::get("/echo"), RequestKind::post("/echo/orders", 2_000)];
    Load { mix, ..Load::closed_loop(gateway, "shop.example", 2) }.start().unwrap()
}

async fn answered(load: &Handle, more: u64) {
    let before = load.progress().answered_total();
    eventually("answers", async || load.progress().answered_total() >= before + more).await;
}

fn nothing_lost(ledger: &Ledger) {
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
    assert!(ledger.tally.sent > 0);
}

/// The processes of all versions, each with its version.
fn everyone(world: &World) -> Vec<(&'static str, Vec<Pid>)> {
    ["v1", "v2"].map(|version| (version, shop::processes(world, version))).into()
}

/// A world in which version 1 is live, and version 2 is on its way with this policy and target.
async fn on_its_way(target: Value, world: &World, changes: Value) -> Gate {
    let gate = Start::new(world).staying().ready().await;
    shop::put(&gate, shop::target(world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    shop::change(&gate, target, policy(changes)).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    gate
}

/// Crashes and restarts the server; the same processes must be there before and after.
async fn crash_and_restart(world: &World, gate: &mut Gate) {
    let before = load(gate.gateway());
    answered(&before, 50).await;
    nothing_lost(&before.stop().await);
    let processes = everyone(world);
    gate.crash();
    assert_eq!(everyone(world), processes, "the environments live without Tealgate");
    *gate = Start::new(world).where_it_was(gate).ready().await;
    assert_eq!(everyone(world), processes, "they are adopted, not started again");
}

/// Waits for the end of version 2's release; whatever it is, users are on a healthy colour and nothing is hidden.
async fn ends_well(world: &World, gate: &Gate, outcome: &str, live: &str) {
    let after = load(gate.gateway());
    let view = shop::until_over(gate).await;
    answered(&after, 50).await;
    let ledger = after.stop().await;
    nothing_lost(&ledger);
    assert_eq!((&view["version"], &view["outcome"]), (&json!("v2"), &json!(outcome)), "{view}");
    assert_eq!(shop::live(gate).await, live);
    let found = reconcile(&ledger, &shop::backends(world));
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
}

/// The report says which gateway went with what it had counted for the release, and does not claim to know the rest.
async fn the_gap_is_named(gate: &Gate, crashed: u32) {
    let report = shop::report(gate).await;
    let gaps = report["gaps"].as_array().unwrap();
    let named = gaps.iter().any(|gap| gap.as_str().unwrap().contains(&format!("-{crashed}-")));
    assert!(named, "the gap of process {crashed}: {gaps:?}");
    assert_ne!(report["ledger"]["lost"], 0, "what went with a gateway is not known");
    let markdown = run(gate, &["release", "report", "shop"], None).await.exits(0).out;
    assert!(markdown.contains("**Gap:**") && markdown.contains("* lost: unknown"), "{markdown}");
}

#[tokio::test]
async fn while_green_is_provisioned() {
    let world = World::new();
    let mut target = shop::target(&world);
    let readiness =
        json!({"probe": {"http": {"path": "/healthz"}}, "interval_ms": 100, "successes": 25, "of": 25});
    target["process"]["readiness"] = readiness;
    let mut gate = on_its_way(target, &world, json!({})).await;
    let started = async || shop::processes(&world, "v2").len() == 1;
    eventually("the process of version 2", started).await;
    assert_eq!(shop::newest(&gate).await["phase"], "provision");
    let crashed = gate.pid();
    crash_and_restart(&world, &mut gate).await;
    ends_well(&world, &gate, "promoted", "v2").await;
    the_gap_is_named(&gate, crashed).await;
}

#[tokio::test]
async fn while_green_is_tested() {
    let world = World::new();
    let mut gate = on_its_way(shop::target(&world), &world, json!({"gates": approval("before_shift")})).await;
    let asks = |view: &Value| view["waiting_for"][0]["asks_person"] == true;
    shop::until(&gate, "the question", asks).await;
    let crashed = gate.pid();
    crash_and_restart(&world, &mut gate).await;
    shop::until(&gate, "the question after the restart", asks).await;
    release(&gate, &["promote", "shop", "--detach"]).await.exits(5);
    ends_well(&world, &gate, "promoted", "v2").await;
    the_gap_is_named(&gate, crashed).await;
}

#[tokio::test]
async fn while_half_of_the_traffic_is_shifted() {
    let world = World::new();
    let steps = json!({"steps": [{"share": 50, "pause_ms": LONG_MS}, 100]});
    let mut gate = on_its_way(shop::target(&world), &world, steps).await;
    shop::until(&gate, "half of the traffic", |view| view["phase"] == "shift" && view["share"] == 50).await;
    let crashed = gate.pid();
    crash_and_restart(&world, &mut gate).await;
    ends_well(&world, &gate, "promoted", "v2").await;
    the_gap_is_named(&gate, crashed).await;
}

#[tokio::test]
async fn while_green_soaks() {
    let world = World::new();
    let soak = json!({"soak": {"duration_ms": LONG_MS, "interval_ms": 500}});
    let mut gate = on_its_way(shop::target(&world), &world, soak).await;
    shop::until_phase(&gate, "soak").await;
    let crashed = gate.pid();
    crash_and_restart(&world, &mut gate).await;
    ends_well(&world, &gate, "promoted", "v2").await;
    the_gap_is_named(&gate, crashed).await;
}

#[tokio::test]
async fn while_blue_is_kept_warm_before_it_is_stopped() {
    let world = World::new();
    let warm = json!({"decommission": {"keep_warm": {"for_ms": LONG_MS}}});
    let mut gate = on_its_way(shop::target(&world), &world, warm).await;
    shop::until_phase(&gate, "decommission").await;
    crash_and_restart(&world, &mut gate).await;
    ends_well(&world, &gate, "promoted", "v2").await;
    eventually("the end of version 1", async || shop::processes(&world, "v1").is_empty()).await;
}

#[tokio::test]
async fn while_green_is_taken_back() {
    let world = World::new();
    let soak = json!({"duration_ms": 60_000, "interval_ms": 500});
    let long = json!({"soak": soak, "drain_timeout_ms": 20_000, "keep_failed_ms": 60_000});
    let mut gate = on_its_way(shop::target(&world), &world, long).await;
    shop::until_phase(&gate, "soak").await;
    // A slow answer of Green keeps the drain from ending.
    let gateway = gate.gateway();
    let slow = tokio::spawn(async move { client::try_get(gateway, "/slow?slow_ms=15000").await });
    let open = |view: &Value| view["colours"].as_array().unwrap().iter().any(|colour| colour["open"] == 1);
    shop::until(&gate, "the slow request", open).await;
    release(&gate, &["abort", "shop", "--detach"]).await.exits(5);
    shop::until_phase(&gate, "keep-failed").await;
    let crashed = gate.pid();
    crash_and_restart(&world, &mut gate).await;
    assert!(slow.await.unwrap().is_none(), "what was open in the gateway went with it");
    ends_well(&world, &gate, "aborted", "v1").await;
    the_gap_is_named(&gate, crashed).await;
}

#[tokio::test]
async fn of_the_controller_alone_costs_no_request() {
    let world = World::new();
    let gateway = Start::new(&world).role("gateway").ready().await;
    let mut controller = Start::new(&world).role("controller").ready().await;
    shop::put(&controller, shop::target(&world), policy(json!({}))).await;
    release(&controller, &["start", "shop", "--version", "v1"]).await.exits(0);
    let steps = json!({"steps": [{"share": 50, "pause_ms": LONG_MS}, 100]});
    shop::change(&controller, shop::target(&world), policy(steps)).await;
    let load = load(gateway.gateway());
    release(&controller, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until(&controller, "half of the traffic", |view| view["share"] == 50).await;
    let processes = everyone(&world);
    controller.crash();
    answered(&load, 100).await;
    assert_eq!(everyone(&world), processes);
    let controller = Start::new(&world).role("controller").ready().await;
    let view = shop::until_over(&controller).await;
    answered(&load, 50).await;
    let ledger = load.stop().await;

    assert_eq!((&view["version"], &view["outcome"]), (&json!("v2"), &json!("promoted")));
    nothing_lost(&ledger);
    let found = reconcile(&ledger, &shop::backends(&world));
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
    assert_eq!(shop::live(&gateway).await, "v2");
    let report = shop::report(&controller).await;
    assert_eq!((&report["gaps"], &report["ledger"]["lost"]), (&json!([]), &json!(0)), "no gateway went");
}

/// Each time it is started again it becomes ready, so nothing but the count of its exits tells.
#[tokio::test]
async fn a_version_that_exits_again_and_again_in_the_soak_is_taken_back_with_its_words() {
    let world = World::new();
    let soak = json!({"soak": {"duration_ms": 600_000}, "guard": null});
    let gate = on_its_way(shop::target(&world), &world, soak).await;
    shop::until_phase(&gate, "soak").await;
    for restarts in 0..3 {
        let mut pid = None;
        let up = async || {
            let status = gate.admin().get("/tealgate/v1/apps/shop/status").await.json();
            let green = &status["environments"]["green"];
            let instance = &green["instances"][0];
            pid = instance["pid"]
                .as_i64()
                .filter(|_| green["ready"] == true && instance["restarts"] == restarts);
            pid.is_some()
        };
        eventually("green to be ready", up).await;
        let pid = i32::try_from(pid.unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
    let view = shop::until_over(&gate).await;
    assert_eq!((&view["version"], &view["outcome"]), (&json!("v2"), &json!("rolled_back")), "{view}");
    let why = view["why"].as_str().unwrap();
    assert!(why.contains("is in a crash loop: instance 0 of green exited 3 times within "), "{why}");
    assert!(why.ends_with("; last: was ended by signal 9"), "{why}");
    assert_eq!(shop::live(&gate).await, "v1");
    let report = shop::report(&gate).await;
    assert!(!report["log_lines"].as_array().unwrap().is_empty(), "{report}");
}
