//! Time in a release: only what was watched counts.
//!
//! Every limit of a plan (pauses, soak, deadlines, keep times) is a length. It is over when that much time has passed
//! *while a controller looked*: each step adds what the clock moved since the step before, but at most
//! [`MAX_TICK_MS`] and never less than nothing. So a clock that jumps forward by a day adds five seconds, a clock
//! that jumps back adds none, and neither ends a soak or fires a deadline; a controller that was dead for an hour has
//! not watched for an hour. The error is always on the side of waiting longer, by the time nobody watched.

use super::{Run, Stage};

/// The most that one step may add to the watched time, milliseconds. A controller steps at least once a second while
/// a release is not ended.
pub const MAX_TICK_MS: u64 = 5_000;

impl Run<'_> {
    pub(super) fn pass_time(&mut self, now_ms: i64) {
        let moved = u64::try_from(now_ms.saturating_sub(self.state.seen_at_ms)).unwrap_or(0);
        let tick_ms = moved.min(MAX_TICK_MS);
        let state = &mut self.state;
        state.seen_at_ms = now_ms;
        match &self.seen.new {
            Some(new) if new.ready => state.unready_ms = None,
            // The time before it was first seen so does not count.
            _ => state.unready_ms = Some(state.unready_ms.map_or(0, |ms| ms.saturating_add(tick_ms))),
        }
        // While a person has to look at someone's edit, no deadline runs.
        if state.foreign.is_some() {
            return;
        }
        state.stage_ms = state.stage_ms.saturating_add(tick_ms);
        if matches!(state.stage, Stage::Watch | Stage::Check) {
            state.watched_ms = state.watched_ms.saturating_add(tick_ms);
        }
        if let Some(hold) = &mut state.hold {
            hold.ms = hold.ms.saturating_add(tick_ms);
        }
    }
}

/// How long to wait before trying again what failed `failures` times: 1 s, doubled up to 30 s.
pub(super) fn back_off_ms(failures: u32) -> u64 {
    1_000u64.saturating_mul(1 << failures.saturating_sub(1).min(5)).min(30_000)
}
