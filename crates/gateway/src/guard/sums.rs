//! What both versions have counted under one guard: the sums over the routes of its service.
//!
//! Counters are those of the telemetry, exact and per thread; nothing is counted twice for a guard. While the shares
//! stay the same, what was counted under every table is added: a *stratum*, within which the versions can be compared.
//! A change of the shares begins a new one, in which every counter begins at 0.

use super::side::Side;
use super::tallied::Tallied;
use crate::table::Target;
use judge::silence::{Heard, LONG, Usual};
use model::resource::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;
use telemetry::counts::Hindered;
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
    /// Sums of both versions, in this stratum and in the one before; `None`: other series are to be added up.
    sides: Option<Sides>,
    /// The turn in which requests are sent and answers begin.
    turn: usize,
    /// What was counted on each route before this stratum, as long ago as is known.
    former: BTreeMap<String, Pair>,
    /// What is usual, of answers that begin and of those that end, and when that was counted.
    usual: Option<(u64, [Usual; 2])>,
    /// Where the requests of both go, as last compiled.
    old_targets: Vec<Arc<Target>>,
    new_targets: Vec<Arc<Target>>,
}

/// Both versions, the old one first.
#[derive(Debug)]
struct Sides {
    now: [Side; 2],
    late: [Side; 2],
}

impl Sides {
    fn of<'a>(pairs: impl Iterator<Item = &'a Pair> + Clone) -> [Side; 2] {
        let of = |series: fn(&Pair) -> &Vec<Arc<Series>>| Side::of(pairs.clone().flat_map(series));
        [of(|pair| &pair.old), of(|pair| &pair.new)]
    }
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

impl Counted {
    /// What the old version and the new one were asked and have answered, in this stratum and in the one before.
    pub(super) fn heard(&self) -> [Heard; 2] {
        let [late_old, late_new] = self.late;
        [self.old.heard.plus(late_old.heard), self.new.heard.plus(late_new.heard)]
    }

    /// The same of answers that have begun and ended.
    pub(super) fn ended(&self) -> [Heard; 2] {
        let [late_old, late_new] = self.late;
        [self.old.ended().plus(late_old.ended()), self.new.ended().plus(late_new.ended())]
    }
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
        self.sides = None;
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
    pub(super) fn now(&mut self, concurrent: bool, wall_ms: i64) -> Counted {
        let sides = self.sides.get_or_insert_with(|| Sides {
            now: Sides::of(self.series.values()),
            late: Sides::of(self.before.iter()),
        });
        let turn = self.turn;
        let [old, new] = &mut sides.now;
        Counted {
            stratum: self.stratum,
            old: old.look(|series| series.turn(turn)),
            new: new.look(|series| series.turn(turn)),
            late: sides.late.each_mut().map(|side| side.look(|_| {})),
            concurrent,
            wall_ms,
        }
    }

    /// From now on requests are sent, and answers begin, in this turn.
    pub(super) fn turn(&mut self, number: usize) {
        if std::mem::replace(&mut self.turn, number) != number {
            let both = self.series.values().flat_map(|pair| pair.old.iter().chain(&pair.new));
            both.for_each(|series| series.turn(number));
        }
    }

    /// What kept checks of the business from looking at answers of the new version.
    pub(super) fn hindered(&self) -> Hindered {
        let new = self.series.values().flat_map(|pair| &pair.new);
        new.fold(Hindered::default(), |sum, series| sum.plus(series.counts().hindered))
    }

    /// How many of all answers that are known, of either version, took longer than so many milliseconds, and how many
    /// requests of the old one have none; then the same with those of the old one that have begun and not ended, or were
    /// given up before they had. Looks into every bucket, so at most once a second.
    pub(super) fn usual(&mut self, at_ms: u64, after_ms: u64) -> [Usual; 2] {
        match self.usual {
            Some((then_ms, usual)) if at_ms.saturating_sub(then_ms) < USUAL_MS => usual,
            _ => {
                let usual = self.count_usual(after_ms);
                self.usual = Some((at_ms, usual));
                usual
            }
        }
    }

    fn count_usual(&self, after_ms: u64) -> [Usual; 2] {
        let pairs = self.former.values().chain(self.series.values());
        let series = pairs.clone().flat_map(|pair| pair.old.iter().chain(&pair.new));
        let mut usual = [Usual::default(); 2];
        let [of_heads, of_ends] = &mut usual;
        for series in pairs.flat_map(|pair| &pair.old) {
            let (heard, ends) = (series.heard(), series.ends());
            let silent = heard.asked.saturating_sub(heard.heads).saturating_sub(heard.withdrawn);
            add(of_heads, silent, silent, heard.unheard.saturating_sub(heard.withdrawn));
            let unended = ends.open().into_iter().fold(ends.left, u64::saturating_add);
            // Which of those had waited for so long nobody knows: rather all.
            add(of_ends, unended, unended, unended);
        }
        for latency in series.map(|series| series.counts().latency) {
            let answers = latency.count();
            let longer_than = |ms: u64| answers.saturating_sub(latency.count_up_to(ms.saturating_mul(1_000)));
            let (slow, long) = (longer_than(after_ms), longer_than(after_ms.saturating_mul(LONG)));
            add(of_heads, answers, slow, long);
            add(of_ends, answers, slow, long);
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

fn add(usual: &mut Usual, answers: u64, slow: u64, long: u64) {
    usual.answers = usual.answers.saturating_add(answers);
    usual.slow = usual.slow.saturating_add(slow);
    usual.long = usual.long.saturating_add(long);
}

#[cfg(test)]
mod tests;
