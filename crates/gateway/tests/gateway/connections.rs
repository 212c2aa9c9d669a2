//! Connections of clients and to upstreams: kept, pipelined, closed.

use crate::support::{Gate, get, route, settings};
use gateway::plugin::{Answer, Context, Flow, Phase, Plugin, PluginKind};
use gateway::{Gateway, Settings};
use model::plugin::PluginInfo;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use telemetry::totals::Totals;
use testkit::clock::eventually;
use testkit::upstream::Upstream;

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_over_one_upstream_connection() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    let request = |id: u32| format!("GET /?size=5000 HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\n\r\n");
    client.0.send((0..5).map(request).collect::<String>()).await;
    for id in 0..5 {
        let answer = client.answer(false).await;
        assert_eq!((answer.status, answer.header("x-request-id")), (200, Some(id.to_string().as_str())));
        assert_eq!(answer.header("connection"), None);
    }
    assert!(upstream.requests().iter().all(|request| request.connection == 0));
    assert_eq!(gate.settled().await.whole[1], 5);
}

#[tokio::test]
async fn a_client_that_asks_for_close_is_closed() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    let answer = client.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(gate.ask(get("/")).await.status, 200);
    assert!(upstream.requests().iter().all(|request| request.connection == 0), "the upstream's stays");
}

#[tokio::test]
async fn http_1_0_persists_only_if_it_asks() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    for _ in 0..2 {
        let answer = client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
    let answer = client.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(client.0.read_to_end().await, "");
}

#[tokio::test]
async fn an_upstream_connection_carries_as_many_requests_as_its_pool_says() {
    let upstream = Upstream::start("u").await;
    let more = serde_json::json!({"keepalive_pool": {"size": 5, "requests": 2}});
    let resources = [
        crate::support::upstream_with("u", &[upstream.address()], &more),
        crate::support::route(&serde_json::json!({"upstream_id": "u"})),
    ];
    let gate = Gate::with(crate::support::settings(), &resources).await;
    let mut client = gate.client().await;
    for _ in 0..5 {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
    let connections: Vec<_> = upstream.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 1, 1, 2]);
}

#[tokio::test]
async fn closed_connections_are_counted_as_closed() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.ask(get("/")).await;
    let totals = gate.gateway.totals();
    assert_eq!(totals.snapshot().connections_open, 1);
    drop(client);
    eventually("the close", async || totals.snapshot().connections_open == 0).await;
    assert_eq!(totals.snapshot().connections_accepted, 1);
}

#[tokio::test]
async fn a_part_of_the_next_request_that_comes_early_is_kept() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    for half in [7, 20] {
        let request = get("/early");
        let (first, second) = request.split_at(half);
        client.0.send(get("/") + first).await;
        assert_eq!(client.answer(false).await.status, 200);
        client.0.send(second).await;
        assert_eq!(client.answer(false).await.status, 200);
    }
    assert_eq!(gate.settled().await.whole[1], 4);
}

static TOTALS: OnceLock<Arc<Totals>> = OnceLock::new();
/// How many connections had been taken when the first request was in work.
static TAKEN: AtomicU64 = AtomicU64::new(0);

struct Looks;

impl Plugin for Looks {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite]
    }

    fn rewrite<'r>(&'r self, _: &mut Context<'_, 'r>) -> Flow {
        TAKEN.store(TOTALS.get().unwrap().snapshot().connections_open, SeqCst);
        Flow::Answer(Arc::new(Answer::text(418, "seen")))
    }
}

static LOOKS: &[PluginKind] = &[PluginKind {
    info: PluginInfo::new("looks", 1, || json!({"type": "object"}), |_| Ok(())),
    compile: Some(|_, _| Ok(Box::new(Looks))),
}];

#[tokio::test]
async fn a_crowd_that_connects_does_not_keep_others_waiting() {
    let totals = Arc::clone(TOTALS.get_or_init(|| Arc::new(Totals::new(1))));
    let settings = Settings { plugins: LOOKS, ..settings() };
    let gate = Gate::of(Gateway::start(settings, None, totals).unwrap());
    // Until there is a configuration, they wait in the queue.
    let mut first = gate.client().await;
    first.0.send(get("/")).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(gate.client().await);
    }
    gate.apply(&[route(&json!({"plugins": {"looks": {}}, "upstream": {"nodes": {"127.0.0.1:1": 1}}}))]).await;
    assert_eq!(first.answer(false).await.status, 418);
    assert!(TAKEN.load(SeqCst) < 200, "{TAKEN:?} of 301 were taken before the first was served");
}
