//! Everything a store holds of resources, at one revision.

use model::resource::{Resource, Revision};
use std::sync::Arc;

/// Everything at one revision, consistent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The revision.
    pub revision: Revision,
    /// All resources, sorted by kind and then by `created`.
    pub resources: Vec<Arc<Resource>>,
}
