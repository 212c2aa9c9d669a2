//! How a WebSocket ends, and whose doing that was: only a close frame makes an end whole.

use crate::support::{Client, Gate, settings};
use crate::upgrade::{from_client, open_websocket};
use std::sync::Arc;
use telemetry::counts::Counts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A close frame of the server: 1000.
const CLOSE: [u8; 4] = [0x88, 0x02, 0x03, 0xE8];

async fn open() -> (Gate, Client, TcpStream) {
    let (gate, client, server, _) = open_websocket(settings()).await;
    (gate, client, server)
}

/// What it was counted as, and the reasons that were told.
async fn ending(gate: &Gate) -> (Counts, Vec<String>) {
    let counts = gate.settled().await;
    let told = gate.gateway.totals().snapshot().gate_answers;
    (counts, told.into_iter().filter(|(_, count)| *count > 0).map(|(reason, _)| reason).collect())
}

async fn is_whole(gate: &Gate) {
    let (counts, told) = ending(gate).await;
    assert_eq!((counts.whole[0], counts.received), (1, 1), "{told:?}");
    assert!(told.is_empty(), "{told:?}");
}

async fn is_cut_short(gate: &Gate, reason: &str) {
    let (counts, told) = ending(gate).await;
    assert_eq!((counts.cut_short, counts.received, told), (1, 1, vec![reason.to_owned()]));
}

async fn is_left(gate: &Gate) {
    let (counts, told) = ending(gate).await;
    assert_eq!((counts.client_left, counts.received, told), (1, 1, vec!["client_closed".to_owned()]));
}

#[tokio::test]
async fn an_upstream_that_ends_within_a_frame_has_cut_it_short() {
    let (gate, mut client, mut server) = open().await;
    server.write_all(&[0x82, 0x06, b'a', b'b']).await.unwrap();
    drop(server);
    assert_eq!(client.0.read_exactly(5).await, [0x82, 0x06, b'a', b'b'], "and then the end");
    drop(client);
    is_cut_short(&gate, "upstream_closed").await;
}

#[tokio::test]
async fn an_upstream_that_ends_between_two_frames_has_cut_it_short_unless_it_has_said_close() {
    let (gate, mut client, mut server) = open().await;
    server.write_all(&[0x82, 0x02, b'a', b'b']).await.unwrap();
    drop(server);
    assert_eq!(client.0.read_exactly(5).await, [0x82, 0x02, b'a', b'b']);
    // What a client says once its upstream has gone changes nothing.
    client.0.send(from_client(0x88, &1000u16.to_be_bytes())).await;
    drop(client);
    is_cut_short(&gate, "upstream_closed").await;

    let (gate, mut client, mut server) = open().await;
    server.write_all(&CLOSE).await.unwrap();
    drop(server);
    assert_eq!(client.0.read_exactly(5).await, CLOSE);
    drop(client);
    is_whole(&gate).await;
}

#[tokio::test]
async fn an_upstream_that_resets_has_cut_it_short_unless_it_has_said_close() {
    let (gate, mut client, server) = open().await;
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(client.0.read_to_end().await, "");
    is_cut_short(&gate, "upstream_reset").await;

    let (gate, mut client, mut server) = open().await;
    // It never reads this, so its end is a reset.
    client.0.send(from_client(0x81, b"hello")).await;
    server.peek(&mut [0]).await.unwrap();
    server.write_all(&CLOSE).await.unwrap();
    drop(server);
    client.0.send(from_client(0x81, b"more")).await;
    assert_eq!(client.0.read_exactly(4).await, CLOSE, "whether writing or reading fails first");
    drop(client);
    is_whole(&gate).await;
}

#[tokio::test]
async fn a_client_that_ends_without_a_word_has_left_and_one_that_has_said_close_has_not() {
    let (gate, client, mut server) = open().await;
    drop(client);
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    // What the upstream makes of it is of no account.
    drop(server);
    is_left(&gate).await;

    let (gate, mut client, mut server) = open().await;
    client.0.send(&from_client(0x82, b"xyz")[..7]).await;
    client.0.finish().await;
    server.write_all(&CLOSE).await.unwrap();
    drop(server);
    client.0.read_to_end().await;
    is_left(&gate).await;

    let (gate, mut client, server) = open().await;
    client.0.send(from_client(0x88, &1000u16.to_be_bytes())).await;
    // Not all servers answer it.
    server.peek(&mut [0]).await.unwrap();
    drop(server);
    client.0.read_to_end().await;
    drop(client);
    is_whole(&gate).await;
}

#[tokio::test]
async fn a_frame_that_breaks_off_is_cut_short_also_behind_the_close_of_the_client() {
    let (gate, mut client, mut server) = open().await;
    server.write_all(&[0x82, 0x06, b'a', b'b']).await.unwrap();
    assert_eq!(client.0.read_exactly(4).await, [0x82, 0x06, b'a', b'b']);
    client.0.send(from_client(0x88, &1000u16.to_be_bytes())).await;
    server.peek(&mut [0]).await.unwrap();
    server.shutdown().await.unwrap();
    client.0.read_to_end().await;
    drop((client, server));
    is_cut_short(&gate, "upstream_closed").await;
}

#[tokio::test]
async fn a_websocket_that_is_open_when_the_gateway_stops_is_cut_short() {
    let (gate, mut client, _server) = open().await;
    let series = Arc::clone(gate.gateway.series());
    tokio::task::spawn_blocking(move || gate.gateway.stop()).await.unwrap().unwrap();
    assert_eq!(client.0.read_to_end().await, "");
    let counts = telemetry::series::sum_of(&series.snapshot(), |_| true);
    assert_eq!((counts.cut_short, counts.open), (1, 0));
}
