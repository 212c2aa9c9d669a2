//! Tells the gateway's guards whether a controller is there: what the store says of its lease.
//!
//! A store that cannot be read, or is locked, says nothing, and the lease that was known last ends by itself.

use crate::clock;
use gateway::Gateway;
use release::lease::LEASE;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// Between two looks; a third of what a lease is held for.
const LOOK: Duration = Duration::from_secs(1);
/// No lease is believed to last longer, whatever the clock says.
const MOST: Duration = Duration::from_secs(60);

/// Looks for ever.
pub(super) async fn watch(store: Arc<dyn Store>, gateway: Arc<Gateway>) {
    let mut known = None;
    loop {
        match store.lease(LEASE).await {
            Ok(Some(lease)) => {
                // Only a lease that was renewed meanwhile is a sign of life.
                let now = Some((lease.fence, lease.expires_at_ms));
                if std::mem::replace(&mut known, now) != now {
                    let left_ms = lease.expires_at_ms.saturating_sub(clock::now_ms());
                    let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
                    gateway.guards().controller_has(left.min(MOST));
                }
            }
            Ok(None) => {
                known = None;
                gateway.guards().controller_has_left();
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the lease cannot be read");
            }
        }
        clock::pause(LOOK).await;
    }
}
