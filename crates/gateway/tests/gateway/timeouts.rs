//! Every time limit, with settings so short that each fires with the next tick.

use crate::support::{Gate, get, route, settings, upstream, upstream_with};
use gateway::Settings;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};

async fn gate(settings: Settings, address: SocketAddr, more: &Value) -> Gate {
    Gate::with(settings, &[upstream_with("u", &[address], more), route(&json!({"upstream_id": "u"}))]).await
}

#[tokio::test]
async fn a_head_that_does_not_end_is_a_408() {
    let gate = Gate::with(Settings { head_timeout_ms: 1, ..settings() }, &[]).await;
    let mut client = gate.client().await;
    let answer = client.ask("GET / HTTP/1.1\r\nHost:").await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(gate.gateway.totals().snapshot().heads_refused, [("timeout".to_owned(), 1)].into());
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let gate = Gate::with(Settings { idle_timeout_ms: 1, ..settings() }, &[]).await;
    assert_eq!(gate.client().await.0.read_to_end().await, "");
    let mut client = gate.client().await;
    client.ask(get("/")).await;
    assert_eq!(client.0.read_to_end().await, "");
}

#[tokio::test]
async fn a_body_that_stops_is_a_408_and_the_upstream_is_let_go() {
    let mut upstream = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::ReadToEnd]]).await;
    let settings = Settings { body_timeout_ms: 1, ..settings() };
    let gate = gate(settings, upstream.address(), &json!({})).await;
    let answer = gate.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nsome").await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    upstream.finished(1).await;
    let counts = gate.settled().await;
    assert_eq!((counts.whole[3], counts.gate_errors), (1, 0), "not the upstream's doing");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_504() {
    let upstream = Upstream::start("u").await;
    upstream.behave(Behaviour::Held);
    let timeout = json!({"timeout": {"connect": 1, "send": 1, "read": 0.001}});
    let gate = gate(settings(), upstream.address(), &timeout).await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(get("/")).await.status, 504);
    upstream.behave(Behaviour::Echo);
    assert_eq!(client.ask(get("/")).await.status, 200, "the client's connection goes on");
}

#[tokio::test]
async fn the_limits_of_the_route_beat_those_of_the_upstream() {
    let upstream = Upstream::start("u").await;
    upstream.behave(Behaviour::Held);
    let timeout = json!({"connect": 1, "send": 1, "read": 0.001});
    let resources = [
        crate::support::upstream("u", &[upstream.address()]),
        route(&json!({"upstream_id": "u", "timeout": timeout})),
    ];
    assert_eq!(Gate::with(settings(), &resources).await.ask(get("/")).await.status, 504);
}

#[tokio::test]
async fn an_answer_that_stops_is_cut() {
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome";
    let script = vec![Step::read_head(), Step::send(begun), Step::ReadToEnd];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let timeout = json!({"timeout": {"connect": 1, "send": 1, "read": 0.001}});
    let gate = gate(settings(), upstream.address(), &timeout).await;
    let answer = gate.ask(get("/")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "some"));
    assert_eq!(gate.settled().await.cut_short, 1);
}

#[tokio::test]
async fn a_node_that_does_not_accept_is_a_504() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // The queue holds one connection; more get no answer.
    let _first = TcpStream::connect(address).unwrap();
    let timeout = json!({"timeout": {"connect": 0.001, "send": 1, "read": 1}});
    let gate = gate(settings(), address, &timeout).await;
    assert_eq!(gate.ask(get("/")).await.status, 504);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_left() {
    // More than the buffers on the way hold.
    let size = 16_000_000;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    let script = vec![Step::read_head(), Step::send(&head), Step::Send(vec![b'x'; size])];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = gate(Settings { write_timeout_ms: 1, ..settings() }, upstream.address(), &json!({})).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    testkit::clock::eventually("the end", async || gate.counts().client_left == 1).await;
    assert!(client.0.read_to_end().await.len() < size);
}

#[tokio::test]
async fn a_whole_request_has_a_limit_of_its_own() {
    let settings = || Settings { total_timeout_ms: 1, ..settings() };
    let held = Upstream::start("u").await;
    held.behave(Behaviour::Held);
    let gate_of_held = gate(settings(), held.address(), &json!({})).await;
    let mut client = gate_of_held.client().await;
    assert_eq!(client.ask(get("/")).await.status, 504);
    held.behave(Behaviour::Echo);
    assert_eq!(client.ask(get("/")).await.status, 200, "each request has its own");
    // Not even a client that is slow itself extends it.
    assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nsome").await.status, 504);
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome";
    let script = vec![Step::read_head(), Step::send(begun), Step::ReadToEnd];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = gate(settings(), upstream.address(), &json!({})).await;
    assert_eq!(gate.ask(get("/")).await.body, "some");
    assert_eq!(gate.settled().await.cut_short, 1);
}

#[tokio::test]
async fn a_route_may_have_another_limit_or_none() {
    let held = Upstream::start("u").await;
    held.behave(Behaviour::Held);
    let routes = |of_route: &str| {
        let timeout = json!({"connect": 1, "send": 1, "read": 0.2});
        let labels = json!({"tealgate.total_timeout_ms": of_route});
        [
            crate::support::upstream("u", &[held.address()]),
            route(&json!({"upstream_id": "u", "labels": labels, "timeout": timeout})),
        ]
    };
    let spared = Gate::with(Settings { total_timeout_ms: 1, ..settings() }, &routes("0")).await;
    assert_eq!(spared.ask(get("/")).await.status, 504);
    let ended = Gate::with(settings(), &routes("1")).await;
    assert_eq!(ended.ask(get("/")).await.status, 504);
    for (gate, reason) in [(&spared, "timeout_read"), (&ended, "timeout_total")] {
        gate.settled().await;
        let answers = gate.gateway.totals().snapshot().gate_answers;
        assert_eq!(answers.into_iter().collect::<Vec<_>>(), [(reason.to_owned(), 1)]);
    }
}

#[tokio::test]
async fn the_whole_limit_leaves_no_time_for_another_try() {
    let (held, good) = (Upstream::start("held").await, Upstream::start("good").await);
    held.behave(Behaviour::Held);
    let resources = [upstream("u", &[held.address(), good.address()]), route(&json!({"upstream_id": "u"}))];
    let gate = Gate::with(Settings { total_timeout_ms: 1, ..settings() }, &resources).await;
    assert_eq!(gate.ask(get("/")).await.status, 504);
    assert_eq!(good.requests().len(), 0);
}
