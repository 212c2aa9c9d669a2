//! Why a server could not be started, and what to do.

use super::passed::PassedError;
use super::takeover::TakeoverError;
use crate::config::apply::ApplyError;
use crate::error::Failure;
use crate::exit::Exit;
use admin::certificate::CertificateError;
use admin::keys::KeysError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use store::StoreError;
use store::secret::KeyringError;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration file conflicts with what is in the store.
    #[error("configuration file cannot be taken over")]
    Apply(#[from] ApplyError),
    /// The data directory.
    #[error("data directory {} cannot be used", path.display())]
    Store {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: StoreError,
    },
    /// The key that secrets are sealed with.
    #[error("secret key cannot be used")]
    SecretKey(#[from] KeyringError),
    /// The admin keys.
    #[error("admin keys cannot be used")]
    Keys(#[from] KeysError),
    /// The certificate of the Admin API.
    #[error("certificate of the Admin API cannot be used")]
    Certificate(#[from] CertificateError),
    /// The access log.
    #[error("access log cannot be written")]
    AccessLog(#[from] telemetry::access_log::StartError),
    /// The gateway.
    #[error("gateway cannot be started")]
    Gateway(#[from] gateway::StartError),
    /// The service manager passed a socket that cannot be used.
    #[error("sockets of the service manager cannot be used")]
    Passed(#[from] PassedError),
    /// What was passed cannot be looked at.
    #[error("listening sockets cannot be used")]
    Sockets(#[source] io::Error),
    /// The running process does not hand over.
    #[error("nothing was taken over")]
    Takeover(#[from] TakeoverError),
    /// The Admin API's address.
    #[error("Admin API cannot listen on {address}")]
    AdminListen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl ServeError {
    /// What, and because of what, in one line.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let cause = error.to_string();
            if !text.contains(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            source = error.source();
        }
        text
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        let (exit, hint) = match &error {
            ServeError::Apply(_) => (Exit::Usage, "nothing was started or changed"),
            ServeError::Store { source: StoreError::Locked { .. }, .. } => {
                (Exit::Refused, "stop the other process, or choose another directory with --data-dir")
            }
            ServeError::Store { .. } => {
                (Exit::Internal, "choose another directory with --data-dir, or mend this one")
            }
            ServeError::SecretKey(_) => {
                (Exit::Usage, "put the right file there; with a new one, private keys must be written anew")
            }
            ServeError::Keys(_) => {
                (Exit::Usage, "see --admin-key-file; a removed admin-keys.json is made anew")
            }
            ServeError::Certificate(_) => (Exit::Usage, "a removed pair of files is made anew"),
            ServeError::AccessLog(_) => (Exit::Usage, "choose another file with --access-log, or `off`"),
            ServeError::Gateway(gateway::StartError::Listen(_)) => {
                (Exit::Usage, "choose another address with --listen, or stop who uses it")
            }
            ServeError::Passed(_) => (
                Exit::Usage,
                "make the .socket unit and the addresses here the same; a port alone in ListenStream= is [::]:PORT",
            ),
            ServeError::Gateway(_) | ServeError::Sockets(_) => (Exit::Internal, ""),
            ServeError::Takeover(_) => (Exit::Refused, "the running process goes on as it was"),
            ServeError::AdminListen { .. } => {
                (Exit::Usage, "choose another address with --admin or --admin-tls, or `off`")
            }
        };
        Failure::new(exit, error, hint)
    }
}
