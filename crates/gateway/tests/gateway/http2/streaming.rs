//! Content over HTTP/2: back-pressure in both directions, and nothing held back.

use super::super::support::Gate;
use super::client::{Client, read, read_content, request};
use bytes::Bytes;
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
    // Other streams of the connection do not notice, as long as its window lasts.
    let other = client.ask(request("TRACE", "/")).await;
    assert_eq!(other.status, 405);
}
