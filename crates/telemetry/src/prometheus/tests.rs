use super::{BuildInfo, MAX_LABEL_SETS, OVERFLOW, render};
use crate::counts::Counts;
use crate::process::ProcessInfo;
use crate::series::{SeriesCounts, SeriesKey};
use crate::sketch::Sketch;
use crate::totals::TotalsSnapshot;
use model::record::{Answerer, Lane};
use std::collections::BTreeMap;

fn series(route: &str, epoch: u64, whole: u64) -> SeriesCounts {
    let mut latency = Sketch::new();
    (0..whole).for_each(|_| latency.record(3_000));
    SeriesCounts {
        key: SeriesKey {
            route: route.to_owned(),
            service: "shop".to_owned(),
            app: String::new(),
            answerer: Answerer::Upstream,
            lane: Lane::Share,
            epoch,
        },
        counts: Counts { received: whole, whole: [0, whole, 0, 0, 0], latency, ..Counts::default() },
    }
}

fn rendered(snapshot: &[SeriesCounts]) -> String {
    let totals =
        TotalsSnapshot { connections_accepted: 3, log_lines_dropped: 9, ..TotalsSnapshot::default() };
    let process = ProcessInfo { resident_bytes: Some(4_096), ..ProcessInfo::default() };
    render(snapshot, &totals, &process, BuildInfo { version: "1.2.3", revision: "abc" })
}

/// Every sample by its name with labels; fails on a line that is no sample or comment, and on a repeated one.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut announced = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').unwrap();
            assert_eq!(announced.insert(name.to_owned(), kind.to_owned()), None, "{name} announced twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end));
            let known = announced.contains_key(family)
                || base.is_some_and(|base| announced.get(base).is_some_and(|kind| kind == "histogram"));
            assert!(known, "{family} was not announced");
            assert_eq!(samples.insert(name.to_owned(), value.parse().unwrap()), None, "{name} twice");
        }
    }
    samples
}

const LABELS: &str = "route=\"r\",service=\"shop\",app=\"\",answerer=\"upstream\",lane=\"share\"";

#[test]
fn epochs_of_a_route_are_added_up() {
    let samples = samples(&rendered(&[series("r", 1, 2), series("r", 2, 3)]));
    assert_eq!(samples[&format!("tealgate_requests_total{{{LABELS},class=\"2xx\"}}")], 5.0);
    assert_eq!(samples[&format!("tealgate_requests_received_total{{{LABELS}}}")], 5.0);
}

#[test]
fn a_histogram_is_cumulative_and_ends_with_all() {
    let samples = samples(&rendered(&[series("r", 1, 4)]));
    let bucket =
        |le: &str| samples[&format!("tealgate_request_duration_seconds_bucket{{{LABELS},le=\"{le}\"}}")];
    assert_eq!((bucket("0.0025"), bucket("0.005"), bucket("30"), bucket("+Inf")), (0.0, 4.0, 4.0, 4.0));
    let sum = samples[&format!("tealgate_request_duration_seconds_sum{{{LABELS}}}")];
    assert!((sum - 0.012).abs() < 0.012 / 32.0, "{sum}");
    assert_eq!(samples[&format!("tealgate_request_duration_seconds_count{{{LABELS}}}")], 4.0);
}

#[test]
fn label_values_are_escaped() {
    let text = rendered(&[series("a\"b\\c\nd", 0, 1)]);
    assert!(text.contains("route=\"a\\\"b\\\\c\\nd\""), "{text}");
}

#[test]
fn beyond_the_bound_everything_is_still_counted() {
    let snapshot: Vec<_> =
        (0..MAX_LABEL_SETS + 7).map(|route| series(&format!("r{route:05}"), 0, 1)).collect();
    let samples = samples(&rendered(&snapshot));
    assert_eq!(samples["tealgate_series_overflow"], 7.0);
    let totals = samples.iter().filter(|(name, _)| name.starts_with("tealgate_requests_received_total"));
    assert_eq!(totals.clone().count(), MAX_LABEL_SETS + 1);
    assert_eq!(totals.map(|(_, value)| value).sum::<f64>(), (MAX_LABEL_SETS + 7) as f64);
    assert!(samples.iter().any(|(name, &value)| name.contains(OVERFLOW) && value == 7.0));
}

#[test]
fn totals_process_and_build_are_there_and_the_unknown_is_left_out() {
    let samples = samples(&rendered(&[]));
    assert_eq!(samples["tealgate_connections_accepted_total"], 3.0);
    assert_eq!(samples["tealgate_access_log_dropped_total"], 9.0);
    assert_eq!(samples["process_resident_memory_bytes"], 4_096.0);
    assert_eq!(samples["tealgate_build_info{version=\"1.2.3\",revision=\"abc\"}"], 1.0);
    assert!(!samples.contains_key("process_open_fds"));
}
