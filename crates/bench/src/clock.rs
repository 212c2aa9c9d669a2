//! The only place of this crate that reads a clock: these programs measure time.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::Instant;

/// Now.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps until then; not at all if that is past.
pub fn sleep_until(then: Instant) {
    std::thread::sleep(then.saturating_duration_since(Instant::now()));
}
