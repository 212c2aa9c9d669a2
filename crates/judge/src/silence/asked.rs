//! How much a version had been asked how long ago: what has waited for so long is of that. Pure.

use std::collections::VecDeque;

/// Of what was asked how long ago so many moments are kept within the patience.
const MOMENTS: u64 = 128;

/// When the new version had been asked how much since silence may have begun, oldest first, as far back as is needed.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) after_ms: u64,
    moments: VecDeque<(u64, u64)>,
}

impl Asked {
    pub(super) fn new(after_ms: u64) -> Asked {
        Asked { after_ms, moments: VecDeque::new() }
    }

    /// Keeps how much was asked by now, as often as is needed to know it at the beginning of that time.
    pub(super) fn note(&mut self, now_ms: u64, asked: u64) {
        let spacing = (self.after_ms / MOMENTS).max(1);
        let is_due = |last: &(u64, u64)| now_ms.saturating_sub(last.0) >= spacing;
        if self.moments.back().is_none_or(is_due) {
            self.moments.push_back((now_ms, asked));
        }
        let begin = now_ms.saturating_sub(self.after_ms);
        while self.moments.get(1).is_some_and(|(at_ms, _)| *at_ms <= begin) {
            self.moments.pop_front();
        }
    }

    /// How much was asked so long ago or earlier.
    pub(super) fn by_then(&self, now_ms: u64) -> Option<u64> {
        let begin = now_ms.checked_sub(self.after_ms)?;
        self.moments.front().filter(|(at_ms, _)| *at_ms <= begin).map(|(_, asked)| *asked)
    }

    /// Silence has not begun before now.
    pub(super) fn clear(&mut self) {
        self.moments.clear();
    }
}
