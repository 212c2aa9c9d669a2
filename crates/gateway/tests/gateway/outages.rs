//! Nodes that are killed and come back at random under load: whatever the balancer, a request that can be repeated is
//! answered, one that cannot is sent once, and the account closes.

use crate::support::{Client, Gate, get, route, settings, upstream_with};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use testkit::clock::eventually;
use testkit::upstream::Upstream;
use tokio::task::LocalSet;

const NODES: usize = 4;
const CLIENTS: usize = 6;
/// Kills and returns.
const TURNS: usize = 30;
/// Answers between two of them.
const REQUESTS_BETWEEN: u64 = 25;

/// What the clients have seen.
#[derive(Default)]
struct Book {
    answers: Cell<u64>,
    stop: Cell<bool>,
    /// POSTs by id, and whether a 200 came.
    posts: RefCell<BTreeMap<String, bool>>,
    lost: RefCell<Vec<u16>>,
}

async fn client(mut client: Client, gate: Rc<Gate>, name: usize, book: Rc<Book>) {
    for number in 0u64.. {
        if book.stop.get() {
            return;
        }
        let is_post = number % 3 == 0;
        let id = format!("{name}-{number}");
        let request = match is_post {
            true => {
                format!("POST / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\nContent-Length: 3\r\n\r\npay")
            }
            false => get(&format!("/{id}")),
        };
        let answer = client.ask(request).await;
        book.answers.set(book.answers.get() + 1);
        if is_post {
            book.posts.borrow_mut().insert(id, answer.status == 200);
        } else if answer.status != 200 {
            book.lost.borrow_mut().push(answer.status);
        }
        if answer.status != 200 {
            client = gate.client().await;
        }
    }
}

/// Kills and starts nodes in an order that looks random and is always the same; at least two of them run.
async fn outages(
    nodes: &mut [Option<Upstream>],
    addresses: &[SocketAddr],
    book: &Book,
) -> BTreeMap<String, u64> {
    let mut arrived: BTreeMap<String, u64> = BTreeMap::new();
    let mut keep =
        |node: &Upstream| node.ids().into_iter().for_each(|(id, n)| *arrived.entry(id).or_default() += n);
    let mut random = 12_345u32;
    for _ in 0..TURNS {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at = (random >> 16) as usize % NODES;
        let running = nodes.iter().flatten().count();
        match nodes[at].take() {
            Some(node) if running > 2 => keep(&node),
            Some(node) => nodes[at] = Some(node),
            None => nodes[at] = Some(Upstream::start_at(&format!("n{at}"), addresses[at]).await),
        }
        let enough = book.answers.get() + REQUESTS_BETWEEN;
        eventually("answers", async || book.answers.get() >= enough).await;
    }
    nodes.iter().flatten().for_each(&mut keep);
    arrived
}

async fn survives(balancer: &str) {
    let mut nodes = Vec::new();
    for at in 0..NODES {
        nodes.push(Some(Upstream::start(&format!("n{at}")).await));
    }
    let addresses: Vec<SocketAddr> = nodes.iter().flatten().map(Upstream::address).collect();
    let soon = json!({"interval": 0.02, "successes": 1, "tcp_failures": 1});
    let checks = json!({"active": {"healthy": soon, "unhealthy": soon},
                        "passive": {"unhealthy": {"tcp_failures": 2}}});
    let more =
        json!({"type": balancer, "key": "uri", "checks": checks, "labels": {"tealgate.slow_start_ms": "50"}});
    let resources = [upstream_with("u", &addresses, &more), route(&json!({"upstream_id": "u"}))];
    let gate = Rc::new(Gate::with(settings(), &resources).await);
    let book = Rc::new(Book::default());
    let clients = LocalSet::new();
    for name in 0..CLIENTS {
        let connection = gate.client().await;
        clients.spawn_local(client(connection, Rc::clone(&gate), name, Rc::clone(&book)));
    }
    let arrived = clients
        .run_until(async {
            let arrived = outages(&mut nodes, &addresses, &book).await;
            book.stop.set(true);
            arrived
        })
        .await;
    clients.await;
    // Requests that were under way when the nodes were asked are not among what arrived.
    let counts = gate.settled().await;
    assert_eq!(*book.lost.borrow(), [0u16; 0], "{balancer}: every GET is answered with 200");
    assert_eq!(counts.received, counts.ended(), "{balancer}");
    assert_eq!(counts.received, book.answers.get(), "{balancer}: sent = answered");
    for (id, count) in arrived.iter().filter(|(id, _)| !id.is_empty()) {
        assert_eq!(*count, 1, "{balancer}: POST {id} was sent more than once");
    }
    let good = book.posts.borrow().values().filter(|good| **good).count();
    assert!(good > TURNS, "{balancer}: {good} POSTs were answered");
}

#[tokio::test]
async fn roundrobin_survives_nodes_that_come_and_go() {
    survives("roundrobin").await;
}

#[tokio::test]
async fn chash_survives_nodes_that_come_and_go() {
    survives("chash").await;
}

#[tokio::test]
async fn ewma_survives_nodes_that_come_and_go() {
    survives("ewma").await;
}

#[tokio::test]
async fn least_conn_survives_nodes_that_come_and_go() {
    survives("least_conn").await;
}
