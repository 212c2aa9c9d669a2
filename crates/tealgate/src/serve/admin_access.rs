//! What lets people into the Admin API: its keys, and the certificate of its TLS listener. Both are read at the start, and
//! again on SIGHUP.

use super::error::ServeError;
use super::options::{KeySource, Options};
use admin::certificate;
use admin::keys::{FILE_NAME, Keys};
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::sync::watch;

/// What holds now. Whoever was given a receiver sees each change.
#[derive(Debug)]
pub(super) struct AdminAccess {
    keys: watch::Sender<Arc<Keys>>,
    /// None without a TLS listener.
    tls: Option<watch::Sender<Arc<ServerConfig>>>,
}

impl AdminAccess {
    /// Reads both; makes those of the data directory at the first start.
    pub(super) fn open(options: &Options) -> Result<AdminAccess, ServeError> {
        let data_dir = &options.prepared.data_dir;
        let keys = match &options.keys {
            KeySource::DataDir => Keys::load_or_create(data_dir)?.0,
            _ => read_keys(options)?,
        };
        let has_tls = options.prepared.settings.admin.tls_listen.address().is_some();
        let tls = has_tls.then(|| certificate::load_or_create(data_dir)).transpose()?;
        let tls = tls.map(|config| watch::channel(config).0);
        Ok(AdminAccess { keys: watch::channel(Arc::new(keys)).0, tls })
    }

    /// Reads both again, and makes nothing. What cannot be used is logged, and stays as it was.
    pub(super) fn renew(&self, options: &Options) {
        match read_keys(options) {
            Ok(keys) => drop(self.keys.send_replace(Arc::new(keys))),
            Err(error) => tell(&error, "the admin keys stay as they were"),
        }
        let Some(tls) = &self.tls else { return };
        match certificate::load(&options.prepared.data_dir) {
            Ok(config) => drop(tls.send_replace(config)),
            Err(error) => tell(&error, "the certificate of the Admin API stays as it was"),
        }
    }

    pub(super) fn keys(&self) -> watch::Receiver<Arc<Keys>> {
        self.keys.subscribe()
    }

    pub(super) fn tls(&self) -> Option<watch::Receiver<Arc<ServerConfig>>> {
        self.tls.as_ref().map(watch::Sender::subscribe)
    }
}

fn read_keys(options: &Options) -> Result<Keys, ServeError> {
    Ok(match &options.keys {
        KeySource::Key(key) => Keys::single(key)?,
        KeySource::File(path) => Keys::from_file(path)?,
        KeySource::DataDir => Keys::from_file(&options.prepared.data_dir.join(FILE_NAME))?,
    })
}

fn tell(error: &(dyn std::error::Error + 'static), what: &str) {
    tracing::error!(error, "{what}");
}
