//! The only place of this crate that reads a clock or pauses.
#![allow(clippy::disallowed_methods, reason = "this is the clock module")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time for measuring how long something takes.
#[must_use]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since the Unix epoch.
#[must_use]
pub(crate) fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The wall clock as certificates are checked against it.
#[must_use]
pub(crate) fn wall() -> rustls::pki_types::UnixTime {
    rustls::pki_types::UnixTime::now()
}

/// A point in time and the wall-clock time that belongs to it: one of the two is enough to read per request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    instant: Instant,
    unix_us: i64,
}

impl Anchor {
    /// Reads both clocks.
    #[must_use]
    pub(crate) fn read() -> Anchor {
        Anchor { instant: now(), unix_us: unix_us() }
    }

    /// The wall-clock time of `instant`, microseconds since the Unix epoch.
    #[must_use]
    pub(crate) fn unix_us_of(&self, instant: Instant) -> i64 {
        let since = i64::try_from(instant.saturating_duration_since(self.instant).as_micros());
        self.unix_us.saturating_add(since.unwrap_or(i64::MAX))
    }
}

/// Lets a time pass.
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
