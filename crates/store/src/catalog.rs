//! The resources in memory: lookup by id, order by age, and the one place where a batch is judged.
//!
//! The memory store *is* a catalog; the sqlite store keeps one as its read side, so that a snapshot of ten thousand
//! routes costs no JSON parsing and shares every unchanged resource with the snapshot before it. Planning is apart from
//! applying because a durable store writes to disk in between.

use crate::{Committed, Expect, Result, Snapshot, StoreError, Write};
use model::resource::{Kind, Origin, Resource, Revision};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where a resource stands among those of its kind: the batch that created it, then its place in that batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) created: Revision,
    pub(crate) position: u32,
}

/// A resource and its place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) resource: Arc<Resource>,
}

/// The resources at one revision.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    revision: Revision,
    shelves: BTreeMap<Kind, Shelf>,
}

/// The resources of one kind.
#[derive(Debug, Default)]
struct Shelf {
    places: HashMap<String, Place>,
    resources: BTreeMap<Place, Arc<Resource>>,
}

/// What a batch leaves of each resource that it touches: `None` is deleted.
pub(crate) type Changes = BTreeMap<(Kind, String), Option<Entry>>;

/// A batch that may happen, and all that it changes.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) changes: Changes,
    pub(crate) committed: Committed,
}

impl Catalog {
    /// The revision of the last change.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// How many resources there are, of all kinds.
    pub(crate) fn len(&self) -> usize {
        self.shelves.values().map(|shelf| shelf.resources.len()).sum()
    }

    /// One resource.
    pub(crate) fn get(&self, kind: Kind, id: &str) -> Option<Arc<Resource>> {
        self.entry(kind, id).map(|entry| entry.resource)
    }

    /// All of one kind, by age.
    pub(crate) fn list(&self, kind: Kind) -> Vec<Arc<Resource>> {
        self.shelves.get(&kind).map_or_else(Vec::new, |shelf| shelf.resources.values().cloned().collect())
    }

    /// Everything, by kind and age.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let resources = self.shelves.values().flat_map(|shelf| shelf.resources.values().cloned()).collect();
        Snapshot { revision: self.revision, resources }
    }

    /// Judges a batch against what is here, changing nothing.
    pub(crate) fn plan(&self, writes: Vec<Write>) -> Result<Planned> {
        let mut plan = Plan {
            catalog: self,
            revision: self.revision + u64::from(!writes.is_empty()),
            changes: Changes::new(),
        };
        let resources = writes.into_iter().zip(0..).map(|(write, position)| plan.write(write, position));
        let resources = resources.collect::<Result<Vec<_>>>()?;
        let committed = Committed { revision: plan.revision, resources };
        Ok(Planned { changes: plan.changes, committed })
    }

    /// Makes a planned batch, or what another process changed, true here.
    pub(crate) fn apply(&mut self, revision: Revision, changes: Changes) {
        for ((kind, id), entry) in changes {
            let shelf = self.shelves.entry(kind).or_default();
            if let Some(place) = shelf.places.remove(&id) {
                shelf.resources.remove(&place);
            }
            if let Some(Entry { place, resource }) = entry {
                shelf.places.insert(id, place);
                shelf.resources.insert(place, resource);
            }
        }
        self.revision = revision;
    }

    /// Forgets every resource for which `keep` says no.
    pub(crate) fn retain(&mut self, keep: impl Fn(Kind, &str) -> bool) {
        for (kind, shelf) in &mut self.shelves {
            shelf.places.retain(|id, _| keep(*kind, id));
            shelf.resources.retain(|_, resource| keep(*kind, &resource.id));
        }
    }

    fn entry(&self, kind: Kind, id: &str) -> Option<Entry> {
        let shelf = self.shelves.get(&kind)?;
        let place = *shelf.places.get(id)?;
        Some(Entry { place, resource: shelf.resources.get(&place)?.clone() })
    }
}

/// A batch in the middle of being judged.
struct Plan<'a> {
    catalog: &'a Catalog,
    revision: Revision,
    changes: Changes,
}

impl Plan<'_> {
    fn write(&mut self, write: Write, position: u32) -> Result<Option<Arc<Resource>>> {
        match write {
            Write::Put { kind, id, value, origin, expect } => {
                let (id, expect) = match id {
                    Some(id) => (id, expect),
                    None => (format!("{:020}", self.revision), Expect::Absent),
                };
                let before = self.current(kind, &id);
                check(kind, &id, before.as_ref(), expect)?;
                let place = before.map_or(Place { created: self.revision, position }, |entry| entry.place);
                let resource = Arc::new(self.resource(kind, &id, value, origin, place.created));
                self.changes.insert((kind, id), Some(Entry { place, resource: resource.clone() }));
                Ok(Some(resource))
            }
            Write::Delete { kind, id, expect } => {
                let before = self.current(kind, &id);
                match (&before, expect) {
                    (None, Expect::Any) => {}
                    (None, _) | (Some(_), Expect::Absent) => {
                        return Err(conflict(kind, &id, before.as_ref()));
                    }
                    (Some(_), _) => check(kind, &id, before.as_ref(), expect)?,
                }
                self.changes.insert((kind, id), None);
                Ok(None)
            }
        }
    }

    fn current(&self, kind: Kind, id: &str) -> Option<Entry> {
        // The key must own its id: batches are small, and the catalog itself is asked without a copy.
        match self.changes.get(&(kind, id.to_owned())) {
            Some(changed) => changed.clone(),
            None => self.catalog.entry(kind, id),
        }
    }

    fn resource(
        &self,
        kind: Kind,
        id: &str,
        mut value: Value,
        origin: Origin,
        created: Revision,
    ) -> Resource {
        if let Some(object) = value.as_object_mut() {
            object.insert("id".to_owned(), Value::from(id));
        }
        Resource { kind, id: id.to_owned(), value: Arc::new(value), origin, created, modified: self.revision }
    }
}

fn check(kind: Kind, id: &str, found: Option<&Entry>, expect: Expect) -> Result<()> {
    let holds = match expect {
        Expect::Any => true,
        Expect::Absent => found.is_none(),
        Expect::Modified(revision) => found.is_some_and(|entry| entry.resource.modified == revision),
    };
    if holds { Ok(()) } else { Err(conflict(kind, id, found)) }
}

fn conflict(kind: Kind, id: &str, found: Option<&Entry>) -> StoreError {
    StoreError::Conflict {
        collection: kind.collection(),
        id: id.to_owned(),
        found: found.map(|entry| entry.resource.modified),
    }
}
