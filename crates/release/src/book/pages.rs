//! Reading and writing the book.

use super::{Page, Release};
use crate::clock;
use crate::events::EventLog;
use crate::failpoint::{Deed, Failpoints};
use crate::journal::{Event, Head, seal};
use crate::lease::LEASE;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Store, StoreError};

/// How often an entry that does not depend on the ones before it is tried again behind someone else's.
const MAX_TRIES: u32 = 16;

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Someone else wrote first: read, decide again.
    #[error("the journal of release {release} has gone on")]
    Stale {
        /// Which.
        release: String,
    },
    /// The journal is damaged.
    #[error("the journal of release {release} is damaged: {what}")]
    Damaged {
        /// Which.
        release: String,
        /// How.
        what: String,
    },
    /// The event cannot be written as JSON.
    #[error("an entry for release {release} cannot be written")]
    Json {
        /// Which.
        release: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The store refused.
    #[error("the store refused an entry for release {release}")]
    Store {
        /// Which.
        release: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// All releases.
pub(crate) struct Book {
    store: Arc<dyn Store>,
    failpoints: Failpoints,
    pages: Mutex<Pages>,
    /// One reader at a time; holds the journal count up to which all was read.
    reading: tokio::sync::Mutex<Option<u64>>,
    events: EventLog,
}

#[derive(Default)]
struct Pages {
    /// Oldest first.
    order: Vec<String>,
    by_id: BTreeMap<String, Page>,
}

impl Book {
    /// An empty book of a store.
    #[must_use]
    pub(crate) fn new(store: Arc<dyn Store>, failpoints: Failpoints) -> Book {
        Book {
            store,
            failpoints,
            pages: Mutex::default(),
            reading: tokio::sync::Mutex::new(None),
            events: EventLog::default(),
        }
    }

    /// What happened, for those who watch.
    #[must_use]
    pub(crate) fn events(&self) -> &EventLog {
        &self.events
    }

    /// Reads what was written since the last time.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let mut read_up_to = self.reading.lock().await;
        let count = *self.store.watch_journals().borrow();
        if *read_up_to == Some(count) {
            return Ok(());
        }
        for release in self.store.releases().await? {
            let closed = self.lock().by_id.get(&release).is_some_and(Page::is_closed);
            if !closed {
                self.read_one(&release).await?;
            }
        }
        *read_up_to = Some(count);
        Ok(())
    }

    async fn read_one(&self, release: &str) -> Result<(), StoreError> {
        let known = match self.get(release) {
            Some(Page::Whole(known)) => Some(known),
            _ => None,
        };
        let seen = known.as_ref().map_or(0, |known| known.head.seq);
        let is_known = known.is_some();
        // Behind a torn entry stands one that speaks of it, so they are read together: once, since that one mends it.
        let known = known.filter(|known| known.torn.is_none());
        let from = known.as_ref().map_or(0, |known| known.head.seq);
        let entries = self.store.journal_after(release, from).await?;
        if is_known && entries.last().is_none_or(|newest| newest.seq <= seen) {
            return Ok(());
        }
        let (page, new) = Page::read(release, known.as_deref(), &entries);
        if let Page::Whole(whole) = &page {
            self.events.add(&whole.folded, new.iter().filter(|entry| entry.seq > seen));
        }
        let mut pages = self.lock();
        if pages.by_id.insert(release.to_owned(), page).is_none() {
            pages.order.push(release.to_owned());
        }
        Ok(())
    }

    /// One release.
    #[must_use]
    pub(crate) fn get(&self, release: &str) -> Option<Page> {
        self.lock().by_id.get(release).cloned()
    }

    /// All releases of an app, oldest first.
    #[must_use]
    pub(crate) fn of_app(&self, app: &str) -> Vec<Page> {
        let pages = self.lock();
        let all = pages.order.iter().filter_map(|release| pages.by_id.get(release));
        all.filter(|page| page.app() == app).cloned().collect()
    }

    /// The releases of an app whose journals are whole, oldest first.
    #[must_use]
    pub(crate) fn whole_of_app(&self, app: &str) -> Vec<Arc<Release>> {
        let whole = |page| match page {
            Page::Whole(release) => Some(release),
            Page::Void { .. } | Page::Damaged { .. } => None,
        };
        self.of_app(app).into_iter().filter_map(whole).collect()
    }

    /// The apps that have releases which are not ended.
    #[must_use]
    pub(crate) fn busy_apps(&self) -> Vec<String> {
        let pages = self.lock();
        let mut apps: Vec<String> =
            pages.by_id.values().filter(|page| !page.is_closed()).map(|page| page.app().to_owned()).collect();
        apps.sort();
        apps.dedup();
        apps
    }

    /// What is wrong with an app's journals, if something is: which release's, and what.
    #[must_use]
    pub(crate) fn damage(&self, app: &str) -> Option<String> {
        let pages = self.lock();
        pages.by_id.iter().filter(|(_, page)| page.app() == app).find_map(|(release, page)| match page {
            Page::Damaged { what, .. } => Some(format!("release {release}: {what}")),
            Page::Whole(_) | Page::Void { .. } => None,
        })
    }

    /// Begins a release: its first entry. `Ok(false)`: the id is taken.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn open(
        &self,
        release: &str,
        fence: u64,
        actor: &str,
        event: &Event,
    ) -> Result<bool, AppendError> {
        match self.write(release, &Head::default(), fence, actor, event).await {
            Err(AppendError::Stale { .. }) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Writes an entry that depends on all before it.
    ///
    /// # Errors
    /// [`AppendError::Stale`] if there is an entry that the caller has not seen.
    pub(crate) async fn append_at(
        &self,
        seen: &Release,
        fence: u64,
        actor: &str,
        event: &Event,
    ) -> Result<(), AppendError> {
        let release = seen.folded.release.as_str();
        if let Some(seq) = seen.torn {
            self.write(release, &seen.head, fence, actor, &Event::Dropped { seq }).await?;
            return Err(AppendError::Stale { release: release.to_owned() });
        }
        self.write(release, &seen.head, fence, actor, event).await
    }

    /// Writes an entry that is true whatever stands before it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn append(
        &self,
        release: &str,
        fence: u64,
        actor: &str,
        event: &Event,
    ) -> Result<(), AppendError> {
        for _ in 0..MAX_TRIES {
            let seen = match self.get(release) {
                Some(Page::Whole(seen)) => seen,
                Some(Page::Damaged { what, .. }) => {
                    return Err(AppendError::Damaged { release: release.to_owned(), what });
                }
                Some(Page::Void { .. }) | None => {
                    return Err(AppendError::Stale { release: release.to_owned() });
                }
            };
            match self.append_at(&seen, fence, actor, event).await {
                Err(AppendError::Stale { .. }) => {}
                other => return other,
            }
        }
        Err(AppendError::Stale { release: release.to_owned() })
    }

    async fn write(
        &self,
        release: &str,
        head: &Head,
        fence: u64,
        actor: &str,
        event: &Event,
    ) -> Result<(), AppendError> {
        let of_store = |source| AppendError::Store { release: release.to_owned(), source };
        let (entry, _) = seal(head, clock::now_ms(), actor, event)
            .map_err(|source| AppendError::Json { release: release.to_owned(), source })?;
        let (seq, kind) = (entry.seq, event.name());
        let deed = || Deed::Entry { release: release.to_owned(), seq, kind };
        let written = self.failpoints.around(deed, self.store.append(release, LEASE, fence, entry)).await;
        let stale = matches!(written, Err(StoreError::JournalHead { .. }));
        let _reading = self.reading.lock().await;
        self.read_one(release).await.map_err(of_store)?;
        match written {
            Err(_) if stale => Err(AppendError::Stale { release: release.to_owned() }),
            other => other.map_err(of_store),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
