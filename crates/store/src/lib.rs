//! Desired state: resources under one revision counter, journals, leases and reports of instances.
//!
//! One trait, [`Store`], and one conformance suite that every implementation passes. The request path never waits
//! for a store; it is told of changes.
#![forbid(unsafe_code)]

use async_trait::async_trait;
use model::resource::{Kind, Origin, Resource, Revision};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

/// Everything at one revision, consistent.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The revision.
    pub revision: Revision,
    /// All resources, sorted by kind and then by `created`.
    pub resources: Vec<Arc<Resource>>,
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// The resource does not exist.
    Absent,
    /// The resource exists and its `modified` is this.
    Modified(Revision),
}

/// One write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Creates or replaces.
    Put {
        /// What.
        kind: Kind,
        /// Which; `None`: the store makes an id of the batch's revision, 20 digits, zero-padded.
        id: Option<String>,
        /// The JSON; the store sets `id` in it.
        value: Value,
        /// Whose it is.
        origin: Origin,
        /// The condition.
        expect: Expect,
    },
    /// Deletes; an absent resource is a conflict unless `expect` is `Any`.
    Delete {
        /// What.
        kind: Kind,
        /// Which.
        id: String,
        /// The condition.
        expect: Expect,
    },
}

/// What a batch of writes did.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The one revision of the batch.
    pub revision: Revision,
    /// For each write, in order: the resource as it is now, `None` for a deleted one.
    pub resources: Vec<Option<Arc<Resource>>>,
}

/// One entry of a release's journal. The store does not look inside; the chain of hashes is the release path's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// 1 for the first entry of a release, then one more for each.
    pub seq: u64,
    /// The JSON text exactly as it was hashed.
    pub body: String,
}

/// A lease that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Grows with every change of holder; writes with a smaller one are refused.
    pub fence: u64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
}

/// What a running instance says of itself. Kept only for the living; need not survive a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Unique per start of a process.
    pub instance: String,
    /// `gateway`, `controller` or `all`.
    pub role: String,
    /// The revision that every thread of its gateway runs; `None` if it runs no gateway.
    pub applied: Option<Revision>,
    /// When it was written, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Counters and what else the instance has to say.
    pub detail: Value,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The condition of a write does not hold.
    #[error("value changed before overwritten: {collection}/{id}")]
    Conflict {
        /// The kind's collection name.
        collection: &'static str,
        /// Which.
        id: String,
        /// Its `modified` now; `None` if it does not exist.
        found: Option<Revision>,
    },
    /// The journal has another head than expected.
    #[error("journal of release {release}: expected entry {expected} to be next, but {found} is")]
    JournalHead {
        /// Whose journal.
        release: String,
        /// What the caller thought comes next.
        expected: u64,
        /// What does.
        found: u64,
    },
    /// Someone else took over.
    #[error("lease {name} was taken over: fence {fence} is older than {current}")]
    Fenced {
        /// Which lease.
        name: String,
        /// The caller's.
        fence: u64,
        /// The current one.
        current: u64,
    },
    /// The file is not a store, or damaged.
    #[error("store {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What was found.
        what: String,
    },
    /// The file was written by a newer Tealgate.
    #[error("store {path} has format {found}, but this version reads only up to {supported}; use a newer tealgate")]
    NewerFormat {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// The disk, the lock, the library.
    #[error("store {path}: {source}")]
    Backend {
        /// The file, or `memory`.
        path: String,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store was shut down.
    #[error("store is closed")]
    Closed,
}

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Desired state. Every operation is atomic; what was acknowledged survives `kill -9` in durable stores.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// One resource.
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Resource>>>;
    /// All of one kind, sorted by `created`.
    async fn list(&self, kind: Kind) -> Result<Vec<Arc<Resource>>>;
    /// Everything, consistent at one revision.
    async fn snapshot(&self) -> Result<Snapshot>;
    /// Writes all or nothing; one revision for the whole batch. `fence`, if given, must be that lease's current one.
    async fn commit(&self, writes: Vec<Write>, fence: Option<(&str, u64)>) -> Result<Committed>;
    /// The newest revision, told after it is durable. Level-triggered: look at it, then read.
    fn watch(&self) -> watch::Receiver<Revision>;

    /// Appends to a release's journal, durably. `entry.seq` must be the next one and `fence` the current one of the
    /// lease `lease`.
    async fn append(&self, release: &str, lease: &str, fence: u64, entry: JournalEntry) -> Result<()>;
    /// A release's journal, in order; empty if there is none.
    async fn journal(&self, release: &str) -> Result<Vec<JournalEntry>>;
    /// The ids of all releases that have a journal, in the order of their first entries.
    async fn releases(&self) -> Result<Vec<String>>;
    /// Counts changes of journals, over all releases; level-triggered as [`Store::watch`].
    fn watch_journals(&self) -> watch::Receiver<u64>;

    /// Takes a lease that is free, expired at `now_ms`, or already `holder`'s (then it is renewed, same fence).
    /// `Ok(None)`: someone else holds it.
    async fn acquire(&self, name: &str, holder: &str, ttl_ms: u64, now_ms: i64) -> Result<Option<Lease>>;
    /// Gives a lease back, if it is still the caller's.
    async fn release_lease(&self, name: &str, fence: u64) -> Result<()>;
    /// Who holds a lease, whether expired or not.
    async fn lease(&self, name: &str) -> Result<Option<Lease>>;

    /// Replaces this instance's report; not durable.
    async fn report(&self, report: Report) -> Result<()>;
    /// The reports of all instances, also of dead ones that were not yet forgotten; `at_ms` says how old each is.
    async fn reports(&self) -> Result<Vec<Report>>;
    /// Forgets an instance (clean shutdown).
    async fn forget(&self, instance: &str) -> Result<()>;
    /// Counts changes of reports; level-triggered as [`Store::watch`].
    fn watch_reports(&self) -> watch::Receiver<u64>;
}
