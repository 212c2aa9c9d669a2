//! A node of an upstream is killed under load and comes back: nobody notices, and everybody can see it.

use crate::clock;
use crate::harness::admin::Admin;
use crate::harness::client::{Connection, get};
use crate::harness::gate::Gate;
use crate::harness::nginx::Nginx;
use crate::harness::world::World;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

const CLIENTS: usize = 4;

/// How many answers there were of each status and node.
type Book = Arc<Mutex<BTreeMap<(u16, String), u64>>>;

struct Load {
    book: Book,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(gateway: SocketAddr) -> Load {
        let mut load = Load { book: Book::default(), stop: Arc::default(), clients: JoinSet::new() };
        for _ in 0..CLIENTS {
            let (book, stop) = (Arc::clone(&load.book), Arc::clone(&load.stop));
            load.clients.spawn(async move {
                let mut connection = Connection::open(gateway).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let answer = connection.send(Method::GET, "/id", &[], "").await.unwrap();
                    let key = (answer.status, answer.header("x-colour").to_owned());
                    *book.lock().unwrap().entry(key).or_default() += 1;
                }
            });
        }
        load
    }

    /// Good answers of a node up to now.
    fn of(&self, node: &str) -> u64 {
        self.book.lock().unwrap().get(&(200, node.to_owned())).copied().unwrap_or(0)
    }

    /// Waits until a node has given so many more good answers.
    async fn served(&self, node: &str, more: u64) {
        let enough = self.of(node) + more;
        clock::until(node, async || self.of(node) >= enough, || format!("{:?}", self.book)).await;
    }

    /// Ends it; what there was besides good answers.
    async fn failures(mut self) -> Vec<((u16, String), u64)> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        let book = self.book.lock().unwrap().clone();
        book.into_iter().filter(|((status, _), _)| *status != 200).collect()
    }
}

/// A node as the only gateway has reported it.
async fn seen(admin: &Admin, nginx: &Nginx) -> Option<Value> {
    let answer = admin.get("/tealgate/v1/upstreams/health").await.json();
    let nodes = answer["gateways"][0]["upstreams"][0]["nodes"].as_array()?.clone();
    nodes.into_iter().find(|node| node["port"] == nginx.port())
}

async fn becomes(admin: &Admin, gate: &Gate, nginx: &Nginx, status: &str) -> Value {
    let is = async || seen(admin, nginx).await.is_some_and(|node| node["status"] == status);
    clock::until(status, is, || gate.log()).await;
    seen(admin, nginx).await.unwrap()
}

#[tokio::test]
async fn a_node_that_is_killed_and_comes_back_costs_no_request() {
    let world = World::new();
    let (mut dies, stays) = (Nginx::start(&world, "dies").await, Nginx::start(&world, "stays").await);
    let gate = Gate::start(&world).await;
    let admin = gate.admin();
    let checks = json!({
        "active": {"http_path": "/id", "healthy": {"interval": 1, "successes": 2}, "unhealthy": {"interval": 1}},
        "passive": {"unhealthy": {"tcp_failures": 2}},
    });
    let nodes = json!({dies.address().to_string(): 1, stays.address().to_string(): 1});
    admin.put("upstreams/u", &json!({"type": "roundrobin", "nodes": nodes, "checks": checks})).await;
    admin.put("routes/r", &json!({"uri": "/id", "upstream_id": "u"})).await;
    let load = Load::start(gate.gateway());
    load.served("dies", 100).await;

    dies.die();
    let node = becomes(&admin, &gate, &dies, "unhealthy").await;
    assert!(node["since_ms"].as_i64() > Some(0) && node["why"].as_str() > Some(""), "{node}");
    let before = load.of("dies");
    load.served("stays", 500).await;
    assert_eq!(load.of("dies"), before);
    gate.logged("node is down").await;
    let metrics = get(gate.admin_address(), "/metrics").await.text();
    let line = |nginx: &Nginx, up: u8| {
        let port = nginx.port();
        let name = "tealgate_upstream_node_healthy";
        format!("{name}{{upstream=\"upstreams/u\",host=\"127.0.0.1\",port=\"{port}\"}} {up}\n")
    };
    assert!(metrics.contains(&line(&dies, 0)) && metrics.contains(&line(&stays, 1)), "{metrics}");
    let control = admin.get("/v1/healthcheck/upstreams/u").await.json();
    assert_eq!((&control["name"], &control["type"]), (&json!("/apisix/upstreams/u"), &json!("http")));
    // An edit does not forget it.
    admin.patch("upstreams/u", &json!({"desc": "edited"})).await;
    let before = load.of("dies");
    load.served("stays", 500).await;
    assert_eq!(
        (load.of("dies"), seen(&admin, &dies).await.unwrap()["status"].as_str()),
        (before, Some("unhealthy"))
    );

    dies.come_back().await;
    let node = becomes(&admin, &gate, &dies, "healthy").await;
    // Another check may have succeeded since.
    assert!(node["why"] == "check: status 200" && node["successes"].as_u64() >= Some(2), "{node}");
    load.served("dies", 500).await;
    assert_eq!(load.failures().await, []);
}
