//! The account: clients, gate and upstreams count the same.

use crate::support::{Gate, get, with_body};
use telemetry::series::sum_of;
use testkit::raw::RawClient;
use testkit::upstream::{Behaviour, Upstream};

#[tokio::test]
async fn whatever_happens_each_request_is_counted_once() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    for round in 0..5 {
        assert_eq!(gate.ask(get("/")).await.status, 200);
        upstream.behave(Behaviour::Status(http::StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(gate.ask(with_body("POST", "x")).await.status, 503);
        upstream.behave(Behaviour::Hangup);
        assert_eq!(gate.ask(with_body("POST", "x")).await.status, 502);
        upstream.behave(Behaviour::CutAfter(3));
        gate.ask(get("/?size=100")).await;
        upstream.behave(Behaviour::Held);
        let mut client = gate.client().await;
        client.0.send(get("/")).await;
        upstream.arrived(round * 5 + 5).await;
        drop(client);
        upstream.behave(Behaviour::Echo);
        RawClient::exchange(gate.address(), "NO\r\n\r\n").await;
    }
    let counts = gate.settled().await;
    assert_eq!((counts.received, counts.whole), (25, [0, 5, 0, 0, 10]));
    assert_eq!((counts.cut_short, counts.client_left, counts.gate_errors), (5, 5, 5));
    assert_eq!(upstream.ids().values().sum::<u64>(), 25);
    let totals = gate.gateway.totals().snapshot();
    assert_eq!(totals.requests_received, 25);
    assert_eq!(totals.heads_refused, [("malformed".to_owned(), 5)].into());
}

#[tokio::test]
async fn a_request_that_waits_is_open() {
    let upstream = Upstream::start("u").await;
    upstream.behave(Behaviour::Held);
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    upstream.arrived(1).await;
    assert_eq!((gate.counts().received, gate.counts().open), (1, 1));
    upstream.release(1);
    assert_eq!(client.answer(false).await.status, 200);
    assert_eq!(gate.settled().await.whole[1], 1);
}

#[tokio::test]
async fn bytes_are_counted_on_both_sides() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let request = with_body("POST", "hello");
    let answer = gate.ask(&request).await;
    let counts = gate.settled().await;
    assert_eq!((counts.request_bytes, counts.response_bytes), (5, answer.body.len() as u64));
    let totals = gate.gateway.totals().snapshot();
    assert_eq!(totals.bytes_received, request.len() as u64);
    assert_eq!(totals.bytes_sent, (answer.head.len() + answer.body.len()) as u64);
    let refused = gate.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").await;
    gate.settled().await;
    let more = gate.gateway.totals().snapshot().bytes_sent - totals.bytes_sent;
    assert_eq!(more, (refused.head.len() + refused.body.len()) as u64);
}

#[tokio::test]
async fn a_request_that_no_route_matches_is_counted_for_none() {
    let gate = Gate::with(crate::support::settings(), &[]).await;
    assert_eq!(gate.ask(get("/")).await.status, 404);
    gate.settled().await;
    let unmatched = sum_of(&gate.gateway.series().snapshot(), |key| key.route.is_empty());
    assert_eq!((unmatched.received, unmatched.whole[3]), (1, 1));
}
