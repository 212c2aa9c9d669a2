//! Whether an instance is in a crash loop: once it was ready, it exits by itself again and again. Pure.
//!
//! Exits before it was ever ready do not count: that is what the deadline of its readiness is for, and an app may well wait
//! for something by being started again.

use model::target::CrashLoop;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The last exits of one instance.
#[derive(Debug)]
pub(super) struct Exits {
    rule: Option<CrashLoop>,
    at: VecDeque<Instant>,
    was_ready: bool,
}

impl Exits {
    pub(super) fn new(rule: Option<CrashLoop>) -> Exits {
        Exits { rule, at: VecDeque::new(), was_ready: false }
    }

    /// It exited by itself, perhaps after it had been ready: the crash loop in words, if it is in one now.
    pub(super) fn exited(&mut self, now: Instant, was_ready: bool, how: &str) -> Option<String> {
        let rule = self.rule?;
        self.was_ready |= was_ready;
        if !self.was_ready {
            return None;
        }
        let exits = usize::from(rule.exits.max(1));
        self.at.push_back(now);
        while self.at.len() > exits {
            self.at.pop_front();
        }
        let during = now.saturating_duration_since(*self.at.front()?);
        let is_loop = self.at.len() == exits && during <= Duration::from_millis(rule.within_ms);
        is_loop.then(|| match exits {
            1 => format!("exited by itself: {how}"),
            _ => format!("exited {exits} times within {:.1} s; last: {how}", during.as_secs_f64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn exits(exits: u16) -> Exits {
        Exits::new(Some(CrashLoop { exits, within_ms: 10_000 }))
    }

    #[test]
    fn the_third_exit_within_the_time_is_a_crash_loop() {
        let start = clock::monotonic();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut seen = exits(3);
        assert_eq!(seen.exited(at(0), true, "exited with status 1"), None);
        assert_eq!(seen.exited(at(9_000), false, "exited with status 1"), None);
        assert_eq!(seen.exited(at(10_001), false, "exited with status 1"), None, "too far apart");
        let third = seen.exited(at(12_500), false, "was ended by signal 9");
        assert_eq!(third.as_deref(), Some("exited 3 times within 3.5 s; last: was ended by signal 9"));
        assert_eq!(seen.exited(at(60_000), true, "exited with status 1"), None, "long ago");
        assert!(exits(1).exited(at(0), true, "x").is_some());
    }

    #[test]
    fn what_was_never_ready_and_what_nobody_asks_for_is_none() {
        let now = clock::monotonic();
        let mut seen = exits(2);
        assert!((0..10).all(|_| seen.exited(now, false, "x").is_none()));
        assert!((0..10).all(|_| Exits::new(None).exited(now, true, "x").is_none()));
    }
}
