//! The metrics as Prometheus reads them: text exposition format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! Epochs are added up: a label whose values never end does not belong here. The number of label sets is bounded by
//! [`MAX_LABEL_SETS`]; what is beyond goes, in the order of the keys, to one set per answerer and lane with the
//! route [`OVERFLOW`], and `tealgate_series_overflow` says how many. Durations come from the sketches, so a value
//! within 3.125 % of a bound may be counted on its other side, and `_sum` is exact only to 3.125 %.

mod checks;
mod nodes;
mod reasons;

use crate::counts::Counts;
use crate::process::ProcessInfo;
use crate::series::{SeriesCounts, SeriesKey};
use crate::totals::TotalsSnapshot;
use std::collections::BTreeMap;
use std::fmt::Write;

pub use checks::render_checks;
pub use nodes::render_nodes;

/// The content type of an answer with this text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Label sets (route, service, app, answerer, lane) that are shown one by one.
pub const MAX_LABEL_SETS: usize = 2_000;
/// The route of all further ones; no id of a route can look like this.
pub const OVERFLOW: &str = "(overflow)";

/// Upper bounds of the duration buckets: microseconds, and as Prometheus writes them, in seconds.
const BOUNDS: [(u64, &str); 14] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildInfo<'a> {
    /// The version of the program.
    pub version: &'a str,
    /// The commit it was built from; empty if unknown.
    pub revision: &'a str,
}

/// Renders all metrics.
#[must_use]
pub fn render(
    snapshot: &[SeriesCounts],
    totals: &TotalsSnapshot,
    process: &ProcessInfo,
    build: BuildInfo<'_>,
) -> String {
    let (sets, overflow) = label_sets(snapshot);
    let mut out = String::with_capacity(4_096 + sets.len() * 2_048);
    requests(&mut out, &sets);
    origins(&mut out, &sets);
    durations(&mut out, &sets);
    single(
        &mut out,
        "tealgate_series_overflow",
        "gauge",
        "Label sets shown under the overflow route.",
        overflow,
    );
    process_wide(&mut out, totals);
    reasons::reasons(&mut out, totals);
    process_info(&mut out, totals, process);
    head(&mut out, "tealgate_build_info", "gauge", "What was built; always 1.");
    let (version, revision) = (escaped(build.version), escaped(build.revision));
    // Writing to a `String` cannot fail, here and below.
    let _ = writeln!(out, "tealgate_build_info{{version=\"{version}\",revision=\"{revision}\"}} 1");
    out
}

/// The counts per label set, epochs added up, already as label text; and how many sets were put together.
fn label_sets(snapshot: &[SeriesCounts]) -> (Vec<(String, Counts)>, u64) {
    let mut sums: BTreeMap<SeriesKey, Counts> = BTreeMap::new();
    for series in snapshot {
        sums.entry(SeriesKey { epoch: 0, ..series.key.clone() }).or_default().merge(&series.counts);
    }
    let overflow = sums.len().saturating_sub(MAX_LABEL_SETS);
    let mut beyond: BTreeMap<SeriesKey, Counts> = BTreeMap::new();
    let mut sets = Vec::with_capacity(sums.len().min(MAX_LABEL_SETS));
    for (place, (key, counts)) in sums.into_iter().enumerate() {
        if place < MAX_LABEL_SETS {
            sets.push((labels(&key), counts));
        } else {
            let (route, service, app) = (OVERFLOW.to_owned(), String::new(), String::new());
            beyond.entry(SeriesKey { route, service, app, ..key }).or_default().merge(&counts);
        }
    }
    sets.extend(beyond.iter().map(|(key, counts)| (labels(key), counts.clone())));
    (sets, overflow as u64)
}

fn labels(key: &SeriesKey) -> String {
    format!(
        "route=\"{}\",service=\"{}\",app=\"{}\",answerer=\"{}\",lane=\"{}\"",
        escaped(&key.route),
        escaped(&key.service),
        escaped(&key.app),
        key.answerer.name(),
        key.lane.name()
    )
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn single(out: &mut String, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    head(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}

fn requests(out: &mut String, sets: &[(String, Counts)]) {
    head(out, "tealgate_requests_total", "counter", "Requests answered whole, by class of status.");
    for (labels, counts) in sets {
        for (class, count) in CLASSES.iter().zip(counts.whole) {
            let _ = writeln!(out, "tealgate_requests_total{{{labels},class=\"{class}\"}} {count}");
        }
    }
    type Column = (&'static str, &'static str, &'static str, fn(&Counts) -> u64);
    const COLUMNS: [Column; 9] = [
        ("tealgate_requests_received_total", "counter", "Requests claimed for an answerer.", |counts| {
            counts.received
        }),
        ("tealgate_requests_cut_short_total", "counter", "Answers that broke off.", |counts| {
            counts.cut_short
        }),
        ("tealgate_requests_client_left_total", "counter", "Clients that left first.", |counts| {
            counts.client_left
        }),
        ("tealgate_requests_drained_total", "counter", "Streams closed by a drain.", |counts| counts.drained),
        ("tealgate_requests_retried_total", "counter", "Requests tried at a second upstream.", |counts| {
            counts.retried
        }),
        (
            "tealgate_gate_errors_total",
            "counter",
            "Failures (5xx) that the gate answered itself, plugins' answers excluded.",
            |counts| counts.gate_errors,
        ),
        ("tealgate_request_body_bytes_total", "counter", "Bytes of request bodies.", |counts| {
            counts.request_bytes
        }),
        ("tealgate_response_body_bytes_total", "counter", "Bytes of response bodies.", |counts| {
            counts.response_bytes
        }),
        ("tealgate_open_requests", "gauge", "Requests begun and not ended.", |counts| counts.open),
    ];
    for (name, kind, help, value) in COLUMNS {
        head(out, name, kind, help);
        for (labels, counts) in sets {
            let _ = writeln!(out, "{name}{{{labels}}} {}", value(counts));
        }
    }
}

/// Which version answers say that they come from; label sets without such answers are left out.
fn origins(out: &mut String, sets: &[(String, Counts)]) {
    const NAME: &str = "tealgate_answer_identity_total";
    head(out, NAME, "counter", "Answers asked for their version: the right one, another one, or silent.");
    for (labels, counts) in sets.iter().filter(|(_, counts)| counts.origins != [0; 3]) {
        for (said, count) in ["right", "other", "silent"].iter().zip(counts.origins) {
            let _ = writeln!(out, "{NAME}{{{labels},says=\"{said}\"}} {count}");
        }
    }
}

fn durations(out: &mut String, sets: &[(String, Counts)]) {
    const NAME: &str = "tealgate_request_duration_seconds";
    head(
        out,
        NAME,
        "histogram",
        "Duration of whole answers, tunnels and time in a hold excluded; from sketches exact to 3.125 %.",
    );
    for (labels, Counts { latency, .. }) in sets {
        let count = latency.count();
        if count == 0 {
            continue;
        }
        for (bound_us, bound) in BOUNDS {
            let _ =
                writeln!(out, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {}", latency.count_up_to(bound_us));
        }
        let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{NAME}_sum{{{labels}}} {}", latency.sum_us() as f64 / 1e6);
        let _ = writeln!(out, "{NAME}_count{{{labels}}} {count}");
    }
}

fn process_wide(out: &mut String, totals: &TotalsSnapshot) {
    for (name, kind, help, value) in [
        (
            "tealgate_connections_accepted_total",
            "counter",
            "Connections accepted.",
            totals.connections_accepted,
        ),
        ("tealgate_connections_open", "gauge", "Connections open now.", totals.connections_open),
        (
            "tealgate_heads_received_total",
            "counter",
            "Well-formed request heads read.",
            totals.requests_received,
        ),
        (
            "tealgate_tls_handshakes_total",
            "counter",
            "TLS handshakes of clients that were done.",
            totals.handshakes_done,
        ),
        ("tealgate_bytes_received_total", "counter", "Bytes read from clients.", totals.bytes_received),
        ("tealgate_bytes_sent_total", "counter", "Bytes written to clients.", totals.bytes_sent),
        (
            "tealgate_retries_refused_total",
            "counter",
            "Failed tries not repeated, the retry budget of their upstream being spent.",
            totals.retries_refused,
        ),
        (
            "tealgate_access_log_dropped_total",
            "counter",
            "Access log lines dropped.",
            totals.log_lines_dropped,
        ),
        ("tealgate_access_log_errors_total", "counter", "Access log write errors.", totals.log_write_errors),
    ] {
        single(out, name, kind, help, value);
    }
}

fn process_info(out: &mut String, totals: &TotalsSnapshot, process: &ProcessInfo) {
    single(out, "process_start_time_seconds", "gauge", "Start, Unix time.", totals.started_at_s);
    if let Some(cpu_s) = process.cpu_s {
        single(out, "process_cpu_seconds_total", "counter", "User and system time.", cpu_s);
    }
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory.", process.resident_bytes),
        ("process_open_fds", "Open file descriptors.", process.open_fds),
        ("process_threads", "Threads.", process.threads),
    ] {
        if let Some(value) = value {
            single(out, name, "gauge", help, value);
        }
    }
}

#[cfg(test)]
mod tests;
