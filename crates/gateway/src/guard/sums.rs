//! What both versions have counted under one guard: the sums over the routes of its service.
//!
//! Counters are those of the telemetry, exact and per thread; nothing is counted twice for a guard. While the shares
//! stay the same, what was counted under every table is added: a *stratum*, within which the versions can be compared.
//! A change of the shares begins a new one, in which every counter begins at 0.

use crate::table::Target;
use model::resource::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;
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

/// What is counted at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) stratum: u64,
    /// In this stratum.
    pub(super) old: Judged,
    pub(super) new: Judged,
    /// What still came in the one before.
    pub(super) late: [Judged; 2],
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

    /// What is counted now.
    pub(super) fn now(&self, concurrent: bool, wall_ms: i64) -> Counted {
        let sum = |of: fn(&Pair) -> &Vec<Arc<Series>>, pairs: &mut dyn Iterator<Item = &Pair>| {
            pairs.flat_map(of).map(|series| series.judged()).fold(
                Judged::default(),
                |sum, (requests, failed)| Judged {
                    requests: sum.requests.saturating_add(requests),
                    failed: sum.failed.saturating_add(failed),
                },
            )
        };
        Counted {
            stratum: self.stratum,
            old: sum(|pair| &pair.old, &mut self.series.values()),
            new: sum(|pair| &pair.new, &mut self.series.values()),
            late: [
                sum(|pair| &pair.old, &mut self.before.iter()),
                sum(|pair| &pair.new, &mut self.before.iter()),
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
