//! What is written, under which condition, and what came of it.

use model::resource::{Kind, Origin, Resource, Revision};
use serde_json::Value;
use std::sync::Arc;

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
    /// Creates or replaces; `created` stays over a replacement.
    Put {
        /// What.
        kind: Kind,
        /// Which. `None`: the store makes an id of the batch's revision, 20 digits, zero-padded, as APISIX does for a
        /// POST. A made id never replaces anything (a taken one is a conflict), so a batch may leave out one id of
        /// each kind.
        id: Option<String>,
        /// The JSON; the store sets `id` in it, if it is an object, and nothing else.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The one revision of the batch.
    pub revision: Revision,
    /// For each write, in order: the resource as that write left it, `None` for a deleted one.
    pub resources: Vec<Option<Arc<Resource>>>,
}
