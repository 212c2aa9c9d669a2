//! Time in these tests: distances, and how long a process may take. Nothing here only lets time pass.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::{Duration, Instant};

/// How long a process may take to do what it was asked; generous, for slow machines.
const LIMIT: Duration = Duration::from_secs(30);

/// What takes longer within one machine waits for somebody.
const HELD_UP: Duration = Duration::from_millis(500);

/// A moment, for distances.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How long many processes may take, one after the other.
const LONG_LIMIT: Duration = Duration::from_secs(280);

/// What comes of a future, unless it is held up for so long that nothing will come.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(HELD_UP, future).await.ok()
}

/// Waits until a condition holds, looking every 10 ms; `evidence` is what is shown if it does not come to hold.
pub(crate) async fn until(what: &str, condition: impl AsyncFnMut() -> bool, evidence: impl Fn() -> String) {
    within(LIMIT, what, condition, evidence).await;
}

/// The same for what needs a hundred processes to come and go.
pub(crate) async fn patiently(
    what: &str,
    condition: impl AsyncFnMut() -> bool,
    evidence: impl Fn() -> String,
) {
    within(LONG_LIMIT, what, condition, evidence).await;
}

async fn within(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
    evidence: impl Fn() -> String,
) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < limit, "{what} did not come within {limit:?}:\n{}", evidence());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
