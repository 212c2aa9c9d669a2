//! Two processes on one directory: a gateway and a controller.
//!
//! The other process is this same test, started again with a directory in its environment.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use model::resource::{Kind, Origin};
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;
use store::converge::{Convergence, wait_applied};
use store::{Expect, Report, SqliteStore, Store, StoreError, Write, lock};

const DIRECTORY: &str = "STORE_PROCESSES_DIRECTORY";
/// The watchers' fallback is a second, so that this many steps in this time can only be the bell.
const STEPS: u64 = 50;
const LIMIT: Duration = Duration::from_secs(20);

/// A process that does not outlive its test.
struct Other(Child);

impl Other {
    /// Starts `test` once more, in a process of its own.
    fn start(test: &str, dir: &Path) -> Other {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Other(command.args([test, "--exact", "--nocapture"]).env(DIRECTORY, dir).spawn().unwrap())
    }

    fn succeeded(&mut self) -> bool {
        self.0.wait().unwrap().success()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn put(n: u64) -> Write {
    let (kind, origin) = (Kind::Route, Origin::Api);
    Write::Put { kind, id: Some("r".to_owned()), value: json!({"n": n}), origin, expect: Expect::Any }
}

fn report(applied: u64) -> Report {
    let (instance, role) = ("gateway".to_owned(), "gateway".to_owned());
    Report { instance, role, applied: Some(applied), at_ms: 0, detail: json!({}) }
}

/// Reports every revision that it is told of, as a gateway does.
async fn gateway(dir: &Path) {
    let store = SqliteStore::open(dir).unwrap();
    let mut revisions = store.watch();
    let mut applied = 0;
    while applied < STEPS {
        store.report(report(applied)).await.unwrap();
        revisions.wait_for(|revision| *revision > applied).await.unwrap();
        let snapshot = store.snapshot().await.unwrap();
        assert_eq!(snapshot.resources[0].value["n"], snapshot.revision);
        applied = snapshot.revision;
    }
    store.report(report(applied)).await.unwrap();
}

#[tokio::test]
async fn a_commit_is_applied_in_another_process_without_waiting_for_the_fallback() {
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        return gateway(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let mut reports = store.watch_reports();
    let name = "a_commit_is_applied_in_another_process_without_waiting_for_the_fallback";
    let mut other = Other::start(name, dir.path());
    let stepping = async {
        reports.wait_for(|changes| *changes > 0).await.unwrap();
        for n in 1..=STEPS {
            let revision = store.commit(vec![put(n)], None).await.unwrap().revision;
            let ended = wait_applied(&store, revision, 1_000, || 0, LIMIT).await;
            assert!(matches!(ended, Convergence::Applied { instances: 1 }), "{ended:?}");
        }
    };
    tokio::time::timeout(LIMIT, stepping).await.unwrap();
    assert!(other.succeeded());
}

#[tokio::test]
async fn a_process_that_leaves_does_not_take_the_log_of_the_others_with_it() {
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        drop(SqliteStore::open(Path::new(&dir)).unwrap());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store.commit(vec![put(1)], None).await.unwrap();
    // A second store in this process must not loosen the first one's hold on the file.
    let second = SqliteStore::open(dir.path()).unwrap();
    let name = "a_process_that_leaves_does_not_take_the_log_of_the_others_with_it";
    assert!(Other::start(name, dir.path()).succeeded());
    assert!(dir.path().join("state.db-wal").exists());
    store.commit(vec![put(2)], None).await.unwrap();
    drop((store, second));
    let reopened = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(reopened.snapshot().await.unwrap().revision, 2);
}

#[test]
fn a_role_is_taken_by_one_process_and_free_after_its_end() {
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        let Err(StoreError::Locked { pid, .. }) = lock(Path::new(&dir), "gateway") else {
            panic!("the role is free");
        };
        assert_eq!(
            pid,
            rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs())
        );
        // Held at the end of this process, and so free after it.
        std::mem::forget(lock(Path::new(&dir), "controller").unwrap());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let _gateway = lock(dir.path(), "gateway").unwrap();
    let mut other = Other::start("a_role_is_taken_by_one_process_and_free_after_its_end", dir.path());
    assert!(other.succeeded());
    lock(dir.path(), "controller").unwrap();
}
