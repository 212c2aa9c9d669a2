//! What one version did under load: counts by kind of ending, times, and the generator's own lateness. Pure.

use super::slices::{PERCENTILES, Slices};
use judge::limits::Observed;
use judge::tally::Tally;
use load::drive::{Ending, Sample};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use telemetry::sketch::Sketch;

/// Requests that a look at the last moments should hold.
const RECENT: f64 = 20.0;
/// Shortest look at the last moments.
const RECENT_SHORTEST: Duration = Duration::from_secs(1);

/// One version's account.
#[derive(Clone, Debug)]
pub(super) struct Side {
    warm_up: Duration,
    recent_length: Duration,
    endings: BTreeMap<Ending, u64>,
    /// Whole answers and timeouts of requests that were due in the warm-up, and after it.
    times: [Sketch; 2],
    lag: Sketch,
    recent: VecDeque<(Duration, bool)>,
    pub(super) slices: Slices,
}

impl Side {
    pub(super) fn new(warm_up: Duration, rate: u32, least_rate: u32) -> Side {
        let recent_length = Duration::from_secs_f64(RECENT / f64::from(rate.max(1))).max(RECENT_SHORTEST);
        Side {
            warm_up,
            recent_length,
            endings: BTreeMap::new(),
            times: [Sketch::new(), Sketch::new()],
            lag: Sketch::new(),
            recent: VecDeque::new(),
            slices: Slices::new(warm_up, least_rate),
        }
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        *self.endings.entry(sample.ending).or_default() += 1;
        self.lag.record(micros(sample.lag));
        if matches!(sample.ending, Ending::Whole(_) | Ending::TimedOut | Ending::NotSent) {
            let [warm_up, after] = &mut self.times;
            let times = if sample.due < self.warm_up { warm_up } else { after };
            times.record(micros(sample.took));
        }
        self.recent.push_back((sample.due + sample.took, is_failure(sample.ending)));
        self.slices.add(sample);
    }

    /// Requests, and those that failed: no whole answer, or one of class 5xx.
    pub(super) fn failures(&self) -> Tally {
        self.tally(|_| true, is_failure)
    }

    /// Whole answers below 500, and those of class 4xx.
    pub(super) fn client_errors(&self) -> Tally {
        self.tally(|ending| !is_failure(ending), |ending| matches!(ending, Ending::Whole(400..=499)))
    }

    fn tally(&self, counts: impl Fn(Ending) -> bool, fails: impl Fn(Ending) -> bool) -> Tally {
        let counted = self.endings.iter().filter(|(ending, _)| counts(**ending));
        let one =
            |(ending, count): (&Ending, &u64)| Tally::new(*count, if fails(*ending) { *count } else { 0 });
        counted.map(one).fold(Tally::default(), Tally::plus)
    }

    /// What ended in the last moments.
    pub(super) fn recent(&mut self, elapsed: Duration) -> Observed {
        let since = elapsed.saturating_sub(self.recent_length);
        self.recent.retain(|(at, _)| *at >= since);
        let failed = self.recent.iter().filter(|(_, failed)| *failed).count() as u64;
        Observed { requests: self.recent.len() as u64, failed, p99_ms: None }
    }

    /// All that ended, with the p99 of what was due after the warm-up.
    pub(super) fn observed(&self) -> Observed {
        let Tally { units, failed } = self.failures();
        let p99_ms = self.quantile_us(0.99).map(|us| us as f64 / 1_000.0);
        Observed { requests: units, failed, p99_ms }
    }

    /// Answers and timeouts of requests that were due after the warm-up.
    pub(super) fn measured(&self) -> u64 {
        let [_, after] = &self.times;
        after.count()
    }

    /// The quantiles of the warm-up, microseconds; `None`: it had too few answers.
    pub(super) fn warm_up_us(&self, least: u64) -> Option<[u64; PERCENTILES.len()]> {
        let [warm_up, _] = &self.times;
        if warm_up.count() < least { None } else { quantiles_us(warm_up) }
    }

    /// The quantiles of everything so far, microseconds.
    pub(super) fn so_far_us(&self) -> Option<[u64; PERCENTILES.len()]> {
        let [warm_up, after] = &self.times;
        let mut all = warm_up.clone();
        all.merge(after);
        quantiles_us(&all)
    }

    /// A quantile of the times after the warm-up, microseconds.
    pub(super) fn quantile_us(&self, q: f64) -> Option<u64> {
        let [_, after] = &self.times;
        after.quantile(q)
    }

    /// How late the generator was with its requests.
    pub(super) fn lag(&self) -> &Sketch {
        &self.lag
    }

    /// `200: 590, 404: 3, timed out: 7`.
    pub(super) fn endings(&self) -> String {
        let name = |ending: &Ending| match ending {
            Ending::Whole(status) => status.to_string(),
            Ending::NotConnected => "no connection".to_owned(),
            Ending::NoAnswer => "no answer".to_owned(),
            Ending::CutShort => "cut short".to_owned(),
            Ending::TooLong => "too long".to_owned(),
            Ending::TimedOut => "timed out".to_owned(),
            Ending::NotSent => "not sent".to_owned(),
        };
        let all: Vec<String> =
            self.endings.iter().map(|(ending, count)| format!("{}: {count}", name(ending))).collect();
        all.join(", ")
    }

    /// `6000 requests, 2 failed, p50 1.2 ms, p90 1.9 ms, p99 4.1 ms`.
    pub(super) fn summary(&self) -> String {
        let Tally { units, failed } = self.failures();
        let quantile = |percentile: u8| {
            let us = self.quantile_us(f64::from(percentile) / 100.0)?;
            Some(format!(", p{percentile} {}", milliseconds(us)))
        };
        let quantiles: String = PERCENTILES.into_iter().filter_map(quantile).collect();
        format!("{units} requests, {failed} failed{quantiles}")
    }
}

fn quantiles_us(times: &Sketch) -> Option<[u64; PERCENTILES.len()]> {
    let mut found = [0; PERCENTILES.len()];
    for (found, percentile) in found.iter_mut().zip(PERCENTILES) {
        *found = times.quantile(f64::from(percentile) / 100.0)?;
    }
    Some(found)
}

/// `4.1 ms` of microseconds.
pub(super) fn milliseconds(us: u64) -> String {
    let ms = us as f64 / 1_000.0;
    if ms < 100.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

fn is_failure(ending: Ending) -> bool {
    !matches!(ending, Ending::Whole(100..=499))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(due_ms: u64, ending: Ending) -> Sample {
        let due = Duration::from_millis(due_ms);
        Sample { due, lag: Duration::from_millis(2), took: Duration::from_millis(10), ending }
    }

    #[test]
    fn every_kind_of_ending_is_counted_as_what_it_is() {
        let mut side = Side::new(Duration::from_secs(1), 100, 100);
        for ending in [
            Ending::Whole(200),
            Ending::Whole(404),
            Ending::Whole(500),
            Ending::TimedOut,
            Ending::CutShort,
            Ending::NotSent,
        ] {
            side.add(&sample(1_500, ending));
        }
        assert_eq!(side.failures(), Tally::new(6, 4));
        assert_eq!(side.client_errors(), Tally::new(2, 1));
        assert_eq!(side.measured(), 5);
        assert_eq!(side.endings(), "200: 1, 404: 1, 500: 1, cut short: 1, timed out: 1, not sent: 1");
        assert!(side.summary().starts_with("6 requests, 4 failed, p50 "), "{}", side.summary());
    }

    #[test]
    fn times_of_the_warm_up_are_frozen_and_not_mixed_with_the_rest() {
        let mut side = Side::new(Duration::from_secs(1), 100, 100);
        (0..20).for_each(|n| side.add(&sample(n * 10, Ending::Whole(200))));
        assert_eq!(side.measured(), 0);
        assert_eq!(side.warm_up_us(21), None);
        let [p50, _, p99] = side.warm_up_us(20).unwrap();
        assert!((9_600..=10_400).contains(&p50) && p50 == p99, "{p50} {p99}");
    }

    #[test]
    fn only_what_ended_in_the_last_second_is_recent() {
        let mut side = Side::new(Duration::from_secs(1), 100, 100);
        side.add(&sample(0, Ending::Whole(500)));
        side.add(&sample(1_000, Ending::Whole(200)));
        let recent = side.recent(Duration::from_millis(1_500));
        assert_eq!((recent.requests, recent.failed), (1, 0));
    }
}
