//! The only place of this crate that reads a clock or pauses.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[cfg(debug_assertions)]
thread_local! {
    /// The wall clock of a simulation in this thread: what it showed when tokio's clock showed that.
    static SIMULATED: std::cell::Cell<Option<(i64, tokio::time::Instant)>> = const { std::cell::Cell::new(None) };
}

/// From now on, in this thread, the wall clock shows `now_ms` and all time goes with tokio's clock, which a test can
/// stop and move.
#[cfg(debug_assertions)]
pub fn simulate(now_ms: i64) {
    SIMULATED.set(Some((now_ms, tokio::time::Instant::now())));
}

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> i64 {
    #[cfg(debug_assertions)]
    if let Some((then_ms, then)) = SIMULATED.get() {
        return then_ms.saturating_add_unsigned(then.elapsed().as_millis().try_into().unwrap_or(u64::MAX));
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// For measuring how long something took; jumps of the wall clock do not show.
#[must_use]
pub fn monotonic() -> Instant {
    #[cfg(debug_assertions)]
    if SIMULATED.get().is_some() {
        return tokio::time::Instant::now().into_std();
    }
    Instant::now()
}

/// Lets a time pass; used only where the specification itself names an interval (probes, back-off, polling).
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
