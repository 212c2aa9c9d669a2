//! The runner makes real what the machine asks for.
//!
//! Reconcilers without arguments: each is woken by a signal or a timer, reads the journals and the world, decides, and
//! acts. The happy case, the restart after a crash and the second controller are the same code. One controller holds
//! the lease and acts; for each app it runs one reconciler ([`app`]), so that a slow app does not hold up another.

mod act;
mod app;
mod begin;
mod drive;
mod environments;
mod observe;
mod observer;
mod record;
mod wanted;

pub(crate) use begin::{PlanError, make_plan};

use crate::clock::pause;
use crate::controller::Context;
use crate::lease::{self, Tenure};
use app::AppRunner;
use model::resource::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Holds the lease and the app runners until `shutdown` says true or its sender is gone.
pub(crate) async fn run(context: Arc<Context>, mut shutdown: watch::Receiver<bool>) {
    let mut apps = Apps::default();
    let mut revisions = context.store.watch();
    let mut journals = context.store.watch_journals();
    let renew_every = Duration::from_millis((context.settings.lease_ttl_ms / 3).max(1));
    let mut fence = None;
    while !*shutdown.borrow() {
        revisions.mark_unchanged();
        journals.mark_unchanged();
        fence = keep_lease(&context, &mut apps, fence).await;
        if let Some(fence) = fence
            && let Err(error) = apps.follow(&context, fence).await
        {
            tracing::warn!(%error, "the apps cannot be read; trying again");
        }
        apps.tell_ready(&context, fence.is_some());
        tokio::select! {
            changed = shutdown.changed() => if changed.is_err() { break },
            _ = revisions.changed() => {}
            _ = journals.changed() => {}
            () = pause(renew_every) => {}
        }
    }
    apps.stop_all().await;
    if let Some(fence) = fence {
        let _ = context.store.release_lease(lease::LEASE, fence).await;
    }
}

/// Takes or renews the lease; without it nothing of ours may act.
async fn keep_lease(context: &Arc<Context>, apps: &mut Apps, before: Option<u64>) -> Option<u64> {
    let settings = &context.settings;
    let tenure = match lease::hold(&context.store, &settings.instance, settings.lease_ttl_ms).await {
        Ok(tenure) => tenure,
        Err(error) => {
            tracing::warn!(%error, "the lease of the release path cannot be renewed");
            match *context.tenure.borrow() {
                Tenure::Held { until_ms, .. } if until_ms <= crate::clock::now_ms() => Tenure::Elsewhere,
                kept => kept,
            }
        }
    };
    let fence = match tenure {
        Tenure::Held { fence, .. } => Some(fence),
        Tenure::Elsewhere => None,
    };
    context.tenure.send_replace(tenure);
    if before != fence {
        apps.stop_all().await;
        context.drop_sights();
        tracing::info!(held = fence.is_some(), "lease of the release path");
    }
    fence
}

/// The app runners of a tenure.
#[derive(Default)]
struct Apps {
    running: BTreeMap<String, Running>,
}

struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Apps {
    /// One runner for each app, also for those that were deleted while a release of theirs goes on.
    async fn follow(&mut self, context: &Arc<Context>, fence: u64) -> Result<(), StoreError> {
        context.book.refresh().await?;
        let mut apps: Vec<String> =
            context.store.list(Kind::App).await?.iter().map(|app| app.id.clone()).collect();
        apps.extend(context.book.busy_apps());
        self.running.retain(|_, running| !running.task.is_finished());
        for app in apps {
            self.running.entry(app.clone()).or_insert_with(|| {
                let (stop, stopped) = watch::channel(false);
                let runner = AppRunner::new(Arc::clone(context), app, fence);
                Running { stop, task: tokio::spawn(runner.run(stopped)) }
            });
        }
        Ok(())
    }

    /// A controller that stands by is ready; one that acts is ready when every live environment is.
    fn tell_ready(&self, context: &Arc<Context>, acts: bool) {
        let settled = self.running.keys().all(|app| context.sight(app).settled);
        let someone_acts = acts || context.book.events().watch().borrow().gt(&0);
        let ready = if acts { settled } else { someone_acts };
        context
            .ready
            .send_if_modified(|known| std::mem::replace(known, ready || *known) != (ready || *known));
    }

    async fn stop_all(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            running.stop.send_replace(true);
            let _ = running.task.await;
        }
    }
}
