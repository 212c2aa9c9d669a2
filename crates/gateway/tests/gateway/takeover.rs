//! One gateway takes the sockets of another over; clients do not notice.

use crate::support::{Gate, get, route, settings, upstream};
use gateway::{Gateway, Settings};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use telemetry::totals::Totals;
use testkit::raw::RawClient;
use testkit::upstream::Upstream;

fn with_threads(threads: usize, of: &Gate) -> Settings {
    Settings { listen: vec![gateway::Listener::plain(of.address())], threads, ..settings() }
}

/// A gateway on the sockets of another; it does not accept yet.
fn successor(of: &Gate, threads: usize) -> Gate {
    let totals = Arc::new(Totals::new(threads));
    let handed = of.gateway.duplicates().unwrap();
    Gate::of(Gateway::start_with(with_threads(threads, of), None, totals, handed).unwrap())
}

/// Asks on a new connection each time until it is told to stop; how often, and all had an answer.
async fn ask_anew(address: std::net::SocketAddr, stop: Arc<AtomicBool>, asked: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let mut client = RawClient::connect(address).await;
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_are_answered_over_takeovers_with_any_number_of_threads() {
    let upstream_server = Upstream::start("u").await;
    let everything = [upstream("u", &[upstream_server.address()]), route(&json!({"upstream_id": "u"}))];
    let mut gate = Gate::with(Settings { threads: 2, ..settings() }, &everything).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| tokio::spawn(ask_anew(gate.address(), Arc::clone(&stop), Arc::clone(&asked))))
        .collect();
    for threads in [3, 1, 2, 4, 1] {
        let before = asked.load(Ordering::Relaxed);
        let next = successor(&gate, threads);
        next.apply(&everything).await;
        next.gateway.accept().await.unwrap();
        testkit::clock::within("the drain", gate.gateway.drain()).await;
        assert_eq!(gate.settled().await.cut_short, 0);
        gate = next;
        let more = async || asked.load(Ordering::Relaxed) > before + 20;
        testkit::clock::eventually("answers after the takeover", more).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_successor_that_goes_before_it_accepts_takes_nothing_with_it() {
    let upstream_server = Upstream::start("u").await;
    let gate = Gate::before(upstream_server.address()).await;
    let next = successor(&gate, 3);
    next.apply(&[]).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(gate.client().await);
    }
    tokio::task::spawn_blocking(move || next.gateway.stop()).await.unwrap().unwrap();
    for mut client in clients {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
    assert_eq!(gate.ask(get("/")).await.status, 200);
}

#[tokio::test]
async fn a_gateway_that_drains_answers_what_its_connections_still_ask_and_has_no_sockets_to_hand_over() {
    let upstream_server = Upstream::start("u").await;
    let gate = Gate::before(upstream_server.address()).await;
    let mut kept = gate.client().await;
    assert_eq!(kept.ask(get("/")).await.status, 200);
    let next = successor(&gate, 1);
    next.apply(&[]).await;
    next.gateway.accept().await.unwrap();
    let drained = gate.gateway.drain();
    let work = async {
        testkit::clock::eventually("the drain", async || gate.gateway.duplicates().unwrap().is_empty()).await;
        // Whoever connects now comes to the next one, which has no routes.
        testkit::clock::eventually("the next one", async || gate.ask(get("/")).await.status == 404).await;
        let answer = kept.ask(get("/")).await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        drop(kept);
    };
    testkit::clock::within("the drain", async { tokio::join!(drained, work) }).await;
}
