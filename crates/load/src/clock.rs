//! The only place of this crate that reads a clock or pauses.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for distances.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Lets a time pass: the pauses of a slow upload, the distance between attempts to connect.
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits until a moment: the next scheduled request of an open loop.
pub(crate) async fn until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// The value of a future, or `None` if it takes longer.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// The value of a future, or `None` if it is not there by a moment.
pub(crate) async fn by<T>(moment: Instant, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(moment.into(), future).await.ok()
}
