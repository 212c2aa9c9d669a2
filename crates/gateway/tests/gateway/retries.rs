//! Which failed tries are repeated, where, and how often.

use crate::support::{Gate, get, route, settings, upstream, upstream_with, with_body};
use serde_json::json;
use std::net::SocketAddr;
use testkit::free_port;
use testkit::upstream::{Behaviour, Upstream};

fn refusing() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

async fn gate(nodes: &[SocketAddr]) -> Gate {
    Gate::with(settings(), &[upstream("u", nodes), route(&json!({"upstream_id": "u"}))]).await
}

#[tokio::test]
async fn a_node_that_cannot_be_connected_to_is_passed_over_for_every_method() {
    let good = Upstream::start("good").await;
    let gate = gate(&[refusing(), good.address()]).await;
    for method in ["GET", "POST", "PATCH", "PUT"] {
        assert_eq!(gate.ask(with_body(method, "body")).await.status, 200, "{method}");
    }
    assert!(good.requests().iter().all(|request| request.body_bytes == 4));
    assert_eq!(good.requests().len(), 4);
    assert!(gate.settled().await.retried >= 2);
}

#[tokio::test]
async fn a_put_is_sent_again_with_its_whole_body() {
    for chunked in [false, true] {
        let (bad, good) = (Upstream::start("bad").await, Upstream::start("good").await);
        bad.behave(Behaviour::Hangup);
        let gate = gate(&[bad.address(), good.address()]).await;
        let body = "x".repeat(50_000);
        let request = if chunked {
            let head = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
            format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        } else {
            with_body("PUT", &body)
        };
        let mut client = gate.client().await;
        assert_eq!(client.ask(request).await.status, 200);
        assert_eq!((bad.requests().len(), good.requests().len()), (1, 1));
        assert_eq!(good.requests()[0].body_bytes, 50_000);
        assert_eq!(client.ask(get("/")).await.status, 200, "the next request begins where it should");
    }
}

#[tokio::test]
async fn a_put_whose_body_is_larger_than_what_is_kept_is_not_sent_again() {
    let (bad, good) = (Upstream::start("bad").await, Upstream::start("good").await);
    bad.behave(Behaviour::Hangup);
    let gate = gate(&[bad.address(), good.address()]).await;
    assert_eq!(gate.ask(with_body("PUT", &"x".repeat(70_000))).await.status, 502);
    assert_eq!(good.requests().len(), 0);
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_sent_again() {
    let (bad, good) = (Upstream::start("bad").await, Upstream::start("good").await);
    bad.behave(Behaviour::Hangup);
    let gate = gate(&[bad.address(), good.address()]).await;
    assert_eq!(gate.ask(with_body("POST", "pay")).await.status, 502);
    assert_eq!((bad.requests().len(), good.requests().len()), (1, 0));
}

#[tokio::test]
async fn there_are_never_more_tries_than_configured_and_each_is_at_another_node() {
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let node = Upstream::start("bad").await;
        node.behave(Behaviour::Hangup);
        nodes.push(node);
    }
    let addresses: Vec<_> = nodes.iter().map(Upstream::address).collect();
    let resources = |retries| {
        [upstream_with("u", &addresses, &json!({"retries": retries})), route(&json!({"upstream_id": "u"}))]
    };
    let gate = Gate::with(settings(), &resources(2)).await;
    assert_eq!(gate.ask(get("/")).await.status, 502);
    let tries = |nodes: &[Upstream]| nodes.iter().map(|node| node.requests().len()).collect::<Vec<_>>();
    assert_eq!(tries(&nodes), [1, 1, 1, 0]);
    gate.apply(&resources(0)).await;
    assert_eq!(gate.ask(get("/")).await.status, 502);
    assert_eq!(tries(&nodes).iter().sum::<usize>(), 4);
    gate.apply(&resources(100)).await;
    assert_eq!(gate.ask(get("/")).await.status, 502);
    assert_eq!(tries(&nodes).iter().sum::<usize>(), 8, "no node is tried twice");
}

#[tokio::test]
async fn retries_stay_with_the_colour_that_was_chosen() {
    let green = Upstream::start("green").await;
    let split = json!({"rules": [{"weighted_upstreams": [
        {"upstream_id": "blue", "weight": 1}, {"upstream_id": "green", "weight": 1}]}]});
    let resources = [
        upstream("blue", &[refusing(), refusing()]),
        upstream("green", &[green.address()]),
        route(&json!({"upstream_id": "blue", "plugins": {"traffic-split": split}})),
    ];
    let gate = Gate::with(settings(), &resources).await;
    let mut client = gate.client().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.ask(get("/")).await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
    assert_eq!(green.requests().len(), 2);
}
