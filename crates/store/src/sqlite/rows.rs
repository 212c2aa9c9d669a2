//! Resources as rows: writing what a batch changed, and reading what other processes have changed.

use super::fault::{At, damaged};
use super::state::counters;
use crate::Result;
use crate::catalog::{Catalog, Changes, Entry, Place};
use model::resource::{Kind, Origin, Resource};
use rusqlite::{Connection, Row, Transaction, params};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Writes what a batch leaves of each resource.
pub(super) fn write(writing: &Transaction<'_>, path: &Path, changes: &Changes) -> Result<()> {
    let sql = "INSERT INTO resources (kind, id, value, origin, created, position, modified)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (kind, id) DO UPDATE
        SET value = excluded.value, origin = excluded.origin, created = excluded.created,
            position = excluded.position, modified = excluded.modified";
    let mut put = writing.prepare_cached(sql).at(path, "write to it")?;
    let sql = "DELETE FROM resources WHERE kind = ?1 AND id = ?2";
    let mut delete = writing.prepare_cached(sql).at(path, "write to it")?;
    for ((kind, id), entry) in changes {
        let done = match entry {
            None => delete.execute([kind.collection(), id]),
            Some(Entry { place, resource }) => put.execute(params![
                kind.collection(),
                id,
                resource.value.to_string(),
                origin_name(resource.origin),
                place.created,
                place.position,
                resource.modified,
            ]),
        };
        done.at(path, "write to it")?;
    }
    Ok(())
}

/// Brings a catalog up to what the transaction sees. Reads only what has changed: a batch of another process costs
/// its own rows, not ten thousand.
pub(super) fn catch_up(reading: &Transaction<'_>, path: &Path, catalog: &mut Catalog) -> Result<()> {
    let (revision, _) = counters(reading, path)?;
    if revision == catalog.revision() {
        return Ok(());
    }
    let sql =
        "SELECT kind, id, value, origin, created, position, modified FROM resources WHERE modified > ?1";
    let mut select = reading.prepare_cached(sql).at(path, "read it")?;
    let mut found = select.query([catalog.revision()]).at(path, "read it")?;
    let mut changes = Changes::new();
    while let Some(row) = found.next().at(path, "read it")? {
        let entry = read(row, path)?;
        changes.insert((entry.resource.kind, entry.resource.id.clone()), Some(entry));
    }
    catalog.apply(revision, changes);
    // All that was added is here now, so that a difference in number can only be what was deleted.
    let count: usize =
        reading.query_row("SELECT count(*) FROM resources", [], |row| row.get(0)).at(path, "read it")?;
    if count != catalog.len() {
        let stored = keys(reading, path)?;
        catalog.retain(|kind, id| stored.contains(&(kind.collection().to_owned(), id.to_owned())));
    }
    Ok(())
}

fn keys(reading: &Connection, path: &Path) -> Result<HashSet<(String, String)>> {
    let mut select = reading.prepare_cached("SELECT kind, id FROM resources").at(path, "read it")?;
    let keys = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    keys.and_then(Iterator::collect).at(path, "read it")
}

fn read(row: &Row<'_>, path: &Path) -> Result<Entry> {
    let text = |index| row.get_ref(index).and_then(|value| Ok(value.as_str()?)).at(path, "read it");
    let number = |index| row.get::<_, u64>(index).at(path, "read it");
    let (collection, id) = (text(0)?, text(1)?);
    let unknown = |what: &str| damaged(path, &format!("{what} of {collection}/{id} is not as written"));
    let kind = Kind::from_collection(collection).ok_or_else(|| unknown("the kind"))?;
    let value = serde_json::from_str(text(2)?).map_err(|error| unknown(&format!("the JSON ({error})")))?;
    let origin = origin_named(text(3)?).ok_or_else(|| unknown("the origin"))?;
    let position = u32::try_from(number(5)?).map_err(|_| unknown("the position"))?;
    let place = Place { created: number(4)?, position };
    let resource = Resource {
        kind,
        id: id.to_owned(),
        value: Arc::new(value),
        origin,
        created: place.created,
        modified: number(6)?,
    };
    Ok(Entry { place, resource: Arc::new(resource) })
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::File => "file",
        Origin::Api => "api",
        Origin::Release => "release",
    }
}

fn origin_named(name: &str) -> Option<Origin> {
    [Origin::File, Origin::Api, Origin::Release].into_iter().find(|origin| origin_name(*origin) == name)
}
