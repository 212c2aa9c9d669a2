//! The store's newest state becomes what the gateway runs.

use super::certificates::Expiry;
use super::instance::Instance;
use crate::clock;
use gateway::Gateway;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// Between two attempts to read a store that fails.
const RETRY: Duration = Duration::from_secs(1);

/// Follows the store until it is closed or a gateway thread has ended. Level-triggered: whatever changed meanwhile,
/// the newest state is read and applied.
pub(super) async fn follow(store: Arc<dyn Store>, gateway: Arc<Gateway>, instance: Arc<Instance>) {
    let mut changes = store.watch();
    let mut expiry = Expiry::default();
    let mut told = Vec::new();
    loop {
        changes.mark_unchanged();
        match store.snapshot().await {
            Ok(snapshot) => {
                let Ok(applied) = gateway.apply(snapshot.revision, snapshot.resources).await else { return };
                // A problem is told when it comes, and not with every change of something else.
                for problem in applied.problems.iter().filter(|problem| !told.contains(*problem)) {
                    tracing::error!(
                        kind = problem.kind.singular(),
                        id = problem.id,
                        "left out of the configuration: {}",
                        problem.what
                    );
                }
                told = applied.problems;
                expiry.warn(gateway.certificates(), clock::now_s());
                instance.applied(applied.revision).await;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "store cannot be read; traffic goes on"
                );
                clock::pause(RETRY).await;
                changes.mark_changed();
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
