//! Tells this process of what others have committed.

use super::{format, live, state};
use crate::Result;
use crate::signals::Signals;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// It has connections of its own, so that it never waits behind a commit of this process.
#[derive(Debug)]
pub(super) struct Watcher {
    state: Connection,
    state_path: PathBuf,
    live: Connection,
    live_path: PathBuf,
    signals: Arc<Signals>,
    failing: bool,
}

impl Watcher {
    /// Opens the files once more; they must have been opened and migrated.
    pub(super) fn open(state_path: &Path, live_path: &Path, signals: Arc<Signals>) -> Result<Watcher> {
        Ok(Watcher {
            state: format::reopen(state_path)?,
            state_path: state_path.to_owned(),
            live: format::reopen(live_path)?,
            live_path: live_path.to_owned(),
            signals,
            failing: false,
        })
    }

    /// Reads the counters and tells of what is new. A trouble is logged when it begins, and tried again.
    pub(super) fn look(&mut self) {
        let looked = self.tell();
        if let Err(error) = &looked
            && !self.failing
        {
            tracing::error!(error = error as &dyn std::error::Error, "cannot see other processes' changes");
        }
        self.failing = looked.is_err();
    }

    fn tell(&self) -> Result<()> {
        let (revision, entries) = state::counters(&self.state, &self.state_path)?;
        self.signals.tell_revision(revision);
        self.signals.tell_journals(entries);
        self.signals.tell_reports(live::changes(&self.live, &self.live_path)?);
        Ok(())
    }
}
