//! Proxies in front: PROXY headers and trusted addresses, as upstreams and routes see them.

use crate::support::{Gate, get, route, settings, upstream};
use gateway::{Listener, Settings, Trust};
use model::cidr::Cidr;
use serde_json::json;
use testkit::upstream::{Received, Upstream};

fn trusting(blocks: &[&str], relayed: bool) -> Settings {
    let addresses = blocks.iter().map(|block| Cidr::parse(block).unwrap()).collect();
    let mut settings = Settings { trust: Trust { addresses, ..Trust::default() }, ..settings() };
    settings.listen = settings.listen.into_iter().map(|listener| Listener { relayed, ..listener }).collect();
    settings
}

async fn gate(settings: Settings, upstream_server: &Upstream) -> Gate {
    let all = [upstream("u", &[upstream_server.address()]), route(&json!({"upstream_id": "u"}))];
    Gate::with(settings, &all).await
}

fn value<'a>(received: &'a Received, name: &str) -> &'a str {
    received.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

const FORWARDED: &str = "GET / HTTP/1.1\r\nHost: inner:1\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Real-IP: 6.6.6.6\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Port: 443\r\n\r\n";

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_the_client_and_how_it_asked() {
    let server = Upstream::start("u").await;
    let gate = gate(trusting(&["127.0.0.0/8"], false), &server).await;
    assert_eq!(gate.ask(FORWARDED).await.status, 200);
    let received = server.requests().remove(0);
    assert_eq!(value(&received, "x-real-ip"), "203.0.113.7");
    assert_eq!(value(&received, "x-forwarded-for"), "6.6.6.6, 203.0.113.7, 127.0.0.1");
    assert_eq!(value(&received, "x-forwarded-proto"), "https");
    assert_eq!(value(&received, "x-forwarded-host"), "shop.example");
    assert_eq!(value(&received, "x-forwarded-port"), "443");
}

#[tokio::test]
async fn where_some_are_trusted_nobody_else_is_believed() {
    let server = Upstream::start("u").await;
    let gate = gate(trusting(&["10.0.0.0/8"], false), &server).await;
    assert_eq!(gate.ask(FORWARDED).await.status, 200);
    let received = server.requests().remove(0);
    assert_eq!(value(&received, "x-real-ip"), "127.0.0.1");
    assert_eq!(value(&received, "x-forwarded-for"), "127.0.0.1");
    assert_eq!(value(&received, "x-forwarded-proto"), "http");
    assert_eq!(value(&received, "x-forwarded-host"), "inner:1");
    assert_ne!(value(&received, "x-forwarded-port"), "443");
}

#[tokio::test]
async fn what_a_trusted_proxy_says_twice_is_not_believed() {
    let server = Upstream::start("u").await;
    let gate = gate(trusting(&["127.0.0.0/8"], false), &server).await;
    let twice = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n\r\n";
    assert_eq!(gate.ask(twice).await.status, 200);
    assert_eq!(value(&server.requests()[0], "x-forwarded-proto"), "http");
}

#[tokio::test]
async fn routes_see_the_client_behind_the_proxy() {
    let server = Upstream::start("u").await;
    let all = [
        upstream("u", &[server.address()]),
        route(
            &json!({"upstream_id": "u", "remote_addr": "203.0.113.0/24", "vars": [["remote_addr", "==", "203.0.113.7"]]}),
        ),
    ];
    let gate = Gate::with(trusting(&["127.0.0.1"], false), &all).await;
    assert_eq!(gate.ask(FORWARDED).await.status, 200);
    assert_eq!(gate.ask(get("/")).await.status, 404, "the proxy itself is not in the block");
    let stranger = Gate::with(settings(), &all).await;
    assert_eq!(stranger.ask(FORWARDED).await.status, 404, "without trust the header is not looked at");
}

/// Version 2 of the same as `PROXY TCP4 203.0.113.9 198.51.100.1 4321 443`, with an extension.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12\xcb\0\x71\x09\xc6\x33\x64\x01\x10\xe1\x01\xbb\x04\0\x03abc";

#[tokio::test]
async fn a_proxy_header_says_who_the_client_is_for_all_requests_of_its_connection() {
    let server = Upstream::start("u").await;
    let gate = gate(trusting(&["127.0.0.1"], true), &server).await;
    for header in [&b"PROXY TCP4 203.0.113.9 198.51.100.1 4321 443\r\n"[..], BINARY] {
        let mut client = gate.client().await;
        // Byte by byte, and the first request with the last one.
        let (last, rest) = header.split_last().unwrap();
        for byte in rest {
            client.0.send([*byte]).await;
        }
        client.0.send([&[*last], get("/").as_bytes()].concat()).await;
        assert_eq!(client.answer(false).await.status, 200);
        assert_eq!(client.ask(FORWARDED).await.status, 200);
    }
    for received in server.requests() {
        assert_eq!(value(&received, "x-real-ip"), "203.0.113.9");
        assert_eq!(value(&received, "x-forwarded-for"), "203.0.113.9", "the client itself is not trusted");
        assert_eq!(value(&received, "x-forwarded-port"), "443");
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_proxys_own_connection_is_served_as_such() {
    let server = Upstream::start("u").await;
    let gate = gate(trusting(&["127.0.0.1"], true), &server).await;
    for header in ["PROXY UNKNOWN\r\n", "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let answer = gate.ask(format!("{header}{}", get("/"))).await;
        assert_eq!(answer.status, 200);
    }
    assert!(server.requests().iter().all(|received| value(received, "x-real-ip") == "127.0.0.1"));
}

#[tokio::test]
async fn without_a_header_that_can_be_believed_a_connection_is_closed_without_a_word() {
    let server = Upstream::start("u").await;
    let gate_of_proxies = gate(trusting(&["127.0.0.1"], true), &server).await;
    for wrong in [get("/"), format!("PROXY TCP4 1.1.1.1\r\n{}", get("/"))] {
        let mut client = gate_of_proxies.client().await;
        client.0.send(wrong).await;
        assert_eq!(client.0.read_to_end().await, "");
    }
    let of_others = gate(trusting(&["10.0.0.0/8"], true), &server).await;
    let mut client = of_others.client().await;
    client.0.send(format!("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n{}", get("/"))).await;
    assert_eq!(client.0.read_to_end().await, "");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_header_that_does_not_end_is_waited_for_as_long_as_for_a_head() {
    let server = Upstream::start("u").await;
    let settings = Settings { head_timeout_ms: 1, ..trusting(&["127.0.0.1"], true) };
    let gate = gate(settings, &server).await;
    let mut client = gate.client().await;
    client.0.send("PROXY TCP4 1.1").await;
    assert_eq!(client.0.read_to_end().await, "");
}
