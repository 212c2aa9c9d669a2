//! Samples of what both colours do, for the course in the report.
//!
//! A sample is taken each second while traffic may move. In the first ten minutes each one is written down; later ones are
//! written as longer and longer intervals, so that a soak of days does not fill the journal. Around each turning point
//! the seconds are written as they are. A crash loses what was not yet written: seconds at first.

use super::app::AppRunner;
use crate::book::Release;
use crate::counters::Gateways;
use crate::journal::Event;
use crate::machine::State;
use crate::plan::Plan;
use crate::report::{Point, Slice, in_groups, strongest};
use model::colour::Colour;
use model::record::Lane;
use telemetry::counts::Counts;

/// Between two samples, milliseconds.
const SAMPLE_MS: i64 = 1_000;
/// So long each second is written down, milliseconds.
const FINE_MS: i64 = 600_000;
/// At least so much is written at once, milliseconds.
const BATCH_MS: i64 = 15_000;
/// The longest interval that is written, in samples.
const MAX_GROUP: usize = 300;
/// If nobody looked for longer, the samples begin anew, milliseconds.
const MAX_GAP_MS: i64 = 60_000;

/// How far the evidence is on its way to its bound, percent.
#[derive(Clone, Copy, Debug, Default)]
struct Strengths {
    judge: Option<u16>,
    guard: Option<u16>,
}

/// The samples of one release.
#[derive(Debug)]
pub(super) struct Sampler {
    began_at_ms: i64,
    last: Option<(i64, [Counts; 2])>,
    /// Not written yet, oldest first.
    unwritten: Vec<Point>,
}

impl Sampler {
    /// Of a release that began then.
    fn new(began_at_ms: i64) -> Sampler {
        Sampler { began_at_ms, last: None, unwritten: Vec::new() }
    }

    /// Takes a sample if it is time to. `at_once`: also if less than a second has passed.
    fn look(&mut self, now_ms: i64, share: u8, counts: [Counts; 2], strengths: Strengths, at_once: bool) {
        let Some((then_ms, then)) = &self.last else {
            self.last = Some((now_ms, counts));
            return;
        };
        let passed_ms = now_ms - then_ms;
        if (0..SAMPLE_MS).contains(&passed_ms) && (!at_once || passed_ms == 0) {
            return;
        }
        if (0..=MAX_GAP_MS).contains(&passed_ms) {
            let [blue, green] = &counts;
            let [blue_then, green_then] = then;
            self.unwritten.push(Point {
                at_ms: now_ms,
                ms: u64::try_from(passed_ms).unwrap_or(0),
                share,
                blue: slice(&blue.minus(blue_then)),
                green: slice(&green.minus(green_then)),
                judge: strengths.judge,
                guard: strengths.guard,
            });
        }
        self.last = Some((now_ms, counts));
    }

    /// What is not written down yet, oldest first.
    pub(super) fn unwritten(&self) -> &[Point] {
        &self.unwritten
    }

    /// What is to be written down now; empty: nothing.
    fn due(&mut self, now_ms: i64, at_once: bool) -> Vec<Point> {
        let Some(first) = self.unwritten.first() else { return Vec::new() };
        let group = group_at(now_ms.saturating_sub(self.began_at_ms));
        let waited_ms = now_ms.saturating_sub(first.began_at_ms());
        let enough_ms = i64::try_from(group).unwrap_or(i64::MAX).saturating_mul(SAMPLE_MS).max(BATCH_MS);
        if at_once {
            std::mem::take(&mut self.unwritten)
        } else if waited_ms >= enough_ms {
            in_groups(&std::mem::take(&mut self.unwritten), group)
        } else {
            Vec::new()
        }
    }
}

/// How many samples become one: 1 at first, then twice as many each time the release has become twice as old.
fn group_at(age_ms: i64) -> usize {
    let times = u64::try_from(age_ms / FINE_MS).unwrap_or(0);
    let doublings = times.checked_ilog2().map_or(0, |log| log + 1);
    1usize.checked_shl(doublings).unwrap_or(MAX_GROUP).min(MAX_GROUP)
}

fn slice(counts: &Counts) -> Slice {
    let (p50_us, p99_us) = (counts.latency.quantile(0.5), counts.latency.quantile(0.99));
    Slice { requests: counts.requests(), failed: counts.failed(), p50_us, p99_us }
}

impl AppRunner {
    /// Takes a sample while the release is in flight; answers those that are to be written down.
    pub(super) fn sample(
        &mut self,
        release: &Release,
        before: &State,
        after: &State,
        gateways: &Gateways,
        now_ms: i64,
    ) -> Option<Event> {
        let folded = &release.folded;
        if !after.in_flight() && !before.in_flight() {
            self.samplers.remove(&folded.release);
            return None;
        }
        let lead = folded.plan.as_ref().and_then(Plan::lead)?;
        let counts = Colour::BOTH.map(|colour| gateways.of_colour(&lead.app, colour, 0, Some(Lane::Share)));
        let began_at_ms = folded.spans.first().map_or(folded.requested_at_ms, |span| span.began_at_ms);
        let evidence = self.evidence.get(&folded.release).map_or(&[][..], Vec::as_slice);
        let strengths = Strengths { judge: strongest(evidence, false), guard: strongest(evidence, true) };
        let sampler =
            self.samplers.entry(folded.release.clone()).or_insert_with(|| Sampler::new(began_at_ms));
        let turns = is_turn(before, after);
        sampler.look(now_ms, after.share(), counts, strengths, turns);
        let points = sampler.due(now_ms, turns);
        (!points.is_empty()).then_some(Event::Sampled { points })
    }
}

/// Traffic has moved, or is about to go back, or the release lets the next one begin.
pub(super) fn is_turn(before: &State, after: &State) -> bool {
    before.written != after.written || before.cause != after.cause || before.in_flight() != after.in_flight()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u64, failed: u64) -> Counts {
        let mut counts = Counts { received: requests, ..Counts::default() };
        counts.whole = [0, requests - failed, 0, 0, failed];
        counts
    }

    fn watch(sampler: &mut Sampler, seconds: std::ops::Range<u64>) -> Vec<Vec<Point>> {
        let mut written = Vec::new();
        for second in seconds {
            let now_ms = i64::try_from(second).unwrap() * 1_000;
            sampler.look(
                now_ms,
                10,
                [counts(100 * second, 0), counts(10 * second, second)],
                Strengths::default(),
                false,
            );
            written.extend(Some(sampler.due(now_ms, false)).filter(|points| !points.is_empty()));
        }
        written
    }

    #[test]
    fn each_second_is_written_at_first_and_later_less() {
        let mut sampler = Sampler::new(0);
        let written = watch(&mut sampler, 0..7_200);
        assert_eq!(written[0].len(), 15);
        let point = written[0][3];
        assert_eq!((point.at_ms, point.ms, point.share), (4_000, 1_000, 10));
        assert_eq!((point.blue.requests, point.green.requests, point.green.failed), (100, 10, 1));
        let last = written.last().unwrap();
        assert_eq!((last.len(), last[0].ms, last[0].blue.requests), (1, 16_000, 1_600));
        let points: usize = written.iter().map(Vec::len).sum();
        assert!(points < 1_800 && written.len() < 500, "{points} points in {} entries", written.len());
    }

    #[test]
    fn a_month_of_soak_is_bounded() {
        let groups: Vec<usize> = (0..4_320).map(|tens| group_at(tens * FINE_MS)).collect();
        assert!(groups.is_sorted() && groups.last() == Some(&MAX_GROUP));
    }

    #[test]
    fn at_a_turning_point_the_last_seconds_are_written_as_they_are() {
        let mut sampler = Sampler::new(0);
        watch(&mut sampler, 0..7_190);
        let held = sampler.unwritten.len();
        sampler.look(7_189_400, 0, [counts(719_000, 0), counts(71_900, 7_190)], Strengths::default(), true);
        let points = sampler.due(7_189_400, true);
        assert_eq!(points.len(), held + 1);
        assert_eq!(points.last().map(|point| point.ms), Some(400));
        assert!(sampler.unwritten.is_empty());
    }

    #[test]
    fn a_clock_that_jumps_makes_no_point() {
        let mut sampler = Sampler::new(0);
        for now_ms in [0, 86_400_000, 1_000, 2_000] {
            sampler.look(now_ms, 0, [counts(5, 0), counts(5, 0)], Strengths::default(), false);
        }
        assert_eq!(sampler.unwritten.len(), 1);
    }
}
