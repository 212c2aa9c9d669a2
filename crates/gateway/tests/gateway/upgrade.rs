//! WebSockets: passed on, copied with back-pressure, refused, drained.

use crate::support::{Gate, get, route, settings, upstream, upstream_with};
use gateway::{Leave, Settings};
use model::resource::Kind;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use testkit::clock::eventually;
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
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
        Step::ReadToEnd,
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
    assert_eq!((counts.client_left, counts.request_bytes, counts.response_bytes), (1, 16, 17));
    let head = String::from_utf8(upstream.received().remove(0)).unwrap();
    assert!(head.contains("Connection: Upgrade\r\nUpgrade: WebSocket\r\n"), "{head}");
}

#[tokio::test]
async fn what_is_no_handshake_goes_on_as_the_request_that_it_is() {
    let version = "Sec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let with_content = ASK.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc");
    let cases = [with_content, ASK.replace("GET", "POST"), ASK.replace(version, ""), ASK.replace(key, "")];
    let upstream = Upstream::start("u").await;
    let gate = Gate::with(settings(), &resources(upstream.address())).await;
    for ask in &cases {
        assert_eq!(gate.ask(ask).await.status, 200, "{ask}");
    }
    let requests = upstream.requests();
    assert_eq!((requests.len(), requests[0].body_bytes), (4, 3));
    assert!(requests.iter().all(|request| !request.headers.contains_key("upgrade")));
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_a_502() {
    let script = vec![Step::read_head(), Step::send(SWITCH), Step::ReadToEnd];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::with(settings(), &resources(upstream.address())).await;
    assert_eq!(gate.ask(ASK.replace("GET", "POST")).await.status, 502);
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
    assert_eq!(gate.settled().await.client_left, 1, "nobody has said close");
}

/// What Autobahn's fuzzing client sends, by its categories: none of it is the gate's to judge.
fn frames_good_and_bad() -> Vec<(&'static str, Vec<u8>)> {
    let masked = |first: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[first, 0x80 | length, 0, 0, 0, 0][..], payload].concat()
    };
    let long = |first: u8, bytes: usize| {
        let length = u64::try_from(bytes).unwrap().to_be_bytes();
        [&[first, 0xFF][..], &length, &[1, 2, 3, 4], &vec![7; bytes]].concat()
    };
    let close = |payload: &[u8]| masked(0x88, payload);
    let fragments = |bytes: usize, size: u8| {
        let piece = |first: u8| masked(first, &vec![b'x'; usize::from(size)]);
        let between = bytes / usize::from(size) - 2;
        [piece(0x02), piece(0x00).repeat(between), piece(0x80)].concat()
    };
    let ping_126 = [&[0x89, 0xFE, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat();
    vec![
        (
            "1 a text that is empty, one of 125 bytes",
            [masked(0x81, b""), masked(0x81, &[b'a'; 125])].concat(),
        ),
        ("1 one of 65,536 bytes", long(0x81, 65_536)),
        (
            "1 a length in more bytes than it needs",
            [&[0x81, 0xFE, 0, 1, 0, 0, 0, 0, b'a'][..], &long(0x81, 3)].concat(),
        ),
        ("1 not masked", vec![0x81, 1, b'a']),
        (
            "2 pings and a pong that nobody asked for",
            [masked(0x89, b""), masked(0x8A, b"?"), masked(0x89, &[0xFE; 125])].concat(),
        ),
        ("2 a ping that is too long", ping_126),
        ("3 reserved bits", [masked(0xC1, b"a"), masked(0xF9, b"b"), masked(0xE8, b"")].concat()),
        ("4 reserved opcodes", (3..8).chain(11..16).flat_map(|opcode| masked(0x80 | opcode, b"a")).collect()),
        ("5 a fragmented ping", [masked(0x09, b"a"), masked(0x80, b"b")].concat()),
        (
            "5 a continuation of nothing, a text within a text",
            [masked(0x80, b"a"), masked(0x01, b"b"), masked(0x81, b"c")].concat(),
        ),
        (
            "6 no UTF-8, and some that is cut",
            [masked(0x81, &[0xCE, 0xED, 0xA0, 0x80]), masked(0x01, &[0xCE]), masked(0x80, &[0xBA])].concat(),
        ),
        ("7 data behind a close", [close(&[3, 0xE8]), masked(0x81, b"late"), masked(0x89, b"")].concat()),
        (
            "7 closes that say nothing proper",
            [close(&[1]), close(&[0, 0]), close(&[3, 0xED]), close(&[0xFF, 0xFF]), close(&[3, 0xE8, 0xCE])]
                .concat(),
        ),
        ("9 a message of 4 MiB", long(0x82, 4 << 20)),
        ("9 one of 1 MiB in fragments of 64 bytes", fragments(1 << 20, 64)),
        ("10 a fragment for each byte", fragments(1_000, 1)),
        ("a length that cannot be", [&[0x82, 0xFF][..], &[0xFF; 8], &[0; 5_000]].concat()),
    ]
}

#[tokio::test]
async fn frames_pass_as_they_are_however_wrong_they_are_and_however_they_are_cut() {
    let gate = Gate::with(settings(), &resources(echo().await)).await;
    let cases = frames_good_and_bad();
    for (name, sent) in &cases {
        let cuts: &[usize] = if sent.len() < 6_000 { &[1, 7, usize::MAX] } else { &[4_099, usize::MAX] };
        for cut in cuts {
            let mut socket = TcpStream::connect(gate.address()).await.unwrap();
            socket.set_nodelay(true).unwrap();
            socket.write_all(ASK.as_bytes()).await.unwrap();
            // Who closes before there is a tunnel has left.
            socket.read_exact(&mut [0; SWITCH.len()]).await.unwrap();
            let (mut reader, mut writer) = socket.split();
            let mut received = Vec::new();
            let both = async {
                let write = async {
                    for piece in sent.chunks((*cut).min(sent.len())) {
                        writer.write_all(piece).await.unwrap();
                    }
                    writer.shutdown().await.unwrap();
                };
                tokio::join!(write, reader.read_to_end(&mut received)).1.unwrap()
            };
            testkit::clock::within(name, both).await;
            assert!(received == *sent, "{name}, in pieces of {cut}: {} bytes came", received.len());
        }
    }
    let counts = gate.settled().await;
    assert_eq!(counts.whole[0] + counts.client_left, counts.received, "none broke off");
    assert!(counts.whole[0] > 0 && counts.client_left > 0, "{counts:?}");
}

#[tokio::test]
async fn what_both_sides_agree_on_passes() {
    let switch = SWITCH.replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Accept: a\r\nSec-WebSocket-Protocol: p\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n",
    );
    let upstream = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(&switch)]]).await;
    let gate = Gate::with(settings(), &resources(upstream.address())).await;
    let mut client = gate.client().await;
    let asked = "Sec-WebSocket-Protocol: p, q\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other\r\n";
    client.0.send(ASK.replace("\r\n\r\n", &format!("\r\n{asked}\r\n"))).await;
    let head = client.0.read_head().await;
    for line in ["Sec-WebSocket-Accept: a", "Sec-WebSocket-Protocol: p", "server_no_context_takeover\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    let received = String::from_utf8(upstream.received().remove(0)).unwrap();
    assert!(
        received.contains("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"),
        "{received}"
    );
    for line in asked.lines() {
        assert!(received.contains(&format!("{line}\r\n")), "{received}");
    }
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
    assert_eq!(client.0.read_exactly(4).await, RESTART);
    blue.finished(1).await;
    let counts = gate.settled().await;
    assert_eq!((counts.drained, counts.cut_short, counts.client_left), (1, 0, 0));
}

/// The close frame that a client gets: 1012.
const RESTART: [u8; 4] = [0x88, 0x02, 0x03, 0xF4];

/// A masked frame as a client sends it; the mask is zero, so that the payload stands as it is.
pub(crate) fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[opcode, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
}

/// Reads a masked frame and gives its first byte and its payload.
async fn read_masked(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 6];
    socket.read_exact(&mut head).await.unwrap();
    assert_ne!(head[1] & 0x80, 0, "a client masks");
    let mut payload = vec![0; usize::from(head[1] & 0x7F)];
    socket.read_exact(&mut payload).await.unwrap();
    for (byte, mask) in payload.iter_mut().zip(head[2..].iter().cycle()) {
        *byte ^= mask;
    }
    (head[0], payload)
}

/// A gate with an open WebSocket, both of its ends, and what switches the traffic away.
pub(crate) async fn open_websocket(
    settings: Settings,
) -> (Gate, crate::support::Client, TcpStream, Vec<(Kind, Value)>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let [upstream_u, route_u] = resources(listener.local_addr().unwrap());
    let away = route(&json!({"upstream_id": "v", "enable_websocket": true}));
    let switched = vec![upstream_u.clone(), upstream("v", &[listener.local_addr().unwrap()]), away];
    let gate = Gate::with(settings, &[upstream_u, route_u]).await;
    let mut client = gate.client().await;
    client.0.send(ASK).await;
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    socket.write_all(SWITCH.as_bytes()).await.unwrap();
    client.0.read_head().await;
    (gate, client, socket, switched)
}

#[tokio::test]
async fn both_sides_of_a_drained_websocket_are_told_and_have_a_moment_to_answer() {
    let (gate, mut client, mut server, switched) =
        open_websocket(Settings { drain_timeout_ms: 1, ..settings() }).await;
    let streams = || gate.counts().streams;
    eventually("the stream", async || streams() == 1).await;
    // The first fragment of a message: a control frame may stand behind it.
    server.write_all(&[0x01, 0x02, b'h', b'i']).await.unwrap();
    client.0.send(from_client(0x01, b"ab")).await;
    assert_eq!(client.0.read_exactly(4).await, [0x01, 0x02, b'h', b'i']);
    assert_eq!(read_masked(&mut server).await, (0x01, b"ab".to_vec()));
    gate.apply(&switched).await;
    assert_eq!(client.0.read_exactly(4).await, RESTART);
    assert_eq!(read_masked(&mut server).await, (0x88, 1001u16.to_be_bytes().to_vec()));
    // Both were still saying something; their own close frames end it.
    client.0.send(from_client(0x80, b"late")).await;
    client.0.send(from_client(0x88, &1012u16.to_be_bytes())).await;
    server.write_all(&[0x88, 0x02, 0x03, 0xE9]).await.unwrap();
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    let counts = gate.settled().await;
    assert_eq!((counts.drained, counts.streams), (1, 0));
}

#[tokio::test]
async fn a_frame_that_is_under_way_ends_before_the_close() {
    let (gate, mut client, mut server, switched) =
        open_websocket(Settings { drain_timeout_ms: 1, ..settings() }).await;
    server.write_all(&[0x82, 0x06, b'a', b'b']).await.unwrap();
    client.0.send(&from_client(0x82, b"xyz")[..8]).await;
    assert_eq!(client.0.read_exactly(4).await, [0x82, 0x06, b'a', b'b']);
    gate.apply(&switched).await;
    eventually("the end of the drain time", async || gate.counts().streams == 1).await;
    server.write_all(b"cdef").await.unwrap();
    assert_eq!(client.0.read_exactly(8).await, [b"cdef".as_slice(), &RESTART].concat());
    client.0.send("z").await;
    assert_eq!(read_masked(&mut server).await, (0x82, b"xyz".to_vec()));
    assert_eq!(read_masked(&mut server).await.0, 0x88);
}

#[tokio::test]
async fn a_side_that_has_said_its_close_is_not_told_another() {
    let (gate, mut client, mut server, switched) =
        open_websocket(Settings { drain_timeout_ms: 1, ..settings() }).await;
    server.write_all(&[0x88, 0x02, 0x03, 0xE8]).await.unwrap();
    assert_eq!(client.0.read_exactly(4).await, [0x88, 0x02, 0x03, 0xE8]);
    gate.apply(&switched).await;
    assert_eq!(read_masked(&mut server).await.0, 0x88);
    client.0.send(from_client(0x88, &1000u16.to_be_bytes())).await;
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(gate.settled().await.drained, 1);
}

#[tokio::test]
async fn the_label_of_a_route_beats_that_of_the_upstream_and_the_setting() {
    let address = echo().await;
    let label = |ms: u64| json!({"tealgate.drain_timeout_ms": ms.to_string()});
    let resources = |id: &str| {
        [
            upstream_with("u", &[address], &json!({"labels": label(600_000)})),
            upstream("v", &[address]),
            route(&json!({"upstream_id": id, "enable_websocket": true, "labels": label(1)})),
        ]
    };
    let gate = Gate::with(Settings { drain_timeout_ms: 600_000, ..settings() }, &resources("u")).await;
    let mut client = gate.client().await;
    client.0.send(ASK).await;
    client.0.read_head().await;
    gate.apply(&resources("v")).await;
    assert_eq!(client.0.read_exactly(4).await, RESTART);
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
async fn leaving_the_gateway_ends_its_streams() {
    let gate = Gate::with(settings(), &resources(echo().await)).await;
    let mut client = gate.client().await;
    client.0.send(ASK).await;
    client.0.read_head().await;
    let work = async {
        gate.gateway.end_streams(&Leave::soon(Duration::from_millis(2), Duration::ZERO));
        assert_eq!(client.0.read_exactly(4).await, RESTART);
        drop(client);
    };
    testkit::clock::within("the drain", async { tokio::join!(gate.gateway.drain(), work) }).await;
    assert_eq!(gate.settled().await.drained, 1);
}

#[tokio::test]
async fn a_stream_that_begins_while_the_gateway_is_left_and_one_that_drains_end_as_all_do() {
    let (gate, mut client, _server, switched) = open_websocket(settings()).await;
    gate.apply(&switched).await;
    gate.gateway.end_streams(&Leave::soon(Duration::from_millis(2), Duration::ZERO));
    assert_eq!(client.0.read_exactly(4).await, RESTART, "long before its drain time is over");
    let mut late = gate.client().await;
    gate.apply(&resources(echo().await)).await;
    late.0.send(ASK).await;
    late.0.read_head().await;
    assert_eq!(late.0.read_exactly(4).await, RESTART);
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
