//! Time in tests: a clock that moves by hand, limits on waiting, and polling for what cannot be waited for.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// How long anything in a test may take before it is given up; generous, for slow machines.
pub const LIMIT: Duration = Duration::from_secs(20);
/// It is counted in slices, so that a machine that stands still for long has used up one of them and not the limit.
const SLICE: Duration = Duration::from_millis(100);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A clock that moves only when it is told to. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    now_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows this time, milliseconds since the Unix epoch.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        ManualClock { now_ms: Arc::new(AtomicI64::new(now_ms)) }
    }

    /// The time it shows, milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// Moves it; backwards with a negative number, as real clocks do.
    pub fn advance(&self, by_ms: i64) {
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

/// A point in time, to count others from.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// A server that takes its time.
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Keeps the thread busy, so that nothing else runs on it: a machine that cannot keep up.
pub fn hog(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

/// Waits for a future, at most [`LIMIT`].
///
/// # Panics
/// If it takes longer; `what` names it.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    for _ in 0..LIMIT.as_millis() / SLICE.as_millis() {
        if let Ok(value) = tokio::time::timeout(SLICE, &mut future).await {
            return value;
        }
    }
    panic!("{what} took longer than {LIMIT:?}");
}

/// Waits until a condition holds, looking every 5 ms, at most [`LIMIT`]. Only for what gives no event to wait for.
///
/// # Panics
/// If it does not come to hold; `what` names it.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..LIMIT.as_millis() / LOOK.as_millis() {
        if condition().await {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("{what} did not come to hold within {LIMIT:?}");
}
