//! Sockets that the service manager listens on and passes: nobody is refused, not even while no process runs.

use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::sample::Sample;
use crate::harness::world::World;
use load::kind::RequestKind;
use load::run::Load;
use rustix::net::sockopt::set_socket_reuseport;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use rustix::process::Signal;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use testkit::raw::RawClient;

fn open() -> (TcpListener, String) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// A configuration with one route to an upstream.
fn config(world: &World, sample: &Sample) -> String {
    world.config(&json!({
        "shutdown_timeout_ms": 6_000,
        "upstreams": [{"id": "u", "nodes": sample.node()}],
        "routes": [{"id": "r", "uri": "/*", "upstream_id": "u"}],
    }))
}

/// A client that connects and asks, and does not wait.
async fn asks(address: &str) -> RawClient {
    let mut client = RawClient::connect(address.parse().unwrap()).await;
    client.send(b"GET /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    client
}

async fn is_answered(mut client: RawClient) {
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

async fn stop(mut gate: Gate) {
    gate.signal(Signal::TERM);
    assert_eq!(gate.end().await.code(), Some(0), "{}", gate.log());
}

#[tokio::test]
async fn clients_that_connect_while_no_process_runs_are_answered_by_the_next_one() {
    let world = World::new();
    let sample = Sample::start(&world, "blue");
    let config = config(&world, &sample);
    let ((sockets, address), (admin, admin_address)) = (open(), open());
    let start = || {
        let start = Start::new(&world).passed(&[&sockets, &admin]);
        start.with(&["--config", &config, "--listen", &address, "--admin", &admin_address, "--threads", "3"])
    };
    for _ in 0..2 {
        let early = asks(&address).await;
        let gate = start().ready().await;
        assert_eq!(
            (gate.gateway().to_string(), gate.admin_address().to_string()),
            (address.clone(), admin_address.clone())
        );
        is_answered(early).await;
        for _ in 0..20 {
            is_answered(asks(&address).await).await;
        }
        stop(gate).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_takes_over_what_was_passed_to_another_or_to_both_and_loses_nothing() {
    let world = World::new();
    let sample = Sample::start(&world, "blue");
    let config = config(&world, &sample);
    let (sockets, address) = open();
    let arguments = ["--config", &config, "--listen", &address];
    let mut gate = Start::new(&world).passed(&[&sockets]).with(&arguments).ready().await;
    let mix = vec![RequestKind::get("/echo"), RequestKind::post("/echo/orders", 2_000)];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 4) }.start().unwrap();
    for (threads, both) in [("4", false), ("1", true), ("2", false)] {
        let start = Start::new(&world).with(&arguments).with(&["--takeover", "--threads", threads]);
        let start = if both { start.passed(&[&sockets]) } else { start };
        let next = start.ready().await;
        let mut old = std::mem::replace(&mut gate, next);
        assert_eq!(old.end().await.code(), Some(0), "{}", old.log());
        is_answered(asks(&address).await).await;
    }
    let ledger = load.stop().await;
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
    // Still the manager's: it outlives the last process.
    stop(gate).await;
    let waits = asks(&address).await;
    let gate = Start::new(&world).passed(&[&sockets]).with(&arguments).ready().await;
    is_answered(waits).await;
    stop(gate).await;
}

/// A socket beside which others may be on the same port.
fn shared(address: SocketAddr) -> TcpListener {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    set_socket_reuseport(&socket, true).unwrap();
    bind(&socket, &address).unwrap();
    listen(&socket, 128).unwrap();
    socket.into()
}

#[tokio::test]
async fn all_sockets_of_an_address_are_accepted_from_by_one_thread() {
    let world = World::new();
    let sample = Sample::start(&world, "blue");
    let config = config(&world, &sample);
    let first = shared("127.0.0.1:0".parse().unwrap());
    let address = first.local_addr().unwrap();
    let second = shared(address);
    let gate = Start::new(&world).passed(&[&first, &second]);
    let address = address.to_string();
    let gate = gate.with(&["--config", &config, "--listen", &address, "--threads", "1"]).ready().await;
    // The system spreads them over both.
    for _ in 0..40 {
        is_answered(asks(&address).await).await;
    }
    stop(gate).await;
}

#[tokio::test]
async fn a_socket_that_nothing_would_accept_from_is_refused_by_name() {
    let world = World::new();
    let ((wanted, address), (unwanted, elsewhere)) = (open(), open());
    let start = Start::new(&world).passed(&[&wanted, &unwanted]).with(&["--listen", &address]);
    let (code, stderr) = start.refused().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(&format!("passed a socket on {elsewhere} (second)")), "{stderr}");
    assert!(stderr.contains(".socket unit"), "{stderr}");

    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagrams = TcpListener::from(std::os::fd::OwnedFd::from(datagrams));
    let (code, stderr) = Start::new(&world).passed(&[&datagrams]).refused().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("descriptor 3 (first)") && stderr.contains("no TCP socket"), "{stderr}");
}

#[tokio::test]
async fn variables_for_another_process_are_ignored_and_wrong_ones_are_refused() {
    let world = World::new();
    let other = Start::new(&world).variable("LISTEN_FDS", "1").variable("LISTEN_PID", "1");
    let gate = other.ready().await;
    assert_eq!(client::get(gate.admin_address(), "/status/ready").await.status, 200);
    stop(gate).await;
    let (socket, address) = open();
    let start = Start::new(&world).passed(&[&socket]).with(&["--listen", &address]);
    let (code, stderr) = start.variable("LISTEN_FDS", "99999999999999").refused().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("LISTEN_FDS is \"99999999999999\""), "{stderr}");
}
