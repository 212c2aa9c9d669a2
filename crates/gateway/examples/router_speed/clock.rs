//! The only place of this example that reads a clock.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::Instant;

/// A point in time for measuring how long something takes.
pub(crate) fn now() -> Instant {
    Instant::now()
}
