//! Desired state: resources under one revision counter, journals, leases and reports of instances.
//!
//! One trait, [`Store`], and one conformance suite (`tests/conformance`) that every implementation passes. The two
//! paths of Tealgate meet here: the release path and the Admin API write, the gateway is told and reads. The request
//! path itself never waits for a store.
//!
//! * [`MemoryStore`]: for tests, and for running without a data directory.
//! * [`SqliteStore`]: the embedded default; durable, and shared by several processes on one machine.
//! * [`secret`]: the key file beside the store, by which secrets are sealed before they are written.
//!
//! What a store does not do: it does not know what a resource means, who may write it, or when something happened
//! (`now` is always an argument), and it never looks inside a journal entry.
#![forbid(unsafe_code)]

mod batch;
mod catalog;
mod clock;
pub mod converge;
mod directory;
mod error;
mod journal;
mod lease;
mod memory;
mod report;
pub mod secret;
mod signals;
mod snapshot;
mod sqlite;

pub use batch::{Committed, Expect, Write};
pub use directory::{DirectoryLock, lock};
pub use error::{Result, StoreError};
pub use journal::JournalEntry;
pub use lease::Lease;
pub use memory::MemoryStore;
pub use report::Report;
pub use snapshot::Snapshot;
pub use sqlite::SqliteStore;

use async_trait::async_trait;
use model::resource::{Kind, Resource, Revision};
use std::sync::Arc;
use tokio::sync::watch;

/// Desired state. Every operation is atomic; what was acknowledged survives `kill -9` and, in durable stores, a loss
/// of power.
///
/// A caller that drops the future of a write does not know whether the write happened: read, then decide.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// One resource.
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Resource>>>;
    /// All of one kind, sorted by `created`; those of one batch in the order of its writes.
    async fn list(&self, kind: Kind) -> Result<Vec<Arc<Resource>>>;
    /// Everything, consistent at one revision. What has not changed since an earlier snapshot is the same `Arc`, so
    /// that a reader can rebuild only what has.
    async fn snapshot(&self) -> Result<Snapshot>;
    /// Writes all or nothing; one revision for the whole batch, and each write sees those before it. A `Put` that
    /// changes nothing still takes the new revision. An empty batch writes nothing and answers the current revision.
    /// `fence`, if given, names a lease and must be its current fence.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] and [`StoreError::Fenced`]; nothing was written then.
    async fn commit(&self, writes: Vec<Write>, fence: Option<(&str, u64)>) -> Result<Committed>;
    /// The newest revision, told after it is durable. Level-triggered: look at it, then read.
    fn watch(&self) -> watch::Receiver<Revision>;

    /// Appends to a release's journal, durably. `entry.seq` must be the next one and `fence` the current one of the
    /// lease `lease`.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] (checked first) and [`StoreError::JournalHead`]; nothing was written then.
    async fn append(&self, release: &str, lease: &str, fence: u64, entry: JournalEntry) -> Result<()>;
    /// A release's journal, in order; empty if there is none.
    async fn journal(&self, release: &str) -> Result<Vec<JournalEntry>> {
        self.journal_after(release, 0).await
    }
    /// The entries of a release's journal behind entry `seq`, in order. What was read before is not read again.
    async fn journal_after(&self, release: &str, seq: u64) -> Result<Vec<JournalEntry>>;
    /// The ids of all releases that have a journal, in the order of their first entries.
    async fn releases(&self) -> Result<Vec<String>>;
    /// Counts the entries of all journals; level-triggered as [`Store::watch`].
    fn watch_journals(&self) -> watch::Receiver<u64>;

    /// Takes a lease that is free, expired at `now_ms`, or already `holder`'s (then it is renewed, same fence).
    /// `Ok(None)`: someone else holds it.
    async fn acquire(&self, name: &str, holder: &str, ttl_ms: u64, now_ms: i64) -> Result<Option<Lease>>;
    /// Gives a lease back, if it is still the caller's; the fence moves on, so that late writes are refused.
    async fn release_lease(&self, name: &str, fence: u64) -> Result<()>;
    /// Who holds a lease, whether expired or not; `None` if nobody took it or it was given back.
    async fn lease(&self, name: &str) -> Result<Option<Lease>>;

    /// Replaces this instance's report; not durable. The first report of an instance also forgets those that are an
    /// hour older than it, and the oldest beyond 1,024.
    async fn report(&self, report: Report) -> Result<()>;
    /// The reports of all instances, sorted by `instance`; also of dead ones that were not yet forgotten: `at_ms`
    /// says how old each is.
    async fn reports(&self) -> Result<Vec<Report>>;
    /// Forgets an instance (clean shutdown).
    async fn forget(&self, instance: &str) -> Result<()>;
    /// Counts changes of reports; level-triggered as [`Store::watch`].
    fn watch_reports(&self) -> watch::Receiver<u64>;
}
