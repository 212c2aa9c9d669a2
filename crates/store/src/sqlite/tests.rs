//! What only this store promises: it lasts, it is shared by processes, and a damaged file is an error, not a panic.

use super::*;
use crate::{Expect, StoreError};
use model::resource::Origin;
use proptest::prelude::*;
use rustix::fs::{Gid, Uid};
use serde_json::json;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

const NEVER: Duration = Duration::from_secs(3_600);
/// Longer than any test that passes waits.
const LIMIT: Duration = Duration::from_secs(10);

fn put(id: &str, n: u64) -> Write {
    let (kind, origin) = (Kind::Route, Origin::Api);
    Write::Put { kind, id: Some(id.to_owned()), value: json!({"n": n}), origin, expect: Expect::Any }
}

/// Waits until a watch has something new, which must come.
async fn told(watch: &mut watch::Receiver<u64>) -> u64 {
    tokio::time::timeout(LIMIT, watch.changed()).await.unwrap().unwrap();
    *watch.borrow_and_update()
}

fn report(instance: &str, applied: u64) -> Report {
    let (instance, role) = (instance.to_owned(), "gateway".to_owned());
    Report { instance, role, applied: Some(applied), at_ms: 0, detail: json!({}) }
}

#[tokio::test]
async fn a_reopened_store_has_all_but_the_reports() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let lease = store.acquire("l", "a", 5, 0).await.unwrap().unwrap();
    let entry = JournalEntry { seq: 1, body: "{}".to_owned() };
    store.append("r", "l", lease.fence, entry.clone()).await.unwrap();
    store.commit(vec![put("a", 1), put("b", 2)], None).await.unwrap();
    store.report(report("i", 1)).await.unwrap();
    let before = store.snapshot().await.unwrap();
    drop(store);

    let store = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(store.snapshot().await.unwrap(), before);
    assert_eq!((*store.watch().borrow(), *store.watch_journals().borrow()), (1, 1));
    assert_eq!(store.journal("r").await.unwrap(), [entry]);
    assert_eq!(store.lease("l").await.unwrap().as_ref(), Some(&lease));
    assert_eq!(store.acquire("l", "b", 5, 5).await.unwrap().unwrap().fence, lease.fence + 1);
    assert_eq!(store.reports().await.unwrap(), []);
}

#[tokio::test]
async fn reports_stay_while_anyone_has_the_store_open() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = SqliteStore::open(dir.path()).unwrap();
    gateway.report(report("i", 1)).await.unwrap();
    let controller = SqliteStore::open(dir.path()).unwrap();
    drop(gateway);
    assert_eq!(controller.reports().await.unwrap(), [report("i", 1)]);
}

#[tokio::test]
async fn what_one_commits_the_other_is_told_by_the_bell() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = SqliteStore::open_listening(dir.path(), NEVER).unwrap();
    let controller = SqliteStore::open_listening(dir.path(), NEVER).unwrap();
    let (mut revisions, mut journals, mut reports) =
        (gateway.watch(), gateway.watch_journals(), controller.watch_reports());

    let committed = controller.commit(vec![put("a", 1)], None).await.unwrap();
    assert_eq!(told(&mut revisions).await, 1);
    assert_eq!(gateway.get(Kind::Route, "a").await.unwrap(), committed.resources[0]);

    gateway.report(report("i", 1)).await.unwrap();
    assert_eq!(told(&mut reports).await, 1);
    assert_eq!(controller.reports().await.unwrap(), [report("i", 1)]);

    let fence = controller.acquire("l", "c", 5, 0).await.unwrap().unwrap().fence;
    controller.append("r", "l", fence, JournalEntry { seq: 1, body: "{}".to_owned() }).await.unwrap();
    assert_eq!(told(&mut journals).await, 1);
    assert_eq!(gateway.releases().await.unwrap(), ["r"]);
}

#[tokio::test]
async fn a_bell_that_nobody_hears_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = SqliteStore::open_listening(dir.path(), Duration::from_millis(5)).unwrap();
    for bell in ["state.bell", "live.bell"] {
        std::fs::remove_file(dir.path().join(bell)).unwrap();
    }
    let controller = SqliteStore::open(dir.path()).unwrap();
    let mut revisions = gateway.watch();
    controller.commit(vec![put("a", 1)], None).await.unwrap();
    assert_eq!(told(&mut revisions).await, 1);
}

#[tokio::test]
async fn a_revision_is_told_only_after_it_can_be_read_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
    let mut revisions = store.watch();
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for n in 0..20 {
            writer.commit(vec![put("a", n)], None).await.unwrap();
        }
    });
    let path = dir.path().join("state.db");
    while *revisions.borrow() < 20 {
        let told = told(&mut revisions).await;
        let (durable, _) = state::counters(&format::reopen(&path).unwrap(), &path).unwrap();
        assert!(durable >= told);
    }
    writing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_through_two_stores_on_one_directory_lose_no_update() {
    async fn increment(store: Arc<SqliteStore>) {
        for _ in 0..10 {
            loop {
                let current = store.get(Kind::Route, "a").await.unwrap().unwrap();
                let n = current.value["n"].as_u64().unwrap();
                let write = Write::Put {
                    kind: Kind::Route,
                    id: Some("a".to_owned()),
                    value: json!({"n": n + 1}),
                    origin: Origin::Api,
                    expect: Expect::Modified(current.modified),
                };
                match store.commit(vec![write], None).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let stores = [(); 2].map(|()| Arc::new(SqliteStore::open(dir.path()).unwrap()));
    stores[0].commit(vec![put("a", 0)], None).await.unwrap();
    let tasks: Vec<_> = (0..6).map(|n| tokio::spawn(increment(stores[n % 2].clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counter = stores[0].get(Kind::Route, "a").await.unwrap().unwrap();
    assert_eq!((counter.value["n"].as_u64(), counter.modified), (Some(60), 61));
}

#[tokio::test]
async fn the_directory_and_all_its_files_are_private() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let store = SqliteStore::open(&dir).unwrap();
    store.commit(vec![put("a", 1)], None).await.unwrap();
    store.report(report("i", 1)).await.unwrap();
    assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap()) {
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600, "{file:?}");
        names.push(file.file_name().into_string().unwrap());
    }
    for name in ["state.db", "state.db-wal", "live.db", "live.db-wal"] {
        assert!(names.iter().any(|is| is == name), "{name} is not in {names:?}");
    }
}

#[test]
fn a_damaged_live_file_is_thrown_away_by_the_first_to_open() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["live.db", "live.db-wal"] {
        std::fs::write(dir.path().join(name), "rubbish".repeat(1_000)).unwrap();
    }
    SqliteStore::open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_resource_that_is_no_json_is_damage_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store.commit(vec![put("a", 1)], None).await.unwrap();
    drop(store);
    let path = dir.path().join("state.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE resources SET value = '{\"n\":'", []).unwrap();
    drop(connection);
    let store = SqliteStore::open(dir.path()).unwrap();
    let error = store.snapshot().await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(error.to_string().contains("the JSON") && error.to_string().contains("routes/a"), "{error}");
}

/// Opens a store as a user that file permissions hold for, which they do not for root.
fn open_as_nobody(dir: &Path) -> Result<()> {
    const NOBODY: u32 = 65_534;
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                // Of this thread only.
                let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
                rustix::thread::set_thread_res_gid(group, group, group).unwrap();
                rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            }
            SqliteStore::open(dir).map(drop)
        });
        opening.join().unwrap()
    })
}

#[test]
fn a_directory_or_file_that_is_not_writable_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o555)).unwrap();
    let error = open_as_nobody(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Backend { path, .. } if path.starts_with(dir.path().to_str().unwrap()))
    );

    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    open_as_nobody(dir.path()).unwrap();
    let state = dir.path().join("state.db");
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o444)).unwrap();
    let error = open_as_nobody(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Backend { path, action: "write to it", .. } if Path::new(path) == state)
    );
}

#[test]
fn a_directory_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Backend { path: named, .. } if Path::new(&named) == path));
}

/// A store with some of everything in it. While it is open, all of that is in the log.
async fn filled(dir: &Path) -> SqliteStore {
    let store = SqliteStore::open(dir).unwrap();
    let fence = store.acquire("l", "a", 5, 0).await.unwrap().unwrap().fence;
    store.commit((0..40).map(|n| put(&n.to_string(), n)).collect(), None).await.unwrap();
    for seq in 1..=10 {
        store.append("r", "l", fence, JournalEntry { seq, body: "{}".repeat(200) }).await.unwrap();
    }
    store
}

/// Does everything that reads and writes; a panic in a job would be [`StoreError::Closed`].
async fn exercise(dir: &Path) -> Result<()> {
    let store = SqliteStore::open(dir)?;
    store.snapshot().await?;
    store.journal("r").await?;
    store.releases().await?;
    let lease = store.acquire("l", "a", 5, 0).await?;
    store.commit(vec![put("0", 7)], lease.map(|lease| lease.fence).map(|fence| ("l", fence))).await?;
    Ok(())
}

/// The files of a store, as they were left by its end (`state.db`) or by the end of its process (the log as well).
type Remains = Vec<(&'static str, Vec<u8>)>;

async fn remains() -> [Remains; 2] {
    let dir = tempfile::tempdir().unwrap();
    let read = |name| (name, std::fs::read(dir.path().join(name)).unwrap());
    let store = filled(dir.path()).await;
    let killed = vec![read("state.db-wal"), read("state.db")];
    drop(store);
    [killed, vec![read("state.db")]]
}

#[test]
fn no_damage_to_the_files_is_a_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let remains = runtime.block_on(remains());
    let bytes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    let damage = (0..remains.len(), bytes, prop::option::of(any::<prop::sample::Index>()));
    proptest!(ProptestConfig::with_cases(96), |((which, bytes, cut) in damage)| {
        let dir = tempfile::tempdir().unwrap();
        let mut remains = remains[which].clone();
        let (_, damaged) = &mut remains[0];
        for (place, byte) in bytes {
            let place = place.index(damaged.len());
            damaged[place] = byte;
        }
        if let Some(cut) = cut {
            damaged.truncate(cut.index(damaged.len()));
        }
        for (name, content) in remains {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let outcome = runtime.block_on(exercise(dir.path()));
        prop_assert!(!matches!(outcome, Err(StoreError::Closed)), "a job has panicked");
    });
}

#[tokio::test]
async fn a_log_without_its_end_loses_the_end_only() {
    let [killed, _] = remains().await;
    let dir = tempfile::tempdir().unwrap();
    for (name, mut content) in killed {
        if name == "state.db-wal" {
            content.pop();
        }
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let store = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(store.snapshot().await.unwrap().resources.len(), 40);
    assert_eq!(store.journal("r").await.unwrap().len(), 9, "the append that was cut is gone as a whole");
}
