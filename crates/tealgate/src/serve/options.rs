//! What a server starts with: the file's settings with the flags laid over them.

use super::ServeError;
use crate::cli::serve::{Role, ServeArgs};
use crate::config::settings::Settings;
use crate::config::{self, Loaded};
use std::path::PathBuf;

/// Everything that a server is started with.
#[derive(Debug)]
pub struct Options {
    /// Settings, flags included.
    pub settings: Settings,
    /// The configuration file, read and found right.
    pub loaded: Option<Loaded>,
    /// Where it is, for reading it again.
    pub config: Option<PathBuf>,
    /// What this process does.
    pub role: Role,
    /// Where the admin keys come from.
    pub keys: KeySource,
    /// The data directory.
    pub data_dir: PathBuf,
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
    /// When the file is wrong.
    pub fn new(arguments: &ServeArgs) -> Result<Options, ServeError> {
        let loaded = arguments.config.as_deref().map(|path| config::load(path, plugins::ALL)).transpose()?;
        let settings = loaded.as_ref().map(|loaded| loaded.settings.clone()).unwrap_or_default();
        let settings = arguments.over(settings);
        let keys = match (&arguments.admin_key_file, &arguments.admin_key) {
            (Some(path), _) => KeySource::File(path.clone()),
            (None, Some(key)) => KeySource::Key(key.clone()),
            (None, None) => KeySource::DataDir,
        };
        let data_dir = settings.data_dir.clone().unwrap_or_else(data_dir);
        Ok(Options { settings, loaded, config: arguments.config.clone(), role: arguments.role, keys, data_dir })
    }
}

/// The data directory that is used when none is named: `/var/lib/tealgate` for root, else
/// `$XDG_STATE_HOME/tealgate` or `~/.local/state/tealgate` (XDG Base Directory Specification).
#[must_use]
pub fn data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/tealgate");
    }
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or_else(home).unwrap_or_else(|| PathBuf::from(".")).join("tealgate")
}
