//! What running instances say of themselves.

use model::resource::Revision;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A report this much older than a newcomer's is of a dead instance that nobody asks about any more.
pub(crate) const KEEP_REPORTS_MS: i64 = 3_600_000;

/// How many reports are kept, newest first; far more than the processes that can share a store.
pub(crate) const MAX_REPORTS: usize = 1_024;

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
