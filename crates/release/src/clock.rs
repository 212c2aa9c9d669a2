//! The only place of this crate that reads a clock or pauses.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// For measuring how long something took; jumps of the wall clock do not show.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Lets a time pass; used only where the specification itself names an interval (probes, back-off, polling).
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
