//! The runner makes real what the machine asks for.
//!
//! Reconcilers without arguments: each is woken by a signal or a timer, reads the journals and the world, decides, and
//! acts. The happy case, the restart after a crash and the second controller are the same code. One controller holds
//! the lease and acts; for each app it runs one reconciler ([`app`]), so that a slow app does not hold up another.

mod act;
mod app;
mod baseline;
mod begin;
mod comparison;
mod couriers;
mod drive;
mod environments;
mod evidence;
mod held;
mod holds;
mod identity;
mod observe;
mod observer;
mod record;
mod sampler;
mod settle;
mod silence;
mod telling;
mod wanted;
mod window;

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
        apps.tell_ready(&context, fence.is_some()).await;
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
    /// The apps were read since the lease was taken.
    followed: bool,
    /// When the lease of another controller ended, as last seen.
    rival_until_ms: Option<i64>,
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
        self.followed = true;
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

    /// A controller that acts is ready when every live environment is. One that stands by is ready when it has seen the
    /// holder of the lease renew it: that one looks after the environments. A lease that a dead process left behind is
    /// no reason to be ready.
    async fn tell_ready(&mut self, context: &Arc<Context>, acts: bool) {
        let ready = if acts {
            self.rival_until_ms = None;
            self.followed && self.running.keys().all(|app| context.sight(app).settled)
        } else {
            let until_ms = match context.store.lease(lease::LEASE).await {
                Ok(lease) => lease.map(|lease| lease.expires_at_ms),
                Err(_) => None,
            };
            let before = std::mem::replace(&mut self.rival_until_ms, until_ms);
            before.is_some_and(|before| until_ms.is_some_and(|now| now > before))
        };
        if ready && !*context.ready.borrow() {
            context.ready.send_replace(true);
        }
    }

    async fn stop_all(&mut self) {
        self.followed = false;
        for (_, running) in std::mem::take(&mut self.running) {
            running.stop.send_replace(true);
            let _ = running.task.await;
        }
    }
}
