//! The one place of this crate where time passes by itself.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::Duration;

/// Blocks this thread. Only for locks at a start, where another process's short lock can not be waited for by an event.
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
