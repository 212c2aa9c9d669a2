//! What sqlite complains of, said in the words of the store: which file, what was tried, what to do.

use crate::{Result, StoreError, directory};
use rusqlite::{Error, ErrorCode};
use std::path::Path;

/// What to do about a damaged store. The copy is written by a migration, so there may be one.
const ADVICE: &str = "stop tealgate, move the file away and restore a copy of it (or start empty)";

/// Says where a library error happened.
pub(super) trait At<T> {
    /// `action` completes "cannot …": `read it`.
    fn at(self, path: &Path, action: &'static str) -> Result<T>;
}

impl<T> At<T> for rusqlite::Result<T> {
    fn at(self, path: &Path, action: &'static str) -> Result<T> {
        self.map_err(|error| match &error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::NotADatabase => damaged(path, "it is not a sqlite database"),
                ErrorCode::DatabaseCorrupt => damaged(path, "sqlite finds its pages inconsistent"),
                _ => directory::trouble(path, action, error),
            },
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
            | Error::QueryReturnedNoRows => damaged(path, &format!("a row is not as written: {error}")),
            _ => directory::trouble(path, action, error),
        })
    }
}

/// A file that cannot be used as it is.
pub(super) fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged { path: path.display().to_string(), what: format!("{what}; {ADVICE}") }
}
