//! `state.db`: resources, journals and leases, durable.
//!
//! Every operation is one transaction. Writes begin it as the writer (`BEGIN IMMEDIATE`), so that what is checked in it
//! (revisions, heads, fences) still holds when it commits, whatever other processes do.

use super::bell::Bell;
use super::fault::At;
use super::format::{self, Layout};
use super::rows;
use crate::catalog::Catalog;
use crate::lease::Tenure;
use crate::signals::Signals;
use crate::{Committed, JournalEntry, Lease, Result, Snapshot, StoreError, Write};
use model::resource::{Kind, Resource, Revision};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See [`mod@format`].
const LAYOUT: Layout<'static> = Layout { steps: &[FORMAT_1], durable: true };

const FORMAT_1: &str = "
CREATE TABLE counters (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  revision INTEGER NOT NULL,        -- of the newest batch
  journal_entries INTEGER NOT NULL  -- over all releases
) STRICT;
INSERT INTO counters VALUES (1, 0, 0);
CREATE TABLE resources (
  kind TEXT NOT NULL,          -- the collection's name
  id TEXT NOT NULL,
  value TEXT NOT NULL,         -- JSON
  origin TEXT NOT NULL,
  created INTEGER NOT NULL,    -- revision
  position INTEGER NOT NULL,   -- within the batch that created it
  modified INTEGER NOT NULL,   -- revision
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX resources_by_change ON resources (modified);
CREATE TABLE journal (
  position INTEGER PRIMARY KEY,
  release TEXT NOT NULL,
  seq INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (release, seq)
) STRICT;
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT,                 -- NULL: free
  fence INTEGER NOT NULL,      -- never goes back, so that rows are never deleted
  expires_at_ms INTEGER NOT NULL
) STRICT;
";

/// The connection, and what it knows of the resources.
#[derive(Debug)]
pub(super) struct StateFile {
    connection: Connection,
    path: PathBuf,
    catalog: Catalog,
    signals: Arc<Signals>,
    bell: Bell,
}

/// The newest revision and the number of journal entries.
pub(super) fn counters(connection: &Connection, path: &Path) -> Result<(Revision, u64)> {
    let mut counters =
        connection.prepare_cached("SELECT revision, journal_entries FROM counters").at(path, "read it")?;
    counters.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).at(path, "read it")
}

impl StateFile {
    /// Takes over an opened file.
    pub(super) fn new(connection: Connection, path: PathBuf, signals: Arc<Signals>, bell: Bell) -> StateFile {
        StateFile { connection, path, catalog: Catalog::default(), signals, bell }
    }

    /// See [`crate::Store::get`].
    pub(super) fn get(&mut self, kind: Kind, id: &str) -> Result<Option<Arc<Resource>>> {
        Ok(self.read()?.get(kind, id))
    }

    /// See [`crate::Store::list`].
    pub(super) fn list(&mut self, kind: Kind) -> Result<Vec<Arc<Resource>>> {
        Ok(self.read()?.list(kind))
    }

    /// See [`crate::Store::snapshot`].
    pub(super) fn snapshot(&mut self) -> Result<Snapshot> {
        Ok(self.read()?.snapshot())
    }

    /// See [`crate::Store::commit`].
    pub(super) fn commit(&mut self, writes: Vec<Write>, fence: Option<(String, u64)>) -> Result<Committed> {
        let path = &self.path;
        let writing = begin(&mut self.connection, path)?;
        rows::catch_up(&writing, path, &mut self.catalog)?;
        if let Some((lease, fence)) = fence {
            tenure(&writing, path, &lease)?.admits(&lease, fence)?;
        }
        let planned = self.catalog.plan(writes)?;
        if planned.changes.is_empty() {
            return Ok(planned.committed);
        }
        let revision = planned.committed.revision;
        rows::write(&writing, path, &planned.changes)?;
        writing.execute("UPDATE counters SET revision = ?1", [revision]).at(path, "write to it")?;
        writing.commit().at(path, "write to it")?;
        self.catalog.apply(revision, planned.changes);
        self.signals.tell_revision(revision);
        self.bell.ring();
        Ok(planned.committed)
    }

    /// See [`crate::Store::append`].
    pub(super) fn append(
        &mut self,
        release: &str,
        lease: &str,
        fence: u64,
        entry: &JournalEntry,
    ) -> Result<()> {
        let path = &self.path;
        let writing = begin(&mut self.connection, path)?;
        tenure(&writing, path, lease)?.admits(lease, fence)?;
        let sql = "SELECT coalesce(max(seq), 0) + 1 FROM journal WHERE release = ?1";
        let found: u64 = writing.query_row(sql, [release], |row| row.get(0)).at(path, "read it")?;
        if found != entry.seq {
            return Err(StoreError::JournalHead { release: release.to_owned(), expected: entry.seq, found });
        }
        let sql = "INSERT INTO journal (release, seq, body) VALUES (?1, ?2, ?3)";
        writing.execute(sql, params![release, entry.seq, entry.body]).at(path, "write to it")?;
        let sql = "UPDATE counters SET journal_entries = journal_entries + 1 RETURNING journal_entries";
        let entries = writing.query_row(sql, [], |row| row.get(0)).at(path, "write to it")?;
        writing.commit().at(path, "write to it")?;
        self.signals.tell_journals(entries);
        self.bell.ring();
        Ok(())
    }

    /// See [`crate::Store::journal_after`].
    pub(super) fn journal_after(&self, release: &str, seq: u64) -> Result<Vec<JournalEntry>> {
        let sql = "SELECT seq, body FROM journal WHERE release = ?1 AND seq > ?2 ORDER BY seq";
        // Its numbers are signed; there is nothing behind the largest.
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        let mut select = self.connection.prepare_cached(sql).at(&self.path, "read it")?;
        let entries = select
            .query_map(params![release, seq], |row| Ok(JournalEntry { seq: row.get(0)?, body: row.get(1)? }));
        entries.and_then(Iterator::collect).at(&self.path, "read it")
    }

    /// See [`crate::Store::releases`].
    pub(super) fn releases(&self) -> Result<Vec<String>> {
        let sql = "SELECT release FROM journal WHERE seq = 1 ORDER BY position";
        let mut select = self.connection.prepare_cached(sql).at(&self.path, "read it")?;
        let releases = select.query_map([], |row| row.get(0));
        releases.and_then(Iterator::collect).at(&self.path, "read it")
    }

    /// See [`crate::Store::acquire`].
    pub(super) fn acquire(
        &mut self,
        name: &str,
        holder: &str,
        ttl_ms: u64,
        now_ms: i64,
    ) -> Result<Option<Lease>> {
        let path = &self.path;
        let writing = begin(&mut self.connection, path)?;
        let Some(acquired) = tenure(&writing, path, name)?.acquired(holder, ttl_ms, now_ms) else {
            return Ok(None);
        };
        set_tenure(&writing, path, name, &acquired)?;
        writing.commit().at(path, "write to it")?;
        Ok(acquired.lease(name))
    }

    /// See [`crate::Store::release_lease`].
    pub(super) fn release_lease(&mut self, name: &str, fence: u64) -> Result<()> {
        let path = &self.path;
        let writing = begin(&mut self.connection, path)?;
        let Some(free) = tenure(&writing, path, name)?.given_back(fence) else { return Ok(()) };
        set_tenure(&writing, path, name, &free)?;
        writing.commit().at(path, "write to it")
    }

    /// See [`crate::Store::lease`].
    pub(super) fn lease(&self, name: &str) -> Result<Option<Lease>> {
        Ok(tenure(&self.connection, &self.path, name)?.lease(name))
    }

    /// The resources as they are now, with what other processes have committed.
    fn read(&mut self) -> Result<&Catalog> {
        let reading = self.connection.transaction().at(&self.path, "read it")?;
        rows::catch_up(&reading, &self.path, &mut self.catalog)?;
        Ok(&self.catalog)
    }
}

/// Opens the file and says where its counters stand.
pub(super) fn open(path: &Path, alone: bool) -> Result<(Connection, Revision, u64)> {
    let connection = format::open(path, LAYOUT, alone)?;
    let (revision, entries) = counters(&connection, path)?;
    Ok((connection, revision, entries))
}

fn begin<'a>(connection: &'a mut Connection, path: &Path) -> Result<Transaction<'a>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).at(path, "write to it")
}

fn tenure(connection: &Connection, path: &Path, name: &str) -> Result<Tenure> {
    let sql = "SELECT holder, fence, expires_at_ms FROM leases WHERE name = ?1";
    let mut select = connection.prepare_cached(sql).at(path, "read it")?;
    let tenure = select.query_row([name], |row| {
        Ok(Tenure { holder: row.get(0)?, fence: row.get(1)?, expires_at_ms: row.get(2)? })
    });
    Ok(tenure.optional().at(path, "read it")?.unwrap_or_default())
}

fn set_tenure(writing: &Transaction<'_>, path: &Path, name: &str, tenure: &Tenure) -> Result<()> {
    let sql = "INSERT INTO leases (name, holder, fence, expires_at_ms) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (name) DO UPDATE
        SET holder = excluded.holder, fence = excluded.fence, expires_at_ms = excluded.expires_at_ms";
    let row = params![name, tenure.holder, tenure.fence, tenure.expires_at_ms];
    writing.execute(sql, row).at(path, "write to it").map(drop)
}
