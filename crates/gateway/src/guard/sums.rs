//! What both versions have counted under one guard: the sums over the routes of its service.
//!
//! Counters are those of the telemetry, exact and per thread; nothing is counted twice for a guard. While the shares
//! stay the same, what was counted under every table is added: a *stratum*, within which the versions can be compared.
//! A change of the shares begins a new one, in which every counter begins at 0.

use crate::table::Target;
use model::policy::MAX_ANSWER_CHECKS;
use model::resource::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;
use telemetry::counts::Examined;
use telemetry::report::Judged;
use telemetry::series::Series;

/// Both versions, on one route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pair {
    pub(crate) old: Vec<Arc<Series>>,
    pub(crate) new: Vec<Arc<Series>>,
}

/// Sums of one guard.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// The weights of the choices; other ones are other shares.
    weights: Vec<u32>,
    stratum: u64,
    /// By route and epoch.
    series: BTreeMap<(String, Revision), Pair>,
    /// The stratum before: what had begun in it may still fail.
    before: Vec<Pair>,
    /// Where the requests of both go, as last compiled.
    old_targets: Vec<Arc<Target>>,
    new_targets: Vec<Arc<Target>>,
}

/// What one side has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallied {
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// What each check of the business has said.
    pub(super) checks: [Examined; MAX_ANSWER_CHECKS],
}

impl Tallied {
    /// By failures, or by one of the checks.
    pub(super) fn by(&self, check: Option<usize>) -> Judged {
        let Some(place) = check else { return Judged { requests: self.requests, failed: self.failed } };
        let check = self.checks.get(place).copied().unwrap_or_default();
        Judged { requests: check.examined(), failed: check.failed }
    }

    fn plus(mut self, other: Tallied) -> Tallied {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        for (ours, theirs) in self.checks.iter_mut().zip(other.checks) {
            *ours = ours.plus(theirs);
        }
        self
    }
}

fn tallied(series: &[Arc<Series>]) -> Tallied {
    let of = |series: &Arc<Series>| {
        let (requests, failed) = series.judged();
        Tallied { requests, failed, checks: series.examined() }
    };
    series.iter().map(of).fold(Tallied::default(), Tallied::plus)
}

/// What is counted at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) stratum: u64,
    /// In this stratum.
    pub(super) old: Tallied,
    pub(super) new: Tallied,
    /// What still came in the one before.
    pub(super) late: [Tallied; 2],
    /// The old version has a share.
    pub(super) concurrent: bool,
    /// When, milliseconds since the Unix epoch.
    pub(super) wall_ms: i64,
}

impl Sums {
    /// Also adds what is counted on a route under a new table.
    pub(super) fn add(&mut self, weights: &[u32], at: (&str, Revision), pair: Pair) {
        if self.weights != weights {
            self.weights = weights.to_vec();
            self.stratum += 1;
            self.before = std::mem::take(&mut self.series).into_values().collect();
        }
        self.series.insert((at.0.to_owned(), at.1), pair);
    }

    /// Where requests go.
    pub(super) fn lead_to(&mut self, old: Vec<Arc<Target>>, new: Vec<Arc<Target>>) {
        (self.old_targets, self.new_targets) = (old, new);
    }

    /// Which shares are counted.
    pub(super) fn stratum(&self) -> u64 {
        self.stratum
    }

    /// What is counted now.
    pub(super) fn now(&self, concurrent: bool, wall_ms: i64) -> Counted {
        let old = |pair: &'_ Pair| -> Tallied { tallied(&pair.old) };
        let new = |pair: &'_ Pair| -> Tallied { tallied(&pair.new) };
        Counted {
            stratum: self.stratum,
            old: self.series.values().map(old).fold(Tallied::default(), Tallied::plus),
            new: self.series.values().map(new).fold(Tallied::default(), Tallied::plus),
            late: [
                self.before.iter().map(old).fold(Tallied::default(), Tallied::plus),
                self.before.iter().map(new).fold(Tallied::default(), Tallied::plus),
            ],
            concurrent,
            wall_ms,
        }
    }

    /// Whether health checks have found all nodes of the new version down, and not all of the old one.
    pub(super) fn new_is_down(&self) -> bool {
        let all_down =
            |targets: &[Arc<Target>]| !targets.is_empty() && targets.iter().all(|one| one.is_down());
        all_down(&self.new_targets) && !all_down(&self.old_targets)
    }
}
