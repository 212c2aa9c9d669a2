//! What can go wrong in a store.

use model::resource::Revision;

/// What can go wrong. The first three are answers; the others are troubles of the file or the process.
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
    /// Someone else took over, or the lease was given back.
    #[error("lease {name} is no longer held with fence {fence}: its fence is {current} now")]
    Fenced {
        /// Which lease.
        name: String,
        /// The caller's.
        fence: u64,
        /// The current one; 0 if nobody ever took the lease.
        current: u64,
    },
    /// The file is not a store, or damaged.
    #[error("store {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What was found, and what to do.
        what: String,
    },
    /// The file was written by a newer Tealgate.
    #[error(
        "store {path} has format {found}, but this version reads only up to {supported}; use a newer tealgate"
    )]
    NewerFormat {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// The file must be migrated, but a process of an older Tealgate has it open.
    #[error(
        "store {path} has format {found} and must be migrated to {supported}, but another process has it open; \
         stop the older tealgate first"
    )]
    InUse {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// Another process has this role on this directory.
    #[error(
        "data directory {path} is locked: another tealgate{} runs there as {role}; \
         stop it, or use another --data-dir", pid_text(.pid)
    )]
    Locked {
        /// The directory.
        path: String,
        /// The role that is taken: `gateway` or `controller`.
        role: String,
        /// The holder's process id; `None` if it could not be read.
        pid: Option<u32>,
    },
    /// The disk, the lock, the library.
    #[error("store {path}: cannot {action}")]
    Backend {
        /// The file or directory.
        path: String,
        /// What was tried: `open it`, `write to it`.
        action: &'static str,
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

fn pid_text(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}
