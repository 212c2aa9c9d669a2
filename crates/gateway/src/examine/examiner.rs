//! How much of bodies a thread keeps and looks at: bounded each, all together, and in a second.

use crate::kept::{Kept, Memory, Tee};
use crate::settings::Settings;
use crate::timer::TICK_MS;
use http1::Framing;
use std::cell::Cell;
use std::sync::Arc;
use telemetry::found::Hindrance;

/// Ticks of a second.
const TICKS_PER_S: i64 = 1_000 / TICK_MS as i64;

/// What one thread may keep and look at.
pub(crate) struct Examiner {
    memory: Arc<Memory>,
    /// Longest body.
    max_bytes: u64,
    /// Bytes that are looked at in a second; below 0, what was looked at beyond it.
    per_s: i64,
    left: Cell<i64>,
    /// The tick up to which `left` was made up.
    tick: Cell<u64>,
}

impl Examiner {
    /// Of each of the gateway's threads.
    pub(crate) fn new(settings: &Settings) -> Examiner {
        let per_s = i64::try_from(settings.examined_bytes_per_s).unwrap_or(i64::MAX);
        Examiner {
            memory: Arc::new(Memory::new(settings.examined_memory_bytes / settings.threads.max(1))),
            max_bytes: settings.examined_body_bytes,
            per_s,
            left: Cell::new(per_s),
            tick: Cell::new(0),
        }
    }

    /// What a body is added to as it passes.
    ///
    /// # Errors
    /// It is too large, or enough was looked at. Which ones are left out for that has to do with the moment at which they
    /// come, not with what is in them.
    pub(super) fn keep(&self, body: Framing, tick: u64) -> Result<Tee, Hindrance> {
        match body {
            Framing::Length(length) if length > self.max_bytes => Err(Hindrance::TooLarge),
            _ if self.has_left(tick) => Ok(Kept::new(&self.memory, self.max_bytes).tee()),
            _ => Err(Hindrance::Busy),
        }
    }

    /// So many bytes were looked at.
    pub(super) fn spend(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.left.set(self.left.get().saturating_sub(bytes));
    }

    fn has_left(&self, tick: u64) -> bool {
        let ticks = tick.saturating_sub(self.tick.replace(tick));
        if ticks > 0 {
            let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
            let more = self.per_s.saturating_mul(ticks) / TICKS_PER_S;
            self.left.set(self.left.get().saturating_add(more).min(self.per_s));
        }
        self.left.get() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examiner() -> Examiner {
        Examiner::new(&Settings {
            threads: 2,
            examined_body_bytes: 50,
            examined_memory_bytes: 120,
            examined_bytes_per_s: 100,
            ..Settings::default()
        })
    }

    #[test]
    fn only_so_much_is_looked_at_in_a_second() {
        let examiner = examiner();
        let mut looked_at = 0;
        for tick in 0..=20 {
            while examiner.keep(Framing::Chunked, tick).is_ok() {
                examiner.spend(30);
                looked_at += 30;
            }
        }
        // A second's worth at once, then what came in two seconds, and at most one body beyond it.
        assert!((300..330).contains(&looked_at), "{looked_at}");
        examiner.spend(1_000);
        assert_eq!(
            examiner.keep(Framing::Chunked, 120).err(),
            Some(Hindrance::Busy),
            "what was too much is made up for"
        );
        assert!(examiner.keep(Framing::Chunked, 1_000).is_ok());
    }

    #[test]
    fn a_body_and_all_bodies_of_a_thread_are_bounded() {
        let examiner = examiner();
        assert_eq!(examiner.keep(Framing::Length(51), 0).err(), Some(Hindrance::TooLarge));
        let [one, two] =
            [Framing::Length(50), Framing::UntilClose].map(|body| examiner.keep(body, 0).unwrap());
        one.add(&[b' '; 50]);
        two.add(&[b' '; 11]);
        assert_eq!([&one, &two].map(|kept| kept.kept().body().is_ok()), [true, false]);
    }
}
