//! Https upstreams that are spoken to with the name that a client has sent: whose connection is whose, and how many.

use crate::http2_upstreams::tls_before;
use crate::support::{Gate, route, settings, upstream_with};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use testkit::clock::eventually;
use testkit::http2::{Http2Upstream, Rules};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that answers with the number of the connection, and how many connections to it are open.
async fn numbered() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((socket, _)) = listener.accept().await else { return };
            let counted = Arc::clone(&counted);
            counted.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                answer(socket, number).await;
                counted.fetch_sub(1, SeqCst);
            });
        }
    });
    (address, open)
}

async fn answer(mut socket: TcpStream, number: usize) {
    let mut head = Vec::new();
    while let Ok(byte) = socket.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{number:03}");
            socket.write_all(answer.as_bytes()).await.unwrap();
            head.clear();
        }
    }
}

async fn gate(address: SocketAddr, more: &Value) -> Gate {
    let mut upstream = upstream_with("u", &[address], more);
    upstream.1["scheme"] = json!("https");
    upstream.1["keepalive_pool"] = json!({"size": 4, "idle_timeout": 60, "requests": 1000});
    Gate::with(settings(), &[upstream, route(&json!({"upstream_id": "u"}))]).await
}

fn of(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test]
async fn a_connection_is_used_again_for_its_name_alone() {
    let (server, _) = numbered().await;
    let gate = gate(tls_before(server, &[]).await, &json!({})).await;
    let mut client = gate.client().await;
    let mut numbers = Vec::new();
    for host in ["a.example", "b.example", "a.example", "B.example:81", "c.example", "a.example"] {
        numbers.push(client.ask(of(host)).await.body);
    }
    assert_eq!(numbers, ["000", "001", "000", "001", "002", "000"]);
}

#[tokio::test]
async fn a_client_that_makes_up_hosts_fills_one_pool_and_no_more() {
    let (server, open) = numbered().await;
    let gate = gate(tls_before(server, &[]).await, &json!({})).await;
    let mut client = gate.client().await;
    for host in 0..40 {
        assert_eq!(client.ask(of(&format!("h{host}.example"))).await.status, 200);
    }
    eventually("the end of the others", async || open.load(SeqCst) <= 4).await;
    assert_eq!(client.ask(of("h39.example")).await.body, "039", "the newest stay");
}

#[tokio::test]
async fn hosts_that_a_client_makes_up_displace_each_other_and_not_those_that_users_come_back_to() {
    let (server, open) = numbered().await;
    let gate = gate(tls_before(server, &[]).await, &json!({})).await;
    let (mut user, mut stranger) = (gate.client().await, gate.client().await);
    for host in ["a.example", "a.example", "b.example", "b.example"] {
        user.ask(of(host)).await;
    }
    for host in 0..40 {
        assert_eq!(stranger.ask(of(&format!("h{host}.example"))).await.status, 200);
    }
    eventually("the end of the others", async || open.load(SeqCst) <= 4).await;
    for (host, number) in [("a.example", "000"), ("b.example", "001"), ("h39.example", "041")] {
        assert_eq!(user.ask(of(host)).await.body, number);
    }
}

#[tokio::test]
async fn connections_of_http2_have_one_bound_for_all_hosts_too() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let label = json!({"labels": {"tealgate.protocol": "h2"}});
    let gate = gate(tls_before(upstream.address(), &["h2"]).await, &label).await;
    let mut client = gate.client().await;
    for host in 0..20 {
        assert_eq!(client.ask(of(&format!("h{host}.example"))).await.status, 200);
        assert_eq!(client.ask(of(&format!("h{host}.example"))).await.status, 200);
    }
    // One that a sweep finds idle between its two requests is the first to go.
    let made = upstream.connections();
    assert!((20..40).contains(&made), "{made}");
    upstream.closed(made - 4).await;
}
