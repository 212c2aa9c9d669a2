//! Series: the counters of one (route, answerer, lane, epoch), one cell per thread, and the registry of all series.
//!
//! What checks of the business say is counted by their places; what a place is called is said once for each series, because
//! an epoch has one split. The registry is asked while a table is compiled, never by a request, so it may lock. A table holds its series by
//! `Arc`; the registry uses the count of these to see which series can still change. It is bounded: of old epochs
//! and of routes that are gone, what nobody holds any more is added up, so totals never go backwards.

use crate::cell::{Cell, Heard};
use crate::counts::{Counts, Examined};
use crate::ends::Begun;
use crate::log_line::SeriesPart;
use model::policy::MAX_ANSWER_CHECKS;
use model::record::{Answerer, Lane};
use model::resource::Revision;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Epochs of one route, answerer and lane that are kept apart. Further ones become one series of epoch 0, oldest
/// first.
pub const MAX_EPOCHS: usize = 64;
/// From this number of series on, those of routes that no table holds any more are added up under
/// [`RETIRED_ROUTE`], and of the old epochs of the others half as many are kept apart, the newest.
pub const MAX_UNUSED_SERIES: usize = 16_384;
/// The route of all that was counted for routes that are long gone; no id of a route can look like this.
pub const RETIRED_ROUTE: &str = "(retired)";
/// Sums of checks (by series without epoch, and name) that are kept of old epochs; further ones are added up under the
/// name [`OTHER_CHECKS`].
pub const MAX_RETIRED_CHECKS: usize = 4_096;
/// The name of all further checks; no check can be called so.
pub const OTHER_CHECKS: &str = "(other)";

/// What a series counts. The order of the fields matters: epochs of the same route, answerer and lane are
/// neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Route id; empty for requests that no route matched.
    pub route: String,
    /// Service id; empty if the route has none.
    pub service: String,
    /// The app whose colour it is, or under whose hold the request came and got none; empty: of none.
    pub app: String,
    /// Who answers.
    pub answerer: Answerer,
    /// By which kind of rule.
    pub lane: Lane,
    /// The epoch of the route's split.
    pub epoch: Revision,
}

impl SeriesKey {
    /// The key under which old epochs of this series are added up.
    fn without_epoch(&self) -> SeriesKey {
        SeriesKey { epoch: 0, ..self.clone() }
    }

    /// The key before all others of a route.
    fn first_of(route: &str) -> SeriesKey {
        SeriesKey {
            route: route.to_owned(),
            service: String::new(),
            app: String::new(),
            answerer: Answerer::Blue,
            lane: Lane::Share,
            epoch: 0,
        }
    }

    /// The key under which this series is added up once its route is gone.
    fn retired(&self) -> SeriesKey {
        SeriesKey {
            route: RETIRED_ROUTE.to_owned(),
            service: String::new(),
            app: String::new(),
            answerer: self.answerer,
            lane: self.lane,
            epoch: 0,
        }
    }
}

/// One series and its counts at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesCounts {
    /// Which.
    pub key: SeriesKey,
    /// How much.
    pub counts: Counts,
}

/// What one check of the business has said on a route, over all epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckCounts {
    /// Of which series; its epoch is 0.
    pub key: SeriesKey,
    /// Name of the check.
    pub check: String,
    /// What it said.
    pub said: Examined,
}

/// The sum over the series of a snapshot whose key is wanted.
#[must_use]
pub fn sum_of(snapshot: &[SeriesCounts], wanted: impl Fn(&SeriesKey) -> bool) -> Counts {
    let mut sum = Counts::default();
    snapshot.iter().filter(|series| wanted(&series.key)).for_each(|series| sum.merge(&series.counts));
    sum
}

/// A live series: one cell per request thread.
#[derive(Debug)]
pub struct Series {
    key: SeriesKey,
    /// Made for the first line: most series of a large table never get one.
    log_part: OnceLock<SeriesPart>,
    /// What the checks of the business are called, by place.
    checks: OnceLock<Box<[String]>>,
    cells: Box<[Cell]>,
}

impl Series {
    fn new(key: SeriesKey, threads: usize) -> Self {
        let (log_part, checks) = (OnceLock::new(), OnceLock::new());
        Series { key, log_part, checks, cells: std::iter::repeat_with(Cell::default).take(threads).collect() }
    }

    /// What this series counts.
    #[must_use]
    pub fn key(&self) -> &SeriesKey {
        &self.key
    }

    /// What all its lines in the access log have in common.
    #[must_use]
    pub fn log_part(&self) -> &SeriesPart {
        self.log_part.get_or_init(|| SeriesPart::new(&self.key))
    }

    /// The cell of a request thread, which alone may write to it.
    ///
    /// # Panics
    /// If `thread` is not below the number of threads that the registry was made for: a mistake of the program.
    #[must_use]
    pub fn cell(&self, thread: usize) -> &Cell {
        &self.cells[thread]
    }

    /// What all threads counted up to now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.cells.iter().for_each(|cell| sum.merge(&cell.snapshot()));
        sum
    }

    /// Of that, the requests that can be judged and those of them that failed; see [`Cell::judged`].
    #[must_use]
    pub fn judged(&self) -> (u64, u64) {
        self.cells.iter().map(Cell::judged).fold((0, 0), |(requests, failed), (more, of_them)| {
            (requests.saturating_add(more), failed.saturating_add(of_them))
        })
    }

    /// Requests that were claimed for it; see [`Cell::received`].
    #[must_use]
    pub fn received(&self) -> u64 {
        self.cells.iter().map(Cell::received).fold(0, u64::saturating_add)
    }

    /// Requests that ended and cannot be judged; see [`Cell::unjudged`].
    #[must_use]
    pub fn unjudged(&self) -> u64 {
        self.cells.iter().map(Cell::unjudged).fold(0, u64::saturating_add)
    }

    /// What came of the requests that were sent to upstreams; see [`Cell::heard`].
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.cells.iter().map(Cell::heard).fold(Heard::default(), Heard::plus)
    }

    /// What came of the answers that have begun; see [`Cell::ends`].
    #[must_use]
    pub fn ends(&self) -> Begun {
        let ends = self.cells.iter().map(Cell::ends);
        ends.fold(Begun::default(), |sum, more| sum.joined(&more, u64::saturating_add))
    }

    /// From now on requests are sent in this turn; see [`Cell::turn`].
    pub fn turn(&self, number: usize) {
        self.cells.iter().for_each(|cell| cell.turn(number));
    }

    /// Says what the checks of the business are called, in the order of their places; an empty name is that of the place.
    /// Only the first word counts.
    pub fn name_checks<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let name = |(place, name): (usize, &str)| match name {
            "" => place.to_string(),
            name => name.to_owned(),
        };
        self.checks.get_or_init(|| names.take(MAX_ANSWER_CHECKS).enumerate().map(name).collect());
    }

    /// What the checks that have a name have said.
    fn said(&self) -> impl Iterator<Item = (&str, Examined)> {
        let names = self.checks.get().map(|names| &names[..]).unwrap_or_default();
        let examined = if names.is_empty() { Default::default() } else { self.examined() };
        names.iter().map(String::as_str).zip(examined)
    }

    /// What each check of the business has said; see [`Cell::examined`].
    #[must_use]
    pub fn examined(&self) -> [Examined; MAX_ANSWER_CHECKS] {
        let mut sum = [Examined::default(); MAX_ANSWER_CHECKS];
        for cell in &self.cells {
            sum.iter_mut().zip(cell.examined()).for_each(|(ours, theirs)| *ours = ours.plus(theirs));
        }
        sum
    }
}

fn add_check(
    sums: &mut BTreeMap<(SeriesKey, String), Examined>,
    key: SeriesKey,
    check: &str,
    said: Examined,
) {
    let sum = sums.entry((key, check.to_owned())).or_default();
    *sum = sum.plus(said);
}

/// All series of a process.
#[derive(Debug)]
pub struct Registry {
    threads: usize,
    shelves: Mutex<Shelves>,
}

/// Series that may still change, and sums of those that cannot.
#[derive(Debug, Default)]
struct Shelves {
    live: BTreeMap<SeriesKey, Arc<Series>>,
    retired: BTreeMap<SeriesKey, Counts>,
    /// What checks of retired series have said, by key without epoch and by name.
    retired_checks: BTreeMap<(SeriesKey, String), Examined>,
    /// Routes that lead, or led, to an environment of an app.
    app_routes: BTreeSet<String>,
    /// Number of live series at which the next sweep is worth its while.
    sweep_at: usize,
}

impl Registry {
    /// A registry whose series have a cell for each of `threads` request threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let shelves = Shelves { sweep_at: MAX_UNUSED_SERIES, ..Shelves::default() };
        Registry { threads, shelves: Mutex::new(shelves) }
    }

    /// How many request threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The series with this key; made if there is none. Locks: not for the request path.
    #[must_use]
    pub fn series(&self, key: &SeriesKey) -> Arc<Series> {
        let mut shelves = self.lock();
        if let Some(known) = shelves.live.get(key) {
            return Arc::clone(known);
        }
        let series = Arc::new(Series::new(key.clone(), self.threads));
        shelves.live.insert(key.clone(), Arc::clone(&series));
        if !key.app.is_empty() {
            shelves.app_routes.insert(key.route.clone());
        }
        shelves.add_up_old_epochs(key);
        shelves.sweep_if_crowded();
        series
    }

    /// The series that counted the same before: those with this key of older epochs that are still kept apart.
    #[must_use]
    pub fn former(&self, key: &SeriesKey) -> Vec<Arc<Series>> {
        let shelves = self.lock();
        let before = shelves.live.range(key.without_epoch()..key.clone());
        before.map(|(_, series)| Arc::clone(series)).collect()
    }

    /// All counts at this moment, in the order of the keys.
    #[must_use]
    pub fn snapshot(&self) -> Vec<SeriesCounts> {
        let (live, mut sums) = {
            let shelves = self.lock();
            (shelves.live.values().cloned().collect::<Vec<_>>(), shelves.retired.clone())
        };
        for series in live {
            sums.entry(series.key.clone()).or_default().merge(&series.counts());
        }
        sums.into_iter().map(|(key, counts)| SeriesCounts { key, counts }).collect()
    }

    /// What each check of the business has said, over all epochs, in the order of the keys and names.
    #[must_use]
    pub fn checks(&self) -> Vec<CheckCounts> {
        let (live, mut sums) = {
            let shelves = self.lock();
            let named = |series: &&Arc<Series>| series.checks.get().is_some();
            (shelves.live.values().filter(named).cloned().collect::<Vec<_>>(), shelves.retired_checks.clone())
        };
        for series in live {
            for (check, said) in series.said() {
                add_check(&mut sums, series.key.without_epoch(), check, said);
            }
        }
        sums.into_iter().map(|((key, check), said)| CheckCounts { key, check, said }).collect()
    }

    /// The counts of the routes that lead to apps, what the gate answered on them included. Costs what these few
    /// series cost, however many others there are.
    #[must_use]
    pub fn snapshot_of_apps(&self) -> Vec<SeriesCounts> {
        let (live, mut sums) = {
            let shelves = self.lock();
            let mut live = Vec::new();
            let mut sums = BTreeMap::new();
            for route in &shelves.app_routes {
                let of_route = |key: &SeriesKey| key.route == *route;
                let first = SeriesKey::first_of(route);
                live.extend(
                    shelves
                        .live
                        .range(&first..)
                        .map_while(|(key, series)| of_route(key).then(|| Arc::clone(series))),
                );
                sums.extend(
                    shelves
                        .retired
                        .range(&first..)
                        .map_while(|(key, counts)| of_route(key).then(|| (key.clone(), counts.clone()))),
                );
            }
            (live, sums)
        };
        for series in live {
            sums.entry(series.key.clone()).or_default().merge(&series.counts());
        }
        sums.into_iter().map(|(key, counts)| SeriesCounts { key, counts }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn add_up_old_epochs(&mut self, key: &SeriesKey) {
        let sum = key.without_epoch();
        let epochs =
            SeriesKey { epoch: 1, ..sum.clone() }..=SeriesKey { epoch: Revision::MAX, ..sum.clone() };
        let known: Vec<SeriesKey> = self.live.range(epochs).map(|(key, _)| key.clone()).collect();
        let surplus = known.len().saturating_sub(MAX_EPOCHS);
        for old in known.into_iter().take(surplus) {
            self.retire(&old, sum.clone());
        }
    }

    /// Sweeps when the series have doubled since the last sweep, so that a large table in use is not searched again
    /// and again for the little that is unused.
    fn sweep_if_crowded(&mut self) {
        if self.live.len() < self.sweep_at {
            return;
        }
        let held = self.live.iter().filter(|(_, series)| Arc::strong_count(series) > 1);
        let routes: BTreeSet<String> = held.map(|(key, _)| key.route.clone()).collect();
        let gone = self.live.keys().filter(|key| !routes.contains(&key.route));
        for key in gone.cloned().collect::<Vec<_>>() {
            self.retire(&key, key.retired());
        }
        for (key, counts) in std::mem::take(&mut self.retired) {
            let sum = if routes.contains(&key.route) { key } else { key.retired() };
            self.retired.entry(sum).or_default().merge(&counts);
        }
        for ((key, check), said) in std::mem::take(&mut self.retired_checks) {
            let sum = if routes.contains(&key.route) { key } else { key.retired() };
            add_check(&mut self.retired_checks, sum, &check, said);
        }
        self.app_routes.retain(|route| routes.contains(route));
        self.add_up_oldest_epochs();
        self.sweep_at = MAX_UNUSED_SERIES.max(self.live.len() * 2);
    }

    /// A change of what many routes share begins a new epoch of each of them: of what is left behind, the oldest go.
    fn add_up_oldest_epochs(&mut self) {
        let unused = self.live.iter().filter(|(key, series)| key.epoch > 0 && Arc::strong_count(series) == 1);
        let mut unused: Vec<SeriesKey> = unused.map(|(key, _)| key.clone()).collect();
        unused.sort_by_key(|key| key.epoch);
        let surplus = unused.len().saturating_sub(MAX_UNUSED_SERIES / 2);
        for old in unused.iter().take(surplus) {
            self.retire(old, old.without_epoch());
        }
    }

    /// Adds a series to a sum if nobody else holds it; then no one can count there any more. What is still open in
    /// it (a request that was dropped without an end) stays open in the sum.
    fn retire(&mut self, key: &SeriesKey, sum: SeriesKey) {
        let Some(series) = self.live.remove(key) else { return };
        match Arc::try_unwrap(series) {
            Ok(series) => {
                for (check, said) in series.said() {
                    let is_known = self.retired_checks.contains_key(&(sum.without_epoch(), check.to_owned()));
                    let has_room = is_known || self.retired_checks.len() < MAX_RETIRED_CHECKS;
                    let check = if has_room { check } else { OTHER_CHECKS };
                    add_check(&mut self.retired_checks, sum.without_epoch(), check, said);
                }
                self.retired.entry(sum).or_default().merge(&series.counts());
            }
            Err(held) => {
                self.live.insert(key.clone(), held);
            }
        }
    }
}

#[cfg(test)]
mod tests;
