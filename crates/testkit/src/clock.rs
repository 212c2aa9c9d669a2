//! Time in tests: a clock that moves by hand, limits on waiting, and polling for what cannot be waited for.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// How long anything in a test may take before it is given up; generous, for slow machines.
pub const LIMIT: Duration = Duration::from_secs(20);

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

/// Waits for a future, at most [`LIMIT`].
///
/// # Panics
/// If it takes longer; `what` names it.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} took longer than {LIMIT:?}"),
    }
}

/// Waits until a condition holds, looking every 5 ms, at most [`LIMIT`]. Only for what gives no event to wait for.
///
/// # Panics
/// If it does not come to hold; `what` names it.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < LIMIT, "{what} did not come to hold within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
