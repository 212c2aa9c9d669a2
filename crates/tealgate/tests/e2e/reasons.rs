//! Why the gate did not let something through: in the access log and in the metrics, as a token that leads on.

use crate::clock;
use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::shell::run;
use crate::harness::world::World;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use testkit::clock::within;
use testkit::raw::RawClient;
use testkit::scripted::{ScriptedUpstream, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A gate with an access log.
struct Logging {
    gate: Gate,
    log: PathBuf,
}

impl Logging {
    async fn start(world: &World, file: &Value) -> Logging {
        let log = world.path().join("access.log");
        let config = world.config(file);
        let arguments = ["--config", &config, "--access-log", log.to_str().unwrap()];
        let gate = Start::new(world).with(&arguments).with(&["--tls-listen", "127.0.0.1:0"]).ready().await;
        Logging { gate, log }
    }

    /// The line of the one request with this path, once it is there.
    async fn line(&self, path: &str) -> Value {
        let mut found = None;
        let there = async || {
            found = lines(&self.log).into_iter().find(|line| line["path"] == path);
            found.is_some()
        };
        clock::until(path, there, || self.gate.log()).await;
        found.unwrap()
    }

    /// Waits until the metrics have this line.
    async fn counts(&self, line: &str) {
        let mut text = String::new();
        let counted = async || {
            let answer = client::get(self.gate.admin_address(), "/metrics").await;
            text = String::from_utf8(answer.body.to_vec()).unwrap();
            text.lines().any(|one| one == line)
        };
        clock::until(line, counted, || self.gate.log()).await;
    }
}

/// The whole lines of a log.
fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// One route and upstream for each name.
fn to_each(nodes: &[(&str, Value)]) -> Value {
    let routes =
        nodes.iter().map(|(name, _)| json!({"id": name, "uri": format!("/{name}"), "upstream_id": name}));
    let upstreams = nodes.iter().map(|(name, more)| {
        let mut upstream = json!({"id": name, "retries": 0});
        for (key, value) in more.as_object().unwrap() {
            upstream[key] = value.clone();
        }
        upstream
    });
    json!({"routes": routes.collect::<Vec<_>>(), "upstreams": upstreams.collect::<Vec<_>>()})
}

async fn playing(steps: Vec<Step>) -> (ScriptedUpstream, Value) {
    let upstream = ScriptedUpstream::start(vec![steps]).await;
    let nodes = json!({"nodes": {upstream.address().to_string(): 1}});
    (upstream, nodes)
}

#[tokio::test]
async fn the_access_log_tells_one_502_from_another() {
    let world = World::new();
    let (_closes, closes) = playing(vec![Step::read_head()]).await;
    let (_resets, resets) = playing(vec![Step::read_head(), Step::Reset]).await;
    let (_babbles, babbles) = playing(vec![Step::read_head(), Step::send("what?\r\n\r\n")]).await;
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(40 << 10));
    let (_swells, swells) = playing(vec![Step::read_head(), Step::send(&large), Step::ReadToEnd]).await;
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(65);
    let (_hesitates, hesitates) =
        playing(vec![Step::read_head(), Step::send(&interim), Step::ReadToEnd]).await;
    let (_stops, stops) =
        playing(vec![Step::read_head(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")])
            .await;
    let (_waits, mut waits) = playing(vec![Step::read_head(), Step::ReadToEnd]).await;
    waits["timeout"] = json!({"connect": 5, "send": 5, "read": 0.2});
    let (_good, good) =
        playing(vec![Step::read_head(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]).await;
    let nobody = json!({"nodes": {"127.0.0.1:1": 1}});
    let unknown = json!({"nodes": {"no-such-host.invalid:80": 1}});
    let file = to_each(&[
        ("refused", nobody),
        ("unknown", unknown),
        ("closes", closes),
        ("resets", resets),
        ("babbles", babbles),
        ("swells", swells),
        ("hesitates", hesitates),
        ("stops", stops),
        ("waits", waits),
        ("empty", json!({"nodes": {}})),
        ("good", good),
    ]);
    let logging = Logging::start(&world, &file).await;
    let expected = [
        ("/refused", 502, "connect_refused"),
        ("/unknown", 502, "dns_failed"),
        ("/closes", 502, "upstream_closed"),
        ("/resets", 502, "upstream_reset"),
        ("/babbles", 502, "malformed_answer"),
        ("/swells", 502, "answer_head_too_large"),
        ("/hesitates", 502, "too_many_interim"),
        ("/stops", 200, "upstream_closed"),
        ("/waits", 504, "timeout_read"),
        ("/empty", 503, "no_node"),
        ("/nowhere", 404, "route_not_found"),
    ];
    for (path, status, reason) in expected {
        let _ = client::try_get(logging.gate.gateway(), path).await;
        let line = logging.line(path).await;
        assert_eq!(
            (&line["status"], &line["response_code_details"]),
            (&json!(status), &json!(reason)),
            "{line}"
        );
    }
    let told = logging.gate.log();
    for words in ["breaks HTTP", "limits.head_bytes", "interim answers"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(client::get(logging.gate.gateway(), "/good").await.status, 200);
    assert_eq!(logging.line("/good").await.get("response_code_details"), None);
    logging.counts("tealgate_gate_answers_total{reason=\"upstream_closed\"} 2").await;
    logging.counts("tealgate_gate_answers_total{reason=\"timeout_send\"} 0").await;
}

#[tokio::test]
async fn a_refused_call_of_grpc_is_logged_as_it_was_sent() {
    let world = World::new();
    let file = json!({
        "routes": [{"id": "r", "uri": "/shop.Orders/*", "upstream_id": "u"}],
        "upstreams": [{"id": "u", "scheme": "grpc", "nodes": {"127.0.0.1:1": 1}}],
    });
    let logging = Logging::start(&world, &file).await;
    let address = logging.gate.gateway();
    for (path, grpc_status, reason) in
        [("/shop.Orders/Add", 14, "connect_refused"), ("/shop.Other/Add", 12, "route_not_found")]
    {
        let call = format!(
            "curl -sS --http2-prior-knowledge -H 'content-type: application/grpc' -H 'te: trailers' \
             --data-binary '' -D - http://{address}{path}"
        );
        let said = String::from_utf8(run(&logging.gate, &call).await.stdout).unwrap();
        assert!(
            said.starts_with("HTTP/2 200") && said.contains(&format!("grpc-status: {grpc_status}")),
            "{said}"
        );
        let line = logging.line(path).await;
        assert_eq!((&line["status"], &line["grpc_status"]), (&json!(200), &json!(grpc_status)), "{line}");
        assert_eq!(line["response_code_details"], reason, "{line}");
    }
    let gate = "route=\"\",service=\"\",app=\"\",answerer=\"gate\",lane=\"share\"";
    logging.counts(&format!("tealgate_requests_total{{{gate},class=\"4xx\"}} 1")).await;
}

#[tokio::test]
async fn what_is_no_request_is_counted_by_reason() {
    let world = World::new();
    let mut file = to_each(&[]);
    file["limits"] = json!({"connections_per_address": 3, "head_bytes": 1024});
    let logging = Logging::start(&world, &file).await;
    let address = logging.gate.gateway();
    for head in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "a".repeat(2_000)),
    ] {
        RawClient::exchange(address, head).await;
    }
    logging.counts("tealgate_bad_requests_total{reason=\"malformed\"} 1").await;
    logging.counts("tealgate_bad_requests_total{reason=\"too_large\"} 1").await;
    let answer = RawClient::exchange(logging.gate.tls(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(!answer.contains("HTTP/"), "{answer}");
    logging.counts("tealgate_tls_handshakes_failed_total{reason=\"not_tls\"} 1").await;
    run(&logging.gate, &format!("curl -sk https://{}/", logging.gate.tls())).await;
    logging.counts("tealgate_tls_handshakes_failed_total{reason=\"unknown_name\"} 1").await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut connection = client::Connection::open(address).await.unwrap();
        assert_eq!(connection.get("/").await.status, 404);
        kept.push(connection);
    }
    // The answer comes unasked: it says nothing of any request.
    let refused = RawClient::connect(address).await.read_to_end().await;
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    logging.counts("tealgate_connections_refused_total{reason=\"too_many_of_address\"} 1").await;
}

/// Sends until nothing more is taken: what nobody reads fills the buffers of all on the way.
async fn stuff(client: &mut TcpStream) {
    let piece = [b'x'; 64 * 1024];
    while let Some(written) = clock::soon(client.write_all(&piece)).await {
        written.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_its_body_is_held_up_is_noticed_at_once() {
    let world = World::new();
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = json!({"nodes": {deaf.local_addr().unwrap().to_string(): 1}});
    let logging = Logging::start(&world, &to_each(&[("deaf", node)])).await;
    let mut client = TcpStream::connect(logging.gate.gateway()).await.unwrap();
    client.write_all(b"POST /deaf HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
    let (mut upstream, _) = within("the upstream's connection", deaf.accept()).await.unwrap();
    stuff(&mut client).await;
    // Its connection breaks. An orderly end would wait behind the bytes that the gate has no room for, where nobody sees it.
    client.set_zero_linger().unwrap();
    drop(client);
    // The upstream's time to take something is a minute, and longer than this waits.
    let line = logging.line("/deaf").await;
    assert_eq!(
        (&line["ending"], &line["response_code_details"]),
        (&json!("client_left"), &json!("client_closed"))
    );
    let mut rest = Vec::new();
    // Its end may be a reset.
    let _ = within("the end of the upstream's connection", upstream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_websocket_whose_upstream_is_gone_is_cut_short_and_one_that_was_closed_is_whole() {
    let world = World::new();
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let said = |more: &[u8]| vec![Step::read_head(), Step::Send([switch.as_bytes(), more].concat())];
    // A frame of six bytes, of which two come.
    let (_cut, cut) = playing(said(&[0x82, 6, b'a', b'b'])).await;
    let (_silent, silent) = playing(said(&[0x82, 2, b'a', b'b'])).await;
    let (_closed, closed) = playing(said(&[0x88, 2, 3, 0xE8])).await;
    let mut file = to_each(&[("cut", cut), ("silent", silent), ("closed", closed)]);
    for route in file["routes"].as_array_mut().unwrap() {
        route["enable_websocket"] = json!(true);
    }
    let logging = Logging::start(&world, &file).await;
    let reason = json!("upstream_closed");
    for (name, ending, reason) in
        [("cut", "cut_short", &reason), ("silent", "cut_short", &reason), ("closed", "whole", &Value::Null)]
    {
        let mut client = RawClient::connect(logging.gate.gateway()).await;
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        client.send(format!("GET /{name} HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n")).await;
        assert!(client.read_head().await.starts_with("HTTP/1.1 101 "));
        assert_eq!(client.read_exactly(5).await.len(), 4, "what came of it passes, and then its end");
        drop(client);
        let line = logging.line(&format!("/{name}")).await;
        assert_eq!((&line["status"], &line["ending"]), (&json!(101), &json!(ending)), "{line}");
        assert_eq!(&line["response_code_details"], reason, "{line}");
    }
    logging.counts("tealgate_gate_answers_total{reason=\"upstream_closed\"} 2").await;
}
