//! The embedded default: sqlite files in a data directory, shared by the processes of one machine.
//!
//! | file | what | on a crash |
//! |---|---|---|
//! | `state.db` | resources, journals, leases | all that was acknowledged is there |
//! | `live.db` | reports of running instances | begins empty |
//! | `state.bell`, `live.bell` | tell other processes of a commit | |
//! | `lock.open`, `lock.use` | who opens, who is alone | |
//!
//! Each database has a connection on a thread of its own, so that a report never waits for a commit's fsync and nothing
//! here ever blocks the async runtime; a third thread reads the counters when another process rings.

mod bell;
mod fault;
mod format;
mod live;
mod presence;
mod rows;
mod state;
mod watcher;
mod worker;

use crate::signals::Signals;
use crate::{Committed, JournalEntry, Lease, Report, Result, Snapshot, Store, Write, directory};
use async_trait::async_trait;
use bell::{Bell, FALLBACK, Listener};
use live::LiveFile;
use model::resource::{Kind, Resource, Revision};
use presence::{Opening, Presence};
use state::StateFile;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use watcher::Watcher;
use worker::Worker;

/// A durable store in a directory of a local file system (sqlite's log needs shared memory). Dropping it finishes what was begun and ends its threads.
#[derive(Debug)]
pub struct SqliteStore {
    // Dropped in this order: the files are closed before others may think that they are alone.
    state: Worker<StateFile>,
    live: Worker<LiveFile>,
    _listener: Listener,
    _presence: Presence,
    signals: Arc<Signals>,
}

impl SqliteStore {
    /// Opens the store in `dir`; makes the directory (0700) and the files (0600) that are not there, and migrates those
    /// of an older format, after a copy. Blocks for as long as that takes: call it at the start, not on the request path.
    ///
    /// # Errors
    /// [`crate::StoreError::Damaged`] and [`crate::StoreError::NewerFormat`] for files that cannot be used,
    /// [`crate::StoreError::InUse`] if a migration must wait, [`crate::StoreError::Backend`] if the directory is not
    /// writable.
    pub fn open(dir: &Path) -> Result<SqliteStore> {
        SqliteStore::open_listening(dir, FALLBACK)
    }

    /// Opens the store; `fallback` is how often to look for other processes' commits where no bell is heard.
    fn open_listening(dir: &Path, fallback: Duration) -> Result<SqliteStore> {
        directory::prepare(dir)?;
        let opening = Opening::begin(dir)?;
        let (state_path, live_path) = (dir.join("state.db"), dir.join("live.db"));
        let (state, revision, entries) = state::open(&state_path, opening.alone())?;
        let (live, changes) = live::open(&live_path, opening.alone())?;
        directory::sync(dir)?;

        let signals = Arc::new(Signals::new(revision, entries, changes));
        let (state_bell, live_bell) = (Bell::open(dir, "state.bell")?, Bell::open(dir, "live.bell")?);
        let mut watcher = Watcher::open(&state_path, &live_path, signals.clone())?;
        let listener = Listener::start(&[&state_bell, &live_bell], fallback, move || watcher.look())?;
        let failed = |error| directory::trouble(dir, "start a thread for it", error);
        let state = StateFile::new(state, state_path, signals.clone(), state_bell);
        let live = LiveFile::new(live, live_path, signals.clone(), live_bell);
        Ok(SqliteStore {
            state: Worker::start("store-state", state).map_err(failed)?,
            live: Worker::start("store-live", live).map_err(failed)?,
            _listener: listener,
            _presence: opening.done(),
            signals,
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Resource>>> {
        let id = id.to_owned();
        self.state.run(move |state| state.get(kind, &id)).await
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Arc<Resource>>> {
        self.state.run(move |state| state.list(kind)).await
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        self.state.run(StateFile::snapshot).await
    }

    async fn commit(&self, writes: Vec<Write>, fence: Option<(&str, u64)>) -> Result<Committed> {
        let fence = fence.map(|(lease, fence)| (lease.to_owned(), fence));
        self.state.run(move |state| state.commit(writes, fence)).await
    }

    fn watch(&self) -> watch::Receiver<Revision> {
        self.signals.watch_revision()
    }

    async fn append(&self, release: &str, lease: &str, fence: u64, entry: JournalEntry) -> Result<()> {
        let (release, lease) = (release.to_owned(), lease.to_owned());
        self.state.run(move |state| state.append(&release, &lease, fence, &entry)).await
    }

    async fn journal_after(&self, release: &str, seq: u64) -> Result<Vec<JournalEntry>> {
        let release = release.to_owned();
        self.state.run(move |state| state.journal_after(&release, seq)).await
    }

    async fn releases(&self) -> Result<Vec<String>> {
        self.state.run(|state| state.releases()).await
    }

    fn watch_journals(&self) -> watch::Receiver<u64> {
        self.signals.watch_journals()
    }

    async fn acquire(&self, name: &str, holder: &str, ttl_ms: u64, now_ms: i64) -> Result<Option<Lease>> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.state.run(move |state| state.acquire(&name, &holder, ttl_ms, now_ms)).await
    }

    async fn release_lease(&self, name: &str, fence: u64) -> Result<()> {
        let name = name.to_owned();
        self.state.run(move |state| state.release_lease(&name, fence)).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        let name = name.to_owned();
        self.state.run(move |state| state.lease(&name)).await
    }

    async fn report(&self, report: Report) -> Result<()> {
        self.live.run(move |live| live.report(&report)).await
    }

    async fn reports(&self) -> Result<Vec<Report>> {
        self.live.run(|live| live.reports()).await
    }

    async fn forget(&self, instance: &str) -> Result<()> {
        let instance = instance.to_owned();
        self.live.run(move |live| live.forget(&instance)).await
    }

    fn watch_reports(&self) -> watch::Receiver<u64> {
        self.signals.watch_reports()
    }
}

#[cfg(test)]
mod tests;
