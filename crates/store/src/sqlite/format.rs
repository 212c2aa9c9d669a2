//! Opening a database file: whose it is, which format it has, whether it is whole, and bringing it to today's format.
//!
//! A format is a list of steps; step *n* leads from format *n* to *n + 1*, and the first makes the tables in an empty
//! file. A change of the tables is one more step at the end, never an edit of one that was shipped. Before a file of a
//! user is touched, a copy is laid beside it as `<file>.format-<n>.bak`.

use super::fault::{At, damaged};
use crate::{Result, StoreError, directory};
use rusqlite::{Connection, MAIN_DB, OpenFlags, TransactionBehavior};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Marks a file as ours in its header (`PRAGMA application_id`): "teal" in ASCII.
const APPLICATION_ID: u32 = u32::from_be_bytes(*b"teal");

/// How long a write waits for another process's.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// Files up to this size are checked whole when they are opened: a fraction of a second. Larger ones are trusted, and
/// damage is found when the page is read.
const CHECKED_BYTES: u64 = 256 * 1024 * 1024;

/// What a file is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout<'a> {
    /// The SQL that leads from each format to the next.
    pub(super) steps: &'a [&'a str],
    /// Whether a commit waits until the disk has it, and the file is checked when opened.
    pub(super) durable: bool,
}

impl Layout<'_> {
    fn format(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }
}

/// Opens `path`, makes it if it is not there, migrates it if it is older. `alone` says that nobody else has it open.
pub(super) fn open(path: &Path, layout: Layout<'_>, alone: bool) -> Result<Connection> {
    let bytes = make(path)?;
    let mut connection = connect(path)?;
    if connection.is_readonly(MAIN_DB).at(path, "open it")? {
        return Err(directory::trouble(
            path,
            "write to it",
            std::io::Error::from(ErrorKind::PermissionDenied),
        ));
    }
    let found = identify(&connection, path, layout.format())?;
    if layout.durable && bytes <= CHECKED_BYTES {
        check(&connection, path)?;
    }
    configure(&connection, path, layout.durable)?;
    if found < layout.format() {
        if found > 0 {
            if !alone {
                let (path, supported) = (path.display().to_string(), layout.format());
                return Err(StoreError::InUse { path, found, supported });
            }
            copy(&connection, path, found)?;
        }
        migrate(&mut connection, path, found, layout)?;
    }
    Ok(connection)
}

/// Opens a file once more that [`open`] has opened, for reading only.
pub(super) fn reopen(path: &Path) -> Result<Connection> {
    let connection = connect(path)?;
    connection.execute_batch("PRAGMA query_only = ON").at(path, "open it")?;
    Ok(connection)
}

/// Makes an empty file if there is none, and answers the size of the file.
///
/// sqlite would make it readable for all (its other files take over the mode of this one). A file that is there is not
/// even opened: closing any descriptor of it would drop the locks that this process holds on it through sqlite, another
/// process would think itself alone, and throw the log away.
fn make(path: &Path) -> Result<u64> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(0),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let metadata =
                std::fs::metadata(path).map_err(|error| directory::trouble(path, "open it", error))?;
            Ok(metadata.len())
        }
        Err(error) => Err(directory::trouble(path, "create it", error)),
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).at(path, "open it")?;
    connection.busy_timeout(BUSY_LIMIT).at(path, "open it")?;
    Ok(connection)
}

/// The file's format: 0 if it is empty.
fn identify(connection: &Connection, path: &Path, supported: u32) -> Result<u32> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).at(path, "read it");
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(0);
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(damaged(path, "it is a database of another program"));
    }
    match u32::try_from(version) {
        Ok(found) if found > supported => {
            Err(StoreError::NewerFormat { path: path.display().to_string(), found, supported })
        }
        Ok(found) if found > 0 => Ok(found),
        _ => Err(damaged(path, &format!("its format number is {version}"))),
    }
}

fn check(connection: &Connection, path: &Path) -> Result<()> {
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).at(path, "check it")?;
    if verdict == "ok" { Ok(()) } else { Err(damaged(path, &verdict)) }
}

fn configure(connection: &Connection, path: &Path, durable: bool) -> Result<()> {
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).at(path, "write to it")?;
    if mode != "wal" {
        let unable =
            std::io::Error::other(format!("this file system has no shared memory (journal mode {mode})"));
        return Err(directory::trouble(path, "switch it to a write-ahead log", unable));
    }
    // FULL: a commit returns after the log is on disk. The log is cut back to 16 MiB after a checkpoint.
    let synchronous = if durable { "FULL" } else { "OFF" };
    let settings = format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA journal_size_limit = 16777216;
         PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
    );
    connection.execute_batch(&settings).at(path, "open it")
}

fn migrate(connection: &mut Connection, path: &Path, found: u32, layout: Layout<'_>) -> Result<()> {
    let migrating = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let migrating = migrating.at(path, "migrate it")?;
    for step in layout.steps.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        migrating.execute_batch(step).at(path, "migrate it")?;
    }
    let identity =
        format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};", layout.format());
    migrating.execute_batch(&identity).at(path, "migrate it")?;
    migrating.commit().at(path, "migrate it")?;
    if found > 0 {
        tracing::info!(path = %path.display(), from = found, to = layout.format(), "store migrated");
    }
    Ok(())
}

/// Copies the file as it is, so that an older Tealgate can be put back.
fn copy(connection: &Connection, path: &Path, found: u32) -> Result<()> {
    let copy = beside(path, &format!(".format-{found}.bak"));
    let unfinished = beside(path, ".copying");
    let file = directory::open_private(&unfinished)?;
    let failed = |error| directory::trouble(&unfinished, "copy the store to it", error);
    file.set_len(0).map_err(failed)?;
    let Some(target) = unfinished.to_str() else {
        return Err(failed(std::io::Error::other("the path is not UTF-8")));
    };
    connection.execute("VACUUM INTO ?1", [target]).at(&unfinished, "copy the store to it")?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&unfinished, &copy).map_err(failed)?;
    path.parent().map_or(Ok(()), directory::sync)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
