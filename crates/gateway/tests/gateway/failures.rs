//! Clients that leave, upstreams that break off, connections that are dead.

use crate::support::{Gate, get, with_body};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn when_the_client_leaves_the_upstream_is_let_go_at_once() {
    let script = vec![Step::read_head(), Step::ReadToEnd];
    let mut upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    testkit::clock::eventually("the request", async || !upstream.received().concat().is_empty()).await;
    drop(client);
    upstream.finished(1).await;
    assert_eq!(gate.settled().await.client_left, 1);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_body_is_no_answered_request() {
    let script = vec![Step::read_head(), Step::ReadToEnd];
    let mut upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.0.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome").await;
    drop(client);
    upstream.finished(1).await;
    assert_eq!(gate.settled().await.client_left, 1);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_answer_is_counted_so() {
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome";
    let script = vec![Step::read_head(), Step::send(begun), Step::ReadToEnd];
    let mut upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    client.0.read_until("some").await;
    drop(client);
    upstream.finished(1).await;
    assert_eq!(gate.settled().await.client_left, 1);
}

#[tokio::test]
async fn an_answer_that_is_cut_never_ends_cleanly() {
    for begun in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
    ] {
        let upstream = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(begun)]]).await;
        let gate = Gate::before(upstream.address()).await;
        let mut client = gate.client().await;
        client.0.send(get("/")).await;
        let all = client.0.read_to_end().await;
        assert!(all.starts_with("HTTP/1.1 200 OK"), "{all}");
        assert!(all.contains("some") && !all.ends_with("0\r\n\r\n"), "{all}");
        let counts = gate.settled().await;
        assert_eq!((counts.cut_short, counts.whole_total()), (1, 0));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_its_framing_before_anything_was_sent_is_a_502() {
    let broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nX\r\n";
    let upstream = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(broken)]]).await;
    let gate = Gate::before(upstream.address()).await;
    assert_eq!(gate.ask(get("/")).await.status, 502);
    assert_eq!(gate.settled().await.gate_errors, 1);
}

#[tokio::test]
async fn a_cut_after_some_of_a_large_body_is_a_cut() {
    let upstream = Upstream::start("u").await;
    upstream.behave(Behaviour::CutAfter(100_000));
    let gate = Gate::before(upstream.address()).await;
    let answer = gate.ask(get("/?size=200000")).await;
    assert!(answer.body.len() < 200_000, "{}", answer.body.len());
    assert_eq!(gate.settled().await.cut_short, 1);
}

/// The first connection answers one request and closes upon the second; further ones answer one.
async fn closing_upon_the_second() -> ScriptedUpstream {
    let first = vec![Step::read_head(), Step::send(OK), Step::read_head()];
    ScriptedUpstream::start(vec![first, vec![Step::read_head(), Step::send(OK), Step::ReadToEnd]]).await
}

#[tokio::test]
async fn a_get_on_a_connection_that_turns_out_dead_is_repeated_on_a_new_one() {
    let upstream = closing_upon_the_second().await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(get("/1")).await.status, 200);
    assert_eq!(client.ask(get("/2")).await.status, 200);
    assert_eq!(upstream.received().len(), 2);
    let counts = gate.settled().await;
    assert_eq!((counts.whole[1], counts.retried), (2, 0));
}

#[tokio::test]
async fn a_post_on_a_connection_that_turns_out_dead_is_a_502_and_never_sent_twice() {
    let upstream = closing_upon_the_second().await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(get("/1")).await.status, 200);
    assert_eq!(client.ask(with_body("POST", "pay")).await.status, 502);
    assert_eq!(upstream.received().len(), 1, "no second connection");
    assert_eq!(client.ask(get("/2")).await.status, 200, "the body was read: the client's connection goes on");
    assert_eq!(gate.settled().await.gate_errors, 1);
}

#[tokio::test]
async fn a_post_finds_out_before_it_is_sent_that_an_idle_connection_was_closed() {
    let answers = vec![Step::read_head(), Step::send(OK)];
    let mut upstream = ScriptedUpstream::start(vec![answers]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    for count in 1..10 {
        assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await.status, 200);
        upstream.finished(count).await;
    }
}

#[tokio::test]
async fn what_comes_behind_an_answer_is_never_taken_for_the_next_one() {
    let two =
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let upstream =
        ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(two), Step::ReadToEnd]]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(get("/")).await.body, "1");
    assert_eq!(client.ask(get("/")).await.body, "1");
    assert_eq!(upstream.received().len(), 2);
}
