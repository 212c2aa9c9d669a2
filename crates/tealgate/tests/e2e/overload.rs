//! The system gives out: the server keeps serving whom it serves, and all others as soon as it can.

use crate::clock;
use crate::harness::client::{self, Connection};
use crate::harness::gate::{Start, TEALGATE};
use crate::harness::sample::Sample;
use crate::harness::world::World;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn without_descriptors_left_it_serves_on_and_accepts_again_when_there_are() {
    let world = World::new();
    let sample = Sample::start(&world, "blue");
    let program = world.file("few", format!("#!/bin/sh\nulimit -n 160\nexec {TEALGATE} \"$@\"\n"));
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let config = world.config(&json!({
        "upstreams": [{"id": "u", "nodes": sample.node()}],
        "routes": [{"id": "r", "uri": "/*", "upstream_id": "u"}],
    }));
    let start = Start::new(&world).program(program.into()).with(&["--config", &config, "--threads", "1"]);
    let gate = start.ready().await;
    gate.logged("fewer file descriptors").await;
    let mut kept = Connection::open(gate.gateway()).await.unwrap();
    assert_eq!(kept.get("/before").await.status, 200);
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(TcpStream::connect(gate.gateway()).await.unwrap());
    }
    gate.logged("cannot accept connections for a moment").await;
    for _ in 0..20 {
        assert_eq!(kept.get("/meanwhile").await.status, 200, "who is served is served on");
    }
    let gateway = gate.gateway();
    let mut waiting = tokio::spawn(async move { client::get(gateway, "/waited").await.status });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(crowd);
    let served = async || waiting.is_finished();
    clock::until("the one who waited", served, || gate.log()).await;
    assert_eq!((&mut waiting).await.unwrap(), 200);
    assert_eq!(client::get(gateway, "/after").await.status, 200);
    assert_eq!(gate.log().matches("cannot accept connections").count(), 1, "{}", gate.log());
}
