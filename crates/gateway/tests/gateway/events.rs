//! Server-sent events: streams that are drained as WebSockets are, and end as a whole body.

use crate::support::{Gate, get, route, settings, upstream};
use gateway::{Leave, Settings};
use model::resource::Kind;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use testkit::clock::eventually;
use testkit::scripted::{ScriptedUpstream, Step};

const EVENT: &str = "data: 1\n\n";

fn resources(to: &str, address: SocketAddr) -> Vec<(Kind, Value)> {
    vec![upstream("u", &[address]), upstream("v", &[address]), route(&json!({"upstream_id": to}))]
}

/// An upstream whose first answer begins with an event and does not end.
async fn answering(kind: &str, framing: &str, event: &str) -> ScriptedUpstream {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n{event}");
    ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(&head), Step::ReadToEnd]]).await
}

async fn chunked(kind: &str) -> ScriptedUpstream {
    answering(kind, "Transfer-Encoding: chunked\r\n", &format!("9\r\n{EVENT}\r\n")).await
}

fn draining() -> Settings {
    Settings { drain_timeout_ms: 1, ..settings() }
}

#[tokio::test]
async fn events_of_a_colour_that_traffic_has_left_end_whole_at_their_deadline() {
    let mut server = chunked("text/event-stream; charset=utf-8").await;
    let gate = Gate::with(draining(), &resources("u", server.address())).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    assert!(client.0.read_head().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(client.0.read_exactly(14).await, format!("9\r\n{EVENT}\r\n").as_bytes());
    eventually("a stream that is shown", async || gate.counts().streams == 1).await;
    gate.apply(&resources("v", server.address())).await;
    assert_eq!(client.0.read_exactly(5).await, b"0\r\n\r\n");
    server.finished(1).await;
    let counts = gate.settled().await;
    assert_eq!((counts.drained, counts.cut_short, counts.streams), (1, 0, 0));
    assert_eq!(gate.gateway.totals().snapshot().gate_answers["drained"], 1);
}

#[tokio::test]
async fn a_client_that_knows_no_chunks_is_told_by_the_end_of_its_connection() {
    let server = answering("Text/Event-Stream", "", EVENT).await;
    let gate = Gate::with(draining(), &resources("u", server.address())).await;
    let mut client = gate.client().await;
    client.0.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n").await;
    client.0.read_head().await;
    assert_eq!(client.0.read_exactly(9).await, EVENT.as_bytes());
    gate.apply(&resources("v", server.address())).await;
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(gate.settled().await.drained, 1);
}

#[tokio::test]
async fn events_end_when_the_gateway_does() {
    let server = chunked("text/event-stream").await;
    let gate = Gate::with(settings(), &resources("u", server.address())).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    client.0.read_head().await;
    client.0.read_exactly(14).await;
    gate.gateway.end_streams(&Leave::soon(Duration::from_millis(2), Duration::ZERO));
    assert_eq!(client.0.read_exactly(5).await, b"0\r\n\r\n");
    assert_eq!(gate.settled().await.drained, 1);
}

#[tokio::test]
async fn answers_that_have_an_end_are_no_streams() {
    for (kind, framing) in [
        ("text/event-streams", "Transfer-Encoding: chunked\r\n"),
        ("application/octet-stream", "Transfer-Encoding: chunked\r\n"),
        ("text/event-stream", "Content-Length: 100\r\n"),
    ] {
        let body =
            if framing.starts_with("Content") { EVENT.to_owned() } else { format!("9\r\n{EVENT}\r\n") };
        let server = answering(kind, framing, &body).await;
        let gate = Gate::with(draining(), &resources("u", server.address())).await;
        let mut client = gate.client().await;
        client.0.send(get("/")).await;
        client.0.read_head().await;
        client.0.read_until("data: 1\n\n").await;
        let counts = gate.counts();
        assert_eq!((counts.open, counts.streams), (1, 0), "{kind} {framing}");
    }
}
