//! Every bound of a connection, driven over once; the connections of others do not notice.

use super::super::support::{Gate, route, settings, upstream};
use super::client::{Client, request};
use gateway::Settings;
use serde_json::json;
use testkit::clock::eventually;
use testkit::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, End, Frames, HEADERS, PING,
    PREFACE, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
    get, post, pseudo,
};
use testkit::raw::RawClient;
use testkit::upstream::{Behaviour, Upstream};

async fn gate(settings: Settings, blue: &Upstream) -> Gate {
    Gate::with(settings, &[upstream("u", &[blue.address()]), route(&json!({"upstream_id": "u"}))]).await
}

const CALM: End = End::Closed(Some(ENHANCE_YOUR_CALM));

#[tokio::test]
async fn floods_of_control_frames_end_their_connection_and_no_other() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let other = Client::connect(&gate).await;
    let floods: [(&str, Vec<u8>); 7] = [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("an unknown frame", frame(0x77, 0, 0, &[0; 100])),
        ("long unknown frames", frame(0x77, 0, 0, &[0; 16_000])),
        ("empty CONTINUATION", frame(CONTINUATION, 0, 1, &[])),
    ];
    for (name, flood) in floods {
        let mut client = Frames::connect(gate.address()).await;
        if name == "empty CONTINUATION" {
            client.send(frame(HEADERS, END_STREAM, 1, &block(&pseudo("GET")))).await;
        }
        client.send(flood.repeat(8_000)).await;
        assert_eq!(client.end_of(1).await, CALM, "{name}");
    }
    assert_eq!(other.ask(request("GET", "/")).await.status, 200);
    let counted = async || gate.gateway.totals().snapshot().heads_refused.get("flood") == Some(&7);
    eventually("that each was counted", counted).await;
}

#[tokio::test]
async fn empty_data_frames_are_bounded() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send(post(1)).await;
    client.send(frame(DATA, 0, 1, &[]).repeat(8_000)).await;
    assert_eq!(client.end_of(1).await, CALM);
}

#[tokio::test]
async fn streams_that_are_reset_as_soon_as_they_are_opened_are_bounded() {
    let blue = Upstream::start("blue").await;
    blue.behave(Behaviour::Held);
    let gate = gate(settings(), &blue).await;
    // All at once, and one after the other with time to be taken up.
    for is_patient in [false, true] {
        let mut client = Frames::connect(gate.address()).await;
        let mut is_alive = true;
        for number in 0..2_000 {
            let stream = 2 * number + 1;
            client.send([get(stream), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()).await;
            if is_patient && number % 10 == 0 && !client.is_alive().await {
                is_alive = false;
                break;
            }
        }
        assert!(!is_patient || !is_alive, "it was told to be calm in time");
        if !is_patient {
            assert_eq!(client.end_of(0).await, CALM);
        }
    }
    let counts = gate.settled().await;
    assert!(counts.received < 1_000, "{} reached a route", counts.received);
}

#[tokio::test]
async fn a_client_may_change_its_mind_now_and_then() {
    let blue = Upstream::start("blue").await;
    blue.behave(Behaviour::Held);
    let gate = gate(settings(), &blue).await;
    let mut client = Frames::connect(gate.address()).await;
    for number in 0..100 {
        client.send(get(2 * number + 1)).await;
    }
    blue.arrived(100).await;
    for number in 0..100_u32 {
        client.send(frame(RST_STREAM, 0, 2 * number + 1, &CANCEL.to_be_bytes())).await;
    }
    assert!(client.is_alive().await);
    assert_eq!(gate.settled().await.client_left, 100);
}

#[tokio::test]
async fn calls_that_are_given_up_when_their_time_is_over_do_not_end_the_connection() {
    let blue = Upstream::start("blue").await;
    blue.behave(Behaviour::Held);
    let slow = json!({"id": "slow", "uri": "/slow", "upstream_id": "u",
                      "timeout": {"connect": 1, "send": 1, "read": 0.2}});
    let resources = [
        upstream("u", &[blue.address()]),
        route(&json!({"upstream_id": "u"})),
        (model::resource::Kind::Route, slow),
    ];
    let gate = Gate::with(Settings { http2_control_burst: 300, ..settings() }, &resources).await;
    let mut client = Frames::connect(gate.address()).await;
    let slow = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/slow"), (":authority", "h")]);
    for round in 0..4 {
        let first = 202 * round + 1;
        let calls = (0..100).map(|number| first + 2 * number);
        client.send(calls.clone().flat_map(get).collect::<Vec<_>>()).await;
        // Its 504 tells that the time is over.
        client.send(frame(HEADERS, END_STREAM | END_HEADERS, first + 200, &slow)).await;
        assert_eq!(client.next_of(HEADERS).await.unwrap().stream, first + 200);
        let reset = |stream| frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
        client.send(calls.flat_map(reset).collect::<Vec<_>>()).await;
        assert!(client.is_alive().await, "round {round}");
    }
    assert_eq!(gate.settled().await.client_left, 400);
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused_and_the_others_go_on() {
    let blue = Upstream::start("blue").await;
    blue.behave(Behaviour::Held);
    let gate = gate(Settings { http2_max_streams: 2, ..settings() }, &blue).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send([get(1), get(3), get(5)].concat()).await;
    assert_eq!(client.end_of(5).await, End::Reset(REFUSED_STREAM));
    blue.arrived(2).await;
    blue.release(2);
    for stream in [1, 3] {
        let ended = client.next_of(DATA).await.unwrap();
        assert!(ended.flags & END_STREAM != 0 && ended.stream <= 3, "{stream}: {ended:?}");
    }
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_a_431() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let large = "x".repeat(33 << 10);
    let many: Vec<_> = (0..200).map(|_| ("x", "y")).collect();
    for more in [vec![("x", large.as_str())], many] {
        let mut client = Frames::connect(gate.address()).await;
        let block = block(&[&pseudo("GET")[..], &more].concat());
        let mut pieces = block.chunks(16_000);
        client.send(frame(HEADERS, END_STREAM, 1, pieces.next().unwrap())).await;
        for piece in pieces {
            client.send(frame(CONTINUATION, 0, 1, piece)).await;
        }
        client.send(frame(CONTINUATION, END_HEADERS, 1, &[])).await;
        assert_eq!(client.end_of(1).await, End::Answered(431));
        assert!(client.is_alive().await);
    }
    assert!(blue.requests().is_empty());
    assert_eq!(gate.gateway.totals().snapshot().heads_refused.get("too_large"), Some(&2));
}

#[tokio::test]
async fn a_head_that_is_refused_is_answered_as_over_http1() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let client = Client::connect(&gate).await;
    let answer = client.ask(request("GET", "/").header("x", "x".repeat(100_000))).await;
    assert_eq!((answer.status, answer.header("server")), (431, Some("Tealgate")));
    assert!(answer.header("date").is_some());
    assert_eq!(answer.text(), "{\"error_msg\":\"the header fields are too large\"}\n");
    let call = |path: &str| request("POST", path).header("content-type", "application/grpc");
    let long = format!("/{}", "x".repeat(9_000));
    for call in [call("/").header("x", "x".repeat(40_000)), call(&long)] {
        let answer = client.ask(call).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("8")), "RESOURCE_EXHAUSTED");
        assert!(answer.header("grpc-message").is_some() && answer.body.is_empty());
    }
    let answer = client.ask(call("/").header("expect", "miracles")).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("2")));
}

/// A request with content, and its trailers, in as many frames as they need.
async fn send_trailers(client: &mut Frames, stream: u32, fields: &[(&str, &str)]) {
    client.send([post(stream), frame(DATA, 0, stream, b"x")].concat()).await;
    let block = block(fields);
    let mut pieces = block.chunks(16_000);
    client.send(frame(HEADERS, END_STREAM, stream, pieces.next().unwrap())).await;
    for piece in pieces {
        client.send(frame(CONTINUATION, 0, stream, piece)).await;
    }
    client.send(frame(CONTINUATION, END_HEADERS, stream, &[])).await;
}

#[tokio::test]
async fn trailers_beyond_their_bounds_are_a_431_and_the_connection_goes_on() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let (fits, large) = ("x".repeat((8 << 10) - 5), "x".repeat(8 << 10));
    let (larger, many) = ("x".repeat(30_000), vec![("x", "y"); 129]);
    for (fields, status) in
        [(&[("x", fits.as_str())][..], 200), (&[("x", &large)], 431), (&[("x", &larger)], 431), (&many, 431)]
    {
        let mut client = Frames::connect(gate.address()).await;
        send_trailers(&mut client, 1, fields).await;
        assert_eq!(client.end_of(1).await, End::Answered(status));
        assert!(client.is_alive().await);
    }
    assert_eq!(gate.settled().await.received, 4);
    assert_eq!(blue.requests().iter().filter(|request| request.complete).count(), 1);
}

#[tokio::test]
async fn trailers_far_beyond_their_bounds_end_the_connection() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    // Small ones before it, which alone would pass.
    let large = "x".repeat(120_000);
    let mut client = Frames::connect(gate.address()).await;
    send_trailers(&mut client, 1, &[("a", "b"), ("x", &large)]).await;
    assert_eq!(client.end_of(1).await, CALM);
    gate.settled().await;
    assert!(blue.requests().iter().all(|request| !request.complete));
    assert_eq!(gate.gateway.totals().snapshot().heads_refused.get("too_large"), Some(&1));
}

#[tokio::test]
async fn a_head_without_end_is_cut_at_its_bound() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let mut client = Frames::connect(gate.address()).await;
    let field = block(&[("x", &"y".repeat(15_000))]);
    client.send(frame(HEADERS, END_STREAM, 1, &block(&pseudo("GET")))).await;
    client.send(frame(CONTINUATION, 0, 1, &field).repeat(200)).await;
    assert!(matches!(client.end_of(1).await, End::Closed(_)));
}

#[tokio::test]
async fn a_slow_head_is_cut_at_its_deadline() {
    let blue = Upstream::start("blue").await;
    blue.behave(Behaviour::Held);
    let gate = gate(Settings { head_timeout_ms: 100, ..settings() }, &blue).await;
    // Before the preface has ended, before the settings, and in the middle of a head; with another stream open, too.
    let beginnings = [
        PREFACE[..20].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 0, 1, &block(&pseudo("GET")))].concat(),
        [PREFACE, &frame(SETTINGS, 0, 0, &[]), &get(1), &frame(HEADERS, 0, 3, &block(&pseudo("GET")))]
            .concat(),
    ];
    for beginning in beginnings {
        let mut client = Frames::silent(gate.address()).await;
        client.send(&beginning).await;
        client.0.read_to_end().await;
    }
    eventually("no connection", async || gate.gateway.totals().snapshot().connections_open == 0).await;
}

#[tokio::test]
async fn a_client_without_a_window_is_given_up() {
    let blue = Upstream::start("blue").await;
    let gate = gate(Settings { write_timeout_ms: 100, ..settings() }, &blue).await;
    let mut client = Frames::with(gate.address(), &[(4, 0)]).await;
    client.send(get(1)).await;
    assert_eq!(client.end_of(1).await, End::Reset(CANCEL));
    assert!(client.is_alive().await);
    assert_eq!(gate.settled().await.client_left, 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let blue = Upstream::start("blue").await;
    let settings = Settings { write_timeout_ms: 100, idle_timeout_ms: 100, ..settings() };
    let gate = gate(settings, &blue).await;
    let mut client = Frames::with(gate.address(), &[(4, 0x7FFF_FFFF)]).await;
    client.send(frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes())).await;
    let large =
        block(&[(":method", "GET"), (":scheme", "http"), (":path", "/?size=50000000"), (":authority", "h")]);
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &large)).await;
    eventually("the end of the request", async || gate.counts().client_left == 1).await;
    eventually("no connection", async || gate.gateway.totals().snapshot().connections_open == 0).await;
}

#[tokio::test]
async fn a_connection_that_does_not_begin_with_settings_is_an_error() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let mut client = Frames::silent(gate.address()).await;
    client.send([PREFACE, &get(1)].concat()).await;
    assert_eq!(client.end_of(1).await, End::Closed(Some(PROTOCOL_ERROR)));
    assert!(blue.requests().is_empty());
    let refused = gate.gateway.totals().snapshot().heads_refused;
    assert_eq!(refused.get("malformed"), Some(&1));
}

#[tokio::test]
async fn a_preface_that_comes_later_is_refused() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let mut client = RawClient::connect(gate.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 200"));
    client.send(PREFACE).await;
    assert!(client.read_to_end().await.contains("HTTP/1.1 505"));
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_not_taken() {
    let blue = Upstream::start("blue").await;
    let gate = gate(settings(), &blue).await;
    let asked = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(gate.ask(asked).await.status, 200);
    assert!(!blue.requests()[0].headers.contains_key("http2-settings"));
}
