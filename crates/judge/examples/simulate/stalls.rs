//! Stalls: releases in which Green is exactly as good as Blue, but each version pauses for itself now and then, and then
//! everything is slow that is under way there. Requests of one version are slow together, not each for itself.

use super::chance::Chance;
use super::detection::quantile;
use super::traffic::{Split, terms};
use judge::budget::{Terms, Unit};
use judge::metric::Metric;
use judge::panel::Panel;
use judge::tally::Tally;
use judge::watch::Watch;

/// Between two looks of the judge of a release, milliseconds.
const LOOK_MS: f64 = 100.0;
/// How long Blue has answered everything before the release, milliseconds.
const BEFORE_MS: f64 = 30_000.0;
/// Spread of the logarithm of an answer's time: p99 is four times the median.
const SPREAD: f64 = 0.6;
/// Quantiles of Blue's times that are frozen, percent.
const PERCENTILES: [u8; 3] = [50, 90, 99];

/// When a version stalls, and how. Both do alike, each at moments of its own.
#[derive(Clone, Copy, Debug)]
pub enum Law {
    /// It stands still, after gaps that are random with this mean, for a time between these two, milliseconds.
    Pauses {
        /// Mean of the gaps.
        gap_ms: f64,
        /// Shortest and longest pause.
        pause_ms: [f64; 2],
    },
    /// It stands still for some 60 ms, every 3 s: a garbage collector.
    Collections,
    /// Everything takes so many times as long, after gaps of 10 s on average: a neighbour on the same core.
    Busy {
        /// How many times.
        times: f64,
        /// Shortest and longest, milliseconds.
        phase_ms: [f64; 2],
    },
}

impl Law {
    /// Those that the promise covers: nothing comes of them but what is within half a second or ends at one moment.
    pub const COVERED: [(Law, &str); 5] = [
        (Law::Pauses { gap_ms: 1_000.0, pause_ms: [20.0, 200.0] }, "20 to 200 ms, every second on average"),
        (Law::Pauses { gap_ms: 5_000.0, pause_ms: [20.0, 200.0] }, "20 to 200 ms, every 5 s on average"),
        (Law::Pauses { gap_ms: 30_000.0, pause_ms: [20.0, 200.0] }, "20 to 200 ms, every 30 s on average"),
        (Law::Pauses { gap_ms: 15_000.0, pause_ms: [500.0, 1_500.0] }, "0.5 to 1.5 s, every 15 s on average"),
        (Law::Collections, "some 60 ms, every 3 s (a garbage collector)"),
    ];
    /// Longer than a slot: it counts once for each slot that it lasts.
    pub const LONGER: Law = Law::Busy { times: 4.0, phase_ms: [200.0, 2_000.0] };

    /// Beginnings and ends of all stalls of one version.
    fn stalls(self, until_ms: f64, chance: &mut Chance) -> Vec<[f64; 2]> {
        let mut stalls = Vec::new();
        let waits = |mean: f64, chance: &mut Chance| -mean * (1.0 - chance.unit()).ln();
        let between = |[low, high]: [f64; 2], chance: &mut Chance| low + (high - low) * chance.unit();
        let mut at = match self {
            Law::Pauses { gap_ms, .. } => waits(gap_ms, chance),
            Law::Collections => 3_000.0 * chance.unit(),
            Law::Busy { .. } => waits(10_000.0, chance),
        };
        while at < until_ms {
            let (lasts, gap) = match self {
                Law::Pauses { gap_ms, pause_ms } => (between(pause_ms, chance), waits(gap_ms, chance)),
                Law::Collections => (between([42.0, 78.0], chance), between([2_700.0, 3_300.0], chance)),
                Law::Busy { phase_ms, .. } => (between(phase_ms, chance), waits(10_000.0, chance)),
            };
            stalls.push([at, at + lasts]);
            at += lasts + gap;
        }
        stalls
    }

    /// When an answer ends that begins at a moment and takes so long by itself, and whether a stall hit it.
    fn ends(self, stalls: &[[f64; 2]], begins: f64, takes: f64) -> (f64, bool) {
        let mut ahead =
            stalls.get(stalls.partition_point(|stall| stall[1] <= begins)..).unwrap_or(&[]).iter();
        if let Law::Busy { times, .. } = self {
            let is_hit = ahead.next().is_some_and(|[from, _]| *from <= begins);
            return (begins + takes * if is_hit { times } else { 1.0 }, is_hit);
        }
        let (mut at, mut left) = (begins, takes);
        let mut is_hit = false;
        for [from, to] in ahead {
            if at + left <= *from {
                break;
            }
            left -= (from - at).max(0.0);
            (at, is_hit) = (*to, true);
        }
        (at + left, is_hit)
    }
}

/// A release in which versions stall.
#[derive(Clone, Copy, Debug)]
pub struct Stalling {
    /// In which way.
    pub law: Law,
    /// Requests per second.
    pub rps: f64,
    /// Green's share, percent.
    pub percent: usize,
    /// What a stall hits fails, instead of being late.
    pub fails: bool,
}

/// Who raised an alarm, for each of [`super::alarms::ALPHAS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blamed {
    /// If each slow request counted for itself.
    pub by_requests: [bool; 2],
    /// The judge as it is.
    pub judge: [bool; 2],
}

/// Counters of both colours: of all requests, and by [`PERCENTILES`].
type Counted = [[Tally; 4]; 2];

impl Stalling {
    /// Plays a release. Every other one has fast answers, every other pair of them two gateways that report at different
    /// moments.
    pub fn play(&self, seed: u64, seconds: u32) -> Blamed {
        let mut chance = Chance::new(seed);
        let median_ms = if seed.is_multiple_of(2) { 40.0 } else { 5.0 };
        let time = |chance: &mut Chance| median_ms * (SPREAD * chance.normal()).exp();
        let limits = self.frozen(time, &mut chance);
        let until_ms = f64::from(seconds) * 1_000.0;
        let stalls = [(); 2].map(|()| self.law.stalls(until_ms, &mut chance));
        let mut split = Split::new(self.percent);
        let mut looks = vec![Counted::default(); (until_ms / LOOK_MS) as usize];
        let mut at = self.gap(&mut chance);
        while at < until_ms {
            let is_green = split.is_green(&mut chance);
            let (end, is_hit) = self.law.ends(&stalls[usize::from(is_green)], at, time(&mut chance));
            let is_late = seed / 2 % 2 == 1 && chance.yes(0.5);
            if let Some(look) = looks.get_mut((end / LOOK_MS) as usize + usize::from(is_late)) {
                let [failures, slower @ ..] = &mut look[usize::from(is_green)];
                *failures = failures.plus(Tally::new(1, u64::from(self.fails && is_hit)));
                for (tally, limit) in slower.iter_mut().zip(limits) {
                    *tally = tally.plus(Tally::new(1, u64::from(!self.fails && end - at > limit)));
                }
            }
            at += self.gap(&mut chance);
        }
        judged(&looks)
    }

    fn gap(&self, chance: &mut Chance) -> f64 {
        -1_000.0 / self.rps * (1.0 - chance.unit()).ln()
    }

    /// What is slow, milliseconds: frozen from what Blue answered before, stalls included.
    fn frozen(&self, time: impl Fn(&mut Chance) -> f64, chance: &mut Chance) -> [f64; 3] {
        let stalls = self.law.stalls(BEFORE_MS, chance);
        let (mut before, mut at) = (Vec::new(), self.gap(chance));
        while at < BEFORE_MS {
            let (end, _) = self.law.ends(&stalls, at, time(chance));
            before.push(end - at);
            at += self.gap(chance);
        }
        before.sort_by(f64::total_cmp);
        PERCENTILES.map(|percentile| {
            let frozen_ms = quantile(before.clone(), f64::from(percentile) / 100.0);
            match Metric::slower_than(percentile, (frozen_ms * 1_000.0) as u64) {
                Metric::Slower { threshold_us, .. } => threshold_us as f64 / 1_000.0,
                _ => frozen_ms,
            }
        })
    }
}

/// Shows what each look found to the judge with each budget, and to one to whom a request is a request.
fn judged(looks: &[Counted]) -> Blamed {
    let all = super::alarms::ALPHAS.map(|alpha| terms(alpha, Unit::Request));
    let mut panels = all.each_ref().map(Panel::armed);
    let by_requests = |terms: &Terms| terms.charges.iter().map(|one| Watch::armed(one.bound)).collect();
    let mut watches: [Vec<Watch>; 2] = all.each_ref().map(by_requests);
    let mut sum = Counted::default();
    for (look, counted) in looks.iter().enumerate() {
        for (sum, more) in sum.iter_mut().flatten().zip(counted.iter().flatten()) {
            *sum = sum.plus(*more);
        }
        let (at_ms, [blue, green]) = (((look + 1) as f64 * LOOK_MS) as i64, &sum);
        for panel in &mut panels {
            panel.observe(at_ms, 1, blue, green);
        }
        for (place, watch) in watches.iter_mut().flat_map(|watches| watches.iter_mut().enumerate()) {
            watch.observe(at_ms, 1, blue[place], green[place]);
        }
    }
    let blamed = |watches: &Vec<Watch>| watches.iter().any(|watch| watch.crossing().is_some());
    Blamed {
        by_requests: watches.each_ref().map(blamed),
        judge: panels.each_ref().map(|panel| panel.alarm().is_some()),
    }
}
