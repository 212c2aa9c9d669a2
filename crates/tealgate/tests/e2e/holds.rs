//! Requests that wait at the switch: whose time that is, what becomes of each of them, and what is told of them.

use crate::clock;
use crate::harness::cli::{Ended, release};
use crate::harness::client::{Answer, Connection};
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use http::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::clock::within;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A slow write on the old version ends after so long.
const SLOW_MS: u64 = 4_000;
/// The new version may take so long: less than its requests wait before they come to it.
const MAX_P99_MS: u64 = 1_500;
/// Requests that wait to the end, and whose clients go away.
const STAY: usize = 6;
const LEAVE: usize = 3;

/// Version 1 is live; version 2 needs a yes before its shift.
async fn asked(gate: &Gate, world: &World, mut changes: Value) {
    shop::put(gate, shop::target(world), policy(json!({}))).await;
    release(gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    changes["gates"] = shop::approval("before_shift");
    shop::change(gate, shop::target(world), policy(changes)).await;
    release(gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until(gate, "the question", |view| view["waiting_for"][0]["asks_person"] == true).await;
}

/// A write on a connection of its own.
fn write(gateway: SocketAddr, path: String) -> JoinHandle<Answer> {
    tokio::spawn(async move {
        let mut connection = Connection::open(gateway).await.unwrap();
        within("an answer", connection.send(Method::POST, &path, &[], "abc")).await.unwrap()
    })
}

/// A write whose body does not come to its end before somebody sends three bytes more.
async fn unfinished(gateway: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc").await.unwrap();
    stream
}

async fn until_open(gate: &Gate, requests: u64) {
    shop::until(gate, "a write on the old version", |view| view["colours"][0]["open"] == requests).await;
}

async fn until_waiting(gate: &Gate, requests: usize) {
    shop::until(gate, "requests that wait", |view| view["hold"]["waiting"] == requests).await;
}

async fn versions(writes: Vec<JoinHandle<Answer>>) -> Vec<String> {
    let mut versions = Vec::new();
    for write in writes {
        let answer = write.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        versions.push(answer.header("x-version").to_owned());
    }
    versions
}

/// What the newest release ends as, and what its watcher is told meanwhile.
async fn watched(gate: &Gate) -> Ended {
    release(gate, &["status", "shop", "--watch"]).await
}

fn line<'a>(watched: &'a Ended, part: &str) -> &'a str {
    let line = watched.err.lines().find(|line| line.contains(part));
    line.unwrap_or_else(|| panic!("no line has {part:?}: {watched:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_requests_wait_is_not_held_against_the_new_version_and_all_of_them_are_accounted_for() {
    let world = World::new();
    let log = world.path().join("access.log");
    let gate = Start::new(&world).with(&["--access-log", log.to_str().unwrap()]).ready().await;
    let limits = json!({"max_error_rate": null, "max_p99_ms": MAX_P99_MS, "min_requests": 10});
    asked(&gate, &world, json!({"hold": {"requests": "writes", "budget_ms": 20_000}, "limits": limits}))
        .await;
    let gateway = gate.gateway();
    let drive = async {
        let slow = write(gateway, format!("/echo?slow_ms={SLOW_MS}"));
        until_open(&gate, 1).await;
        release(&gate, &["promote", "shop", "--detach"]).await.exits(5);
        shop::until(&gate, "the hold", |view| view["hold"]["open"] == 1).await;
        let writes: Vec<_> = (0..STAY).map(|_| write(gateway, "/echo".to_owned())).collect();
        let mut leaving = Vec::new();
        for _ in 0..LEAVE {
            leaving.push(unfinished(gateway).await);
        }
        until_waiting(&gate, STAY + LEAVE).await;
        drop(leaving);
        until_waiting(&gate, STAY).await;
        assert_eq!(versions(vec![slow]).await, ["v1"]);
        assert_eq!(versions(writes).await, ["v2"; STAY]);
        let quick: Vec<_> = (0..2 * STAY).map(|_| write(gateway, "/echo".to_owned())).collect();
        assert_eq!(versions(quick).await, ["v2"; 2 * STAY]);
    };
    let (watched, ()) = tokio::join!(watched(&gate), drive);
    let watched = watched.exits(0);
    assert_eq!(shop::until_over(&gate).await["outcome"], "promoted");
    let report = shop::report(&gate).await;
    let hold = &report["holds"][0];
    assert_eq!(
        (&hold["waited"], &hold["left"], &hold["ended"]),
        (&json!(STAY), &json!(LEAVE), &json!("moved"))
    );
    let ms = |name: &str| hold[name].as_f64().unwrap();
    assert!(ms("p99_ms") <= ms("longest_ms"), "{hold}");
    let ledger = &report["ledger"];
    let count = |name: &str| usize::try_from(ledger[name].as_u64().unwrap()).unwrap();
    assert_eq!((count("received"), count("client_left")), (1 + 3 * STAY + LEAVE, LEAVE), "{ledger}");
    assert_eq!((count("blue"), count("green"), count("gate")), (1, 3 * STAY, 0), "{ledger}");
    let shift = line(&watched, "shift done");
    let account = format!(" ms, {STAY} requests waited, p99 {:.1} ms, at most", ms("p99_ms"));
    assert!(shift.contains("switched to 100 % in ") && shift.contains(&account), "{shift}");
    assert!(shift.contains(&format!("{LEAVE} went away or ran out of time meanwhile")), "{shift}");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    clock::until("the log", async || read().lines().count() >= 1 + 3 * STAY + LEAVE, || gate.log()).await;
    let lines: Vec<Value> = read().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let us = |line: &Value, name: &str| line[name].as_u64().unwrap();
    let held = |line: &&Value| line["answerer"] == "green" && us(line, "total_us") > 1_000 * MAX_P99_MS;
    let upstream_us: Vec<u64> = lines.iter().filter(held).map(|line| us(line, "upstream_us")).collect();
    assert_eq!(upstream_us.len(), STAY, "all of their time is theirs");
    assert!(
        upstream_us.iter().all(|us| *us < 1_000 * MAX_P99_MS),
        "the wait was the gate's: {upstream_us:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_came_at_the_second_try_is_told_with_those_who_waited_for_the_first() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    asked(&gate, &world, json!({"hold": {"requests": "writes", "budget_ms": 2_000, "tries": 10}})).await;
    let gateway = gate.gateway();
    let drive = async {
        let mut open = unfinished(gateway).await;
        until_open(&gate, 1).await;
        release(&gate, &["promote", "shop", "--detach"]).await.exits(5);
        shop::until(&gate, "the hold", |view| view["hold"]["open"] == 1).await;
        let writes: Vec<_> = (0..5).map(|_| write(gateway, "/echo".to_owned())).collect();
        assert_eq!(versions(writes).await, ["v1"; 5], "the budget was over");
        shop::until(&gate, "the first account", |view| view["holds"][0]["waited"] == 5).await;
        open.write_all(b"def").await.unwrap();
        shop::until_over(&gate).await
    };
    let (watched, view) = tokio::join!(watched(&gate), drive);
    assert_eq!(view["outcome"], "promoted");
    let watched = watched.exits(0);
    let shift = line(&watched, "shift done");
    let tries = view["holds"].as_array().unwrap().len();
    let waited = format!(" ms, 5 requests waited in {tries} tries, at most ");
    assert!(shift.contains("switched to 100 % in ") && shift.contains(&waited), "{shift}");
    assert!(shift.contains("the budget was over, and they went on to the old version"), "{shift}");
    assert!(tries >= 2 && view["holds"][tries - 1]["ended"] == "moved", "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_ends_a_hold_and_uses_up_no_try() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    asked(&gate, &world, json!({"hold": {"requests": "writes", "budget_ms": 30_000, "tries": 1}})).await;
    let mut open = unfinished(gate.gateway()).await;
    until_open(&gate, 1).await;
    release(&gate, &["promote", "shop", "--detach"]).await.exits(5);
    shop::until(&gate, "the hold", |view| view["hold"]["open"] == 1).await;
    let waiting = write(gate.gateway(), "/echo".to_owned());
    until_waiting(&gate, 1).await;
    let next = Start::new(&world).with(&["--takeover"]).ready().await;
    assert_eq!(versions(vec![waiting]).await, ["v1"], "nobody waits for it any more");
    let view = shop::until(&next, "its account", |view| view["holds"][0].is_object()).await;
    assert_eq!((&view["holds"][0]["ended"], &view["holds"][0]["waited"]), (&json!("gateway"), &json!(1)));
    open.write_all(b"def").await.unwrap();
    let view = shop::until_over(&next).await;
    assert_eq!(view["outcome"], "promoted", "{view}");
}
