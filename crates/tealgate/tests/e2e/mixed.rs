//! Switches and rollbacks under mixed load, with kills of upstreams in between: HTTP/1.1 and HTTP/2 clients at once,
//! uploads, downloads, slow bodies. A kill costs what was in flight on the killed process and nothing else, and the
//! account closes: client, gate and backends agree about each request.

use crate::harness::cli::release;
use crate::harness::client;
use crate::harness::gate::Gate;
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::connection::Protocol;
use load::kind::RequestKind;
use load::ledger::{Failure, FailureKind, Ledger};
use load::reconcile::reconcile;
use load::run::{Handle, Load};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use testkit::clock::eventually;

/// Each is a release that stays, a kill, a release that is taken back, and a kill.
const ROUNDS: usize = 2;
/// Processes of each colour.
const INSTANCES: usize = 2;

fn mix() -> Vec<RequestKind> {
    vec![
        RequestKind::get("/echo/small"),
        RequestKind::post("/echo/orders", 1_000),
        RequestKind::chunked("/echo/upload", 5, 20_000),
        RequestKind::download("/echo/file", 300_000),
        RequestKind::slow("/echo/slow", 4, 1_000, Duration::from_millis(5)),
        RequestKind::post("/echo/item", 10).method(http::Method::PUT),
    ]
}

fn load(gateway: SocketAddr, connections: usize, protocol: Protocol) -> Handle {
    let load = Load::closed_loop(gateway, "shop.example", connections);
    Load { mix: mix(), protocol, ..load }.start().unwrap()
}

fn target(world: &World) -> Value {
    let mut target = shop::target(world);
    target["process"]["instances"] = json!(INSTANCES);
    target
}

struct Stage {
    gate: Gate,
    world: World,
    loads: [Handle; 2],
    kills: u64,
}

impl Stage {
    async fn set() -> Stage {
        let world = World::new();
        let gate = Gate::start(&world).await;
        shop::put(&gate, target(&world), policy(json!({}))).await;
        release(&gate, &["start", "shop", "--version", "v0"]).await.exits(0);
        let loads = [
            load(gate.gateway(), 5, Protocol::Http1),
            load(gate.gateway(), 2, Protocol::Http2 { streams: 4 }),
        ];
        Stage { gate, world, loads, kills: 0 }
    }

    /// Both clients get answers.
    async fn answered(&self, more: u64) {
        for load in &self.loads {
            let before = load.progress().answered_total();
            eventually("answers", async || load.progress().answered_total() >= before + more).await;
        }
    }

    /// kill -9 of one process of a version; another one takes its place.
    async fn kill_one_of(&mut self, version: &str) {
        let before = shop::processes(&self.world, version);
        assert_eq!(before.len(), INSTANCES, "{version}");
        kill_process(before[0], Signal::KILL).unwrap();
        self.kills += 1;
        self.answered(20).await;
        let replaced = async || {
            let now = shop::processes(&self.world, version);
            now.len() == INSTANCES && !now.contains(&before[0])
        };
        eventually("another process in its place", replaced).await;
        self.answered(20).await;
    }

    /// A counter of the gate, summed over the app's route.
    async fn counted(&self, name: &str) -> u64 {
        let metrics = client::get(self.gate.admin_address(), "/metrics").await.text();
        let of_route = format!("{name}{{route=\"shop\"");
        let lines = metrics.lines().filter(|line| line.starts_with(&of_route));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switches_under_mixed_load_with_kills_in_between_leave_a_closed_account() {
    let mut stage = Stage::set().await;
    let mut live = "v0".to_owned();
    for round in 0..ROUNDS {
        stage.answered(30).await;
        let version = format!("kept{round}");
        release(&stage.gate, &["start", "shop", "--version", &version]).await.exits(0);
        live = version;
        stage.kill_one_of(&live).await;
        let soak = json!({"duration_ms": 60_000, "interval_ms": 500});
        shop::change(&stage.gate, target(&stage.world), policy(json!({"soak": soak}))).await;
        let version = format!("taken-back{round}");
        release(&stage.gate, &["start", "shop", "--version", &version, "--detach"]).await.exits(5);
        shop::until_phase(&stage.gate, "soak").await;
        stage.answered(30).await;
        release(&stage.gate, &["rollback", "shop"]).await.exits(0);
        stage.kill_one_of(&live).await;
        shop::change(&stage.gate, target(&stage.world), policy(json!({}))).await;
    }
    stage.answered(30).await;
    assert_eq!(shop::live(&stage.gate).await, live);
    let Stage { loads: [http1, http2], .. } = &mut stage;
    let placeholder = || Load::closed_loop(SocketAddr::from(([127, 0, 0, 1], 1)), "none", 1).start().unwrap();
    let (http1, http2) = (std::mem::replace(http1, placeholder()), std::mem::replace(http2, placeholder()));
    let ledgers = [http1.stop().await, http2.stop().await];
    the_account_closes(&stage, &ledgers).await;
}

async fn the_account_closes(stage: &Stage, ledgers: &[Ledger; 2]) {
    let backends = shop::backends(&stage.world);
    let mut lost = 0;
    for ledger in ledgers {
        let tally = &ledger.tally;
        let found = reconcile(ledger, &backends);
        assert!(found.agrees(), "{found:?}");
        assert_eq!((found.duplicated.count, tally.wrong, tally.open()), (0, 0, 0), "{found:?}");
        let by_gate =
            |failure: &Failure| failure.kind != FailureKind::UserError || failure.answerer == "gate";
        assert!(ledger.failures.iter().all(by_gate), "{:?}", ledger.failures);
        lost += tally.lost;
        println!(
            "sent {}, answered {:?}, errors {:?}, lost {}, repeated {}",
            tally.sent, tally.answered, tally.user_errors, tally.lost, found.repeated.count
        );
    }
    // What broke off in front of a client is what the gate counted as cut short, and only kills do that.
    let cut = async || stage.counted("tealgate_requests_cut_short_total").await == lost;
    eventually("the gate's count of what was cut short to be the clients'", cut).await;
    let errors: u64 = ledgers.iter().map(|ledger| ledger.tally.user_errors_total()).sum();
    let in_flight = 5 + 2 * 4;
    assert!(
        lost + errors <= stage.kills * in_flight,
        "{lost} lost and {errors} errors in {} kills",
        stage.kills
    );
}
