//! Resources with a limited life (`?ttl=` on a write): a task deletes them when their time is over.
//!
//! The end stands in a hidden field of the stored value, so it survives a restart. A later write without `ttl` makes
//! the resource live for ever, as in APISIX. An upstream that has become an environment of an app since then stays.

use crate::clock;
use crate::resources::EXPIRES_AT_MS;
use crate::resources::references::is_environment;
use model::resource::{Kind, Resource};
use std::time::Duration;
use store::{Expect, Store, StoreError, Write};

/// Longest pause between two looks, so that a jump of the clock delays nothing for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Deletes what is over whenever something is; returns when the store is closed.
pub async fn sweep_forever(store: &dyn Store) {
    let mut changes = store.watch();
    loop {
        changes.mark_unchanged();
        let next_ms = match sweep(store, clock::unix_ms()).await {
            Ok(next_ms) => next_ms,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot delete expired resources");
                None
            }
        };
        let due_in_ms =
            next_ms.map_or(u64::MAX, |next| next.saturating_sub(clock::unix_ms()).max(1).unsigned_abs());
        let pause = Duration::from_millis(due_in_ms).min(LONGEST_PAUSE);
        if let Some(Err(_)) = clock::within(pause, changes.changed()).await {
            return;
        }
    }
}

/// Deletes what is over at `now_ms`; gives the next end, milliseconds since the Unix epoch.
///
/// # Errors
/// When the store cannot be read or written. A resource that changed meanwhile is left for the next look.
pub async fn sweep(store: &dyn Store, now_ms: i64) -> Result<Option<i64>, StoreError> {
    let mut next_ms = None;
    let resources = store.snapshot().await?.resources;
    let apps: Vec<&str> =
        resources.iter().filter(|one| one.kind == Kind::App).map(|app| app.id.as_str()).collect();
    let stays =
        |one: &Resource| one.kind == Kind::Upstream && apps.iter().any(|app| is_environment(&one.id, app));
    for resource in &resources {
        let may_end = !matches!(resource.kind, Kind::App | Kind::Overlay);
        let end = resource.value.get(EXPIRES_AT_MS).and_then(serde_json::Value::as_i64);
        let Some(end_ms) = end.filter(|_| may_end && !stays(resource)) else { continue };
        if end_ms > now_ms {
            next_ms = Some(next_ms.map_or(end_ms, |next: i64| next.min(end_ms)));
            continue;
        }
        let (kind, id, expect) = (resource.kind, resource.id.clone(), Expect::Modified(resource.modified));
        match store.commit(vec![Write::Delete { kind, id, expect }], None).await {
            Ok(_) => {
                tracing::info!(kind = resource.kind.singular(), id = resource.id, "deleted: its ttl is over")
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(next_ms)
}
