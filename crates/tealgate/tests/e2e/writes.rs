//! A write is in force on every thread when its call returns.

use crate::clock;
use crate::harness::client::Connection;
use crate::harness::gate::Gate;
use crate::harness::nginx::Nginx;
use crate::harness::world::World;
use serde_json::json;
use std::time::Duration;

const FLIPS: usize = 200;
/// The kernel spreads them over the threads by address and port, so each thread has some.
const KEPT_ALIVE: usize = 8;
const FRESH: usize = 4;

#[tokio::test]
async fn a_write_is_in_force_when_it_returns() {
    let world = World::new();
    let (blue, green) = (Nginx::start(&world, "blue").await, Nginx::start(&world, "green").await);
    let gate = Gate::start(&world).await;
    let admin = gate.admin();
    for (name, nginx) in [("blue", &blue), ("green", &green)] {
        admin.put(&format!("upstreams/{name}"), &json!({"type": "roundrobin", "nodes": nginx.node()})).await;
    }
    let route = |colour: &str| json!({"uri": "/id", "upstream_id": colour});
    admin.put("routes/r", &route("blue")).await;
    let mut kept = Vec::new();
    for _ in 0..KEPT_ALIVE {
        kept.push(Connection::open(gate.gateway()).await.unwrap());
    }
    let mut took = Vec::new();
    for flip in 0..FLIPS {
        let colour = if flip % 2 == 0 { "green" } else { "blue" };
        let start = clock::now();
        let answer = admin.put("routes/r", &route(colour)).await;
        took.push(start.elapsed());
        assert_eq!(answer.header("x-tealgate-applied"), "", "not pending");
        for connection in &mut kept {
            assert_eq!(connection.get("/id").await.header("x-colour"), colour, "flip {flip}");
        }
        for _ in 0..FRESH {
            let mut connection = Connection::open(gate.gateway()).await.unwrap();
            assert_eq!(connection.get("/id").await.header("x-colour"), colour, "flip {flip}");
        }
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(Duration::ZERO);
    println!("{FLIPS} writes: median {:?}, p99 {:?} (target: median below 10 ms)", at(50), at(99));
}
