//! What both versions have counted under one guard: the sums over the routes of its service.
//!
//! Counters are those of the telemetry, exact and per thread; nothing is counted twice for a guard. While the shares
//! stay the same, what was counted under every table is added: a *stratum*, within which the versions can be compared.
//! A change of the shares begins a new one, in which every counter begins at 0.

use crate::table::Target;
use judge::silence::{Heard, Usual};
use model::policy::MAX_ANSWER_CHECKS;
use model::resource::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;
use telemetry::cell::TURNS;
use telemetry::counts::Examined;
use telemetry::report::Judged;
use telemetry::series::Series;

/// How long it holds what was found to be usual, milliseconds.
const USUAL_MS: u64 = 1_000;

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
    /// What was counted on each route before this stratum, as long ago as is known.
    former: BTreeMap<String, Pair>,
    /// What is usual, and when that was counted.
    usual: Option<(u64, Usual)>,
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
    /// Requests that were sent, and answers that have begun.
    pub(super) heard: Heard,
    /// Requests that wait, by the turn in which they were sent.
    pub(super) waiting: [u64; TURNS],
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
        self.heard = self.heard.plus(other.heard);
        for (ours, theirs) in self.waiting.iter_mut().zip(other.waiting) {
            *ours = ours.saturating_add(theirs);
        }
        self
    }
}

fn tallied(series: &[Arc<Series>]) -> Tallied {
    let of = |series: &Arc<Series>| {
        let (requests, failed) = series.judged();
        let telemetry::cell::Heard { asked, heads, unheard, withdrawn, waiting } = series.heard();
        let heard = Heard { asked, heads, unheard, withdrawn };
        Tallied { requests, failed, checks: series.examined(), heard, waiting }
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
    /// Also adds what is counted on a route under a new table, and was before.
    pub(super) fn add(&mut self, weights: &[u32], at: (&str, Revision), pair: Pair, former: Pair) {
        if self.weights != weights {
            self.weights = weights.to_vec();
            self.stratum += 1;
            self.before = std::mem::take(&mut self.series).into_values().collect();
            self.former.clear();
        }
        self.former.entry(at.0.to_owned()).or_insert(former);
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

    /// From now on requests are sent to the new version in this turn.
    pub(super) fn turn(&self, number: usize) {
        self.series.values().flat_map(|pair| &pair.new).for_each(|series| series.turn(number));
    }

    /// How many of all answers that are known, of either version, took longer than so many milliseconds, and how many
    /// requests of the old one have none. Looks into every bucket, so at most once a second.
    pub(super) fn usual(&mut self, at_ms: u64, after_ms: u64) -> Usual {
        match self.usual {
            Some((then_ms, usual)) if at_ms.saturating_sub(then_ms) < USUAL_MS => usual,
            _ => {
                let usual = self.count_usual(after_ms);
                self.usual = Some((at_ms, usual));
                usual
            }
        }
    }

    fn count_usual(&self, after_ms: u64) -> Usual {
        let pairs = self.former.values().chain(self.series.values());
        let series = pairs.clone().flat_map(|pair| pair.old.iter().chain(&pair.new));
        let silent = pairs.flat_map(|pair| &pair.old).map(|series| series.heard());
        let silent =
            silent.map(|heard| heard.asked.saturating_sub(heard.heads).saturating_sub(heard.withdrawn));
        let silent = silent.fold(0, u64::saturating_add);
        let mut usual = Usual { answers: silent, slow: silent };
        for latency in series.map(|series| series.counts().latency) {
            let answers = latency.count();
            usual.answers = usual.answers.saturating_add(answers);
            let quick = latency.count_up_to(after_ms.saturating_mul(1_000));
            usual.slow = usual.slow.saturating_add(answers.saturating_sub(quick));
        }
        usual
    }

    /// Whether health checks have found all nodes of the new version down, and not all of the old one.
    pub(super) fn new_is_down(&self) -> bool {
        let all_down =
            |targets: &[Arc<Target>]| !targets.is_empty() && targets.iter().all(|one| one.is_down());
        all_down(&self.new_targets) && !all_down(&self.old_targets)
    }
}
