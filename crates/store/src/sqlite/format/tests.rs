//! Files that are old, new, foreign, damaged or not there.

use super::*;
use std::os::unix::fs::{FileExt, MetadataExt};
use tempfile::TempDir;

const MAKE: &str = "CREATE TABLE things (name TEXT NOT NULL) STRICT";
const ADD_SIZE: &str = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7";
const BROKEN: &str = "UPDATE things SET name = 'lost'; INSERT INTO nowhere VALUES (1)";

fn layout<'a>(steps: &'a [&'a str]) -> Layout<'a> {
    Layout { steps, durable: true }
}

/// A file of format 1 with one row.
fn old_file() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let connection = open(&path, layout(&[MAKE]), true).unwrap();
    connection.execute("INSERT INTO things VALUES ('a')", []).unwrap();
    (dir, path)
}

fn text(connection: &Connection, sql: &str) -> String {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn what(outcome: Result<Connection>) -> String {
    match outcome {
        Err(StoreError::Damaged { what, .. }) => what,
        other => panic!("not damaged: {other:?}"),
    }
}

#[test]
fn a_new_file_is_of_the_newest_format_and_needs_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let connection = open(&path, layout(&[MAKE, ADD_SIZE]), true).unwrap();
    assert_eq!(identify(&connection, &path, 2).unwrap(), 2);
    connection.execute("INSERT INTO things VALUES ('a', 1)", []).unwrap();
    assert!(!beside(&path, ".format-0.bak").exists());
}

#[test]
fn a_commit_waits_for_the_disk_where_it_is_to_last() {
    for (durable, expected) in [(true, 2), (false, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(&dir.path().join("a.db"), Layout { steps: &[MAKE], durable }, true).unwrap();
        let setting = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(setting("PRAGMA synchronous"), expected);
        assert_eq!(text(&connection, "PRAGMA journal_mode"), "wal");
    }
}

#[test]
fn an_older_file_is_migrated_and_a_copy_of_it_is_kept() {
    let (_dir, path) = old_file();
    let connection = open(&path, layout(&[MAKE, ADD_SIZE]), true).unwrap();
    assert_eq!(text(&connection, "SELECT name || size FROM things"), "a7");
    assert_eq!(identify(&connection, &path, 2).unwrap(), 2);
    drop(connection);
    let copy = beside(&path, ".format-1.bak");
    assert_eq!(std::fs::metadata(&copy).unwrap().mode() & 0o777, 0o600);
    assert!(!beside(&path, ".copying").exists());
    let former = open(&copy, layout(&[MAKE]), true).unwrap();
    assert_eq!(text(&former, "SELECT name FROM things"), "a", "the copy is a whole store of the old format");
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let (_dir, path) = old_file();
    let failed = open(&path, layout(&[MAKE, ADD_SIZE, BROKEN]), true);
    assert!(matches!(failed, Err(StoreError::Backend { action: "migrate it", .. })), "{failed:?}");
    let connection = open(&path, layout(&[MAKE]), true).unwrap();
    assert_eq!(text(&connection, "SELECT name FROM things"), "a");
    drop(connection);
    open(&path, layout(&[MAKE, ADD_SIZE]), true).unwrap();
}

#[test]
fn a_file_in_use_is_not_migrated() {
    let (_dir, path) = old_file();
    let refused = open(&path, layout(&[MAKE, ADD_SIZE]), false);
    assert!(matches!(refused, Err(StoreError::InUse { found: 1, supported: 2, .. })), "{refused:?}");
    assert!(!beside(&path, ".format-1.bak").exists());
    open(&path, layout(&[MAKE]), false).unwrap();
}

#[test]
fn a_newer_file_is_refused_and_not_touched() {
    let (_dir, path) = old_file();
    drop(open(&path, layout(&[MAKE, ADD_SIZE]), true).unwrap());
    let before = std::fs::read(&path).unwrap();
    let refused = open(&path, layout(&[MAKE]), true);
    assert!(
        matches!(&refused, Err(StoreError::NewerFormat { found: 2, supported: 1, path: named })
            if *named == path.display().to_string()),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_not_touched() {
    let (_dir, path) = old_file();
    std::fs::write(&path, "routes:\n  - id: 1\n".repeat(400)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(what(open(&path, layout(&[MAKE]), true)).contains("not a sqlite database"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(what(open(&path, layout(&[MAKE]), true)).contains("another program"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_format_number_that_nobody_wrote_is_damage() {
    for version in [0, -3] {
        let (_dir, path) = old_file();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("PRAGMA user_version = {version}")).unwrap();
        drop(connection);
        assert!(what(open(&path, layout(&[MAKE]), true)).contains(&format!("format number is {version}")));
    }
}

#[test]
fn a_file_with_a_broken_page_is_refused() {
    let (_dir, path) = old_file();
    let connection = open(&path, layout(&[MAKE]), true).unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO things SELECT 'row ' || i FROM n";
    connection.execute_batch(rows).unwrap();
    drop(connection);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 4096], 3 * 4096).unwrap();
    let advice = what(open(&path, layout(&[MAKE]), true));
    assert!(advice.contains("move the file away"), "{advice}");
}

#[test]
fn a_file_cut_short_is_refused() {
    let (_dir, path) = old_file();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(4096).unwrap();
    what(open(&path, layout(&[MAKE]), true));
}

#[test]
fn an_empty_file_becomes_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    std::fs::write(&path, "").unwrap();
    open(&path, layout(&[MAKE]), true).unwrap();
}

#[test]
fn a_second_connection_only_reads() {
    let (_dir, path) = old_file();
    let connection = reopen(&path).unwrap();
    assert_eq!(text(&connection, "SELECT name FROM things"), "a");
    connection.execute("DELETE FROM things", []).unwrap_err();
}
