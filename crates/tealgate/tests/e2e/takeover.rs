//! `tealgate serve --takeover`: one process takes over from another under load, and nobody notices.

use crate::clock;
use crate::harness::certificate;
use crate::harness::cli::release;
use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::python::Python;
use crate::harness::sample::Sample;
use crate::harness::shop::{self, policy};
use crate::harness::tls_bridge::TlsBridge;
use crate::harness::websocket::{Frame, WebSocket, echo};
use crate::harness::world::World;
use load::connection::Protocol;
use load::kind::RequestKind;
use load::ledger::Ledger;
use load::reconcile::{BackendCounts, reconcile};
use load::run::{Handle, Load};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinHandle;

/// Takeovers, one after the other.
const TAKEOVERS: usize = 20;

/// A process that takes over from whoever runs.
fn successor(world: &World) -> Start {
    Start::new(world).with(&["--takeover"])
}

fn load(gateway: SocketAddr) -> Handle {
    load_of(gateway, 4).start().unwrap()
}

fn load_of(gateway: SocketAddr, connections: usize) -> Load {
    let mix = vec![
        RequestKind::get("/echo"),
        RequestKind::post("/echo/orders", 2_000),
        RequestKind::get("/echo?slow_ms=150"),
    ];
    Load { mix, ..Load::closed_loop(gateway, "shop.example", connections) }
}

async fn answered(load: &Handle, more: u64, gate: &Gate) {
    let before = load.progress().answered_total();
    let enough = async || load.progress().answered_total() >= before + more;
    clock::until("answers", enough, || gate.log()).await;
}

fn nothing_lost(ledger: &Ledger) {
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
    assert!(ledger.tally.sent > 0);
}

/// Clients that connect anew for each request.
struct Newcomers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Newcomers {
    fn start(gateway: SocketAddr) -> Newcomers {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..3).map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = client::get(gateway, "/new").await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Newcomers { tasks: tasks.collect(), stop, answered }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.answered.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_takeovers_under_load_lose_and_duplicate_nothing() {
    let world = World::new();
    let (sample, echo) = (Sample::start(&world, "blue"), Python::websockets("echo"));
    let config = world.config(&json!({
        "shutdown_timeout_ms": 6_000,
        "upstreams": [
            {"id": "u", "nodes": sample.node()},
            {"id": "echo", "nodes": {echo.address().to_string(): 1}},
        ],
        "routes": [
            {"id": "r", "uri": "/*", "upstream_id": "u"},
            {"id": "ws", "uri": "/ws", "upstream_id": "echo", "enable_websocket": true},
        ],
    }));
    let mut gate = Start::new(&world).with(&["--config", &config]).ready().await;
    let gateway = gate.gateway();
    let (load, newcomers) = (load(gateway), Newcomers::start(gateway));
    let mut socket = WebSocket::open(gateway, "/ws").await;
    assert_eq!(socket.ask("first").await, Frame::Text("echo first".to_owned()));
    let mut left = Vec::new();
    for number in 0..TAKEOVERS {
        let threads = ["2", "1", "4", "3"][number % 4];
        let start = successor(&world).with(&["--config", &config, "--threads", threads]);
        let next = start.ready().await;
        assert_eq!((next.gateway(), next.admin_address()), (gateway, gate.admin_address()));
        left.push(std::mem::replace(&mut gate, next));
        answered(&load, 20, &gate).await;
        if number == 0 {
            assert_eq!(
                socket.ask("old").await,
                Frame::Text("echo old".to_owned()),
                "a stream stays where it is"
            );
        }
    }
    let (ledger, anew) = (load.stop().await, newcomers.stop().await);
    nothing_lost(&ledger);
    assert!(anew > 100, "{anew}");
    let mut backend = BackendCounts::new();
    backend.add_dump("blue", &sample.ids()).unwrap();
    let found = reconcile(&ledger, &backend);
    assert_eq!(found.duplicated.count, 0, "{found:?}");
    assert_eq!(socket.next().await, Frame::Close(1012), "at the first one's deadline, in good order");
    for mut old in left {
        assert_eq!(old.end().await.code(), Some(0), "{}", old.log());
    }
    assert_eq!(client::get(gate.admin_address(), "/status/ready").await.status, 200);
    let (code, stderr) = Start::new(&world).refused().await;
    assert_eq!(code, Some(3), "the lock has passed along");
    assert!(stderr.contains(&format!("pid {}", gate.pid())), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_websockets_of_one_that_was_taken_over_from_end_one_after_the_other() {
    let world = World::new();
    let echo = echo("echo").await;
    let config = world.config(&json!({
        "shutdown_timeout_ms": 10_000,
        "drain_jitter_ms": 4_000,
        "upstreams": [{"id": "echo", "nodes": {echo.to_string(): 1}}],
        "routes": [{"id": "ws", "uri": "/ws", "upstream_id": "echo", "enable_websocket": true}],
    }));
    let mut gate = Start::new(&world).with(&["--config", &config]).ready().await;
    let mut sockets = Vec::new();
    for _ in 0..12 {
        sockets.push(WebSocket::open(gate.gateway(), "/ws").await);
    }
    let _next = successor(&world).with(&["--config", &config]).ready().await;
    let ends = sockets.into_iter().map(|mut socket| {
        tokio::spawn(async move {
            assert_eq!(socket.next().await, Frame::Close(1012));
            clock::now()
        })
    });
    let mut at = Vec::new();
    for end in ends.collect::<Vec<_>>() {
        at.push(end.await.unwrap());
    }
    // Four seconds as they are meant, on a machine that has time.
    let spread = *at.iter().max().unwrap() - *at.iter().min().unwrap();
    assert!(spread.as_millis() >= 1_000, "{spread:?}");
    assert_eq!(gate.end().await.code(), Some(0), "{}", gate.log());
    assert!(!gate.log().contains("still open"), "all had time to answer: {}", gate.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn takeovers_under_http2_over_tls_lose_and_duplicate_nothing() {
    let world = World::new();
    let sample = Sample::start(&world, "blue");
    certificate::write(world.path());
    let pem = |name: &str| std::fs::read_to_string(world.path().join(name)).unwrap();
    let config = world.config(&json!({
        "shutdown_timeout_ms": 6_000,
        "upstreams": [{"id": "u", "nodes": sample.node()}],
        "routes": [{"id": "r", "uri": "/*", "upstream_id": "u"}],
        "ssls": [{"id": "s", "sni": "localhost", "cert": pem("cert.pem"), "key": pem("key.pem")}],
    }));
    let arguments = ["--config", &config, "--tls-listen", "127.0.0.1:0"];
    let mut gate = Start::new(&world).with(&arguments).ready().await;
    let bridge = TlsBridge::to(gate.tls(), world.path()).await;
    let protocol = Protocol::Http2 { streams: 6 };
    let load = Load { protocol, ..load_of(bridge.address(), 4) }.start().unwrap();
    let mut left = Vec::new();
    for threads in ["1", "3", "2"] {
        // Each connection has streams under way, and more come while it hears that it ends.
        answered(&load, 200, &gate).await;
        let start = successor(&world).with(&arguments).with(&["--threads", threads]);
        left.push(std::mem::replace(&mut gate, start.ready().await));
    }
    answered(&load, 200, &gate).await;
    let ledger = load.stop().await;
    nothing_lost(&ledger);
    let mut backend = BackendCounts::new();
    backend.add_dump("blue", &sample.ids()).unwrap();
    let found = reconcile(&ledger, &backend);
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
    for mut old in left {
        assert_eq!(old.end().await.code(), Some(0), "{}", old.log());
        assert!(!old.log().contains("still open"), "no connection was waited for: {}", old.log());
    }
}

#[tokio::test]
async fn a_release_in_flight_goes_on_and_its_account_has_no_gap() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let long = json!({
        "steps": [{"share": 50, "pause_ms": 3_000}, 100],
        "soak": {"duration_ms": 2_000, "interval_ms": 500},
        "drain_timeout_ms": 5_000,
    });
    shop::change(&gate, shop::target(&world), policy(long)).await;
    let load = load(gate.gateway());
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until(&gate, "half of the traffic", |view| view["share"] == 50).await;
    answered(&load, 50, &gate).await;
    let processes = [shop::processes(&world, "v1"), shop::processes(&world, "v2")];

    let mut first = gate;
    let second = successor(&world).ready().await;
    answered(&load, 50, &second).await;
    first.end().await;
    shop::until_phase(&second, "soak").await;
    let mut second = second;
    let third = successor(&world).ready().await;
    let view = shop::until_over(&third).await;
    second.end().await;
    answered(&load, 50, &third).await;
    let ledger = load.stop().await;

    assert_eq!((&view["version"], &view["outcome"]), (&json!("v2"), &json!("promoted")), "{view}");
    nothing_lost(&ledger);
    let found = reconcile(&ledger, &shop::backends(&world));
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
    assert_eq!(shop::live(&third).await, "v2");
    assert_eq!(
        shop::processes(&world, "v2"),
        processes[1],
        "the environments were adopted, not started again"
    );
    let report = shop::report(&third).await;
    assert_eq!((&report["gaps"], &report["ledger"]["lost"]), (&json!([]), &json!(0)), "{report}");
}

#[tokio::test]
async fn a_gateway_and_a_controller_are_taken_over_each_by_itself() {
    let world = World::new();
    let mut gateway = Start::new(&world).role("gateway").ready().await;
    let mut controller = Start::new(&world).role("controller").ready().await;
    shop::put(&controller, shop::target(&world), policy(json!({}))).await;
    release(&controller, &["start", "shop", "--version", "v1"]).await.exits(0);
    let load = load(gateway.gateway());
    // The one where releases are asked for has left word where it is; the gateway leaves that to it.
    let next = successor(&world).role("gateway").up().await;
    gateway.end().await;
    let after = successor(&world).role("controller").ready().await;
    controller.end().await;
    answered(&load, 20, &next).await;
    release(&after, &["start", "shop", "--version", "v2"]).await.exits(0);
    nothing_lost(&load.stop().await);
    assert_eq!(client::get(gateway.gateway(), "/who").await.header("x-version"), "v2");
}
