//! What came of the requests, and what it cost the proxy.

use crate::{clock, cpu};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Failures of one phase after which nothing more is to be learnt.
const MAX_ERRORS: u64 = 1_000;

/// Answers that came whole, and failures.
#[derive(Debug, Default)]
pub struct Tally {
    requests: u64,
    errors: u64,
    latencies_us: Vec<u32>,
}

impl Tally {
    /// An answer came whole; it was asked for at `began`.
    pub fn whole(&mut self, began: Instant) {
        self.requests += 1;
        let took = clock::now().duration_since(began).as_micros();
        self.latencies_us.push(u32::try_from(took).unwrap_or(u32::MAX));
    }

    /// Something went wrong; false when too much has.
    #[must_use]
    pub fn failed(&mut self, why: &dyn Display) -> bool {
        eprintln!("error: {why}");
        self.errors += 1;
        self.errors <= MAX_ERRORS
    }
}

/// The measured time: from its making, which ends the warm-up, to its report.
#[derive(Debug)]
pub struct Measurement<'a> {
    processes: &'a [u32],
    warm_up_errors: u64,
    began: Instant,
    cpu_before_ns: u64,
}

impl<'a> Measurement<'a> {
    /// Ends the warm-up: what was tallied is forgotten, except for errors. `processes` are the proxy's.
    #[must_use]
    pub fn begin(tally: &mut Tally, processes: &'a [u32]) -> Measurement<'a> {
        let warm_up_errors = std::mem::take(tally).errors;
        Measurement {
            processes,
            warm_up_errors,
            began: clock::now(),
            cpu_before_ns: cpu::spent_ns(processes),
        }
    }

    /// One line of JSON: what the proxy did in the measured time.
    #[must_use]
    pub fn report(self, mut tally: Tally) -> String {
        let (elapsed, cpu_after_ns) = (clock::now() - self.began, cpu::spent_ns(self.processes));
        tally.latencies_us.sort_unstable();
        let quantile = |per_mille| quantile(&tally.latencies_us, per_mille);
        format!(
            "{{\"requests\":{},\"errors\":{},\"elapsed_ns\":{},\"cpu_ns\":{},\"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\"max_us\":{}}}",
            tally.requests,
            tally.errors + self.warm_up_errors,
            elapsed.as_nanos(),
            cpu_after_ns.saturating_sub(self.cpu_before_ns),
            quantile(500),
            quantile(990),
            quantile(999),
            quantile(1_000),
        )
    }
}

/// How long the warm-up before a measurement is.
#[must_use]
pub fn warm_up(measured: Duration) -> Duration {
    measured / 5
}

fn quantile(sorted: &[u32], per_mille: usize) -> u32 {
    let at = sorted.len().saturating_sub(1) * per_mille / 1_000;
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_seen() {
        let sorted: Vec<u32> = (1..=101).collect();
        assert_eq!([500, 990, 1_000].map(|per_mille| quantile(&sorted, per_mille)), [51, 100, 101]);
        assert_eq!(quantile(&[], 500), 0);
    }

    #[test]
    fn errors_of_the_warm_up_are_not_forgotten() {
        let mut tally = Tally::default();
        tally.whole(clock::now());
        assert!(tally.failed(&"it broke"));
        let measurement = Measurement::begin(&mut tally, &[]);
        tally.whole(clock::now());
        let report = measurement.report(tally);
        assert!(report.starts_with("{\"requests\":1,\"errors\":1,"), "{report}");
    }
}
