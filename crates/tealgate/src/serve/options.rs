//! What a server starts with.

use super::gateway_settings;
use super::passed::Passed;
use super::prepare::{Prepared, prepare};
use crate::cli::serve::{Role, ServeArgs};
use crate::config::Loaded;
use crate::error::Outcome;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that a server is started with.
#[derive(Debug)]
pub struct Options {
    /// Settings, file and data directory.
    pub prepared: Prepared,
    /// The configuration file, for reading it again.
    pub config: Option<PathBuf>,
    /// What this process does.
    pub role: Role,
    /// Where the admin keys come from.
    pub keys: KeySource,
    /// Sockets that the service manager listens on.
    pub passed: Passed,
}

/// Where the admin keys come from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// `admin-keys.json` in the data directory; made at the first start.
    DataDir,
    /// A file.
    File(PathBuf),
    /// This one key, with the role admin.
    Key(String),
}

/// Without the key.
impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeySource::DataDir => "DataDir",
            KeySource::File(_) => "File",
            KeySource::Key(_) => "Key",
        })
    }
}

impl Options {
    /// Reads the configuration file, if one is named, and lays the flags over it.
    ///
    /// # Errors
    /// When the file or a flag is wrong.
    pub fn new(arguments: &ServeArgs) -> Outcome<Options> {
        let keys = match (&arguments.admin_key_file, &arguments.admin_key) {
            (Some(path), _) => KeySource::File(path.clone()),
            (None, Some(key)) => KeySource::Key(key.clone()),
            (None, None) => KeySource::DataDir,
        };
        let config = arguments.config.clone().filter(|_| arguments.role != Role::Gateway);
        let prepared = prepare(arguments)?;
        Ok(Options { prepared, config, role: arguments.role, keys, passed: Passed::default() })
    }

    /// Where this process is to listen.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let admin = &self.prepared.settings.admin;
        let mut addresses = self.gateway_addresses();
        addresses.extend(admin.listen.address());
        addresses.extend(admin.tls_listen.address());
        addresses
    }

    /// Where its gateway is to listen.
    pub(super) fn gateway_addresses(&self) -> Vec<SocketAddr> {
        if self.role == Role::Controller {
            return Vec::new();
        }
        gateway_settings::listeners(&self.prepared.settings).iter().map(|listener| listener.address).collect()
    }

    /// The file, if its resources are this process's to write into the store.
    pub(super) fn file_of_resources(&self) -> Option<&Loaded> {
        self.prepared.loaded.as_ref().filter(|_| self.role != Role::Gateway)
    }
}
