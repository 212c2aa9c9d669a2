//! Secrets at rest: what a private key looks like in a store, and the keys that others are derived from.
//!
//! A [`Keyring`] lives in one small file beside the store ([`FILE_NAME`]). It stands in this crate because it belongs to
//! the data directory, as the store does: who copies the one without the other has sealed texts and nothing to open
//! them with. A store itself never seals or opens anything; who writes a resource does (the Admin API, the
//! configuration file), and who uses it (the gateway's compiler).
//!
//! * **Sealing** is AES-256-GCM (NIST SP 800-38D). Its nonce is the keyed hash of the text, so that sealing the same text
//!   twice gives the same result: a file that did not change is no change. All that this tells a reader of the store is
//!   that two secrets are the same.
//! * **Deriving** is HKDF-SHA-256 (RFC 5869): from one key, as many as there are labels.
//!
//! To change the key, add a second one at the end of the file and start anew: the last one seals, all open. What comes
//! from the configuration file is sealed anew at once, what the Admin API wrote with its next write. Derived keys come
//! from the first one, so that what is signed stays good until the first is taken out.

mod file;
mod seal;
#[cfg(test)]
mod tests;

pub use file::FILE_NAME;

use aws_lc_rs::hkdf;
use model::secret::{Opener, SecretText};
use seal::Sealer;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What every sealed text begins with; the rest is `<key id>:<base64>`.
pub const SEALED_PREFIX: &str = "sealed:v1:";
/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The keys of a data directory. Shows none of them.
pub struct Keyring {
    /// In the order of the file; never empty.
    first: Key,
    others: Vec<Key>,
}

/// One key of the file.
struct Key {
    id: String,
    master: hkdf::Prk,
    sealer: Sealer,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or made.
    #[error("secret key: cannot {doing} {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file does not say what it must. Its content is not repeated.
    #[error("secret key: {path} {what}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system gave no random bytes.
    #[error("secret key: the system gives no random bytes")]
    Random,
}

/// Why a sealed text cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with a key that is not in the file.
    #[error("it was sealed with the key {id:?}, which is not in {FILE_NAME}")]
    UnknownKey {
        /// The key's id.
        id: String,
    },
    /// It was sealed with another key of the same id, or was changed since.
    #[error("it was sealed with another {FILE_NAME}, or was damaged")]
    WrongKey,
    /// It is no sealed text.
    #[error("it is not sealed")]
    NotSealed,
}

impl Keyring {
    /// Reads the file of a data directory; at the first start it is made, with one random key, mode 0600.
    ///
    /// # Errors
    /// When the file cannot be read, made, or used.
    pub fn load_or_create(data_dir: &Path) -> Result<Keyring, KeyringError> {
        file::load_or_create(&data_dir.join(FILE_NAME))
    }

    /// A ring of one key, for tests and for gateways without a data directory.
    #[must_use]
    pub fn of_key(key: &[u8; KEY_BYTES]) -> Keyring {
        Keyring { first: Key::new("1", key), others: Vec::new() }
    }

    /// Seals a text with the last key: always the same result for the same text and key.
    #[must_use]
    pub fn seal(&self, plaintext: &str) -> String {
        let key = self.others.last().unwrap_or(&self.first);
        let header = format!("{SEALED_PREFIX}{}:", key.id);
        let body = key.sealer.seal(header.as_bytes(), plaintext.as_bytes());
        header + &body
    }

    /// Opens what was sealed with any of the keys.
    ///
    /// # Errors
    /// When none of them opens it.
    pub fn open(&self, sealed: &str) -> Result<String, OpenError> {
        let rest = sealed.strip_prefix(SEALED_PREFIX).ok_or(OpenError::NotSealed)?;
        let (id, body) = rest.split_once(':').ok_or(OpenError::NotSealed)?;
        let mut keys = std::iter::once(&self.first).chain(&self.others);
        let key = keys.find(|key| key.id == id).ok_or_else(|| OpenError::UnknownKey { id: id.to_owned() })?;
        let header = sealed.get(..sealed.len() - body.len()).unwrap_or_default();
        key.sealer.open(header.as_bytes(), body).ok_or(OpenError::WrongKey)
    }

    /// Whether a text was sealed, by whatever key.
    #[must_use]
    pub fn is_sealed(text: &str) -> bool {
        text.starts_with(SEALED_PREFIX)
    }

    /// A key for another purpose, the same one for the same label (`assignment`, for cookies). It comes from the first
    /// key of the file.
    #[must_use]
    pub fn derive(&self, label: &str) -> [u8; KEY_BYTES] {
        derive(&self.first.master, label)
    }
}

impl Key {
    fn new(id: &str, key: &[u8; KEY_BYTES]) -> Key {
        let master = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tealgate").extract(key);
        // The key itself is used for nothing but deriving, so that no two purposes share one.
        let sealer = Sealer::new(&derive(&master, "seal"), &derive(&master, "seal nonce"));
        Key { id: id.to_owned(), master, sealer }
    }
}

fn derive(master: &hkdf::Prk, label: &str) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    let filled =
        master.expand(&[label.as_bytes()], hkdf::HKDF_SHA256).and_then(|expanded| expanded.fill(&mut key));
    debug_assert!(filled.is_ok(), "HKDF gives as many bytes as its hash has");
    key
}

impl Opener for Keyring {
    fn open(&self, text: &SecretText) -> Result<SecretText, String> {
        if !Keyring::is_sealed(&text.0) {
            return Ok(text.clone());
        }
        Keyring::open(self, &text.0).map(SecretText).map_err(|error| error.to_string())
    }
}

/// Names of the keys, nothing else.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = std::iter::once(&self.first).chain(&self.others);
        f.debug_list().entries(keys.map(|key| &key.id)).finish()
    }
}
