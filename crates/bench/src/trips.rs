//! What `bench-trip` is made of: users who ask at fixed moments, two versions behind the proxy, one of which breaks on
//! demand, and what the users saw of that.

mod users;
mod versions;

pub use users::ask;
pub use versions::{Colour, serve};

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The failed answer before which no guard can say that something is broken.
const CROSSING: usize = 3;

/// One service of the proxy, with users of its own.
#[derive(Debug, Default)]
pub struct Site {
    /// So many of a thousand answers of Green fail.
    failing: AtomicU32,
    watched: AtomicBool,
    seen: Mutex<Vec<Seen>>,
}

/// One answer, as its user saw it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When the whole of it was there.
    pub at: Instant,
    /// Whose it was.
    pub colour: Colour,
    /// Not 2xx, or no answer at all.
    pub failed: bool,
}

/// What the users of a site saw of one break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// From the first failed answer to the last answer of Green.
    pub from_first: Duration,
    /// From the third failed answer (the last, if there were fewer) to the last answer of Green.
    pub from_crossing: Duration,
    /// Failed answers.
    pub failed: usize,
    /// Failed answers of Blue, or none at all.
    pub failed_elsewhere: usize,
}

impl Site {
    /// Lets so many of a thousand answers of Green fail, and begins to watch.
    pub fn break_green(&self, per_thousand: u32) {
        self.seen().clear();
        self.watched.store(true, Relaxed);
        self.failing.store(per_thousand, Relaxed);
    }

    /// Green is as good as ever, and nobody watches.
    pub fn mend_green(&self) {
        self.failing.store(0, Relaxed);
        self.watched.store(false, Relaxed);
    }

    /// What was seen, once Green has been gone for `quiet`.
    #[must_use]
    pub fn trip(&self, now: Instant, quiet: Duration) -> Option<Trip> {
        trip(&self.seen(), now, quiet)
    }

    fn add(&self, seen: Seen) {
        if self.watched.load(Relaxed) {
            self.seen().push(seen);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn trip(seen: &[Seen], now: Instant, quiet: Duration) -> Option<Trip> {
    let failed: Vec<&Seen> = seen.iter().filter(|one| one.failed && one.colour == Colour::Green).collect();
    let last_green = seen.iter().filter(|one| one.colour == Colour::Green).map(|one| one.at).max()?;
    let (first, crossing) = (failed.first()?, failed.get(CROSSING - 1).or(failed.last())?);
    let is_quiet = now.saturating_duration_since(last_green) >= quiet;
    is_quiet.then(|| Trip {
        from_first: last_green.saturating_duration_since(first.at),
        from_crossing: last_green.saturating_duration_since(crossing.at),
        failed: failed.len(),
        failed_elsewhere: seen.iter().filter(|one| one.failed && one.colour != Colour::Green).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_trip_is_over_when_green_was_quiet_and_counts_from_its_first_and_third_failure() {
        let began = clock::now();
        let ms = |ms: u64| began + Duration::from_millis(ms);
        let green = |at: u64, failed: bool| Seen { at: ms(at), colour: Colour::Green, failed };
        let blue = Seen { at: ms(20), colour: Colour::Blue, failed: false };
        let mut seen = vec![green(1, false), blue];
        let quiet = Duration::from_millis(100);
        assert_eq!(trip(&seen, ms(500), quiet), None, "nothing has failed");
        seen.extend((1..=6).map(|number| green(number * 10, true)));
        seen.push(green(70, false));
        assert_eq!(trip(&seen, ms(160), quiet), None, "Green may come again");
        let whole = trip(&seen, ms(170), quiet).unwrap();
        assert_eq!(
            (whole.from_first, whole.from_crossing),
            (Duration::from_millis(60), Duration::from_millis(40))
        );
        assert_eq!((whole.failed, whole.failed_elsewhere), (6, 0));
    }
}
