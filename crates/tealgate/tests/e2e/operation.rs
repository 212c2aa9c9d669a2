//! Signals, drain, logs, locks, modes of files, secrets: what an operator relies on.

use crate::clock;
use crate::harness::client::{self, Answer};
use crate::harness::gate::{Gate, Start};
use crate::harness::sample::Sample;
use crate::harness::world::World;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::task::JoinHandle;

/// A server with one route to a sample app.
async fn with_route(world: &World, start: Start) -> (Sample, Gate) {
    let sample = Sample::start(world, "blue");
    let gate = start.ready().await;
    let route = json!({"uri": "/*", "upstream": {"type": "roundrobin", "nodes": sample.node()}});
    gate.admin().put("routes/r", &route).await;
    (sample, gate)
}

/// A request that takes so long, once the app has it.
async fn slow_request(sample: &Sample, gate: &Gate, slow_ms: u32) -> JoinHandle<Option<Answer>> {
    let (address, path) = (gate.gateway(), format!("/work?slow_ms={slow_ms}"));
    let request = tokio::spawn(async move { client::try_get(address, &path).await });
    clock::until("the request", async || !sample.ids().is_empty(), || gate.log()).await;
    request
}

async fn until_unready(gate: &Gate) {
    let unready = async || {
        let answer = client::try_get(gate.admin_address(), "/status/ready").await;
        answer.is_some_and(|answer| answer.status == 503)
    };
    clock::until("503 of /status/ready", unready, || gate.log()).await;
}

#[tokio::test]
async fn sigterm_finishes_what_was_begun_and_exits_with_0() {
    let world = World::new();
    let (sample, mut gate) = with_route(&world, Start::new(&world)).await;
    let request = slow_request(&sample, &gate, 1_500).await;
    gate.signal(Signal::TERM);
    until_unready(&gate).await;
    assert!(!request.is_finished(), "unready while the request is still served");
    let answer = request.await.unwrap().expect("a whole answer");
    assert_eq!((answer.status, answer.json()["path"].clone()), (200, json!("/work")));
    assert_eq!(gate.end().await.code(), Some(0), "{}", gate.log());
    assert!(!world.data_dir().join("running.json").exists(), "nothing says that it still runs");
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once() {
    let world = World::new();
    let (sample, mut gate) = with_route(&world, Start::new(&world)).await;
    let request = slow_request(&sample, &gate, 60_000).await;
    gate.signal(Signal::TERM);
    until_unready(&gate).await;
    gate.signal(Signal::TERM);
    // The wait has a deadline of half the request's time.
    gate.end().await;
    assert!(request.await.unwrap().is_none(), "its answer was cut");
}

#[tokio::test]
async fn sigusr1_goes_on_in_a_new_file_after_the_old_was_renamed() {
    let world = World::new();
    let log = world.path().join("access.log");
    let start = Start::new(&world).with(&["--access-log", log.to_str().unwrap()]);
    let (_sample, gate) = with_route(&world, start).await;
    client::get(gate.gateway(), "/before").await;
    lines(&log, &gate, 1).await;
    let old = world.path().join("access.log.1");
    std::fs::rename(&log, &old).unwrap();
    gate.signal(Signal::USR1);
    clock::until("the new file", async || log.exists(), || gate.log()).await;
    client::get(gate.gateway(), "/after").await;
    let new = lines(&log, &gate, 1).await;
    assert_eq!(new[0]["path"], "/after");
    assert_eq!(lines(&old, &gate, 1).await.len(), 1, "the old one stays as it was");
}

/// The log's lines, once there are as many.
async fn lines(log: &Path, gate: &Gate, count: usize) -> Vec<Value> {
    let text = || std::fs::read_to_string(log).unwrap_or_default();
    clock::until("lines of the access log", async || text().lines().count() >= count, || gate.log()).await;
    text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_second_server_on_the_same_data_directory_is_refused_and_told_who_has_it() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let (code, stderr) = Start::new(&world).refused().await;
    assert_eq!(code, Some(3), "{stderr}");
    for part in [&format!("pid {}", gate.pid()), "--data-dir", &world.data_dir().display().to_string()] {
        assert!(stderr.contains(part), "{part} is missing in: {stderr}");
    }
    assert_eq!(client::get(gate.admin_address(), "/status/ready").await.status, 200, "the first one goes on");
}

#[tokio::test]
async fn the_data_directory_is_private_to_its_owner() {
    let world = World::new();
    std::fs::create_dir(world.data_dir()).unwrap();
    std::fs::set_permissions(world.data_dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _gate = Gate::start(&world).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.data_dir()), 0o700);
    let mut seen = 0;
    for entry in std::fs::read_dir(world.data_dir()).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let secret = name.contains("key") || name.ends_with(".pem") || name.starts_with("state.db");
        if secret && !name.contains("cert") {
            assert_eq!(mode(&entry.path()), 0o600, "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "admin keys, TLS key, store: {seen}");
}

#[tokio::test]
async fn secrets_of_requests_are_in_no_log() {
    let world = World::new();
    let log = world.path().join("access.log");
    let start = Start::new(&world).with(&["--access-log", log.to_str().unwrap(), "--log-level", "trace"]);
    let (_sample, gate) = with_route(&world, start).await;
    let key = gate.key();
    client::get(gate.admin_address(), &format!("/apisix/admin/routes?api_key={key}")).await;
    client::get(gate.admin_address(), "/apisix/admin/routes?api_key=wrong-secret-3").await;
    let headers = [("authorization", "Bearer secret-1"), ("cookie", "session=secret-2")];
    client::get_with(gate.gateway(), "/x?access_token=secret-3&q=plain", &headers).await;
    let written = lines(&log, &gate, 1).await;
    assert!(written[0].to_string().contains("q=plain"), "{}", written[0]);
    let told = std::fs::read_to_string(&log).unwrap() + &gate.log();
    for secret in [key.as_str(), "secret-1", "secret-2", "secret-3"] {
        assert!(!told.contains(secret), "{secret} is in a log:\n{told}");
    }
}

#[tokio::test]
async fn flags_and_the_environment_name_the_key_without_a_file() {
    let world = World::new();
    let key = "a-key-from-the-environment";
    let gate = Start::new(&world).variable("TEALGATE_ADMIN_KEY", key).ready().await;
    let asked = |key: &'static str| {
        let path = format!("/apisix/admin/routes?api_key={key}");
        let address = gate.admin_address();
        async move { client::get(address, &path).await.status }
    };
    assert_eq!((asked(key).await, asked("wrong").await), (200, 401));
    assert!(!world.data_dir().join("admin-keys.json").exists(), "no second key is made");
}
