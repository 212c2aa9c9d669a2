//! The load gate: a version that does not bear load is refused before any user saw it.

use crate::clock;
use crate::harness::cli::{release, run};
use crate::harness::client::Connection;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use http::Method;
use load::kind::{Check, RequestKind};
use load::run::Load;
use serde_json::{Value, json};

fn with_load_gate() -> Value {
    let load = json!({
        "rate_per_second": 100, "warm_up_ms": 1_000, "duration_ms": 20_000, "users_before_ms": 500,
        "max_lag_ms": 2_000, "requests": [{"path": "/cart", "weight": 3}, {"path": "/help"}],
    });
    policy(json!({"gates": [{"name": "load", "check": {"load": load}}]}))
}

#[tokio::test]
async fn a_version_that_fails_under_load_is_refused_before_any_user_saw_it() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);

    // One in five answers of version 2 is an error; its health is good.
    let mut target = shop::target(&world);
    target["process"]["command"].as_array_mut().unwrap().extend([json!("--fail-rate"), json!("0.2")]);
    shop::change(&gate, target, with_load_gate()).await;
    let mix = vec![RequestKind::get("/cart").checked(Check::Status)];
    let users = Load { mix, ..Load::open_loop(gate.gateway(), "shop.example", 2, 20.0) }.start().unwrap();
    let told = |view: &Value| view["progress"].as_str().is_some_and(|text| text.starts_with("load: "));
    let (started, _) = tokio::join!(
        run(&gate, &["release", "start", "shop", "--version", "v2"], None),
        shop::until(&gate, "word of how far the load is", told),
    );
    let started = started.exits(1);
    let seen = users.stop().await;
    assert!(started.err.contains("test/load failed: green v2 fails more often: "), "{started:?}");

    assert_eq!((seen.tally.lost, seen.tally.user_errors_total()), (0, 0), "{:?}", seen.failures);
    assert_eq!(seen.tally.answered.keys().collect::<Vec<_>>(), ["blue"]);
    let view = shop::newest(&gate).await;
    assert_eq!((&view["outcome"], &view["progress"]), (&json!("rolled_back"), &Value::Null), "{view}");
    let green = view["colours"].as_array().unwrap().iter().find(|colour| colour["is_new"] == true).unwrap();
    assert_eq!((&green["requests"], &green["previewed"]), (&json!(0), &json!(0)), "{view}");
    assert_eq!(shop::live(&gate).await, "v1");
    let report = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    for text in ["open loop: 100/s to green v2", "users of the live version: before ", "generator: p50 "] {
        assert!(report.contains(text), "{text}: {report}");
    }
}

#[tokio::test]
async fn what_users_asked_for_is_recorded_by_the_gateway_and_replayed_before_the_next_version() {
    let world = World::new();
    let log = world.path().join("access.log");
    let gate = Start::new(&world).with(&["--access-log", log.to_str().unwrap()]).ready().await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let mut user = Connection::open(gate.gateway()).await.unwrap();
    for number in 0..40 {
        user.get(if number % 4 == 0 { "/caf%C3%A9?page=2" } else { "/cart" }).await;
    }
    user.get("/cart?token=s3cret").await;
    user.send(Method::POST, "/cart", &[], "one").await.unwrap();
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    clock::until("all lines of the log", async || text().lines().count() >= 42, || gate.log()).await;

    // What it found decides nothing here: a busy machine is late.
    let load = json!({
        "rate_per_second": 40, "warm_up_ms": 500, "duration_ms": 1_000, "users_before_ms": 0, "min_answers": 1,
        "max_lag_ms": 60_000, "max_slowdown": 100, "replay": {"access_log": log},
    });
    let changes = json!({
        "on_inconclusive": "proceed",
        "gates": [{"name": "load", "on_fail": "advise", "check": {"load": load}}],
    });
    shop::change(&gate, shop::target(&world), policy(changes)).await;
    release(&gate, &["start", "shop", "--version", "v2"]).await.exits(0);
    let report = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    for text in [
        ": 40 of 40 requests that fit, evenly spread, 2 different ones; sent at the stated rate",
        "1 whose method may do something",
        "1 of which the log does not show everything",
        "open loop: 40/s to green v2",
        "(200: ",
    ] {
        assert!(report.contains(text), "{text}: {report}");
    }
    assert!(!report.contains("s3cret"), "{report}");
}
