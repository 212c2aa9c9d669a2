//! The three counters that readers wait on.

use model::resource::Revision;
use tokio::sync::watch;

/// Told in this process by whoever committed, and by the watcher when another process did. Both may tell the same
/// news, in any order, so that a counter only ever grows.
#[derive(Debug)]
pub(crate) struct Signals {
    revision: watch::Sender<Revision>,
    journals: watch::Sender<u64>,
    reports: watch::Sender<u64>,
}

impl Signals {
    /// Starts from what is stored.
    pub(crate) fn new(revision: Revision, journals: u64, reports: u64) -> Signals {
        Signals {
            revision: watch::Sender::new(revision),
            journals: watch::Sender::new(journals),
            reports: watch::Sender::new(reports),
        }
    }

    /// Resources have changed, durably.
    pub(crate) fn tell_revision(&self, revision: Revision) {
        raise(&self.revision, revision);
    }

    /// A journal has grown, durably.
    pub(crate) fn tell_journals(&self, entries: u64) {
        raise(&self.journals, entries);
    }

    /// A report has changed.
    pub(crate) fn tell_reports(&self, changes: u64) {
        raise(&self.reports, changes);
    }

    /// See [`crate::Store::watch`].
    pub(crate) fn watch_revision(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    /// See [`crate::Store::watch_journals`].
    pub(crate) fn watch_journals(&self) -> watch::Receiver<u64> {
        self.journals.subscribe()
    }

    /// See [`crate::Store::watch_reports`].
    pub(crate) fn watch_reports(&self) -> watch::Receiver<u64> {
        self.reports.subscribe()
    }
}

fn raise(sender: &watch::Sender<u64>, value: u64) {
    sender.send_if_modified(|current| {
        let newer = value > *current;
        if newer {
            *current = value;
        }
        newer
    });
}
