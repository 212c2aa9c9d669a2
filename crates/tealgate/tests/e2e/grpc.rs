//! gRPC that nobody here wrote, on both sides: clients and servers of Debian's `python3-grpcio`.

use crate::clock;
use crate::harness::cli::release;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

const PYTHON: &str = "/usr/bin/python3";
const SERVER: &str = include_str!("grpc/server.py");
const CLIENT: &str = include_str!("grpc/client.py");

/// A process of Python. It ends with this value.
struct Script {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Script {
    fn start(source: &str, arguments: &[&str]) -> Script {
        let mut command = Command::new(PYTHON);
        command.args(["-c", source]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("/usr/bin/python3 is missing: run scripts/install-tools");
        let lines = BufReader::new(child.stdout.take().unwrap());
        Script { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Waits until it has succeeded.
    async fn succeeds(mut self) {
        let mut status = None;
        let ended = async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        };
        clock::until("the end of the gRPC client", ended, String::new).await;
        assert!(status.unwrap().success(), "the gRPC client failed; it says above why");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(name: &str) -> (Script, SocketAddr) {
    let mut script = Script::start(SERVER, &[name, "0"]);
    let port: u16 = script.line().parse().expect("python3-grpcio is missing: run scripts/install-tools");
    (script, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn client(gate: &Gate, what: &[&str]) -> Script {
    Script::start(CLIENT, &[&[gate.gateway().to_string().as_str()], what].concat())
}

async fn gate_before(world: &World, address: SocketAddr) -> Gate {
    let gate = Gate::start(world).await;
    let upstream = json!({"scheme": "grpc", "nodes": {address.to_string(): 1}});
    gate.admin().put("routes/grpc", &json!({"uri": "/*", "upstream": upstream})).await;
    gate
}

#[tokio::test]
async fn all_kinds_of_calls_come_through() {
    let world = World::new();
    let (_server, address) = server("blue");
    let gate = gate_before(&world, address).await;
    client(&gate, &["calls"]).succeeds().await;
}

#[tokio::test]
async fn errors_deadlines_and_cancellation_are_the_servers_and_the_clients() {
    let world = World::new();
    let (_server, address) = server("blue");
    let gate = gate_before(&world, address).await;
    client(&gate, &["errors"]).succeeds().await;
    client(&gate, &["deadline"]).succeeds().await;
}

#[tokio::test]
async fn errors_of_the_gate_are_statuses_of_grpc() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    client(&gate, &["refused", "UNIMPLEMENTED"]).succeeds().await;
    gate.admin().put("routes/grpc", &json!({"uri": "/*", "plugins": {}})).await;
    client(&gate, &["refused", "UNAVAILABLE"]).succeeds().await;
    let nobody = json!({"scheme": "grpc", "nodes": {"127.0.0.1:1": 1}});
    gate.admin().put("routes/grpc", &json!({"uri": "/*", "upstream": nobody})).await;
    client(&gate, &["refused", "UNAVAILABLE"]).succeeds().await;
}

/// The app's processes are gRPC servers.
fn app_of_servers(world: &World) -> Value {
    let server = world.file("server.py", SERVER);
    json!({"process": {
        "command": [PYTHON, server, "{colour}", "{port}"],
        "readiness": {"probe": {"tcp": {}}, "interval_ms": 50},
        "upstream": {"scheme": "grpc"},
    }})
}

#[tokio::test]
async fn releases_switch_colours_under_running_streams_and_lose_nothing() {
    let world = World::new();
    let config = world.config(&json!({"drain_timeout_ms": 2_000}));
    let gate = Start::new(&world).with(&["--config", &config]).ready().await;
    shop::put(&gate, app_of_servers(&world), policy(json!({"drain_timeout_ms": 2_000}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let mut load = client(&gate, &["load"]);
    assert_eq!(load.line(), "running");
    for version in ["v2", "v3", "v4"] {
        release(&gate, &["start", "shop", "--version", version]).await.exits(0);
        let report = shop::report(&gate).await;
        assert_eq!(report["ledger"]["lost"], 0, "{}", report["ledger"]);
    }
    load.child.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap();
    let counts: Value = serde_json::from_str(&load.line()).unwrap();
    assert_eq!(counts["lost"], json!([]), "{counts}");
    let mut names: Vec<_> = counts["names"].as_array().unwrap().iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, [r#""blue""#, r#""green""#], "{counts}");
    // Eight streams were open at each of three switches.
    assert_eq!(counts["drained"], 24, "{counts}");
    assert!(
        counts["unary"].as_u64().unwrap() > 100 && counts["messages"].as_u64().unwrap() > 100,
        "{counts}"
    );
    load.succeeds().await;
}
