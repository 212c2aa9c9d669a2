//! An entry of a release's journal, as the store sees it: a number and a text.

use serde::{Deserialize, Serialize};

/// One entry of a release's journal. The store does not look inside; the chain of hashes is the release path's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// 1 for the first entry of a release, then one more for each.
    pub seq: u64,
    /// The JSON text exactly as it was hashed.
    pub body: String,
}
