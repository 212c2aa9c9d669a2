//! Times, slice by slice: whether a version was slow in a short span of time, as a yes or no. Pure.
//!
//! Requests that follow each other wait for the same pause of the same process, so a hundred slow ones can be one event.
//! The unit that is compared is therefore not the request but the slice. It is slow by a quantile of the live version if
//! more of its answers than that quantile allows took longer: more than half of them than the median, more than one in
//! a hundred than the p99. The quantiles are those that the live version had before the slice began, raised by the
//! slowdown that is allowed: never what is being judged, and a warm-up that was disturbed is outgrown.

use judge::tally::Tally;
use load::drive::{Ending, Sample};
use std::collections::BTreeMap;
use std::time::Duration;

/// The quantiles that are compared, percent.
pub(super) const PERCENTILES: [u8; 3] = [50, 90, 99];
/// Shortest slice.
const SHORTEST: Duration = Duration::from_millis(100);
/// Requests of the slower side that a slice holds at least.
const REQUESTS: f64 = 10.0;
/// How much later than its last request could be fast a slice is closed.
const GRACE: Duration = Duration::from_millis(20);
/// What a pause of the generator's own timer adds to any time.
const TIMER: Duration = Duration::from_millis(1);

/// Times above which an answer is slow, one a percentile.
pub(super) type Thresholds = [Duration; PERCENTILES.len()];

/// The live version's quantiles, in microseconds, with what is allowed above them.
pub(super) fn thresholds(quantiles_us: [u64; PERCENTILES.len()], max_slowdown: f64) -> Thresholds {
    quantiles_us.map(|us| Duration::from_micros(us).mul_f64(max_slowdown.clamp(1.0, 100.0)) + TIMER)
}

/// Thresholds in the order in which they were frozen, each for the slices that begin after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Frozen(Vec<(Duration, Thresholds)>);

impl Frozen {
    pub(super) fn freeze(&mut self, at: Duration, thresholds: Thresholds) {
        self.0.push((at, thresholds));
    }

    /// The last ones, and since when.
    pub(super) fn latest(&self) -> Option<&(Duration, Thresholds)> {
        self.0.last()
    }

    /// What holds for a slice that begins at a moment: the first ones until there are others.
    fn at(&self, begin: Duration) -> Option<&Thresholds> {
        let known = self.0.iter().rev().find(|(at, _)| *at <= begin);
        known.or(self.0.first()).map(|(_, thresholds)| thresholds)
    }
}

/// One side's slices since the warm-up.
#[derive(Clone, Debug)]
pub(super) struct Slices {
    from: Duration,
    length: Duration,
    next: u32,
    times: BTreeMap<u32, Vec<Duration>>,
    slow: [Tally; PERCENTILES.len()],
}

impl Slices {
    /// Slices that begin at the end of the warm-up; `least_rate` is that of the side that is asked less.
    pub(super) fn new(from: Duration, least_rate: u32) -> Slices {
        let length = Duration::from_secs_f64(REQUESTS / f64::from(least_rate.max(1))).max(SHORTEST);
        Slices { from, length, next: 0, times: BTreeMap::new(), slow: Default::default() }
    }

    /// Adds a request that has ended. One that failed at once says nothing about speed.
    pub(super) fn add(&mut self, sample: &Sample) {
        let counts = match sample.ending {
            Ending::Whole(status) => status < 500,
            Ending::TimedOut | Ending::NotSent => true,
            Ending::NotConnected | Ending::NoAnswer | Ending::CutShort | Ending::TooLong => false,
        };
        if let Some(slice) = self.slice_of(sample.due).filter(|slice| counts && *slice >= self.next) {
            self.times.entry(slice).or_default().push(sample.took);
        }
    }

    /// Closes the slices that can be judged by now. What is still open of them has been slow already.
    pub(super) fn close(&mut self, elapsed: Duration, open: &[Duration], frozen: &Frozen) {
        while let Some(thresholds) = frozen.at(self.begin_of(self.next)) {
            let patience = thresholds.iter().max().copied().unwrap_or_default() + GRACE;
            if self.begin_of(self.next + 1) + patience > elapsed {
                return;
            }
            let times = self.times.remove(&self.next).unwrap_or_default();
            let open = open.iter().filter(|due| self.slice_of(**due) == Some(self.next)).count();
            let answers = times.len() + open;
            if answers > 0 {
                for ((percentile, threshold), slow) in PERCENTILES.iter().zip(thresholds).zip(&mut self.slow)
                {
                    let over = times.iter().filter(|took| *took > threshold).count() + open;
                    let is_slow = over * 100 > answers * usize::from(100 - percentile);
                    *slow = slow.plus(Tally::new(1, is_slow.into()));
                }
            }
            self.next += 1;
        }
    }

    /// Slices, and those of them that were slow by each percentile.
    pub(super) fn slow(&self) -> &[Tally; PERCENTILES.len()] {
        &self.slow
    }

    fn slice_of(&self, due: Duration) -> Option<u32> {
        let after = due.checked_sub(self.from)?;
        Some((after.as_nanos() / self.length.as_nanos().max(1)).try_into().unwrap_or(u32::MAX))
    }

    fn begin_of(&self, slice: u32) -> Duration {
        self.from + self.length * slice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sample(due_ms: u32, took_ms: u32, ending: Ending) -> Sample {
        Sample { due: MS * due_ms, lag: Duration::ZERO, took: MS * took_ms, ending }
    }

    fn frozen(thresholds: [Duration; 3]) -> Frozen {
        Frozen(vec![(Duration::ZERO, thresholds)])
    }

    fn slow(slices: &Slices) -> [(u64, u64); 3] {
        slices.slow().map(|tally| (tally.units, tally.failed))
    }

    #[test]
    fn a_slice_is_slow_by_a_quantile_that_too_many_of_its_answers_exceed() {
        let thresholds = frozen([MS * 10, MS * 20, MS * 30]);
        let mut slices = Slices::new(MS * 1_000, 100);
        let whole = Ending::Whole(200);
        // First slice: 6 of 10 above the median. Second: 1 of 10 above the p99, and so above all. Third: quick.
        (0..10).for_each(|n| slices.add(&sample(1_000 + 10 * n, if n < 6 { 11 } else { 1 }, whole)));
        (0..10).for_each(|n| slices.add(&sample(1_100 + 10 * n, if n < 1 { 31 } else { 1 }, whole)));
        (0..10).for_each(|n| slices.add(&sample(1_200 + 10 * n, 10, whole)));
        slices.close(MS * 10_000, &[], &thresholds);
        assert_eq!(slow(&slices), [(3, 1), (3, 0), (3, 1)]);
    }

    #[test]
    fn a_burst_within_one_slice_counts_once() {
        let thresholds = frozen([MS * 10, MS * 20, MS * 30]);
        let mut slices = Slices::new(Duration::ZERO, 1_000);
        (0..1_000).for_each(|n| slices.add(&sample(n, if n < 100 { 500 } else { 1 }, Ending::Whole(200))));
        slices.close(MS * 10_000, &[], &thresholds);
        assert_eq!(slow(&slices), [(10, 1); 3]);
    }

    #[test]
    fn what_is_open_when_its_slice_closes_is_slow_and_what_failed_at_once_is_neither() {
        let thresholds = frozen([MS * 10; 3]);
        let mut slices = Slices::new(Duration::ZERO, 100);
        slices.add(&sample(5, 1, Ending::Whole(503)));
        slices.close(MS * 129, &[MS * 50, MS * 150], &thresholds);
        assert_eq!(slow(&slices), [(0, 0); 3], "it is not closed yet");
        slices.close(MS * 130, &[MS * 50, MS * 150], &thresholds);
        assert_eq!(slow(&slices), [(1, 1); 3]);
        slices.add(&sample(50, 5_000, Ending::TimedOut));
        slices.close(MS * 131, &[], &thresholds);
        assert_eq!(slow(&slices), [(1, 1); 3], "and is not counted again when it ends");
    }

    #[test]
    fn the_warm_up_does_not_count() {
        let mut slices = Slices::new(MS * 1_000, 100);
        slices.add(&sample(999, 500, Ending::Whole(200)));
        slices.close(MS * 5_000, &[MS * 999], &frozen([MS; 3]));
        assert_eq!(slow(&slices), [(0, 0); 3]);
    }

    #[test]
    fn each_slice_is_held_against_what_was_frozen_before_it_began() {
        let mut frozen = frozen([MS * 500; 3]);
        frozen.freeze(MS * 150, [MS * 10; 3]);
        let mut slices = Slices::new(Duration::ZERO, 100);
        (0..30).for_each(|n| slices.add(&sample(10 * n, 50, Ending::Whole(200))));
        slices.close(MS * 5_000, &[], &frozen);
        assert_eq!(slow(&slices).map(|(_, slow)| slow), [1; 3], "the third, which begins after 150 ms");
    }

    #[test]
    fn the_thresholds_lie_above_the_quantiles_by_what_is_allowed() {
        let found = thresholds([1_000, 2_000, 8_000], 1.25);
        assert_eq!(found.map(|one| one.as_micros()), [2_250, 3_500, 11_000]);
    }
}
