//! Looking at one environment, over and over, so that the reconciler never waits for a slow one.

use crate::clock::{self, pause};
use crate::controller::Context;
use crate::target::{EnvironmentDriver, EnvironmentSpec, EnvironmentStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// One look's limit.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two tries to adopt.
const RETRY: Duration = Duration::from_secs(5);
/// What was seen longer ago says nothing about now, milliseconds.
const STALE_MS: i64 = 15_000;

/// Looks at an environment until it is stopped; the environment itself goes on.
pub(super) struct Observer {
    spec: EnvironmentSpec,
    last: Arc<Mutex<Option<(i64, EnvironmentStatus)>>>,
    task: JoinHandle<()>,
}

impl Observer {
    /// Begins to look. `adopt`: first make sure that it runs, as after a restart of Tealgate or of the machine, as long
    /// as this controller acts under that fence.
    pub(super) fn begin(
        driver: Arc<dyn EnvironmentDriver>,
        spec: EnvironmentSpec,
        adopt: Option<(Arc<Context>, u64)>,
        changed: watch::Sender<u64>,
    ) -> Observer {
        let last = Arc::new(Mutex::new(None));
        let task = tokio::spawn(look(driver, spec.clone(), adopt, Arc::clone(&last), changed));
        Observer { spec, last, task }
    }

    pub(super) fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    pub(super) fn status(&self, now_ms: i64) -> Option<EnvironmentStatus> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, status) = last.as_ref().filter(|(at_ms, _)| at_ms.saturating_add(STALE_MS) >= now_ms)?;
        Some(status.clone())
    }

    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn look(
    driver: Arc<dyn EnvironmentDriver>,
    spec: EnvironmentSpec,
    adopt: Option<(Arc<Context>, u64)>,
    last: Arc<Mutex<Option<(i64, EnvironmentStatus)>>>,
    changed: watch::Sender<u64>,
) {
    if let Some((context, fence)) = adopt {
        make_run(&*driver, &spec, &context, fence).await;
    }
    loop {
        if let Ok(status) = timeout(LIMIT, driver.observe(&spec)).await {
            let now_ms = clock::now_ms();
            let before = {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                last.replace((now_ms, status.clone())).map(|(_, status)| status)
            };
            if before.as_ref() != Some(&status) {
                changed.send_modify(|count| *count += 1);
            }
        }
        pause(INTERVAL).await;
    }
}

/// Starts what does not run, again and again until it can be started.
async fn make_run(driver: &dyn EnvironmentDriver, spec: &EnvironmentSpec, context: &Context, fence: u64) {
    loop {
        // Without the lease this task is about to be dropped.
        if context.still_acts(fence).await {
            let Err(error) = driver.provision(spec).await else { return };
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(app = spec.app, colour = spec.colour.name(), %error, source, "cannot start an environment");
        }
        pause(RETRY).await;
    }
}
