//! The release controller: what the API and the command line talk to.
//!
//! It writes wishes into journals and answers from them. What follows from a wish is done by the runner, in this process
//! or in another one: a controller that does not hold the lease answers and takes wishes just the same.

mod actor;
mod commands;
mod context;
mod queries;
mod settings;
mod start;

pub use actor::Actor;
pub use commands::CommandError;
pub use queries::QueryError;
pub use settings::{Drivers, Gates, Settings, standard_gates};
pub use start::{StartError, StartRequest};

pub(crate) use context::{Context, Sight};

pub use crate::book::AppendError;

use crate::clock;
use crate::events::ReleaseEvent;
use crate::lease::{self, Tenure};
use crate::runner;
use std::sync::Arc;
use store::{Store, StoreError};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// The release controller of a process.
pub struct Controller {
    context: Arc<Context>,
    /// Until somebody waits for its end.
    runner: Mutex<Option<JoinHandle<()>>>,
}

impl Controller {
    /// Starts the controller; must be called inside a tokio runtime. It acts until `shutdown` says true, then gives the
    /// lease back; what its environments run goes on.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        drivers: Drivers,
        gates: Gates,
        settings: Settings,
        shutdown: watch::Receiver<bool>,
    ) -> Controller {
        let context = Arc::new(Context::new(store, drivers, gates, settings));
        let runner = tokio::spawn(runner::run(Arc::clone(&context), shutdown));
        Controller { context, runner: Mutex::new(Some(runner)) }
    }

    /// Whether the live environments of all apps are up, or had their time to become so. A controller that stands by is
    /// ready.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.context.ready.subscribe()
    }

    /// Waits until the controller has let go of everything after `shutdown`.
    pub async fn stopped(&self) {
        if let Some(runner) = self.runner.lock().await.take() {
            let _ = runner.await;
        }
    }

    /// The newest event's number; look at [`Controller::events_since`] when it changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.context.book.events().watch()
    }

    /// The events after a number, as far as they are kept (the last 4,096 of this process).
    #[must_use]
    pub fn events_since(&self, seq: u64) -> Vec<ReleaseEvent> {
        self.context.book.events().since(seq)
    }

    /// Who holds the lease; `None`: nobody.
    ///
    /// # Errors
    /// What the store says.
    pub async fn holder(&self) -> Result<Option<String>, StoreError> {
        Ok(self.context.store.lease(lease::LEASE).await?.map(|lease| lease.holder))
    }

    /// The fence for a wish: ours, or that of whoever holds the lease.
    async fn fence(&self) -> Result<Option<u64>, StoreError> {
        let tenure = *self.context.tenure.borrow();
        match tenure {
            Tenure::Held { fence, until_ms } if until_ms > clock::now_ms() => Ok(Some(fence)),
            _ => lease::current_fence(&self.context.store).await,
        }
    }
}
