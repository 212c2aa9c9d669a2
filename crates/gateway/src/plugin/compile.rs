//! What a plugin is compiled with.

use model::resource::{Kind, Resource};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// Where a configuration stands, and what its instance may use.
#[derive(Debug)]
pub struct Build<'a> {
    pub(super) owner: &'a Resource,
    pub(super) shared: &'a mut Shared,
}

impl Build<'_> {
    /// The resource that holds the configuration, as APISIX's key of it: `/routes/1`.
    #[must_use]
    pub fn resource_key(&self) -> String {
        format!("/{}/{}", self.owner.kind.collection(), self.owner.id)
    }

    /// How many keys (addresses, consumers) all limits together may count by at a time.
    #[must_use]
    pub fn most_keys(&self) -> usize {
        self.shared.most_keys
    }

    /// Whether it is a consumer or a credential that holds the configuration.
    pub(super) fn is_of_consumer(&self) -> bool {
        matches!(self.owner.kind, Kind::Consumer | Kind::Credential)
    }

    /// What all instances of one gateway share, through all its tables: made when it is first asked for.
    pub fn shared<T: Any + Send + Sync>(&mut self, make: impl FnOnce() -> T) -> Arc<T> {
        let any = self.shared.by_type.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make()));
        match Arc::clone(any).downcast() {
            Ok(shared) => shared,
            // An entry is of the type that it is named by.
            Err(_) => unreachable!("an entry of another type"),
        }
    }
}

/// What instances share, by type.
#[derive(Debug, Default)]
pub struct Shared {
    by_type: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    most_keys: usize,
}

impl Shared {
    /// Nothing yet; at most so many keys may be counted by.
    pub(crate) fn new(most_keys: usize) -> Shared {
        Shared { by_type: HashMap::new(), most_keys }
    }
}
