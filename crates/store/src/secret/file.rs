//! The file of the keys: `{"format": 1, "keys": [{"id": "1", "key": "<64 hex digits>"}]}`.

use super::{KEY_BYTES, Key, Keyring, KeyringError};
use crate::directory::sync;
use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Name of the file inside the data directory.
pub const FILE_NAME: &str = "secret.key";
/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;
/// A larger file is none of ours.
const LARGEST_FILE_BYTES: u64 = 64 * 1024;
/// Longest name of a key.
const LONGEST_ID_CHARS: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    key: String,
}

/// Reads the file, and makes it if it is not there.
pub(super) fn load_or_create(path: &Path) -> Result<Keyring, KeyringError> {
    match read(path) {
        Err(KeyringError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    create(path)?;
    // Read again: another process of this directory may have been first, and then its key is the one.
    read(path)
}

fn read(path: &Path) -> Result<Keyring, KeyringError> {
    let failed = |source| file_error(path, "read", source);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others can read the secret key; run chmod 600 on the file");
    }
    let mut text = String::new();
    file.take(LARGEST_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
    let unusable = |what: String| KeyringError::Unusable { path: path.to_owned(), what };
    let file: KeyFile = serde_json::from_str(&text)
        .map_err(|error| unusable(format!("is no key file (line {})", error.line())))?;
    if file.format > FORMAT {
        return Err(unusable(format!(
            "has format {}, but this version reads only up to {FORMAT}",
            file.format
        )));
    }
    let mut keys: Vec<Key> = Vec::new();
    for entry in &file.keys {
        let key = key(entry).map_err(|what| unusable(format!("has a key {:?} that {what}", entry.id)))?;
        if keys.iter().any(|other| other.id == key.id) {
            return Err(unusable(format!("has two keys {:?}", entry.id)));
        }
        keys.push(key);
    }
    let mut keys = keys.into_iter();
    let first = keys.next().ok_or_else(|| unusable("has no key".to_owned()))?;
    Ok(Keyring { first, others: keys.collect() })
}

fn key(entry: &KeyEntry) -> Result<Key, &'static str> {
    let named = !entry.id.is_empty()
        && entry.id.len() <= LONGEST_ID_CHARS
        && entry.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !named {
        return Err("must have an id of 1 to 32 letters, digits or `-`");
    }
    let mut key = [0; KEY_BYTES];
    hex::decode_to_slice(&entry.key, &mut key).map_err(|_| "is not 64 hex digits")?;
    Ok(Key::new(&entry.id, &key))
}

/// Makes the file, whole or not at all, unless there is one by now.
fn create(path: &Path) -> Result<(), KeyringError> {
    let mut key = [0; KEY_BYTES];
    rand::fill(&mut key).map_err(|_| KeyringError::Random)?;
    let entry = KeyEntry { id: "1".to_owned(), key: hex::encode(key) };
    let failed = |source| file_error(path, "make", source);
    let mut text = serde_json::to_vec_pretty(&KeyFile { format: FORMAT, keys: vec![entry] })
        .map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let beside = path.with_extension(format!("key.{}", std::process::id()));
    let made = write(&beside, &text).and_then(|()| match std::fs::hard_link(&beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    // Whatever happened: nothing of the key is left beside the file.
    let removed = std::fs::remove_file(&beside);
    made.and(removed).map_err(failed)?;
    let Some(parent) = path.parent() else { return Ok(()) };
    sync(parent).map_err(|error| failed(io::Error::other(error)))
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn file_error(path: &Path, doing: &'static str, source: io::Error) -> KeyringError {
    KeyringError::File { path: path.to_owned(), doing, source }
}
