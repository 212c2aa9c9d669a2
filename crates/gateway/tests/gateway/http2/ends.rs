//! How streams and connections end, in good order and otherwise.

use super::super::support::{Gate, route, settings, upstream, upstream_with};
use super::client::{Client, read, read_content, request};
use gateway::Settings;
use h2::Reason;
use serde_json::json;
use testkit::clock::{eventually, within};
use testkit::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NO_ERROR, PING, RST_STREAM, SETTINGS, frame,
    get, post, reason,
};
use testkit::http2::{Http2Upstream, Rules};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};

/// A gate with settings that sends everything to one upstream.
async fn gate(settings: Settings, blue: &Upstream) -> Gate {
    Gate::with(settings, &[upstream("u", &[blue.address()]), route(&json!({"upstream_id": "u"}))]).await
}

#[tokio::test]
async fn an_answer_that_breaks_off_resets_its_stream_and_no_other() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    upstream.behave(Behaviour::CutAfter(100));
    let (answer, _) = client.open(request("GET", "/?size=1000"), true).await;
    let error = read(answer).await.unwrap_err();
    assert_eq!((error.reason(), error.is_remote()), (Some(Reason::INTERNAL_ERROR), true));
    upstream.behave(Behaviour::Echo);
    assert_eq!(client.ask(request("GET", "/")).await.status, 200);
    let counts = gate.settled().await;
    assert_eq!((counts.cut_short, counts.whole_total()), (1, 1));
}

/// An upstream of HTTP/2 that answers its first request with these frames.
async fn answering(frames: &[Vec<u8>]) -> (ScriptedUpstream, Gate) {
    let settings_frame = frame(SETTINGS, 0, 0, &[]);
    let script = vec![
        Step::ReadUntil(b"SM\r\n\r\n".to_vec()),
        Step::Send([settings_frame, frames.concat()].concat()),
        Step::ReadToEnd,
    ];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let nodes = upstream_with("u", &[upstream.address()], &json!({"scheme": "grpc"}));
    let gate = Gate::with(settings(), &[nodes, route(&json!({"upstream_id": "u"}))]).await;
    (upstream, gate)
}

/// A head of nothing but `:status: 200`, and a reset of its stream.
fn head_and_reset() -> [Vec<u8>; 2] {
    [frame(HEADERS, END_HEADERS, 1, &[0x88]), frame(RST_STREAM, 0, 1, &2_u32.to_be_bytes())]
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_any_of_it_is_out_is_a_502() {
    let (_upstream, gate) = answering(&head_and_reset()).await;
    let client = Client::connect(&gate).await;
    let answer = client.ask(request("GET", "/")).await;
    assert_eq!((answer.status, answer.header("server")), (502, Some("Tealgate")));
    let counts = gate.settled().await;
    assert_eq!((counts.whole[4], counts.cut_short), (1, 0));
}

#[tokio::test]
async fn what_there_is_of_an_answer_that_breaks_off_is_sent_before_the_reset() {
    let script = vec![Step::read_head(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome")];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(request("GET", "/"), true).await;
    let (head, mut body) = within("a head", answer).await.unwrap().into_parts();
    assert_eq!(head.status, 200);
    assert_eq!(within("content", body.data()).await.unwrap().unwrap(), "some");
    let error = within("the reset", body.data()).await.unwrap().unwrap_err();
    assert_eq!((error.reason(), error.is_remote()), (Some(Reason::INTERNAL_ERROR), true));
    assert_eq!(gate.settled().await.cut_short, 1);
}

#[tokio::test]
async fn an_upstreams_trailers_beyond_their_bounds_break_its_answer_off() {
    for (bytes, is_whole) in [((8 << 10) - 5, true), (8 << 10, false), (30_000, false)] {
        let upstream = Http2Upstream::start(Rules::default()).await;
        let nodes = upstream_with("u", &[upstream.address()], &json!({"scheme": "grpc"}));
        let gate = Gate::with(settings(), &[nodes, route(&json!({"upstream_id": "u"}))]).await;
        let client = Client::connect(&gate).await;
        let (answer, _) = client.open(request("GET", &format!("/trailers/{bytes}")), true).await;
        let answer = read(answer).await;
        assert_eq!(answer.is_ok_and(|answer| answer.trailers.is_some()), is_whole, "{bytes}");
        assert_eq!(gate.settled().await.cut_short, u64::from(!is_whole));
    }
}

#[tokio::test]
async fn a_client_that_resets_its_stream_cancels_the_upstream_at_once() {
    let script = vec![Step::read_head(), Step::ReadToEnd];
    let mut upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let (answer, mut send) = client.open(request("GET", "/"), true).await;
    eventually("the request", async || {
        upstream.received().first().is_some_and(|bytes| bytes.ends_with(b"\r\n\r\n"))
    })
    .await;
    send.send_reset(Reason::CANCEL);
    drop(answer);
    upstream.finished(1).await;
    assert_eq!(gate.settled().await.client_left, 1);
}

#[tokio::test]
async fn a_client_that_resets_an_upload_that_is_held_up_cancels_the_upstream_at_once() {
    let upstream = Http2Upstream::start(Rules { window_bytes: 1_000, ..Rules::default() }).await;
    let nodes = upstream_with("u", &[upstream.address()], &json!({"scheme": "grpc"}));
    let gate = Gate::with(settings(), &[nodes, route(&json!({"upstream_id": "u"}))]).await;
    let client = Client::connect(&gate).await;
    // Before the answer's head, and behind it.
    for (path, seen) in [("/held", 1), ("/opened", 2)] {
        let (answer, mut send) = client.open(request("POST", path), false).await;
        send.send_data(vec![0; 100_000].into(), false).unwrap();
        upstream.saw("the request", |all| all.len() == seen).await;
        // What was sent before this was read before it.
        assert_eq!(client.ask(request("TRACE", "/")).await.status, 405);
        send.send_reset(Reason::CANCEL);
        upstream.saw("the cancelled stream", |all| all[seen - 1].reset == Some(8)).await;
        drop(answer);
    }
    assert_eq!(gate.settled().await.client_left, 2);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_all_its_streams() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(client.open(request("GET", "/"), true).await);
    }
    upstream.arrived(5).await;
    client.driver.abort();
    assert_eq!(gate.settled().await.client_left, 5);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_followed_by_a_reset_without_error() {
    let script = vec![
        Step::read_head(),
        Step::send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
        Step::ReadToEnd,
    ];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send(post(1)).await;
    client.send(frame(DATA, 0, 1, b"abc")).await;
    assert_eq!(client.next_of(HEADERS).await.unwrap().stream, 1);
    let data = client.next_of(DATA).await.unwrap();
    assert_eq!((data.flags & END_STREAM, &*data.payload), (END_STREAM, &b"no"[..]));
    let reset = client.next_of(RST_STREAM).await.unwrap();
    assert_eq!((reset.stream, reason(&reset.payload)), (1, NO_ERROR));
    assert!(client.is_alive().await);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_connection_goes_on() {
    let upstream = Upstream::start("blue").await;
    let settings = Settings { max_body_bytes: 1_000, ..settings() };
    let gate = gate(settings, &upstream).await;
    let client = Client::connect(&gate).await;
    let asked = request("POST", "/").header("content-length", 1_001);
    assert_eq!(client.ask_with(asked, vec![0; 1_001]).await.status, 413);
    assert_eq!(client.ask_with(request("POST", "/"), vec![0; 1_001]).await.status, 413);
    assert_eq!(client.ask_with(request("POST", "/"), vec![0; 1_000]).await.status, 200);
}

#[tokio::test]
async fn a_stream_too_many_in_work_is_a_503_and_the_connection_goes_on() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let gate = gate(Settings { max_requests: 1, ..settings() }, &upstream).await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(request("GET", "/"), true).await;
    upstream.arrived(1).await;
    let refused = client.ask(request("GET", "/")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    upstream.release(1);
    assert_eq!(read(answer).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stream_has_the_limit_of_a_whole_request() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let gate = gate(Settings { total_timeout_ms: 1, ..settings() }, &upstream).await;
    let client = Client::connect(&gate).await;
    assert_eq!(client.ask(request("GET", "/")).await.status, 504);
    upstream.behave(Behaviour::Echo);
    assert_eq!(client.ask(request("GET", "/")).await.status, 200);
}

#[tokio::test]
async fn a_body_that_stalls_is_a_408() {
    let upstream = Upstream::start("blue").await;
    let settings = Settings { body_timeout_ms: 100, ..settings() };
    let gate = gate(settings, &upstream).await;
    let client = Client::connect(&gate).await;
    let (answer, mut send) = client.open(request("POST", "/"), false).await;
    send.send_data("a".into(), false).unwrap();
    assert_eq!(read(answer).await.unwrap().status, 408);
}

#[tokio::test]
async fn a_drain_lets_streams_finish_and_says_goodbye_in_two_steps() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send(get(1)).await;
    upstream.arrived(1).await;
    let drained = async {
        within("the drain", gate.gateway.drain()).await;
        assert_eq!(gate.gateway.totals().snapshot().connections_open, 0);
    };
    let watched = async {
        let first = client.next_of(GOAWAY).await.unwrap();
        assert_eq!((reason(&first.payload), reason(&first.payload[4..])), (0x7FFF_FFFF, NO_ERROR));
        // What was on its way is still taken.
        client.send(get(3)).await;
        upstream.arrived(2).await;
        let ping = client.next_of(PING).await.unwrap();
        client.send(frame(PING, ACK, 0, &ping.payload)).await;
        let second = client.next_of(GOAWAY).await.unwrap();
        assert_eq!((reason(&second.payload), reason(&second.payload[4..])), (3, NO_ERROR));
        upstream.release(2);
        let mut ended = 0;
        while let Some(frame) = client.next().await {
            ended += u32::from(frame.kind == DATA && frame.flags & END_STREAM != 0);
        }
        assert_eq!(ended, 2, "both were answered before the end");
    };
    tokio::join!(drained, watched);
    assert_eq!(gate.counts().whole_total(), 2);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_client_that_does_not_listen() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send(get(1)).await;
    assert!(client.next_of(DATA).await.is_some());
    within("the drain", gate.gateway.drain()).await;
}

#[tokio::test]
async fn closing_ends_idle_connections_at_once() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    assert_eq!(client.ask(request("GET", "/")).await.status, 200);
    let drained = async { gate.gateway.drain().await };
    let closed = async { gate.gateway.close_idle() };
    within("the end", async { tokio::join!(drained, closed) }).await;
    within("the client's end", client.driver).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_without_streams_is_sent_away() {
    let upstream = Upstream::start("blue").await;
    let settings = Settings { idle_timeout_ms: 100, ..settings() };
    let gate = gate(settings, &upstream).await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(request("GET", "/?size=10"), true).await;
    let mut body = within("a head", answer).await.unwrap().into_body();
    read_content(&mut body).await.unwrap();
    drop(body);
    within("the end", client.driver).await.unwrap().unwrap();
    eventually("no connection", async || gate.gateway.totals().snapshot().connections_open == 0).await;
}

#[tokio::test]
async fn a_long_stream_keeps_its_connection() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let settings = Settings { idle_timeout_ms: 1, head_timeout_ms: 100, ..settings() };
    let gate = gate(settings, &upstream).await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(request("GET", "/"), true).await;
    upstream.arrived(1).await;
    // A connection that does nothing is gone by then.
    let mut idle = Frames::silent(gate.address()).await;
    while idle.next().await.is_some() {}
    upstream.release(1);
    assert_eq!(read(answer).await.unwrap().status, 200);
}
