//! What processes counted that handed over to this one and have ended: a release in flight must not lose it.

use serde::Deserialize as _;
use std::collections::HashMap;
use store::Report;
use telemetry::counts::Counts;
use telemetry::report::GatewayReport;
use telemetry::samples::FailureSample;
use telemetry::series::{SeriesCounts, SeriesKey};

/// Most processes that are remembered by name; of those before, the counts are kept all the same.
const MAX_NAMES: usize = 64;
/// Most series; those of the oldest epochs go first.
const MAX_SERIES: usize = 4_096;
/// Most failed requests; the oldest go first.
const MAX_FAILURES: usize = 64;

/// The last counts of processes that have ended.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    names: Vec<String>,
    series: HashMap<SeriesKey, Counts>,
    failures: Vec<FailureSample>,
}

impl Inheritance {
    /// Takes over what a report says, if it is the last one of its instance and not taken over yet.
    pub(super) fn take(&mut self, report: &Report) -> bool {
        let Ok(detail) = GatewayReport::deserialize(&report.detail) else { return false };
        if !detail.ended {
            return false;
        }
        if self.names.contains(&report.instance) {
            return true;
        }
        self.names.extend(detail.inherited);
        self.names.push(report.instance.clone());
        self.names.drain(..self.names.len().saturating_sub(MAX_NAMES));
        for series in detail.series {
            self.series.entry(series.key).or_default().merge(&series.counts);
        }
        self.failures.extend(detail.failures);
        self.failures.drain(..self.failures.len().saturating_sub(MAX_FAILURES));
        self.bound();
        true
    }

    /// Adds everything to what this process says of itself.
    pub(super) fn add_to(&self, detail: &mut GatewayReport) {
        if self.names.is_empty() {
            return;
        }
        detail.inherited.clone_from(&self.names);
        let mut rest: HashMap<&SeriesKey, &Counts> = self.series.iter().collect();
        for series in &mut detail.series {
            if let Some(counts) = rest.remove(&series.key) {
                series.counts.merge(counts);
            }
        }
        let rest = rest.into_iter();
        detail
            .series
            .extend(rest.map(|(key, counts)| SeriesCounts { key: key.clone(), counts: counts.clone() }));
        detail.failures.extend(self.failures.iter().cloned());
    }

    fn bound(&mut self) {
        if self.series.len() <= MAX_SERIES {
            return;
        }
        let mut epochs: Vec<_> = self.series.keys().map(|key| key.epoch).collect();
        epochs.sort_unstable();
        let oldest_kept = epochs[epochs.len() - MAX_SERIES];
        self.series.retain(|key, _| key.epoch >= oldest_kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::{Answerer, Lane};

    fn series(epoch: u64, received: u64) -> SeriesCounts {
        let key = SeriesKey {
            route: "r".to_owned(),
            service: "s".to_owned(),
            app: "shop".to_owned(),
            answerer: Answerer::Blue,
            lane: Lane::Share,
            epoch,
        };
        SeriesCounts { key, counts: Counts { received, ..Counts::default() } }
    }

    fn report(instance: &str, detail: &GatewayReport) -> Report {
        Report {
            instance: instance.to_owned(),
            role: "all".to_owned(),
            applied: Some(1),
            at_ms: 0,
            detail: serde_json::to_value(detail).unwrap(),
        }
    }

    fn ended(series: Vec<SeriesCounts>, inherited: Vec<String>) -> GatewayReport {
        GatewayReport { series, inherited, ended: true, ..GatewayReport::default() }
    }

    #[test]
    fn counts_of_ended_processes_are_added_once_and_theirs_with_them() {
        let mut inheritance = Inheritance::default();
        assert!(!inheritance.take(&report("living", &GatewayReport::default())));
        let last = report("b", &ended(vec![series(1, 5), series(2, 7)], vec!["a".to_owned()]));
        assert!(inheritance.take(&last) && inheritance.take(&last));
        let mut own = GatewayReport { series: vec![series(2, 10), series(3, 1)], ..GatewayReport::default() };
        inheritance.add_to(&mut own);
        let mut counts: Vec<_> = own.series.iter().map(|one| (one.key.epoch, one.counts.received)).collect();
        counts.sort_unstable();
        assert_eq!(counts, [(1, 5), (2, 17), (3, 1)]);
        assert_eq!(own.inherited, ["a", "b"]);
    }

    #[test]
    fn it_stays_bounded_and_the_newest_stay() {
        let mut inheritance = Inheritance::default();
        for process in 0..100_u64 {
            let many = (0..100).map(|one| series(process * 100 + one, 1)).collect();
            assert!(inheritance.take(&report(&process.to_string(), &ended(many, Vec::new()))));
        }
        assert_eq!((inheritance.names.len(), inheritance.series.len()), (MAX_NAMES, MAX_SERIES));
        assert!(inheritance.series.contains_key(&series(9_999, 0).key));
    }
}
