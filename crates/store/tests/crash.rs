//! `kill -9` of a process that writes, at any moment: what it acknowledged is there, and nothing is there by half.
//!
//! The child is this same test, started again with a directory in its environment.
#![allow(clippy::unwrap_used, reason = "a test")]

use model::resource::{Kind, Origin};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use store::{Expect, JournalEntry, SqliteStore, Store, Write};

const TEST: &str = "kill_9_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_by_half";
const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";
const ROUNDS: usize = 12;

#[test]
fn kill_9_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_by_half() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        runtime.block_on(write_for_ever(Path::new(&dir)));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut killed_at = 0;
    for round in 0..ROUNDS {
        let acknowledged = killed(dir.path(), &mut random);
        assert!(acknowledged > killed_at, "round {round}: nothing was acknowledged");
        killed_at = runtime.block_on(verified(dir.path(), acknowledged));
    }
}

/// The child: writes `n` to two routes at once and then to the journal, and says so only when both are done.
async fn write_for_ever(dir: &Path) -> ! {
    let store = SqliteStore::open(dir).unwrap();
    // The former holder was killed; its lease is over when it says.
    let now_ms = store.lease("lease").await.unwrap().map_or(0, |former| former.expires_at_ms);
    let holder = std::process::id().to_string();
    let fence = store.acquire("lease", &holder, 1, now_ms).await.unwrap().unwrap().fence;
    let mut seq = u64::try_from(store.journal("r").await.unwrap().len()).unwrap();
    loop {
        seq += 1;
        let batch = vec![put("left", seq), put(&seq.to_string(), seq), put("right", seq)];
        store.commit(batch, Some(("lease", fence))).await.unwrap();
        let entry = JournalEntry { seq, body: seq.to_string() };
        store.append("r", "lease", fence, entry).await.unwrap();
        // Not `println!`, which the test harness keeps to itself.
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {seq}").unwrap();
        out.flush().unwrap();
    }
}

fn put(id: &str, n: u64) -> Write {
    let (kind, origin) = (Kind::Route, Origin::Api);
    Write::Put { kind, id: Some(id.to_owned()), value: json!({"n": n}), origin, expect: Expect::Any }
}

/// Starts the child, kills it at a random moment, and answers the last number that it acknowledged.
fn killed(dir: &Path, random: &mut TestRng) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let acknowledged = read_acknowledged(&mut child);
    // Some whole rounds, then any part of the next ones.
    let mut last = 0;
    for _ in 0..=random.next_u32() % 20 {
        last = acknowledged.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    let moment = Duration::from_micros(u64::from(random.next_u32() % 5_000));
    let (_silent, nothing) = channel::<()>();
    nothing.recv_timeout(moment).unwrap_err();
    child.kill().unwrap();
    assert!(child.wait().unwrap().code().is_none(), "it ended by the signal, not by itself");
    // What it said before it died counts as well.
    acknowledged.iter().last().unwrap_or(last)
}

fn read_acknowledged(child: &mut Child) -> Receiver<u64> {
    let (said, acknowledged) = channel();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|read| read > 0) {
            // The harness may have begun the line; a line that the kill has cut acknowledges nothing.
            let number = line.strip_suffix('\n').and_then(|whole| whole.split_once("acknowledged "));
            if let Some(n) = number.and_then(|(_, n)| n.parse().ok()) {
                let _ = said.send(n);
            }
            line.clear();
        }
    });
    acknowledged
}

/// Opens what the killed process left; answers how far it had come.
async fn verified(dir: &Path, acknowledged: u64) -> u64 {
    let store = SqliteStore::open(dir).unwrap();
    let journal = store.journal("r").await.unwrap();
    for (entry, seq) in journal.iter().zip(1..) {
        assert_eq!((entry.seq, &entry.body), (seq, &seq.to_string()));
    }
    let appended = u64::try_from(journal.len()).unwrap();
    let snapshot = store.snapshot().await.unwrap();
    let n = |id: &str| {
        let route = snapshot.resources.iter().find(|route| route.id == id);
        route.and_then(|route| route.value["n"].as_u64()).unwrap()
    };
    let committed = n("left");
    assert_eq!((n("right"), n(&committed.to_string())), (committed, committed), "a batch is there by half");
    assert_eq!(snapshot.resources.len() as u64, 2 + committed, "a batch is missing");
    assert!(appended >= acknowledged, "{acknowledged} was acknowledged, but the journal ends at {appended}");
    assert!(committed == appended || committed == appended + 1, "{committed} committed, {appended} appended");
    assert_eq!(*store.watch().borrow(), snapshot.revision);
    appended
}
