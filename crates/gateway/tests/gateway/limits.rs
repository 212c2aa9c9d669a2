//! Every bound on size and number, driven over once.

use crate::support::{Gate, get, route, settings, upstream, with_body};
use gateway::Settings;
use http1_limits::limits;
use serde_json::json;
use testkit::upstream::Upstream;

mod http1_limits {
    /// Small bounds of a head.
    pub(super) fn limits() -> gateway::http1::Limits {
        gateway::http1::Limits {
            head_bytes: 1_024,
            headers: 8,
            target_bytes: 100,
            trailer_bytes: 64,
            chunk_line_bytes: 16,
        }
    }
}

async fn refused(request: String) -> u16 {
    let upstream = Upstream::start("u").await;
    let settings = Settings { head: limits(), max_body_bytes: 10, ..settings() };
    let resources =
        [crate::support::upstream("u", &[upstream.address()]), route(&json!({"upstream_id": "u"}))];
    let gate = Gate::with(settings, &resources).await;
    assert_eq!(gate.ask(with_body("POST", "0123456789")).await.status, 200, "the bound itself is allowed");
    let mut client = gate.client().await;
    let answer = client.ask(request).await;
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(upstream.requests().iter().filter(|request| request.complete).count(), 1);
    answer.status
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_431() {
    assert_eq!(refused(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(1_024))).await, 431);
}

#[tokio::test]
async fn too_many_fields_are_a_431() {
    assert_eq!(refused(format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(8))).await, 431);
}

#[tokio::test]
async fn a_target_that_is_too_long_is_a_414() {
    assert_eq!(refused(get(&"/x".repeat(60))).await, 414);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_a_413_by_length_and_by_chunks() {
    assert_eq!(refused(with_body("POST", "0123456789a")).await, 413);
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(format!("{chunked}9\r\n012345678\r\n2\r\n9a\r\n0\r\n\r\n")).await, 413);
}

#[tokio::test]
async fn a_trailer_section_that_is_too_long_is_a_431() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = format!("{head}1\r\nx\r\n0\r\nX: {}\r\n\r\n", "x".repeat(64));
    assert_eq!(refused(long).await, 431);
}

#[tokio::test]
async fn a_chunk_line_that_is_too_long_is_a_400() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(format!("{head}1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(16))).await, 400);
}

#[tokio::test]
async fn a_connection_too_many_is_a_503_and_a_place_that_is_free_again_can_be_used() {
    let upstream_server = Upstream::start("u").await;
    let resources = [upstream("u", &[upstream_server.address()]), route(&json!({"upstream_id": "u"}))];
    let gate = Gate::with(Settings { max_connections: 2, ..settings() }, &resources).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    assert_eq!((one.ask(get("/")).await.status, two.ask(get("/")).await.status), (200, 200));
    let answer = gate.ask(get("/")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    drop(one);
    let totals = gate.gateway.totals();
    testkit::clock::eventually("a free place", async || totals.snapshot().connections_open <= 1).await;
    assert_eq!(gate.ask(get("/")).await.status, 200);
    assert_eq!(two.ask(get("/")).await.status, 200);
}

#[tokio::test]
async fn far_too_many_connections_are_closed_without_an_answer() {
    let gate = Gate::with(Settings { max_connections: 0, ..settings() }, &[]).await;
    let mut answers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = gate.client().await;
        answers.push(client.0.read_head().await);
        clients.push(client);
    }
    let answered = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503")).count();
    assert!((16..40).contains(&answered), "{answered}");
}

#[tokio::test]
async fn a_node_that_takes_no_connection_holds_only_so_many_requests() {
    // The system takes the connection, nobody answers the TLS handshake.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings { max_connecting_per_node: 2, ..settings() };
    let more = json!({"scheme": "https"});
    let resources = [
        crate::support::upstream_with("u", &[silent.local_addr().unwrap()], &more),
        route(&json!({"upstream_id": "u"})),
    ];
    let gate = Gate::with(settings, &resources).await;
    let mut held = Vec::new();
    for waiting in 1..=2 {
        let mut client = gate.client().await;
        client.0.send(get("/")).await;
        testkit::clock::eventually("a request", async || gate.counts().open == waiting).await;
        held.push(client);
    }
    assert_eq!(gate.ask(get("/")).await.status, 503);
    drop(held);
    assert_eq!(gate.settled().await.received, 3);
}
