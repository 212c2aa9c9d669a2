//! Who may do what to a release, and what nobody may see of it.

use crate::harness::cli::{release, release_as};
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, approval, policy};
use crate::harness::world::World;
use serde_json::{Value, json};
use std::path::Path;

const ROLES: [&str; 4] = ["viewer", "operator", "approver", "admin"];

fn key_of(role: &str) -> String {
    format!("{role}-key-0123456789")
}

/// A server with one key per role.
async fn with_roles(world: &World) -> Gate {
    let keys = ROLES.map(|role| json!({"name": role, "role": role, "key": key_of(role)}));
    std::fs::create_dir(world.data_dir()).unwrap();
    world.file("data/admin-keys.json", json!({"format": 1, "keys": keys}).to_string());
    let gate = Start::new(world).ready().await;
    shop::put(&gate, shop::target(world), policy(json!({"gates": approval("before_shift")}))).await;
    gate
}

#[tokio::test]
async fn each_act_needs_the_role_that_the_policy_says() {
    let world = World::new();
    let gate = with_roles(&world).await;
    let start = ["start", "shop", "--version", "v1", "--detach"];
    let denied = release_as(&gate, &key_of("viewer"), &start).await.exits(3);
    assert!(denied.err.contains("viewer") && denied.err.contains("operator"), "{denied:?}");
    release_as(&gate, "wrong-key-0123456789", &start).await.exits(3);
    let started = release_as(&gate, &key_of("operator"), &start).await.exits(5);
    assert_eq!(started.json()["started_by"], "operator");
    shop::until(&gate, "the question", |view| view["waiting_for"][0]["asks_person"] == true).await;
    for role in ["viewer", "operator"] {
        release_as(&gate, &key_of(role), &["promote", "shop"]).await.exits(3);
    }
    release_as(&gate, &key_of("viewer"), &["abort", "shop"]).await.exits(3);
    release_as(&gate, &key_of("viewer"), &["status", "shop"]).await.exits(5);
    release_as(&gate, &key_of("approver"), &["promote", "shop"]).await.exits(0);
    let report = release(&gate, &["report", "shop"]).await.out;
    assert!(
        report.contains("approver") && report.contains("operator"),
        "the journal names the actors: {report}"
    );
}

#[tokio::test]
async fn a_secret_of_an_environment_is_only_in_its_process() {
    const SECRET: &str = "correct-horse-battery-staple";
    let world = World::new();
    let from_file = world.file("a-secret-file", format!("{SECRET}-2\n"));
    let log = world.path().join("data/access.log");
    let gate = Start::new(&world)
        .variable("SHOP_PASSWORD", SECRET)
        .with(&["--access-log", log.to_str().unwrap(), "--log-level", "trace"])
        .ready()
        .await;
    let mut target = shop::target(&world);
    target["process"]["env"] = json!({"ONE": {"from_env": "SHOP_PASSWORD"}, "TWO": {"from_file": from_file}, "PLAIN": "in the open"});
    shop::put(&gate, target, policy(json!({}))).await;
    let ended = release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let pids = shop::processes(&world, "v1");
    assert_eq!(pids.len(), 1);
    let environment = std::fs::read(format!("/proc/{}/environ", pids[0].as_raw_nonzero())).unwrap();
    let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
    for line in [format!("ONE={SECRET}"), format!("TWO={SECRET}-2"), "PLAIN=in the open".to_owned()] {
        assert!(environment.lines().any(|seen| seen == line), "{line} is missing in:\n{environment}");
    }
    assert!(!environment.contains("SHOP_PASSWORD"), "nothing is inherited:\n{environment}");

    let report = release(&gate, &["report", "shop"]).await;
    let told = gate.log() + &ended.out + &ended.err + &report.out;
    assert!(!told.contains(SECRET));
    let holders = files_with(&world.data_dir(), SECRET.as_bytes());
    assert!(holders.is_empty(), "in {holders:?}");
    let key: String = gate.key();
    let holders = files_with(&world.data_dir(), key.as_bytes());
    assert!(holders.iter().all(|path| path.ends_with("admin-keys.json")), "in {holders:?}");
}

/// The files below a directory that hold these bytes.
fn files_with(directory: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files_with(&entry, bytes));
        } else if std::fs::read(&entry).unwrap_or_default().windows(bytes.len()).any(|part| part == bytes) {
            found.push(entry.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn everything_that_a_release_did_is_in_the_stream_of_events() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    for version in ["v1", "v2"] {
        release(&gate, &["start", "shop", "--version", version]).await.exits(0);
    }
    let mut client = testkit::raw::RawClient::connect(gate.admin_address()).await;
    let key = gate.key();
    let request =
        format!("GET /tealgate/v1/events?since=0&app=shop HTTP/1.1\r\nHost: t\r\nX-API-KEY: {key}\r\n\r\n");
    client.send(request).await;
    let head = client.read_head().await;
    assert!(head.contains("text/event-stream"), "{head}");
    let mut seen = String::new();
    while !(seen.contains("\"phase\":\"soak\"") && seen.contains("committed: the new version is live")) {
        let event = client.read_until("\n\n").await;
        assert!(event.contains("data:"), "nothing more is told: {seen}");
        let data = event.lines().find_map(|line| line.strip_prefix("data:"));
        let data: Option<Value> = data.and_then(|data| serde_json::from_str(data.trim()).ok());
        assert!(data.is_none_or(|data| data["app"] == "shop"), "{event}");
        seen += &event;
    }
    for phase in ["provision", "shift", "soak"] {
        assert!(seen.contains(phase), "{phase} is missing in {seen}");
    }
}
