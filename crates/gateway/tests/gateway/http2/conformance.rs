//! The frames of RFC 9113, sections 3 to 8, and HPACK (RFC 7541), in the order of their rules.

use super::super::support::{self, Gate};
use testkit::frames::{
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, End, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, Frames, GOAWAY, HEADERS, INTERNAL_ERROR, PADDED, PING, PRIORITY, PROTOCOL_ERROR,
    PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY, block, frame, get, post,
    pseudo, settings,
};
use testkit::raw::RawClient;
use testkit::upstream::{Behaviour, Upstream};

/// What a rule asks for.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// The frames change nothing: the connection is alive, and stream 1 was answered if it was asked.
    Fine,
    /// An error of the connection, or of stream 1 with one of these codes.
    Stream(&'static [u32]),
    /// An error of the connection, with one of these codes if it says one.
    Connection(&'static [u32]),
}

async fn check(gate: &Gate, name: &str, rule: Rule, bytes: &[u8]) {
    let mut client = Frames::connect(gate.address()).await;
    client.send(bytes).await;
    let end = match rule {
        Rule::Fine => {
            assert!(client.is_alive().await, "{name}: the connection goes on");
            return;
        }
        Rule::Stream(_) | Rule::Connection(_) => client.end_of(1).await,
    };
    let as_asked = match (rule, &end) {
        (Rule::Stream(codes), End::Reset(code)) => codes.contains(code),
        // The crate says PROTOCOL_ERROR for most; the connection is closed in any case.
        (Rule::Stream(codes) | Rule::Connection(codes), End::Closed(Some(code))) => {
            codes.contains(code) || *code == PROTOCOL_ERROR
        }
        (_, End::Closed(None)) => true,
        _ => false,
    };
    assert!(as_asked, "{name}: {end:?} instead of {rule:?}");
    if matches!(end, End::Closed(_)) {
        while client.next().await.is_some() {}
    }
}

fn headers(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, stream, payload)
}

/// The header block of a GET, with something behind it.
fn get_block_and(more: &[u8]) -> Vec<u8> {
    [block(&pseudo("GET")), more.to_vec()].concat()
}

async fn all(cases: Vec<(&str, Rule, Vec<u8>)>) {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    for (name, rule, bytes) in cases {
        check(&gate, name, rule, &bytes).await;
    }
}

/// The same while the upstream keeps its answer, so that stream 1 stays as the frames leave it.
async fn all_while_held(cases: Vec<(&str, Rule, Vec<u8>)>) {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let gate = Gate::before(upstream.address()).await;
    for (name, rule, bytes) in cases {
        check(&gate, name, rule, &bytes).await;
    }
}

const PROTOCOL: &[u32] = &[PROTOCOL_ERROR];
const SIZE: &[u32] = &[FRAME_SIZE_ERROR];
const CLOSED: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
const HPACK: &[u32] = &[COMPRESSION_ERROR];

#[tokio::test]
async fn section_3_a_connection_begins_with_the_preface() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    for preface in [
        "INVALID CONNECTION PREFACE\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = RawClient::connect(gate.address()).await;
        client.send(preface).await;
        assert!(client.read_to_end().await.starts_with("HTTP/1.1 "), "it is no HTTP/2");
    }
    let mut client = Frames::silent(gate.address()).await;
    client.send([testkit::frames::PREFACE, &settings(&[])].concat()).await;
    let first = client.next().await.unwrap();
    assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0));
}

#[tokio::test]
async fn section_4_frames_have_a_format_and_a_size() {
    let long_field = "x".repeat(16_400);
    all(vec![
        ("4.1 an unknown type is ignored", Rule::Fine, frame(0x16, 0, 0, &[0; 8])),
        ("4.1 unknown flags are ignored", Rule::Fine, frame(PING, 0x16, 0, &[1; 8])),
        ("4.1 the reserved bit is ignored", Rule::Fine, frame(PING, 0, 0x8000_0000, &[1; 8])),
        (
            "4.2 a frame of 2^14 bytes",
            Rule::Fine,
            [post(1), frame(DATA, END_STREAM, 1, &[0; 1 << 14])].concat(),
        ),
        (
            "4.2 a longer frame",
            Rule::Stream(SIZE),
            [post(1), frame(DATA, END_STREAM, 1, &[0; (1 << 14) + 1])].concat(),
        ),
        (
            "4.2 a longer head",
            Rule::Connection(SIZE),
            headers(END_HEADERS | END_STREAM, 1, &get_block_and(&block(&[("x", &long_field)]))),
        ),
        (
            "4.3 a block that breaks off",
            Rule::Connection(HPACK),
            headers(END_HEADERS | END_STREAM, 1, &[0x40, 0x0F]),
        ),
        (
            "4.3 a PRIORITY within a block",
            Rule::Connection(PROTOCOL),
            [headers(END_STREAM, 1, &get_block_and(&[])), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])].concat(),
        ),
        (
            "4.3 another stream within a block",
            Rule::Connection(PROTOCOL),
            [headers(END_STREAM, 1, &get_block_and(&[])), get(3)].concat(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_5_1_streams_have_states() {
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    all_while_held(vec![
        ("idle: DATA", Rule::Connection(PROTOCOL), frame(DATA, END_STREAM, 1, b"x")),
        ("idle: RST_STREAM", Rule::Connection(PROTOCOL), reset.clone()),
        ("idle: WINDOW_UPDATE", Rule::Connection(PROTOCOL), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100])),
        ("idle: CONTINUATION", Rule::Connection(PROTOCOL), frame(CONTINUATION, END_HEADERS, 1, &[])),
        ("half closed: DATA", Rule::Stream(CLOSED), [get(1), frame(DATA, END_STREAM, 1, b"x")].concat()),
        ("half closed: HEADERS", Rule::Stream(CLOSED), [get(1), get(1)].concat()),
        (
            "half closed: CONTINUATION",
            Rule::Stream(CLOSED),
            [get(1), frame(CONTINUATION, END_HEADERS, 1, &[])].concat(),
        ),
        (
            "half closed: WINDOW_UPDATE",
            Rule::Fine,
            [get(1), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])].concat(),
        ),
        ("half closed: PRIORITY", Rule::Fine, [get(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])].concat()),
        (
            "reset: DATA",
            Rule::Stream(CLOSED),
            [post(1), reset.clone(), frame(DATA, END_STREAM, 1, b"x")].concat(),
        ),
        ("reset: HEADERS", Rule::Stream(CLOSED), [post(1), reset.clone(), get(1)].concat()),
        ("reset: PRIORITY", Rule::Fine, [post(1), reset, frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])].concat()),
        ("5.1.1 an even stream", Rule::Connection(PROTOCOL), get(2)),
        ("5.1.1 a smaller stream", Rule::Connection(PROTOCOL), [get(5), get(3)].concat()),
    ])
    .await;
}

#[tokio::test]
async fn section_5_1_a_stream_that_has_ended_takes_nothing_more() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    for more in [frame(DATA, END_STREAM, 1, b"x"), get(1), frame(CONTINUATION, END_HEADERS, 1, &[])] {
        let mut client = Frames::connect(gate.address()).await;
        client.send(get(1)).await;
        assert_eq!(client.end_of(1).await, End::Answered(200));
        client.send(more).await;
        let end = client.end_of(1).await;
        assert!(
            matches!(end, End::Reset(STREAM_CLOSED) | End::Closed(Some(STREAM_CLOSED | PROTOCOL_ERROR))),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn sections_5_3_to_5_5_errors_and_extensions() {
    let on_itself = [0, 0, 0, 1, 16];
    all(vec![
        (
            "5.3.1 a head that depends on itself",
            Rule::Stream(PROTOCOL),
            headers(
                END_HEADERS | END_STREAM | WITH_PRIORITY,
                1,
                &[&on_itself[..], &get_block_and(&[])].concat(),
            ),
        ),
        (
            "5.3.1 a PRIORITY that depends on itself",
            Rule::Stream(PROTOCOL),
            frame(PRIORITY, 0, 1, &on_itself),
        ),
        ("5.4.1 an error closes the connection", Rule::Connection(SIZE), frame(PING, 0, 0, &[0; 7])),
        ("5.5 an unknown frame", Rule::Fine, [frame(0xFF, 0xFF, 0, &[0; 4]), get(1)].concat()),
        (
            "5.5 an unknown frame within a block",
            Rule::Connection(PROTOCOL),
            [headers(END_STREAM, 1, &get_block_and(&[])), frame(0xFF, 0, 1, &[])].concat(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn sections_6_1_to_6_4_data_headers_priority_and_reset() {
    let priority = [&[0, 0, 0, 0, 255][..], &get_block_and(&[])].concat();
    let padded = [&[3][..], &get_block_and(&[0, 0, 0])].concat();
    all_while_held(vec![
        ("6.1 DATA on stream 0", Rule::Connection(PROTOCOL), frame(DATA, 0, 0, b"x")),
        (
            "6.1 DATA with padding",
            Rule::Fine,
            [post(1), frame(DATA, PADDED | END_STREAM, 1, &[2, b'a', b'b', 0, 0])].concat(),
        ),
        (
            "6.1 too much padding",
            Rule::Connection(PROTOCOL),
            [post(1), frame(DATA, PADDED, 1, &[6, b'x', b'y'])].concat(),
        ),
        ("6.2 HEADERS on stream 0", Rule::Connection(PROTOCOL), get(0)),
        ("6.2 a head with padding", Rule::Fine, headers(END_HEADERS | END_STREAM | PADDED, 1, &padded)),
        (
            "6.2 a head with priority",
            Rule::Fine,
            headers(END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &priority),
        ),
        (
            "6.2 too much padding",
            Rule::Connection(PROTOCOL),
            headers(END_HEADERS | END_STREAM | PADDED, 1, &[200, 0x82]),
        ),
        ("6.3 PRIORITY", Rule::Fine, frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
        ("6.3 PRIORITY on stream 0", Rule::Connection(PROTOCOL), frame(PRIORITY, 0, 0, &[0, 0, 0, 3, 16])),
        ("6.3 a PRIORITY of 4 bytes", Rule::Stream(SIZE), [post(1), frame(PRIORITY, 0, 1, &[0; 4])].concat()),
        ("6.4 RST_STREAM on stream 0", Rule::Connection(PROTOCOL), frame(RST_STREAM, 0, 0, &[0, 0, 0, 8])),
        (
            "6.4 a RST_STREAM of 3 bytes",
            Rule::Connection(SIZE),
            [post(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_6_5_settings() {
    all(vec![
        ("6.5 an acknowledgement with a payload", Rule::Connection(SIZE), frame(SETTINGS, ACK, 0, &[0; 6])),
        (
            "6.5 SETTINGS on a stream",
            Rule::Connection(PROTOCOL),
            frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 100]),
        ),
        ("6.5 SETTINGS of 3 bytes", Rule::Connection(SIZE), frame(SETTINGS, 0, 0, &[0; 3])),
        ("6.5.2 ENABLE_PUSH of 2", Rule::Connection(PROTOCOL), settings(&[(2, 2)])),
        (
            "6.5.2 INITIAL_WINDOW_SIZE of 2^31",
            Rule::Connection(&[FLOW_CONTROL_ERROR]),
            settings(&[(4, 1 << 31)]),
        ),
        ("6.5.2 MAX_FRAME_SIZE of 2^14 - 1", Rule::Connection(PROTOCOL), settings(&[(5, (1 << 14) - 1)])),
        ("6.5.2 MAX_FRAME_SIZE of 2^24", Rule::Connection(PROTOCOL), settings(&[(5, 1 << 24)])),
        ("6.5.2 an unknown setting", Rule::Fine, settings(&[(0xFF, 1)])),
    ])
    .await;
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send([settings(&[(4, 100), (4, 1)]), get(1)].concat()).await;
    assert!(client.next_of(SETTINGS).await.is_some_and(|frame| frame.flags == ACK));
    assert_eq!(client.next_of(DATA).await.unwrap().payload.len(), 1, "the last value counts");
}

#[tokio::test]
async fn sections_6_6_to_6_8_push_ping_and_goaway() {
    let goaway = |reason: u8| [0, 0, 0, 0, 0, 0, 0, reason];
    all(vec![
        (
            "8.4 PUSH_PROMISE",
            Rule::Connection(PROTOCOL),
            [get(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])].concat(),
        ),
        ("6.7 PING that acknowledges nothing", Rule::Fine, frame(PING, ACK, 0, &[7; 8])),
        ("6.7 PING on a stream", Rule::Connection(PROTOCOL), frame(PING, 0, 1, &[0; 8])),
        ("6.7 PING of 6 bytes", Rule::Connection(SIZE), frame(PING, 0, 0, &[0; 6])),
        ("6.8 GOAWAY on a stream", Rule::Connection(PROTOCOL), frame(GOAWAY, 0, 1, &goaway(0))),
        (
            "7 RST_STREAM with an unknown code",
            Rule::Fine,
            [post(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 0xFF])].concat(),
        ),
    ])
    .await;
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send([get(1), frame(GOAWAY, 0, 0, &goaway(0xFF))].concat()).await;
    assert_eq!(client.end_of(1).await, End::Answered(200), "what was asked before is answered");
    while client.next().await.is_some() {}
}

#[tokio::test]
async fn section_6_9_windows() {
    let window = |stream, size: u32| frame(WINDOW_UPDATE, 0, stream, &size.to_be_bytes());
    all_while_held(vec![
        ("6.9 nothing for the connection", Rule::Connection(PROTOCOL), window(0, 0)),
        ("6.9 nothing for a stream", Rule::Stream(PROTOCOL), [post(1), window(1, 0)].concat()),
        ("6.9 a WINDOW_UPDATE of 3 bytes", Rule::Connection(SIZE), frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        (
            "6.9.1 too much for the connection",
            Rule::Connection(&[FLOW_CONTROL_ERROR]),
            [window(0, 0x7FFF_FFFF), window(0, 0x7FFF_FFFF)].concat(),
        ),
        (
            "6.9.1 too much for a stream",
            Rule::Stream(&[FLOW_CONTROL_ERROR]),
            [post(1), window(1, 0x7FFF_FFFF), window(1, 0x7FFF_FFFF)].concat(),
        ),
    ])
    .await;
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::with(gate.address(), &[(4, 0)]).await;
    client.send(get(1)).await;
    assert!(client.next_of(HEADERS).await.is_some());
    assert!(client.is_alive().await, "no content comes without a window");
    client.send(settings(&[(4, 1)])).await;
    assert_eq!(client.next_of(DATA).await.unwrap().payload.len(), 1);
    // The window is 2 below nothing, then 1.
    client.send([window(1, 2), settings(&[(4, 0)]), window(1, 2)].concat()).await;
    let mut taken = 0;
    while taken < 3 {
        taken += client.next_of(DATA).await.unwrap().payload.len();
    }
    client.send(window(1, 100)).await;
    assert_eq!(client.end_of(1).await, End::Answered(0));
}

#[tokio::test]
async fn section_6_9_content_beyond_the_window_is_an_error() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send(post(1)).await;
    // The upstream reads; what counts is that the client does not wait for its window.
    for _ in 0..4_000 {
        client.send(frame(DATA, 0, 1, &[0; 16_000])).await;
    }
    let end = client.end_of(1).await;
    assert!(
        matches!(end, End::Reset(FLOW_CONTROL_ERROR) | End::Closed(Some(FLOW_CONTROL_ERROR) | None)),
        "{end:?}"
    );
}

#[tokio::test]
async fn section_6_9_content_beyond_the_window_of_the_connection_is_an_error() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let settings = gateway::Settings {
        http2_stream_window_bytes: 64 << 20,
        http2_connection_window_bytes: 65_535,
        ..support::settings()
    };
    let resources = [
        support::upstream("u", &[upstream.address()]),
        support::route(&serde_json::json!({"upstream_id": "u"})),
    ];
    let gate = Gate::with(settings, &resources).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send([post(1), post(3)].concat()).await;
    for _ in 0..1_000 {
        client.send([frame(DATA, 0, 1, &[0; 16_000]), frame(DATA, 0, 3, &[0; 16_000])].concat()).await;
    }
    let end = client.end_of(1).await;
    assert!(matches!(end, End::Closed(Some(FLOW_CONTROL_ERROR) | None)), "{end:?}");
}

#[tokio::test]
async fn section_6_10_continuation() {
    let begin = || headers(END_STREAM, 1, &get_block_and(&[]));
    let piece = |flags, stream| frame(CONTINUATION, flags, stream, &block(&[("x", "y")]));
    all(vec![
        ("several", Rule::Fine, [begin(), piece(0, 1), piece(END_HEADERS, 1)].concat()),
        (
            "another frame between",
            Rule::Connection(PROTOCOL),
            [begin(), piece(0, 1), frame(DATA, END_STREAM, 1, b"x")].concat(),
        ),
        ("on stream 0", Rule::Connection(PROTOCOL), [begin(), piece(END_HEADERS, 0)].concat()),
        ("on another stream", Rule::Connection(PROTOCOL), [begin(), piece(END_HEADERS, 3)].concat()),
        ("after the end of the block", Rule::Connection(PROTOCOL), [get(1), piece(END_HEADERS, 1)].concat()),
        (
            "after its own end",
            Rule::Connection(PROTOCOL),
            [begin(), piece(END_HEADERS, 1), piece(END_HEADERS, 1)].concat(),
        ),
        (
            "after DATA",
            Rule::Connection(PROTOCOL),
            [post(1), frame(DATA, 0, 1, b"x"), piece(END_HEADERS, 1)].concat(),
        ),
    ])
    .await;
}

#[tokio::test]
async fn hpack_blocks_that_cannot_be_decoded_end_the_connection() {
    let broken = |bytes: &[u8]| headers(END_HEADERS | END_STREAM, 1, &get_block_and(bytes));
    all(vec![
        ("2.3.3 an index beyond the table", Rule::Connection(HPACK), broken(&[0xC6])),
        ("2.3.3 a name beyond the table", Rule::Connection(HPACK), broken(&[0x7F, 0x40, 0x01, b'x'])),
        ("4.2 a change of size at the end", Rule::Connection(HPACK), broken(&[0x20])),
        (
            "5.2 Huffman padding of more than 7 bits",
            Rule::Connection(HPACK),
            broken(&[0x00, 0x81, 0x1F, 0x82, 0x1F, 0xFF]),
        ),
        ("5.2 Huffman padding of zeros", Rule::Connection(HPACK), broken(&[0x00, 0x81, 0x18, 0x01, b'x'])),
        (
            "5.2 Huffman EOS",
            Rule::Connection(HPACK),
            broken(&[0x00, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, b'x']),
        ),
        ("6.1 index 0", Rule::Connection(HPACK), broken(&[0x80])),
        (
            "6.3 a size above the setting",
            Rule::Connection(HPACK),
            headers(END_HEADERS | END_STREAM, 1, &[&[0x3F, 0xE2, 0x1F][..], &get_block_and(&[])].concat()),
        ),
        (
            "5.1 an integer that overflows",
            Rule::Connection(HPACK),
            broken(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn hpack_tables_serve_whole_connections() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    // A change of size, the pseudo-header fields from the static table, and a field that enters the dynamic one.
    let first =
        [&[0x20, 0x3F, 0xE1, 0x1F, 0x82, 0x86, 0x84, 0x41, 1, b'h', 0x40, 1, b'x', 1, b'y'][..]].concat();
    client.send(headers(END_HEADERS | END_STREAM, 1, &first)).await;
    assert_eq!(client.end_of(1).await, End::Answered(200));
    let again = [0x82, 0x86, 0x84, 0xBF, 0xBE];
    client.send(headers(END_HEADERS | END_STREAM, 3, &again)).await;
    client.next_of(HEADERS).await.unwrap();
    let requests = upstream.requests();
    assert!(requests.iter().all(|request| request.headers["x"] == "y" && request.headers["host"] == "h"));
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn hpack_has_many_ways_to_say_the_same() {
    // RFC 7541, appendix C.4.
    let coded_host = [0x8C, 0xF1, 0xE3, 0xC2, 0xE5, 0xF2, 0x3A, 0x6B, 0xA0, 0xAB, 0x90, 0xF4, 0xFF];
    let (coded_key, coded_value) = (
        [0x88, 0x25, 0xA8, 0x49, 0xE9, 0x5B, 0xA9, 0x7D, 0x7F],
        [0x89, 0x25, 0xA8, 0x49, 0xE9, 0x5B, 0xB8, 0xE8, 0xB4, 0xBF],
    );
    let plain = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    let (host, key, value) = (plain("www.example.com"), plain("custom-key"), plain("custom-value"));
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    let mut streams = (1..).step_by(2);
    // Entered into the dynamic table, not entered, never to be entered.
    for form in [0x40, 0x00, 0x10] {
        let by_index = |value: &[u8]| [&[form | 1], value].concat();
        let by_name = |value: &[u8]| [&[form][..], &plain(":authority"), value].concat();
        for authority in [by_index(&host), by_index(&coded_host), by_name(&host), by_name(&coded_host)] {
            for (key, value) in [(&key[..], &value[..]), (&coded_key, &value), (&key, &coded_value)] {
                let field = [&[form][..], key, value].concat();
                let block = [&[0x20, 0x3F, 0xE1, 0x1F, 0x82, 0x86, 0x84][..], &authority, &field].concat();
                let stream = streams.next().unwrap();
                client.send(headers(END_HEADERS | END_STREAM, stream, &block)).await;
                assert_eq!(client.end_of(stream).await, End::Answered(200), "{block:02X?}");
            }
        }
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 36);
    for request in requests {
        assert_eq!(request.headers["host"], "www.example.com");
        assert_eq!(request.headers["custom-key"], "custom-value");
    }
}

#[tokio::test]
async fn an_error_of_the_gate_is_never_an_internal_one() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    client.send(headers(END_HEADERS | END_STREAM, 1, &block(&[(":method", "GET")]))).await;
    assert_ne!(client.end_of(1).await, End::Reset(INTERNAL_ERROR));
}
