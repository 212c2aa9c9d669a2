//! The configuration file becomes part of the desired state: at the start, on SIGHUP, and when it changes.

use crate::clock;
use crate::config::{self, Loaded, apply};
use rustix::fs::inotify;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::Store;
use store::secret::Keyring;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Editors write a file in several steps; this long after the last one it is read.
const SETTLE: Duration = Duration::from_millis(100);

/// Reads the file again and applies it. What is wrong with it is logged, and everything stays as it was.
pub(super) async fn reload(path: &Path, store: &dyn Store, keyring: &Keyring) {
    let loaded = match config::load(path, plugins::ALL) {
        Ok(loaded) => loaded,
        Err(errors) => {
            tracing::error!("configuration file is not taken over, everything stays as it was:\n{errors}");
            return;
        }
    };
    take(store, &loaded, keyring).await;
}

/// Applies a file that was read. If that cannot be, it is logged, and everything stays as it was.
pub(super) async fn take(store: &dyn Store, loaded: &Loaded, keyring: &Keyring) {
    match apply(store, loaded, keyring).await {
        Ok(()) => {}
        Err(apply::ApplyError::Refused(errors)) => {
            tracing::error!("configuration file is not taken over, everything stays as it was:\n{errors}");
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "configuration file is not taken over, everything stays as it was");
        }
    }
}

/// Applies a file that was read, and says what changed.
///
/// # Errors
/// When it conflicts with what others own, or the store fails.
pub(super) async fn apply(
    store: &dyn Store,
    loaded: &Loaded,
    keyring: &Keyring,
) -> Result<(), apply::ApplyError> {
    let applied = apply::apply_file(store, &loaded.sealed(keyring), clock::now_s()).await?;
    tracing::info!(
        file = loaded.file,
        revision = applied.revision,
        created = applied.created,
        changed = applied.changed,
        deleted = applied.deleted,
        unchanged = applied.unchanged,
        "configuration file is in force"
    );
    Ok(())
}

/// Tells when a file was written or replaced. Its directory is watched, because replacing a file makes a new one.
pub(super) struct FileWatch {
    path: PathBuf,
    events: AsyncFd<OwnedFd>,
}

impl FileWatch {
    /// Watches a file.
    ///
    /// # Errors
    /// When the system allows no more watches.
    pub(super) fn new(path: &Path) -> io::Result<FileWatch> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        let what = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, directory, what)?;
        #[allow(
            deprecated,
            reason = "the new form is unsafe for types that may lie about their descriptor; OwnedFd does not"
        )]
        let events = AsyncFd::with_interest(watch, Interest::READABLE)?;
        Ok(FileWatch { path: path.to_path_buf(), events })
    }

    /// Returns when the file was written and has come to rest.
    pub(super) async fn changed(&self) {
        loop {
            let Ok(mut ready) = self.events.readable().await else { return std::future::pending().await };
            let mut named = self.names_the_file();
            ready.clear_ready();
            drop(ready);
            if !named {
                continue;
            }
            while named {
                clock::pause(SETTLE).await;
                named = self.names_the_file();
            }
            return;
        }
    }

    /// Reads all events that wait; whether one is about the file.
    fn names_the_file(&self) -> bool {
        let mut space = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.events.get_ref(), &mut space);
        let mut named = false;
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| name.to_bytes().to_vec());
            let wanted = self.path.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes);
            named |= name.as_deref() == wanted;
        }
        named
    }
}
