//! Who may use the Admin API: named keys with roles, kept in `admin-keys.json` of the data directory.
//!
//! A key is a secret: it is compared in constant time, never logged, and `Debug` shows names and roles only.

use crate::private_file;
use model::policy::Role;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// Name of the key file inside the data directory.
pub const FILE_NAME: &str = "admin-keys.json";

/// Keys shorter than this are accepted with a warning; generated ones have 48 characters.
const WEAK_BELOW_CHARS: usize = 16;
/// Longest key that is accepted, characters.
const LONGEST_KEY_CHARS: usize = 256;
/// A key file is smaller than this, bytes.
const LARGEST_FILE_BYTES: u64 = 1 << 20;
/// Format number of the key file.
const FORMAT: u32 = 1;

/// Who made a request: it goes into the journal with everything that the request causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The key's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// All keys, in the order of the file.
#[derive(Clone)]
pub struct Keys {
    keys: Vec<Key>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    role: Role,
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    keys: Vec<Key>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("admin keys {path}: cannot {doing} the file")]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `write`.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is no key file. The parser's text is left out: it may quote a key.
    #[error(
        "admin keys {path}: line {line}: not a key file; expected {{\"format\":1,\"keys\":[{{\"name\",\"role\",\"key\"}}]}} with a role of viewer, operator, approver, admin"
    )]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where.
        line: usize,
    },
    /// The file was written by a newer Tealgate.
    #[error("admin keys {path}: format {found} is newer than this version reads ({FORMAT})")]
    NewerFormat {
        /// Which.
        path: PathBuf,
        /// Its number.
        found: u32,
    },
    /// A key cannot be used.
    #[error("admin keys: key {name:?} {what}")]
    Unusable {
        /// Its name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// There is none.
    #[error("admin keys: there is no key; at least one with the role admin is needed")]
    Empty,
    /// The system gave no random bytes.
    #[error("admin keys: cannot make a random key: {0}")]
    Random(getrandom::Error),
}

impl Keys {
    /// One key named `admin` with the role admin: from `TEALGATE_ADMIN_KEY`.
    ///
    /// # Errors
    /// When the text cannot be a key: empty, longer than 256 characters, or not printable ASCII.
    pub fn single(key: &str) -> Result<Keys, KeysError> {
        Keys::checked(vec![Key { name: "admin".to_owned(), role: Role::Admin, key: key.trim().to_owned() }])
    }

    /// Reads a file (`--admin-key-file`): either the JSON of `admin-keys.json`, or one line that is an admin key.
    ///
    /// # Errors
    /// When it cannot be read, or what it says cannot be used.
    pub fn from_file(path: &Path) -> Result<Keys, KeysError> {
        let read = |source| file_error(path, "read", source);
        let mut text = String::new();
        let size = File::open(path).map_err(read)?.take(LARGEST_FILE_BYTES).read_to_string(&mut text);
        if size.map_err(read)? as u64 == LARGEST_FILE_BYTES {
            return Err(read(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        if private_file::is_open_to_others(path).unwrap_or(false) {
            tracing::warn!(path = %path.display(), "others can read the admin keys; run chmod 600 on the file");
        }
        if !text.trim_start().starts_with('{') {
            return Keys::single(&text);
        }
        let file: KeyFile = serde_json::from_str(&text)
            .map_err(|error| KeysError::Syntax { path: path.to_owned(), line: error.line() })?;
        if file.format > FORMAT {
            return Err(KeysError::NewerFormat { path: path.to_owned(), found: file.format });
        }
        Keys::checked(file.keys)
    }

    /// Reads [`FILE_NAME`] of the data directory; at the first start it is made, with one admin key of 48 random
    /// characters, mode 0600. The flag says whether it was made now, so that the caller can say where it is.
    ///
    /// # Errors
    /// When the file cannot be read, made, or used.
    pub fn load_or_create(data_dir: &Path) -> Result<(Keys, bool), KeysError> {
        let path = data_dir.join(FILE_NAME);
        match Keys::from_file(&path) {
            Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            read => return read.map(|keys| (keys, false)),
        }
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random).map_err(KeysError::Random)?;
        let keys = vec![Key { name: "admin".to_owned(), role: Role::Admin, key: hex::encode(random) }];
        let file = KeyFile { format: FORMAT, keys };
        let mut text = serde_json::to_vec_pretty(&file)
            .map_err(|error| file_error(&path, "write", io::Error::from(error)))?;
        text.push(b'\n');
        private_file::write(&path, &text).map_err(|source| file_error(&path, "write", source))?;
        Ok((Keys::checked(file.keys)?, true))
    }

    /// Whose key this is. Takes the same time for every wrong key of one length.
    #[must_use]
    pub fn actor(&self, presented: &str) -> Option<Actor> {
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.key.as_bytes().ct_eq(presented.as_bytes())) {
                found = Some(Actor { name: key.name.clone(), role: key.role });
            }
        }
        found
    }

    fn checked(keys: Vec<Key>) -> Result<Keys, KeysError> {
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        for (number, key) in keys.iter().enumerate() {
            let unusable = |what| Err(KeysError::Unusable { name: key.name.clone(), what });
            let earlier = keys.get(..number).unwrap_or_default();
            if key.name.is_empty() || key.name.len() > 64 {
                return unusable("must have a name of 1 to 64 characters");
            }
            if key.key.is_empty() || key.key.len() > LONGEST_KEY_CHARS {
                return unusable("must have 1 to 256 characters");
            }
            if !key.key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return unusable("must be printable ASCII without blanks");
            }
            if earlier.iter().any(|other| other.name == key.name) {
                return unusable("has the name of another key");
            }
            if earlier.iter().any(|other| other.key == key.key) {
                return unusable("is the same as another key");
            }
            if key.key.len() < WEAK_BELOW_CHARS {
                tracing::warn!(name = key.name, "this admin key is short; use at least 16 characters");
            }
        }
        Ok(Keys { keys })
    }
}

fn file_error(path: &Path, doing: &'static str, source: io::Error) -> KeysError {
    KeysError::File { path: path.to_owned(), doing, source }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (&key.name, key.role))).finish()
    }
}

#[cfg(test)]
mod tests;
