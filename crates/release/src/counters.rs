//! What the gateways say: which of them live, what they run, what they counted. Pure.
//!
//! A gateway's report carries its counters by route, answerer, lane and epoch. A release judges the new version by
//! the user traffic under its own epochs only, so that nothing of an earlier release is counted, no baseline has to
//! be remembered over a crash, and the counts of several gateways simply add.

mod guards;
mod holds;
mod limits;
mod own;
mod shadows;
mod unanswered;

pub(crate) use holds::HoldState;
pub use limits::{Asked, Held, Sides, hold_against};
pub(crate) use limits::{hindrances, said, unexamined};
pub(crate) use own::Own;

use crate::machine::Spread;
use crate::report::{Account, Former, OpenNow, Row};
use model::colour::Colour;
use model::record::{Answerer, Lane};
use model::resource::Revision;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
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
    /// `None`: what it says of itself cannot be read.
    report: Option<GatewayReport>,
}

impl Gateway {
    /// The instances whose counts are contained in this one's.
    fn inherited(&self) -> &[String] {
        self.report.as_ref().map_or(&[], |report| &report.inherited)
    }
}

impl Gateways {
    /// Reads the reports of gateways that are at most `live_within_ms` old.
    #[must_use]
    pub fn alive(reports: &[Report], now_ms: i64, live_within_ms: i64) -> Gateways {
        let gateways = reports.iter().filter(|report| report.at_ms.saturating_add(live_within_ms) >= now_ms);
        let gateways = gateways.filter_map(|report| {
            let (instance, applied) = (report.instance.clone(), report.applied?);
            let report = GatewayReport::deserialize(&report.detail).ok();
            // One that has ended claims nothing any more, whatever it ran.
            let ended = report.as_ref().is_some_and(|report| report.ended);
            Some(Gateway { instance, applied: if ended { Revision::MAX } else { applied }, report })
        });
        let mut gateways: Vec<Gateway> = gateways.collect();
        let inherited: BTreeSet<String> = gateways.iter().flat_map(Gateway::inherited).cloned().collect();
        gateways.retain(|gateway| !inherited.contains(&gateway.instance));
        Gateways { gateways }
    }

    /// How many of them carry requests.
    #[must_use]
    pub(crate) fn carrying(&self) -> u32 {
        let carrying = self.gateways.iter().filter(|gateway| gateway.applied < Revision::MAX);
        u32::try_from(carrying.count()).unwrap_or(u32::MAX)
    }

    /// Their instances, sorted, and those whose counts they have inherited.
    #[must_use]
    pub fn instances(&self) -> Vec<String> {
        let named = |gateway: &Gateway| {
            gateway.inherited().iter().cloned().chain([gateway.instance.clone()]).collect()
        };
        let mut instances: Vec<String> = self.gateways.iter().flat_map::<Vec<_>, _>(named).collect();
        instances.sort();
        instances.dedup();
        instances
    }

    /// The listener of one of them, for checks through the gateway.
    #[must_use]
    pub fn listener(&self) -> Option<SocketAddr> {
        let reports = self.gateways.iter().filter_map(|gateway| gateway.report.as_ref());
        reports.flat_map(|report| &report.listen).copied().map(reachable).next()
    }

    /// Why the counters cannot be trusted to be all; `None`: they can.
    fn uncounted(&self) -> Option<String> {
        if self.gateways.is_empty() {
            return Some("no gateway is alive, so nothing is counted".to_owned());
        }
        let mute = self.gateways.iter().find(|gateway| gateway.report.is_none())?;
        Some(format!("the counters of gateway {} cannot be read", mute.instance))
    }

    /// Whether the counters of every gateway that is alive can be read.
    #[must_use]
    pub fn count_all(&self) -> bool {
        self.uncounted().is_none()
    }

    /// The newest failed requests of a colour since an epoch, at most `most`, oldest first.
    #[must_use]
    pub fn failures(&self, colour: Colour, since: Revision, most: usize) -> Vec<FailureSample> {
        let reports = self.gateways.iter().filter_map(|gateway| gateway.report.as_ref());
        let mut samples: Vec<FailureSample> = reports
            .flat_map(|report| &report.failures)
            .filter(|sample| sample.answerer == Answerer::from(colour) && sample.epoch >= since)
            .cloned()
            .collect();
        samples.sort_by_key(|sample| sample.at_us);
        samples.split_off(samples.len().saturating_sub(most))
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
        let former = since.map(|since| self.former(app, since)).unwrap_or_default();
        Account {
            at_ms,
            since,
            until: None,
            gateways: self.instances(),
            rows,
            former,
            open: self.open_now(app),
        }
    }

    /// What is open on the environments of an app, whenever it began.
    #[must_use]
    pub fn open_now(&self, app: &str) -> Vec<OpenNow> {
        let open = |colour: Colour| {
            let counts = self.of_colour(app, colour, 0, None);
            OpenNow { answerer: colour.into(), open: counts.open, streams: counts.streams }
        };
        Colour::BOTH.map(open).into()
    }

    /// What each colour counted under the epochs before one, if it did.
    fn former(&self, app: &str, before: Revision) -> Vec<Former> {
        let of = |colour: Colour| {
            let mut sum = Counts::default();
            self.series()
                .filter(|series| series.key.app == app && series.key.answerer == Answerer::from(colour))
                .filter(|series| series.key.epoch < before)
                .for_each(|series| sum.merge(&series.counts));
            Former::of(colour, &sum)
        };
        Colour::BOTH.into_iter().map(of).filter(|former| former.received > 0).collect()
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
        let known = self.uncounted().is_none() && spread(self, revision) == Spread::Yes;
        known.then(|| self.of_colour(app, colour, 0, None).open)
    }

    fn series(&self) -> impl Iterator<Item = &SeriesCounts> {
        let reports = self.gateways.iter().filter_map(|gateway| gateway.report.as_ref());
        reports.flat_map(|report| &report.series)
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

#[cfg(test)]
mod tests;
