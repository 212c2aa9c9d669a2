//! The only place of this crate that reads a clock or pauses.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch; what `create_time` and `update_time` hold.
pub(crate) fn unix_s() -> i64 {
    unix_ms().div_euclid(1_000)
}

/// Milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Pauses.
pub(crate) async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

/// What a future gives within a limit; `None` if it takes longer.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}
