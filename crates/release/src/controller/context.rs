//! What all parts of a controller share.

use super::settings::{Drivers, Gates, Settings};
use crate::book::Book;
use crate::clock;
use crate::counters::Gateways;
use crate::lease::{self, Tenure};
use crate::machine::Waiting;
use crate::report::{Evidence, Point};
use crate::switch::GatewaySwitch;
use crate::target::EnvironmentStatus;
use model::colour::Colour;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Store, StoreError};
use tokio::sync::watch;

/// Between two questions to a store that does not answer.
const STORE_RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) switch: GatewaySwitch,
    pub(crate) drivers: Drivers,
    pub(crate) gates: Gates,
    pub(crate) settings: Settings,
    pub(crate) book: Book,
    /// What is known beyond the journals; only of apps that this controller drives.
    sights: Mutex<BTreeMap<String, Sight>>,
    /// What is wrong with deliveries that are tried now, by release and receiver.
    troubles: Mutex<BTreeMap<(String, String), String>>,
    /// What the gates that run now say of how far they are, by release.
    progress: Mutex<BTreeMap<String, String>>,
    pub(crate) tenure: watch::Sender<Tenure>,
    pub(crate) ready: watch::Sender<bool>,
}

/// What an app's runner sees at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// What each release of the app waits for.
    pub(crate) waiting: BTreeMap<String, Vec<Waiting>>,
    /// What each release's comparisons have found.
    pub(crate) evidence: BTreeMap<String, Vec<Evidence>>,
    /// What both colours did in each release since the last sample that was written down.
    pub(crate) course: BTreeMap<String, Vec<Point>>,
    /// The app's environments.
    pub(crate) environments: BTreeMap<Colour, EnvironmentStatus>,
    /// The live environment is up, or there is none, or it had its time.
    pub(crate) settled: bool,
    /// What is wrong with the app, in words.
    pub(crate) trouble: Option<String>,
}

impl Context {
    pub(crate) fn new(store: Arc<dyn Store>, drivers: Drivers, gates: Gates, settings: Settings) -> Context {
        Context {
            switch: GatewaySwitch::new(
                Arc::clone(&store),
                settings.live_within_ms,
                settings.failpoints.clone(),
            ),
            book: Book::new(Arc::clone(&store), settings.failpoints.clone()),
            store,
            drivers,
            gates,
            settings,
            sights: Mutex::default(),
            troubles: Mutex::default(),
            progress: Mutex::default(),
            tenure: watch::Sender::new(Tenure::Elsewhere),
            ready: watch::Sender::new(false),
        }
    }

    /// The gateways that are alive.
    pub(crate) async fn gateways(&self) -> Result<Gateways, StoreError> {
        let reports = self.store.reports().await?;
        Ok(Gateways::alive(&reports, clock::now_ms(), self.settings.live_within_ms))
    }

    /// Whether this controller still is the one that acts, under this fence; then it is for a whole term of the lease
    /// from now on. The store keeps a controller that was paused from writing, but nothing keeps it from an
    /// environment: so this is asked just before each change of one.
    pub(crate) async fn still_acts(&self, fence: u64) -> bool {
        let (instance, ttl_ms) = (&self.settings.instance, self.settings.lease_ttl_ms);
        loop {
            match lease::current_fence(&self.store).await {
                Ok(current) if current != Some(fence) => return false,
                Ok(_) => match lease::hold(&self.store, instance, ttl_ms).await {
                    Ok(tenure) => return matches!(tenure, Tenure::Held { fence: held, .. } if held == fence),
                    Err(error) => tracing::debug!(%error, "the store is asked once more who acts"),
                },
                Err(error) => tracing::debug!(%error, "the store is asked once more who acts"),
            }
            // A store that does not answer says nothing: whoever waits for this has a limit of its own.
            clock::pause(STORE_RETRY).await;
        }
    }

    /// The actor under which decisions of this controller are journaled.
    pub(crate) fn actor(&self) -> String {
        format!("controller {}", self.settings.instance)
    }

    pub(crate) fn sight(&self, app: &str) -> Sight {
        self.lock().get(app).cloned().unwrap_or_default()
    }

    pub(crate) fn put_sight(&self, app: &str, sight: Sight) {
        self.lock().insert(app.to_owned(), sight);
    }

    pub(crate) fn drop_sights(&self) {
        self.lock().clear();
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn trouble(&self, release: &str, receiver: &str) -> Option<String> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.get(&(release.to_owned(), receiver.to_owned())).cloned()
    }

    pub(crate) fn put_trouble(&self, release: &str, receiver: &str, trouble: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (release.to_owned(), receiver.to_owned());
        match trouble {
            Some(trouble) => troubles.insert(key, trouble),
            None => troubles.remove(&key),
        };
    }

    pub(crate) fn progress(&self, release: &str) -> Option<String> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).get(release).cloned()
    }

    pub(crate) fn put_progress(&self, release: &str, text: Option<String>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Some(text) => progress.insert(release.to_owned(), text),
            None => progress.remove(release),
        };
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sight>> {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
