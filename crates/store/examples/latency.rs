//! Measures the sqlite store on this disk: `cargo run --release -p store --example latency [DIRECTORY]`.
//!
//! Prints microseconds: commit (with its fsync), report, a snapshot of 10,000 routes, and how long after the caller had
//! the answer to a commit another process was told of it (less than nothing: before it), and had read it.
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use model::resource::{Kind, Origin};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use store::{Expect, Report, SqliteStore, Store, Write};

const OTHER: &str = "--other-process";
const ROUNDS: u64 = 1_000;
const ROUTES: u64 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let temporary = tempfile::tempdir().unwrap();
    match (arguments.next(), arguments.next()) {
        (Some(other), Some(dir)) if other == OTHER => listen(Path::new(&dir)).await,
        (Some(dir), _) => measure(&tempfile::tempdir_in(dir).unwrap()).await,
        (None, _) => measure(&temporary).await,
    }
}

async fn measure(dir: &tempfile::TempDir) {
    let store = SqliteStore::open(dir.path()).unwrap();
    let mut commits = Vec::new();
    for n in 0..ROUNDS {
        let begin = now_ns();
        store.commit(vec![put("r", n)], None).await.unwrap();
        commits.push(now_ns() - begin);
    }
    print("commit", commits);

    let mut reports = Vec::new();
    for n in 0..ROUNDS {
        let begin = now_ns();
        store.report(report(n)).await.unwrap();
        reports.push(now_ns() - begin);
    }
    print("report", reports);

    let mut snapshots = Vec::new();
    store.commit((0..ROUTES).map(|n| put(&n.to_string(), n)).collect(), None).await.unwrap();
    for _ in 0..100 {
        let begin = now_ns();
        store.snapshot().await.unwrap();
        snapshots.push(now_ns() - begin);
    }
    print("snapshot of 10,000 routes", snapshots);
    hear(dir.path(), &store).await;
}

/// Commits, and asks another process when it was told.
async fn hear(dir: &Path, store: &SqliteStore) {
    let mut other = Command::new(std::env::current_exe().unwrap());
    let mut other = other.arg(OTHER).arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("listening"));
    let (mut told, mut read) = (Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        store.commit(vec![put("r", n)], None).await.unwrap();
        let acknowledged = now_ns();
        let line = lines.next().unwrap();
        let (at_told, at_read) = line.split_once(' ').unwrap();
        told.push(at_told.parse::<i64>().unwrap() - acknowledged);
        read.push(at_read.parse::<i64>().unwrap() - acknowledged);
    }
    other.wait().unwrap();
    print("told in another process", told);
    print("read in another process", read);
}

/// The other process: says when it was told of each revision, and when it had read it. Ends with its reader.
async fn listen(dir: &Path) {
    let store = SqliteStore::open(dir).unwrap();
    let mut revisions = store.watch();
    println!("listening");
    for _ in 0..ROUNDS {
        revisions.changed().await.unwrap();
        let told = now_ns();
        store.snapshot().await.unwrap();
        println!("{told} {}", now_ns());
    }
}

fn put(id: &str, n: u64) -> Write {
    let value =
        json!({"uri": format!("/{n}"), "upstream": {"type": "roundrobin", "nodes": {"127.0.0.1:1980": 1}}});
    Write::Put { kind: Kind::Route, id: Some(id.to_owned()), value, origin: Origin::Api, expect: Expect::Any }
}

fn report(n: u64) -> Report {
    let (instance, role, at_ms) = ("i".to_owned(), "gateway".to_owned(), n.try_into().unwrap());
    Report { instance, role, applied: Some(n), at_ms, detail: json!({"requests": n}) }
}

/// The same in all processes.
fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn print(what: &str, mut nanoseconds: Vec<i64>) {
    nanoseconds.sort_unstable();
    let at = |share: usize| nanoseconds[(nanoseconds.len() - 1) * share / 100] / 1_000;
    println!("{what:28} p50 {:6}  p99 {:6}  max {:6} µs", at(50), at(99), at(100));
}
