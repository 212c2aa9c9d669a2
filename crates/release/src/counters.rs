//! What the gateways say: which of them live, what they run, what they counted. Pure.
//!
//! A gateway's report carries its counters by route, answerer, lane and epoch. A release judges the new version by
//! the user traffic under its own epochs only, so that nothing of an earlier release is counted, no baseline has to
//! be remembered over a crash, and the counts of several gateways simply add.

use crate::machine::{Spread, Traffic};
use crate::report::{Account, Row};
use judge::limits::{Observed, Verdict, evaluate};
use model::colour::Colour;
use model::policy::Limits;
use model::record::{Answerer, Lane};
use model::resource::Revision;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use store::Report;
use telemetry::counts::Counts;
use telemetry::report::GatewayReport;
use telemetry::samples::FailureSample;
use telemetry::series::SeriesCounts;

/// The gateways that are alive.
#[derive(Clone, Debug, Default)]
pub struct Gateways {
    gateways: Vec<Gateway>,
}

#[derive(Clone, Debug)]
struct Gateway {
    instance: String,
    applied: Revision,
    listen: Option<SocketAddr>,
    series: Vec<SeriesCounts>,
    failures: Vec<FailureSample>,
}

impl Gateways {
    /// Reads the reports of gateways that are at most `live_within_ms` old.
    #[must_use]
    pub fn alive(reports: &[Report], now_ms: i64, live_within_ms: i64) -> Gateways {
        let gateways = reports.iter().filter(|report| report.at_ms.saturating_add(live_within_ms) >= now_ms);
        let gateways = gateways.filter_map(|report| {
            let applied = report.applied?;
            let detail = GatewayReport::deserialize(&report.detail).unwrap_or_else(|error| {
                tracing::error!(instance = report.instance, %error, "report of a gateway cannot be read");
                GatewayReport::default()
            });
            Some(Gateway {
                instance: report.instance.clone(),
                applied,
                listen: detail.listen.first().copied().map(reachable),
                series: detail.series,
                failures: detail.failures,
            })
        });
        Gateways { gateways: gateways.collect() }
    }

    /// Their instances, sorted.
    #[must_use]
    pub fn instances(&self) -> Vec<String> {
        let mut instances: Vec<String> =
            self.gateways.iter().map(|gateway| gateway.instance.clone()).collect();
        instances.sort();
        instances
    }

    /// The newest failed requests of an answerer, oldest first.
    #[must_use]
    pub fn failures(&self, answerer: Answerer) -> Vec<FailureSample> {
        let all = self.gateways.iter().flat_map(|gateway| &gateway.failures);
        all.filter(|failure| failure.answerer == answerer).cloned().collect()
    }

    /// The listener of one of them, for checks through the gateway.
    #[must_use]
    pub fn listener(&self) -> Option<SocketAddr> {
        self.gateways.iter().find_map(|gateway| gateway.listen)
    }

    /// The counts of an app, from the first epoch of a release on.
    #[must_use]
    pub fn account(&self, app: &str, since: Option<Revision>, at_ms: i64) -> Account {
        let mut rows: BTreeMap<(Revision, Answerer, Lane), Counts> = BTreeMap::new();
        let of_release = since.into_iter().flat_map(|since| {
            self.series().filter(move |series| series.key.app == app && series.key.epoch >= since)
        });
        for series in of_release {
            let key = (series.key.epoch, series.key.answerer, series.key.lane);
            rows.entry(key).or_default().merge(&series.counts);
        }
        let rows = rows
            .into_iter()
            .map(|((epoch, answerer, lane), counts)| Row { epoch, answerer, lane, counts })
            .collect();
        Account { at_ms, since, gateways: self.instances(), rows }
    }

    /// Everything a colour counted, over all epochs.
    #[must_use]
    pub fn of_colour(&self, app: &str, colour: Colour, since: Revision, lane: Option<Lane>) -> Counts {
        let mut sum = Counts::default();
        self.series()
            .filter(|series| series.key.app == app && series.key.answerer == Answerer::from(colour))
            .filter(|series| series.key.epoch >= since && lane.is_none_or(|lane| lane == series.key.lane))
            .for_each(|series| sum.merge(&series.counts));
        sum
    }

    /// Requests that a colour has not ended, once every gateway runs `revision`; before that, a thread could still
    /// claim new ones under the older table, so nobody knows.
    #[must_use]
    pub fn open(&self, app: &str, colour: Colour, revision: Revision) -> Option<u64> {
        (spread(self, revision) == Spread::Yes).then(|| self.of_colour(app, colour, 0, None).open)
    }

    fn series(&self) -> impl Iterator<Item = &SeriesCounts> {
        self.gateways.iter().flat_map(|gateway| &gateway.series)
    }
}

/// A listener on every address is reached on the loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Whether every living gateway runs a revision.
#[must_use]
pub fn spread(gateways: &Gateways, revision: Revision) -> Spread {
    if gateways.gateways.is_empty() {
        return Spread::CannotTell;
    }
    let behind: Vec<String> = gateways
        .gateways
        .iter()
        .filter(|gateway| gateway.applied < revision)
        .map(|gateway| format!("{} runs revision {}, not {revision}", gateway.instance, gateway.applied))
        .collect();
    if behind.is_empty() { Spread::Yes } else { Spread::No { detail: behind.join(", ") } }
}

/// Judges the new version's user traffic since its share was last changed.
#[must_use]
pub fn judge(gateways: &Gateways, app: &str, colour: Colour, since: Revision, limits: &Limits) -> Traffic {
    if gateways.gateways.is_empty() {
        return Traffic::Unknown { reason: "no gateway is alive, so nothing is counted".to_owned() };
    }
    judge_counts(&gateways.of_colour(app, colour, since, Some(Lane::Share)), limits)
}

/// Judges counts by absolute limits.
#[must_use]
pub fn judge_counts(counts: &Counts, limits: &Limits) -> Traffic {
    let observed = Observed { requests: counts.requests(), failed: counts.failed(), p99_ms: p99_ms(counts) };
    let limits = judge::limits::Limits {
        max_error_rate: limits.max_error_rate,
        max_p99_ms: limits.max_p99_ms,
        min_requests: limits.min_requests,
    };
    match evaluate(&observed, &limits) {
        Verdict::Pass { .. } => Traffic::Good,
        Verdict::Fail { evidence } => Traffic::Bad { evidence },
        Verdict::Inconclusive { reason } => Traffic::Unknown { reason },
    }
}

fn p99_ms(counts: &Counts) -> Option<f64> {
    counts.latency.quantile(0.99).map(|us| us as f64 / 1_000.0)
}
