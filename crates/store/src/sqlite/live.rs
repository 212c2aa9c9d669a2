//! `live.db`: the reports of running instances. It begins empty whenever nobody has it open, and never waits for the
//! disk.

use super::bell::Bell;
use super::fault::{At, damaged};
use super::format::{self, Layout};
use crate::report::{KEEP_REPORTS_MS, MAX_REPORTS};
use crate::signals::Signals;
use crate::{Report, Result, directory};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See [`mod@format`]. Two versions of Tealgate may share it, so that it has a format as well.
const LAYOUT: Layout<'static> = Layout { steps: &[FORMAT_1], durable: false };

const FORMAT_1: &str = "
CREATE TABLE counters (one INTEGER PRIMARY KEY CHECK (one = 1), changes INTEGER NOT NULL) STRICT;
INSERT INTO counters VALUES (1, 0);
CREATE TABLE reports (
  instance TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  applied INTEGER,             -- revision; NULL: runs no gateway
  at_ms INTEGER NOT NULL,
  detail TEXT NOT NULL         -- JSON
) STRICT;
";

/// The connection.
#[derive(Debug)]
pub(super) struct LiveFile {
    connection: Connection,
    path: PathBuf,
    signals: Arc<Signals>,
    bell: Bell,
}

/// Opens the file, emptied if nobody else has it open: the instances in it are dead, and after a loss of power it may be
/// damaged.
pub(super) fn open(path: &Path, alone: bool) -> Result<(Connection, u64)> {
    if alone {
        for suffix in ["", "-wal", "-shm"] {
            let mut stale = path.as_os_str().to_owned();
            stale.push(suffix);
            match std::fs::remove_file(&stale) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(directory::trouble(Path::new(&stale), "remove it", error));
                }
                _ => {}
            }
        }
    }
    let connection = format::open(path, LAYOUT, alone)?;
    let changes = changes(&connection, path)?;
    Ok((connection, changes))
}

/// How often reports have changed since the file was made.
pub(super) fn changes(connection: &Connection, path: &Path) -> Result<u64> {
    let mut select = connection.prepare_cached("SELECT changes FROM counters").at(path, "read it")?;
    select.query_row([], |row| row.get(0)).at(path, "read it")
}

impl LiveFile {
    /// Takes over an opened file.
    pub(super) fn new(connection: Connection, path: PathBuf, signals: Arc<Signals>, bell: Bell) -> LiveFile {
        LiveFile { connection, path, signals, bell }
    }

    /// See [`crate::Store::report`].
    pub(super) fn report(&mut self, report: &Report) -> Result<()> {
        self.change(|connection| {
            let mut known = connection.prepare_cached("SELECT 1 FROM reports WHERE instance = ?1")?;
            let newcomer = known.query_row([&report.instance], |_| Ok(())).optional()?.is_none();
            let mut put = connection.prepare_cached(
                "INSERT INTO reports (instance, role, applied, at_ms, detail) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (instance) DO UPDATE SET role = excluded.role, applied = excluded.applied,
                 at_ms = excluded.at_ms, detail = excluded.detail",
            )?;
            let detail = report.detail.to_string();
            put.execute(params![report.instance, report.role, report.applied, report.at_ms, detail])?;
            if newcomer {
                connection.execute(
                    "DELETE FROM reports WHERE at_ms < ?1 OR instance NOT IN
                     (SELECT instance FROM reports ORDER BY at_ms DESC, instance LIMIT ?2)",
                    params![report.at_ms.saturating_sub(KEEP_REPORTS_MS), MAX_REPORTS],
                )?;
            }
            Ok(())
        })
    }

    /// See [`crate::Store::reports`].
    pub(super) fn reports(&self) -> Result<Vec<Report>> {
        let sql = "SELECT instance, role, applied, at_ms, detail FROM reports ORDER BY instance";
        let mut select = self.connection.prepare_cached(sql).at(&self.path, "read it")?;
        let mut rows = select.query([]).at(&self.path, "read it")?;
        let mut reports = Vec::new();
        while let Some(row) = rows.next().at(&self.path, "read it")? {
            reports.push(self.read(row)?);
        }
        Ok(reports)
    }

    /// See [`crate::Store::forget`].
    pub(super) fn forget(&mut self, instance: &str) -> Result<()> {
        self.change(|connection| {
            connection.execute("DELETE FROM reports WHERE instance = ?1", [instance]).map(drop)
        })
    }

    fn read(&self, row: &Row<'_>) -> Result<Report> {
        let path = &self.path;
        let detail: String = row.get(4).at(path, "read it")?;
        Ok(Report {
            instance: row.get(0).at(path, "read it")?,
            role: row.get(1).at(path, "read it")?,
            applied: row.get(2).at(path, "read it")?,
            at_ms: row.get(3).at(path, "read it")?,
            detail: serde_json::from_str(&detail)
                .map_err(|error| damaged(path, &format!("the detail of a report is no JSON: {error}")))?,
        })
    }

    fn change(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<()> {
        let changing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let changes = changing.and_then(|changing| {
            change(&changing)?;
            let sql = "UPDATE counters SET changes = changes + 1 RETURNING changes";
            let changes = changing.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            changing.commit()?;
            Ok(changes)
        });
        self.signals.tell_reports(changes.at(&self.path, "write to it")?);
        self.bell.ring();
        Ok(())
    }
}
