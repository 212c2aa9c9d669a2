//! The lease under which releases are driven: one controller acts, others stand by.

use crate::clock;
use std::sync::Arc;
use store::{Store, StoreError};

/// Name of the lease in the store.
pub const LEASE: &str = "releases";

/// What this process knows of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// Ours, with this fence, until this moment (milliseconds since the Unix epoch).
    Held {
        /// Every write carries it; the store refuses those of an older holder.
        fence: u64,
        /// When it ends unless it is renewed.
        until_ms: i64,
    },
    /// Someone else's, or nobody's yet.
    Elsewhere,
}

/// Takes or renews the lease.
///
/// # Errors
/// What the store says. The lease may then be lost before we know; the fence makes that harmless.
pub async fn hold(store: &Arc<dyn Store>, holder: &str, ttl_ms: u64) -> Result<Tenure, StoreError> {
    let lease = store.acquire(LEASE, holder, ttl_ms, clock::now_ms()).await?;
    Ok(match lease {
        Some(lease) => Tenure::Held { fence: lease.fence, until_ms: lease.expires_at_ms },
        None => Tenure::Elsewhere,
    })
}

/// The fence with which a command may be journaled by a controller that does not hold the lease: the order of the
/// journal, not the lease, says what came first. `None`: nobody has ever held it.
///
/// # Errors
/// What the store says.
pub async fn current_fence(store: &Arc<dyn Store>) -> Result<Option<u64>, StoreError> {
    Ok(store.lease(LEASE).await?.map(|lease| lease.fence))
}
