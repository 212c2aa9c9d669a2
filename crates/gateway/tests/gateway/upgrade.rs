//! WebSockets: passed on, copied with back-pressure, refused, drained.

use crate::support::{Gate, get, route, settings, upstream};
use gateway::Settings;
use model::resource::Kind;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                   Sec-WebSocket-Key: k\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn resources(address: SocketAddr) -> [(Kind, Value); 2] {
    [upstream("u", &[address]), route(&json!({"upstream_id": "u", "enable_websocket": true}))]
}

/// An upstream that switches and then sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                socket.write_all(SWITCH.as_bytes()).await.unwrap();
                let (mut reader, mut writer) = socket.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
            });
        }
    });
    address
}

#[tokio::test]
async fn bytes_that_come_with_either_head_are_not_lost() {
    let script = vec![
        Step::read_head(),
        Step::send(&format!("{SWITCH}early upstream")),
        Step::ReadUntil(b"early clientlate".to_vec()),
        Step::send("bye"),
    ];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::with(settings(), &resources(upstream.address())).await;
    let mut client = gate.client().await;
    client.0.send(format!("{ASK}early client")).await;
    let head = client.0.read_head().await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Upgrade: websocket"), "{head}");
    assert_eq!(client.0.read_until("upstream").await, "early upstream");
    client.0.send("late").await;
    assert_eq!(client.0.read_until("bye").await, "bye");
    client.0.finish().await;
    assert_eq!(client.0.read_to_end().await, "");
    let counts = gate.settled().await;
    assert_eq!((counts.whole[0], counts.request_bytes, counts.response_bytes), (1, 16, 17));
    let head = String::from_utf8(upstream.received().remove(0)).unwrap();
    assert!(head.contains("Connection: Upgrade\r\nUpgrade: WebSocket\r\n"), "{head}");
}

#[tokio::test]
async fn much_flows_both_ways_at_once() {
    let gate = Gate::with(settings(), &resources(echo().await)).await;
    let mut socket = tokio::net::TcpStream::connect(gate.address()).await.unwrap();
    socket.write_all(ASK.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = socket.split();
    let sent: Vec<u8> = (0..4_000_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut received = Vec::new();
    let both = async {
        tokio::join!(
            async {
                writer.write_all(&sent).await.unwrap();
                writer.shutdown().await.unwrap();
            },
            reader.read_to_end(&mut received)
        )
        .1
        .unwrap()
    };
    testkit::clock::within("the echo", both).await;
    assert_eq!(received.len(), sent.len() + SWITCH.len());
    assert!(received.ends_with(&sent));
    assert_eq!(gate.settled().await.whole[0], 1);
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_holds_up_the_client() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gate = Gate::with(settings(), &resources(listener.local_addr().unwrap())).await;
    let mut client = tokio::net::TcpStream::connect(gate.address()).await.unwrap();
    client.write_all(ASK.as_bytes()).await.unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    socket.write_all(SWITCH.as_bytes()).await.unwrap();
    let piece = [0; 64 * 1024];
    let mut sent = 0;
    // Once a whole second brings no room, everything on the way is full.
    while tokio::time::timeout(std::time::Duration::from_secs(1), client.writable()).await.is_ok() {
        sent += client.try_write(&piece).unwrap_or(0);
        assert!(sent < 64 * 1024 * 1024, "nothing holds the client up");
    }
    drop(socket);
    testkit::clock::eventually("the end", async || gate.counts().open == 0).await;
}

#[tokio::test]
async fn without_enable_websocket_upgrade_is_not_passed_on() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    assert_eq!(gate.ask(ASK).await.status, 200);
    assert!(upstream.requests()[0].headers.get("upgrade").is_none());
    let script = vec![Step::read_head(), Step::send(SWITCH), Step::ReadToEnd];
    let eager = ScriptedUpstream::start(vec![script]).await;
    assert_eq!(Gate::before(eager.address()).await.ask(ASK).await.status, 502);
}

#[tokio::test]
async fn no_other_protocol_is_passed_on() {
    let server = Upstream::start("u").await;
    let gate = Gate::with(settings(), &resources(server.address())).await;
    for protocol in ["h2c", "websocket, h2c", "TLS/1.0"] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n");
        assert_eq!(gate.ask(request).await.status, 200);
        assert!(server.requests().last().unwrap().headers.get("upgrade").is_none(), "{protocol}");
    }
}

#[tokio::test]
async fn an_upgrade_that_the_upstream_declines_is_an_answer_like_any_other() {
    let server = Upstream::start("u").await;
    let gate = Gate::with(settings(), &resources(server.address())).await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(ASK).await.status, 200);
    assert_eq!(client.ask(get("/")).await.status, 200);
}

#[tokio::test]
async fn a_stream_on_a_colour_that_traffic_has_left_ends_at_its_deadline_with_a_close_frame() {
    let frame = "\u{1}\u{5}hello";
    let script = vec![Step::read_head(), Step::send(&format!("{SWITCH}{frame}")), Step::ReadToEnd];
    let mut blue = ScriptedUpstream::start(vec![script]).await;
    let green = Upstream::start("green").await;
    let [blue_upstream, _] = resources(blue.address());
    let switched = [
        blue_upstream,
        upstream("v", &[green.address()]),
        route(&json!({"upstream_id": "v", "enable_websocket": true})),
    ];
    let gate = Gate::with(Settings { drain_timeout_ms: 1, ..settings() }, &resources(blue.address())).await;
    let mut client = gate.client().await;
    client.0.send(format!("{ASK}ping")).await;
    client.0.read_until("hello").await;
    gate.apply(&switched).await;
    // What the client goes on sending does not keep it from the close frame.
    client.0.send("more").await;
    assert_eq!(client.0.read_exactly(5).await, [0x88, 0x02, 0x03, 0xF4]);
    blue.finished(1).await;
    let counts = gate.settled().await;
    assert_eq!((counts.drained, counts.cut_short, counts.client_left), (1, 0, 0));
}

#[tokio::test]
async fn a_stream_stays_when_traffic_comes_back_before_its_deadline() {
    let address = echo().await;
    let gate = Gate::with(settings(), &resources(address)).await;
    let mut client = gate.client().await;
    client.0.send(ASK).await;
    client.0.read_head().await;
    gate.apply(&[route(&json!({"upstream_id": "u"}))]).await;
    gate.apply(&resources(address)).await;
    client.0.send("still here").await;
    assert_eq!(client.0.read_until("here").await, "still here");
}

#[tokio::test]
async fn closing_the_gateway_drains_its_streams() {
    let gate = Gate::with(settings(), &resources(echo().await)).await;
    let mut client = gate.client().await;
    client.0.send(ASK).await;
    client.0.read_head().await;
    let work = async {
        gate.gateway.close_idle();
        assert_eq!(client.0.read_exactly(5).await, [0x88, 0x02, 0x03, 0xF4]);
        drop(client);
    };
    testkit::clock::within("the drain", async { tokio::join!(gate.gateway.drain(), work) }).await;
    assert_eq!(gate.settled().await.drained, 1);
}

#[tokio::test]
async fn a_silent_stream_ends_where_streams_have_a_bound() {
    let gate =
        Gate::with(Settings { stream_idle_timeout_ms: 1, ..settings() }, &resources(echo().await)).await;
    let mut client = gate.client().await;
    client.0.send(ASK).await;
    client.0.read_head().await;
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(gate.settled().await.whole[0], 1);
}
