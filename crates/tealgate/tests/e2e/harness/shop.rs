//! An app to release: `shop`, processes of the sample app, each with a ledger of its own on disk.

use super::gate::{Gate, TEALGATE};
use super::world::World;
use super::{client, processes};
use crate::clock;
use load::reconcile::BackendCounts;
use rustix::process::Pid;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where its releases are.
const RELEASES: &str = "/tealgate/v1/apps/shop/releases";

/// Processes of the sample app.
pub(crate) fn target(world: &World) -> Value {
    let ledgers = ledgers(world);
    std::fs::create_dir_all(&ledgers).unwrap();
    json!({"process": {
        "command": [
            TEALGATE, "sample-app", "--address", "{address}", "--port", "{port}", "--version", "{version}",
            "--colour", "{colour}", "--instance", "{instance}",
            "--ledger", ledgers.join("{colour}-{version}-{instance}"),
        ],
        "readiness": {"probe": {"http": {"path": "/healthz"}}, "interval_ms": 50},
        "stop_timeout_ms": 5_000,
    }})
}

/// A target whose version is healthy when it is asked for its health, and an error for every user.
pub(crate) fn broken_target(world: &World) -> Value {
    let mut target = target(world);
    target["process"]["command"].as_array_mut().unwrap().extend([json!("--fail-rate"), json!("1")]);
    target
}

/// A policy with short times and no limits, changed in some fields.
pub(crate) fn policy(changes: Value) -> Value {
    let mut policy = json!({
        "step_pause_ms": 200,
        "soak": {"duration_ms": 400, "interval_ms": 200},
        "limits": {"max_error_rate": null},
        "drain_timeout_ms": 2_000,
        "keep_failed_ms": 100,
    });
    for (field, value) in changes.as_object().unwrap() {
        policy[field] = value.clone();
    }
    policy
}

/// A gate that only a person can pass, on an occasion.
pub(crate) fn approval(when: &str) -> Value {
    json!([{"name": "yes", "when": [when], "check": {"approval": {}}}])
}

/// The app as a value.
pub(crate) fn app(target: Value, policy: Value) -> Value {
    json!({"service_id": "shop", "target": target, "release": policy})
}

/// Writes route, service and app through the API.
pub(crate) async fn put(gate: &Gate, target: Value, policy: Value) {
    gate.admin().put("services/shop", &json!({"name": "shop"})).await;
    gate.admin().put("routes/shop", &json!({"uri": "/*", "service_id": "shop"})).await;
    change(gate, target, policy).await;
}

/// Writes the app anew; what a release owns of its service stays.
pub(crate) async fn change(gate: &Gate, target: Value, policy: Value) {
    gate.admin().put_app("shop", &app(target, policy)).await;
}

/// The newest release, as the API shows it.
pub(crate) async fn newest(gate: &Gate) -> Value {
    let list = gate.admin().get(&format!("{RELEASES}?limit=1")).await.json();
    list["list"][0].clone()
}

/// Waits until the newest release is as wanted; gives it.
pub(crate) async fn until(gate: &Gate, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut view = Value::Null;
    let seen = async || {
        view = newest(gate).await;
        wanted(&view)
    };
    clock::until(what, seen, || gate.log()).await;
    view
}

/// Waits until the newest release is in a phase.
pub(crate) async fn until_phase(gate: &Gate, phase: &str) -> Value {
    until(gate, phase, |view| view["phase"] == phase).await
}

/// Waits until the newest release is decided and the next one may begin.
pub(crate) async fn until_over(gate: &Gate) -> Value {
    until(gate, "the end of the release", |view| !view["outcome"].is_null() && view["in_flight"] == false)
        .await
}

/// The version that users get.
pub(crate) async fn live(gate: &Gate) -> String {
    let answer = client::get(gate.gateway(), "/who").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-version").to_owned()
}

/// The report of the newest release.
pub(crate) async fn report(gate: &Gate) -> Value {
    let id = newest(gate).await["release"].as_str().unwrap().to_owned();
    gate.admin().get(&format!("{RELEASES}/{id}/report")).await.json()
}

fn ledgers(world: &World) -> PathBuf {
    world.path().join("ledgers")
}

/// What the processes of all versions received, by colour.
pub(crate) fn backends(world: &World) -> BackendCounts {
    let mut counts = BackendCounts::new();
    for entry in std::fs::read_dir(ledgers(world)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let colour = name.split('-').next().unwrap();
        counts.add_dump(colour, &std::fs::read_to_string(&path).unwrap()).unwrap();
    }
    counts
}

/// The processes that run a version.
pub(crate) fn processes(world: &World, version: &str) -> Vec<Pid> {
    let ledger = |colour: &str| ledgers(world).join(format!("{colour}-{version}-")).display().to_string();
    let mut pids = processes::naming(&ledger("blue"));
    pids.extend(processes::naming(&ledger("green")));
    pids
}
