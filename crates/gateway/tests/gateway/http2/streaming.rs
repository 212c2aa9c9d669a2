//! Content over HTTP/2: back-pressure in both directions, and nothing held back.

use super::super::support::{Gate, route, settings, upstream_with};
use super::client::{Client, read, read_content, request};
use bytes::Bytes;
use gateway::Settings;
use serde_json::json;
use testkit::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, WINDOW_UPDATE, block, frame};
use testkit::http2::{Http2Upstream, Rules};
use testkit::upstream::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A gate before an upstream whose side of the connection the test plays.
async fn played() -> (Gate, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let gate = Gate::before(listener.local_addr().unwrap()).await;
    (gate, listener)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    testkit::clock::within("a connection", listener.accept()).await.unwrap().0
}

/// Reads until these bytes have come.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let byte = testkit::clock::within("bytes", socket.read_u8()).await.unwrap();
        read.push(byte);
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn an_event_reaches_the_client_before_the_next_one_is_sent() {
    let (gate, listener) = played().await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(request("GET", "/events"), true).await;
    let mut upstream = accept(&listener).await;
    read_until(&mut upstream, "\r\n\r\n").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.write_all(head.as_bytes()).await.unwrap();
    let mut body = testkit::clock::within("a head", answer).await.unwrap().into_body();
    for number in 0..5 {
        upstream.write_all(format!("9\r\ndata: {number}\n\n\r\n").as_bytes()).await.unwrap();
        let event = testkit::clock::within("an event", body.data()).await.unwrap().unwrap();
        assert_eq!(event, format!("data: {number}\n\n"));
    }
    upstream.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(read_content(&mut body).await.unwrap().is_empty());
    assert_eq!(gate.settled().await.whole_total(), 1);
}

#[tokio::test]
async fn a_message_reaches_the_upstream_before_the_next_one_is_sent() {
    let (gate, listener) = played().await;
    let client = Client::connect(&gate).await;
    let (answer, mut send) = client.open(request("POST", "/"), false).await;
    let mut upstream = accept(&listener).await;
    let head = read_until(&mut upstream, "\r\n\r\n").await;
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    for number in 0..5 {
        send.send_data(format!("m{number}").into(), false).unwrap();
        assert_eq!(read_until(&mut upstream, &format!("m{number}\r\n")).await, format!("2\r\nm{number}\r\n"));
    }
    send.send_data(Bytes::new(), true).unwrap();
    assert_eq!(read_until(&mut upstream, "0\r\n\r\n").await, "0\r\n\r\n");
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(read(answer).await.unwrap().text(), "ok");
}

#[tokio::test]
async fn the_last_data_frame_of_a_known_length_ends_the_stream() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(request("GET", "/?size=1000"), true).await;
    let mut body = testkit::clock::within("a head", answer).await.unwrap().into_body();
    let mut received = 0;
    while received < 1_010 {
        received += testkit::clock::within("content", body.data()).await.unwrap().unwrap().len();
    }
    assert!(body.is_end_stream(), "no empty frame follows");
}

#[tokio::test]
async fn small_windows_slow_content_down_and_break_nothing() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1_000).initial_connection_window_size(70_000);
    let client = Client::with(&gate, &builder).await;
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(client.open(request("GET", "/?size=300000"), true).await.0);
    }
    let reading = answers.into_iter().map(|answer| tokio::spawn(read(answer)));
    for answer in reading.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().unwrap().body.len(), 300_010);
    }
    assert_eq!(gate.settled().await.whole_total(), 8);
}

#[tokio::test]
async fn much_content_flows_up() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let content = Bytes::from(vec![b'x'; 3 << 20]);
    for asked in [request("POST", "/"), request("PUT", "/").header("content-length", content.len())] {
        let (answer, mut send) = client.open(asked, false).await;
        send.send_data(content.clone(), true).unwrap();
        assert_eq!(read(answer).await.unwrap().status, 200);
    }
    for received in upstream.requests() {
        assert_eq!((received.body_bytes, received.body_crc32), (3 << 20, crc32fast::hash(&content)));
    }
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_holds_up_the_client() {
    let (gate, listener) = played().await;
    let client = Client::connect(&gate).await;
    let (_answer, mut send) = client.open(request("POST", "/"), false).await;
    let mut upstream = accept(&listener).await;
    read_until(&mut upstream, "\r\n\r\n").await;
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let mut sent = 0;
    // Sockets take a few megabytes; after that the window stays shut.
    while sent < 64 << 20 {
        send.reserve_capacity(piece.len());
        let window = std::future::poll_fn(|cx| send.poll_capacity(cx));
        let Ok(room) = tokio::time::timeout(std::time::Duration::from_millis(500), window).await else {
            break;
        };
        let room = room.unwrap().unwrap();
        send.send_data(piece.slice(..room.min(piece.len())), false).unwrap();
        sent += room.min(piece.len());
    }
    assert!(sent < 32 << 20, "{sent} bytes were taken");
    // Other streams of the connection do not notice.
    let other = client.ask(request("TRACE", "/")).await;
    assert_eq!(other.status, 405);
}

/// A gate before an upstream of HTTP/2 that takes a thousand bytes of a request.
async fn before_small_window(settings: Settings) -> (Gate, Http2Upstream) {
    let upstream = Http2Upstream::start(Rules { window_bytes: 1_000, ..Rules::default() }).await;
    let nodes = upstream_with("u", &[upstream.address()], &json!({"scheme": "grpc"}));
    (Gate::with(settings, &[nodes, route(&json!({"upstream_id": "u"}))]).await, upstream)
}

#[tokio::test]
async fn uploads_that_are_held_up_hold_up_no_other() {
    let window = 65_535;
    let settings = Settings { http2_stream_window_bytes: window, ..settings() };
    let streams = settings.http2_max_streams as usize;
    let (gate, upstream) = before_small_window(settings).await;
    let client =
        Client::with(&gate, h2::client::Builder::new().initial_connection_window_size(1 << 30)).await;
    let mut held = Vec::new();
    for _ in 1..streams {
        let (answer, mut send) = client.open(request("POST", "/held"), false).await;
        send.send_data(vec![b'x'; 2 * window as usize].into(), true).unwrap();
        held.push(answer);
    }
    upstream.saw("all requests", |seen| seen.len() == streams - 1).await;
    let content = vec![b'y'; 4 * window as usize];
    assert_eq!(client.ask_with(request("POST", "/echo"), content.clone()).await.body, content);
    upstream.release(streams - 1);
    for answer in held {
        assert_eq!(read(answer).await.unwrap().body.len(), 2 * window as usize);
    }
    assert_eq!(gate.settled().await.whole_total() as usize, streams);
}

#[tokio::test]
async fn small_messages_that_are_held_up_do_not_end_their_connection() {
    let (gate, upstream) = before_small_window(settings()).await;
    let mut client = Frames::connect(gate.address()).await;
    let streams = 6;
    for number in 0..streams {
        let stream = 2 * number + 1;
        let head =
            block(&[(":method", "POST"), (":scheme", "http"), (":path", "/held"), (":authority", "h")]);
        client.send(frame(HEADERS, END_HEADERS, stream, &head)).await;
        // As many as a task may find at once; far more in all than the bound on unread frames.
        for _ in 0..10 {
            client.send(frame(DATA, 0, stream, b"0123456789").repeat(1_000)).await;
            assert!(client.is_alive().await);
        }
        client.send(frame(DATA, END_STREAM, stream, b"end")).await;
    }
    upstream.saw("all requests", |seen| seen.len() == streams as usize).await;
    upstream.release(streams as usize);
    let mut ended = 0;
    while ended < streams {
        let data = client.next_of(DATA).await.unwrap();
        let length = u32::try_from(data.payload.len()).unwrap().max(1);
        client.send(frame(WINDOW_UPDATE, 0, 0, &length.to_be_bytes())).await;
        client.send(frame(WINDOW_UPDATE, 0, data.stream, &length.to_be_bytes())).await;
        ended += u32::from(data.flags & END_STREAM != 0);
    }
    for seen in upstream.seen() {
        assert_eq!((seen.body.len(), seen.body.ends_with(b"789end")), (100_003, true));
    }
}
