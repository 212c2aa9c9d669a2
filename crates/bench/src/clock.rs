//! The only place of this crate that reads a clock: these programs measure time.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::Instant;

/// Now.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}
