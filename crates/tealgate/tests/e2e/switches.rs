//! Twenty switches and rollbacks back-to-back under load, half by release and half by curl: nothing is lost, nothing
//! comes twice, and client, gate and backends agree. The backends are nginx, and WebSockets of Python behind it.

use crate::harness::cli::release;
use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::nginx::Nginx;
use crate::harness::python::Python;
use crate::harness::shell::printed;
use crate::harness::shop::{self, policy};
use crate::harness::websocket::{Frame, WebSocket};
use crate::harness::world::World;
use http::Method;
use load::kind::{Check, RequestKind};
use load::ledger::Ledger;
use load::reconcile::{BackendCounts, reconcile};
use load::run::{Handle, Load};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use testkit::clock::eventually;

/// Each makes a switch and a rollback by release, and a switch and a rollback by curl.
const ROUNDS: usize = 5;
/// How long a stream may stay on the colour that traffic has left.
const DRAIN_MS: u64 = 800;
const LARGE_BYTES: usize = 3 * 1024 * 1024;

/// nginx answers `/id` with the id of the request that it got.
fn own_id() -> Check {
    Check::Custom(Arc::new(|asked, answer| {
        let expected = format!("{}\n", asked.id);
        if answer.start == expected.as_bytes() { Ok(()) } else { Err(format!("not {expected:?}")) }
    }))
}

/// Small and large, up and down, fast and slow, idempotent or not.
fn mix(large: &[u8]) -> Vec<RequestKind> {
    let content = Check::Content { bytes: large.len() as u64, crc32: crc32fast::hash(large) };
    let put = |kind: RequestKind| kind.method(Method::PUT).checked(Check::Status);
    vec![
        RequestKind::get("/id").checked(own_id()),
        RequestKind::post("/id", 1_000).checked(own_id()),
        put(RequestKind::chunked("/files/chunked", 5, 20_000)),
        RequestKind::get("/files/large").checked(content),
        put(RequestKind::slow("/files/slow", 4, 1_000, Duration::from_millis(20))),
        RequestKind::post("/id", 10).checked(own_id()),
    ]
}

/// Two colours, each nginx before a WebSocket server, and a gate before both.
struct Stage {
    gate: Gate,
    blue: Nginx,
    green: Nginx,
    _websockets: [Python; 2],
    _world: World,
}

impl Stage {
    async fn set(large: &[u8]) -> Stage {
        let world = World::new();
        let websockets = [Python::websockets("blue"), Python::websockets("green")];
        let blue = Nginx::before_websockets(&world, "blue", websockets[0].address()).await;
        let green = Nginx::before_websockets(&world, "green", websockets[1].address()).await;
        for nginx in [&blue, &green] {
            std::fs::write(nginx.files().join("large"), large).unwrap();
        }
        let config = world.config(&json!({"drain_timeout_ms": DRAIN_MS}));
        let gate = Start::new(&world).with(&["--config", &config]).ready().await;
        let readiness = json!({"interval_ms": 50});
        let target = json!({"upstream": {
            "blue": {"nodes": blue.node()}, "green": {"nodes": green.node()}, "readiness": readiness}});
        let soak = json!({"duration_ms": 60_000, "interval_ms": 500});
        shop::put(&gate, target.clone(), policy(json!({"drain_timeout_ms": DRAIN_MS}))).await;
        let route = json!({"uri": "/ws", "service_id": "shop", "enable_websocket": true});
        gate.admin().put("routes/ws", &route).await;
        release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
        // From now on a release stays in its soak until it is taken back.
        shop::change(&gate, target, policy(json!({"drain_timeout_ms": DRAIN_MS, "soak": soak}))).await;
        Stage { gate, blue, green, _websockets: websockets, _world: world }
    }

    async fn websocket(&self, colour: &str) -> WebSocket {
        let mut socket = WebSocket::open(self.gate.gateway(), "/ws").await;
        assert_eq!(socket.ask("hello").await, Frame::Text(format!("{colour} hello")));
        socket
    }

    /// Moves traffic; a stream on the colour that is left lives until the drain deadline, and no longer; one on the
    /// colour that is live stays.
    async fn moving(&self, from: &str, to: &str, movement: impl Future<Output = ()>) {
        let mut left = self.websocket(from).await;
        movement.await;
        let mut live = self.websocket(to).await;
        assert_eq!(left.next().await, Frame::Close(1012), "drained, in the middle of nothing");
        assert_eq!(live.ask("still").await, Frame::Text(format!("{to} still")));
    }

    async fn switch_by_release(&self, round: usize) {
        let version = format!("r{round}");
        release(&self.gate, &["start", "shop", "--version", &version, "--detach"]).await.exits(5);
        shop::until_phase(&self.gate, "soak").await;
    }

    async fn rollback_by_release(&self) {
        release(&self.gate, &["rollback", "shop"]).await.exits(0);
        let report = shop::report(&self.gate).await;
        assert_eq!(report["ledger"]["lost"], 0, "{}", report["ledger"]);
    }

    /// As a person does it: the route with the split, weights as given.
    async fn split_by_curl(&self, green: u32, blue: u32) {
        let route = json!({"uri": "/*", "service_id": "shop", "plugins": {"traffic-split": {"rules": [
            {"weighted_upstreams": [{"weight": green, "upstream_id": "shop-green"}, {"weight": blue}]}]}}});
        let websockets = json!({"plugins": route["plugins"]});
        self.curl("PUT", "routes/shop", &route.to_string()).await;
        self.curl("PATCH", "routes/ws", &websockets.to_string()).await;
    }

    async fn clean_up_by_curl(&self) {
        for route in ["routes/shop", "routes/ws"] {
            self.curl("PATCH", route, r#"{"plugins": {"traffic-split": null}}"#).await;
        }
    }

    async fn curl(&self, method: &str, resource: &str, body: &str) {
        let call = format!(
            "curl -sS --fail-with-body -X {method} -H \"X-API-KEY: $API_KEY\" \
             'http://127.0.0.1:9180/apisix/admin/{resource}' -d '{body}'"
        );
        printed(&self.gate, &call).await;
    }

    /// What the gate counted on the load's route, by who answered.
    async fn gate_counted(&self) -> BTreeMap<String, u64> {
        let metrics = client::get(self.gate.admin_address(), "/metrics").await.text();
        let mut counted = BTreeMap::new();
        for line in metrics.lines().filter(|line| line.starts_with("tealgate_requests_total{route=\"shop\""))
        {
            let (labels, count) = line.rsplit_once(' ').unwrap();
            let answerer = labels.split("answerer=\"").nth(1).unwrap().split('"').next().unwrap();
            *counted.entry(answerer.to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
        counted.retain(|_, count| *count > 0);
        counted
    }

    fn backends(&self) -> BackendCounts {
        let mut backends = BackendCounts::new();
        for (colour, nginx) in [("blue", &self.blue), ("green", &self.green)] {
            backends.add_dump(colour, &nginx.ids()).unwrap();
        }
        backends
    }

    async fn all_agree(&self, ledger: &Ledger) {
        let tally = &ledger.tally;
        assert_eq!((tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
        // nginx writes its line after the answer, so the client may know of the last ones before the log does.
        let logged = async || reconcile(ledger, &self.backends()).unseen.count == 0;
        eventually("nginx's logs to have what was answered", logged).await;
        let found = reconcile(ledger, &self.backends());
        assert!(found.agrees(), "{found:?}");
        assert_eq!((found.duplicated.count, found.unanswered.count), (0, 0), "{found:?}");
        let counted = async || self.gate_counted().await == tally.answered;
        eventually("the gate's counts to be the client's", counted).await;
        println!("sent {}, answered {:?}, repeated {}", tally.sent, tally.answered, found.repeated.count);
    }
}

async fn answered(load: &Handle, more: u64) {
    let before = load.progress().answered_total();
    eventually("answers", async || load.progress().answered_total() >= before + more).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_switches_and_rollbacks_lose_nothing_and_all_agree() {
    let large = load::echo::letters(LARGE_BYTES);
    let stage = Stage::set(&large).await;
    let load = Load { mix: mix(&large), ..Load::closed_loop(stage.gate.gateway(), "shop.example", 6) };
    let load = load.start().unwrap();
    for round in 0..ROUNDS {
        if round % 4 == 0 {
            stage.moving("blue", "green", stage.switch_by_release(round)).await;
            stage.moving("green", "blue", stage.rollback_by_release()).await;
            stage.moving("blue", "green", stage.split_by_curl(100, 0)).await;
            stage.moving("green", "blue", stage.split_by_curl(0, 100)).await;
        } else {
            stage.switch_by_release(round).await;
            answered(&load, 30).await;
            stage.rollback_by_release().await;
            stage.split_by_curl(100, 0).await;
            answered(&load, 30).await;
            stage.split_by_curl(0, 100).await;
        }
        stage.clean_up_by_curl().await;
    }
    answered(&load, 30).await;
    let ledger = load.stop().await;
    stage.all_agree(&ledger).await;
    for colour in ["blue", "green"] {
        assert!(ledger.tally.answered[colour] > 100, "both had their share: {:?}", ledger.tally.answered);
    }
    for nginx in [&stage.blue, &stage.green] {
        let uploaded = std::fs::read(nginx.files().join("chunked")).unwrap();
        assert_eq!(uploaded, load::echo::letters(20_000).repeat(5), "whole and in order");
    }
}

#[tokio::test]
async fn files_of_pythons_http_server_come_through_whole() {
    let world = World::new();
    let large = load::echo::letters(LARGE_BYTES);
    world.file("large.bin", &large);
    let python = Python::files(&world).await;
    let gate = Gate::start(&world).await;
    let upstream = json!({"type": "roundrobin", "nodes": {python.address().to_string(): 1}});
    gate.admin().put("routes/files", &json!({"uri": "/*", "upstream": upstream})).await;
    // It speaks HTTP/1.0: each answer ends its connection.
    for _ in 0..5 {
        let answer = client::get(gate.gateway(), "/large.bin").await;
        assert_eq!((answer.status, answer.body.len()), (200, LARGE_BYTES));
        assert!(answer.body == large);
    }
    assert_eq!(client::get(gate.gateway(), "/none").await.status, 404);
}
