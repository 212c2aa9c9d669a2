//! Makes a file the desired state: one batch, all or nothing.
//!
//! Only resources that come from the file are replaced, and of those only what changed, so that nothing else is
//! rebuilt. What the Admin API made and what a release owns is never touched: a file that would have to is refused
//! whole, with the line and what to do.

mod conflicts;

use crate::config::Loaded;
use crate::config::error::ConfigErrors;
use crate::config::resources::FileResource;
use model::resource::{Kind, Origin, Resource, Revision};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::{Expect, Snapshot, Store, StoreError, Write};

/// How often a batch is made anew because something else was written in between.
const MAX_TRIES: usize = 10;

/// What became of the desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Applied {
    /// The store's revision afterwards.
    pub revision: Revision,
    /// Resources that are new.
    pub created: usize,
    /// Resources that say something else than before.
    pub changed: usize,
    /// Resources that are no longer in the file.
    pub deleted: usize,
    /// Resources that were left alone.
    pub unchanged: usize,
}

/// Why a file was not applied; the desired state is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It conflicts with what the Admin API made or a release owns.
    #[error("{0}")]
    Refused(ConfigErrors),
    /// The store could not be read or written.
    #[error("{file}: cannot write the configuration into the store")]
    Store {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        source: StoreError,
    },
}

/// Replaces everything in the store that comes from the file by what the file says now. `now_s` is the wall clock in
/// seconds since the Unix epoch, for `create_time` and `update_time`.
///
/// # Errors
/// When the file conflicts with what the Admin API made or a release owns, or the store fails.
pub async fn apply_file(store: &dyn Store, loaded: &Loaded, now_s: i64) -> Result<Applied, ApplyError> {
    let failed = |source| ApplyError::Store { file: loaded.file.clone(), source };
    let mut tries = 0;
    loop {
        tries += 1;
        let snapshot = store.snapshot().await.map_err(failed)?;
        let batch = plan(&snapshot, loaded, now_s).map_err(ApplyError::Refused)?;
        if batch.writes.is_empty() {
            return Ok(Applied { revision: snapshot.revision, ..batch.applied });
        }
        match store.commit(batch.writes, None).await {
            Ok(committed) => return Ok(Applied { revision: committed.revision, ..batch.applied }),
            Err(StoreError::Conflict { .. }) if tries < MAX_TRIES => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Whether a file could be applied now. Nothing is written.
///
/// # Errors
/// As [`apply_file`].
pub async fn check_file(store: &dyn Store, loaded: &Loaded) -> Result<(), ApplyError> {
    let failed = |source| ApplyError::Store { file: loaded.file.clone(), source };
    let snapshot = store.snapshot().await.map_err(failed)?;
    conflicts::check(&snapshot, loaded).map_err(ApplyError::Refused)
}

/// What one application writes.
#[derive(Debug)]
struct Batch {
    writes: Vec<Write>,
    applied: Applied,
}

fn plan(snapshot: &Snapshot, loaded: &Loaded, now_s: i64) -> Result<Batch, ConfigErrors> {
    conflicts::check(snapshot, loaded)?;
    let stored: HashMap<(Kind, &str), &Arc<Resource>> =
        snapshot.resources.iter().map(|resource| ((resource.kind, resource.id.as_str()), resource)).collect();
    let mut batch = Batch { writes: Vec::new(), applied: Applied::default() };
    for wanted in &loaded.resources {
        let before = stored.get(&(wanted.kind, wanted.id.as_str())).copied();
        match before {
            Some(before) if same(&before.value, &wanted.value) => {
                batch.applied.unchanged += 1;
                continue;
            }
            Some(_) => batch.applied.changed += 1,
            None => batch.applied.created += 1,
        }
        batch.writes.push(put(wanted, before, now_s));
    }
    let wanted: HashSet<(Kind, &str)> =
        loaded.resources.iter().map(|resource| (resource.kind, resource.id.as_str())).collect();
    for gone in snapshot.resources.iter().filter(|resource| resource.origin == Origin::File) {
        if !wanted.contains(&(gone.kind, gone.id.as_str())) {
            let (kind, id, expect) = (gone.kind, gone.id.clone(), Expect::Modified(gone.modified));
            batch.writes.push(Write::Delete { kind, id, expect });
            batch.applied.deleted += 1;
        }
    }
    Ok(batch)
}

/// Whether a stored value and one of the file say the same; the times are the store's.
fn same(stored: &Value, wanted: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        if let Some(object) = value.as_object_mut() {
            object.shift_remove("create_time");
            object.shift_remove("update_time");
        }
        value
    };
    bare(stored) == bare(wanted)
}

fn put(wanted: &FileResource, before: Option<&Arc<Resource>>, now_s: i64) -> Write {
    let mut value = wanted.value.clone();
    // An app is strict about its fields; times are an APISIX notion.
    if let Some(object) = value.as_object_mut().filter(|_| wanted.kind != Kind::App) {
        let created = before.and_then(|before| before.value.get("create_time").cloned());
        object.insert("create_time".to_owned(), created.unwrap_or_else(|| Value::from(now_s)));
        object.insert("update_time".to_owned(), Value::from(now_s));
    }
    Write::Put {
        kind: wanted.kind,
        id: Some(wanted.id.clone()),
        value,
        origin: Origin::File,
        expect: before.map_or(Expect::Absent, |before| Expect::Modified(before.modified)),
    }
}

#[cfg(test)]
mod tests;
