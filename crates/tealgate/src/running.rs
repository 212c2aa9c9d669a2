//! What a running server leaves in its data directory so that commands on the same machine find it, also when it
//! took free ports: `running.json`.

use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Name of the file inside the data directory.
const FILE_NAME: &str = "running.json";

/// A running server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// Where its gateway listens.
    #[serde(default)]
    pub listen: Vec<SocketAddr>,
    /// Where its gateway listens for HTTP over TLS.
    #[serde(default)]
    pub tls_listen: Vec<SocketAddr>,
    /// Where its gateway listens for proxies that speak the PROXY protocol.
    #[serde(default, skip_serializing_if = "Relayed::is_empty")]
    pub proxy_protocol: Relayed,
    /// Where its Admin API listens.
    #[serde(default)]
    pub admin: Option<SocketAddr>,
    /// Where its Admin API with TLS listens.
    #[serde(default)]
    pub admin_tls: Option<SocketAddr>,
}

/// Listeners for proxies that speak the PROXY protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Relayed {
    /// Those for HTTP.
    pub listen: Vec<SocketAddr>,
    /// Those for HTTP over TLS.
    pub tls_listen: Vec<SocketAddr>,
}

impl Relayed {
    fn is_empty(&self) -> bool {
        self.listen.is_empty() && self.tls_listen.is_empty()
    }
}

impl Running {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let path = path(data_dir);
        let new = path.with_extension("json.new");
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(new, path)
    }

    /// What the file says; `None` if there is none or it is unreadable: then the server is looked for elsewhere.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Running> {
        serde_json::from_slice(&std::fs::read(path(data_dir)).ok()?).ok()
    }

    /// Whether the process that it tells of still runs, as far as its number tells.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Path::new("/proc").join(self.pid.to_string()).exists()
    }

    /// Removes the file at the end of a server, if it tells of this process.
    pub fn remove(data_dir: &Path) {
        if Running::read(data_dir).is_some_and(|running| running.pid != std::process::id()) {
            return;
        }
        if let Err(error) = std::fs::remove_file(path(data_dir)) {
            tracing::debug!(%error, "cannot remove {FILE_NAME}");
        }
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Running::read(directory.path()), None);
        let admin = Some("127.0.0.1:40001".parse().unwrap());
        let running = Running { pid: std::process::id(), admin, ..Running::default() };
        running.write(directory.path()).unwrap();
        assert_eq!(Running::read(directory.path()), Some(running));
        Running::remove(directory.path());
        assert_eq!(Running::read(directory.path()), None);
    }
}
