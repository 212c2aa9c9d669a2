//! False alarms: releases in which Green is exactly as good as Blue, looked at every 20 ms, in all the ways in which
//! real traffic is not what textbooks assume.

use super::chance::Chance;
use super::traffic::{Counters, LOOK_MS, Split, terms};
use judge::budget::Unit;
use judge::keys::{DEFAULT_MAX_USERS, Keys, Side};
use judge::panel::Panel;
use judge::sample_ratio::SampleRatio;

/// What traffic is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request in a hundred fails.
    Steady,
    /// One in two thousand fails.
    Rare,
    /// Every third request fails.
    Broken,
    /// A dependency of both colours fails for half a second, now and then.
    Bursts,
    /// Two kinds of requests that take turns; only one of them fails, and is slow.
    Alternating,
    /// Load, failures and times drift, and the share goes 1, 10, 50 %.
    Drifting,
    /// A few users always fail and send a third of the requests; each request is assigned for itself.
    AlwaysFailing,
    /// The same users, but they keep their colour and are counted as users.
    Sticky,
    /// Users who keep their colour, some much busier, some much unluckier than others.
    StickyUneven,
    /// All of it: bursts, kinds, drift.
    Everything,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::Steady,
        Kind::Rare,
        Kind::Broken,
        Kind::Bursts,
        Kind::Alternating,
        Kind::Drifting,
        Kind::AlwaysFailing,
        Kind::Sticky,
        Kind::StickyUneven,
        Kind::Everything,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Steady => "steady, 1 % fail",
            Kind::Rare => "rare, 0.05 % fail",
            Kind::Broken => "33 % fail",
            Kind::Bursts => "bursts of failures",
            Kind::Alternating => "alternating request kinds",
            Kind::Drifting => "drifting load, shares 1, 10, 50 %",
            Kind::AlwaysFailing => "always-failing users, requests assigned",
            Kind::Sticky => "always-failing users, users assigned",
            Kind::StickyUneven => "uneven users, users assigned",
            Kind::Everything => "bursts, kinds and drift at once",
        }
    }

    fn is_sticky(self) -> bool {
        matches!(self, Kind::Sticky | Kind::StickyUneven)
    }

    /// Green's share after this part of the release, percent.
    fn percent(self, part: f64) -> usize {
        match self {
            Kind::Drifting | Kind::Everything | Kind::Sticky if part < 0.33 => 1,
            Kind::Drifting | Kind::Everything | Kind::Sticky if part >= 0.67 => 50,
            _ => 10,
        }
    }
}

/// The budgets with which each release is looked at.
pub const ALPHAS: [f64; 2] = [0.001, 0.05];

/// What happened in one release, for each budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// The judge raised an alarm.
    pub judge: [bool; 2],
    /// A test of two proportions at the same α, looked at every second, would have.
    pub naive: [bool; 2],
}

/// How the promise is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// It is not.
    None,
    /// Users keep their colour, but their requests are counted.
    RequestsOfUsers,
    /// Green gets every tenth request in a fixed order.
    FixedOrder,
}

/// Plays one release of `seconds` at `rps` and looks at it with each budget.
pub fn play(kind: Kind, mistake: Mistake, seed: u64, seconds: u64, rps: f64) -> Alarms {
    let mut chance = Chance::new(seed);
    let mut release = Release::new(kind, mistake, rps, &mut chance);
    let mut alarms = Alarms::default();
    let looks = seconds * 1_000 / LOOK_MS;
    for look in 0..looks {
        let part = look as f64 / looks as f64;
        release.advance(part, &mut chance);
        let at_ms = (look * LOOK_MS) as i64;
        alarms.judge = release.look(at_ms);
        if at_ms % 1_000 == 0 {
            for (alarm, limit) in alarms.naive.iter_mut().zip([3.09, 1.645]) {
                *alarm |= naive_alarm(&release.total, limit);
            }
        }
    }
    alarms
}

struct Release {
    kind: Kind,
    /// Users keep their colour, and are what is counted.
    counts_users: bool,
    rps: f64,
    percent: usize,
    stratum: u64,
    split: Split,
    due: f64,
    burst_looks: u64,
    turn: bool,
    users: Vec<User>,
    counters: Counters,
    total: Counters,
    judges: [Judge; 2],
}

/// What looks at the release with one budget.
struct Judge {
    keys: Keys,
    panel: Panel,
    ratio: SampleRatio,
}

impl Judge {
    fn armed(alpha: f64, unit: Unit) -> Judge {
        let terms = terms(alpha, unit);
        let ratio = SampleRatio::armed(terms.ratio_alpha);
        Judge { keys: Keys::new(DEFAULT_MAX_USERS), panel: Panel::armed(&terms), ratio }
    }

    fn alarm(&self) -> bool {
        self.panel.alarm().is_some() || self.ratio.crossed_at_ms().is_some()
    }
}

#[derive(Clone, Copy)]
struct User {
    point: usize,
    failing: f64,
}

impl Release {
    fn new(kind: Kind, mistake: Mistake, rps: f64, chance: &mut Chance) -> Release {
        let counts_users = kind.is_sticky() && mistake != Mistake::RequestsOfUsers;
        let unit = if counts_users { Unit::User } else { Unit::Request };
        let percent = kind.percent(0.0);
        let split =
            if mistake == Mistake::FixedOrder { Split::in_order(percent) } else { Split::new(percent) };
        let failing = |index: usize, chance: &mut Chance| match kind {
            Kind::StickyUneven => chance.unit().powi(8),
            _ if index < 20 => 1.0,
            _ => 0.002,
        };
        let user = |index| User { point: chance.below(100), failing: failing(index, chance) };
        Release {
            kind,
            counts_users,
            rps,
            percent,
            stratum: 1,
            split,
            due: 0.5,
            burst_looks: 0,
            turn: false,
            users: (0..2_000).map(user).collect(),
            counters: Counters::default(),
            total: Counters::default(),
            judges: ALPHAS.map(|alpha| Judge::armed(alpha, unit)),
        }
    }

    /// What comes until the next look.
    fn advance(&mut self, part: f64, chance: &mut Chance) {
        let percent = self.kind.percent(part);
        if percent != self.percent {
            (self.percent, self.split) = (percent, Split::new(percent));
            self.stratum += 1;
            self.counters = Counters::default();
            for Judge { keys, panel, .. } in &mut self.judges {
                keys.look(0, self.stratum, panel);
            }
        }
        let wave = (part * 9.0).sin();
        let drifts = matches!(self.kind, Kind::Drifting | Kind::Everything);
        let load = if drifts { 1.0 + 0.8 * wave } else { 1.0 };
        if matches!(self.kind, Kind::Bursts | Kind::Everything) && chance.yes(0.004) {
            self.burst_looks = 25;
        }
        self.burst_looks = self.burst_looks.saturating_sub(1);
        self.due += self.rps * load * LOOK_MS as f64 / 1_000.0;
        let before = [self.counters.blue[0].units, self.counters.green[0].units];
        while self.due >= 1.0 {
            self.due -= 1.0;
            self.request(wave, chance);
        }
        if !self.kind.is_sticky() {
            let [blue, green] = [self.counters.blue[0].units, self.counters.green[0].units];
            let (share, blue, green) = (self.percent as f64 / 100.0, blue - before[0], green - before[1]);
            self.judges.iter_mut().for_each(|judge| {
                judge.ratio.add(0, share, blue, green);
            });
        }
    }

    fn request(&mut self, wave: f64, chance: &mut Chance) {
        self.turn = !self.turn;
        let heavy = chance.yes(0.33);
        let user = match self.kind {
            Kind::StickyUneven => (2_000.0 * chance.unit().powi(4)) as usize,
            _ if heavy => chance.below(20),
            _ => 20 + chance.below(1_980),
        };
        let User { point, failing } = self.users[user.min(1_999)];
        let mut rate = match self.kind {
            Kind::Steady | Kind::Drifting => 0.01,
            Kind::Rare => 0.000_5,
            Kind::Broken => 0.33,
            Kind::Bursts => 0.001,
            Kind::Alternating | Kind::Everything if self.turn => 0.2,
            Kind::Alternating | Kind::Everything => 0.0,
            Kind::AlwaysFailing | Kind::Sticky | Kind::StickyUneven => failing,
        };
        let mut slowness = 1.0;
        if matches!(self.kind, Kind::Drifting | Kind::Everything) {
            rate *= 1.0 + wave;
            slowness = 1.0 + 0.5 * wave;
        }
        if self.kind == Kind::Alternating && self.turn {
            slowness = 0.5;
        }
        if self.burst_looks > 0 {
            (rate, slowness) = (0.8, 0.1);
        }
        let is_green = if self.kind.is_sticky() { point < self.percent } else { self.split.is_green(chance) };
        let (failed, quantile) = (chance.yes(rate), 1.0 - chance.unit() * slowness);
        self.total.count(is_green, failed, quantile);
        if self.counts_users {
            let side = if is_green { Side::Green } else { Side::Blue };
            let slower = [0.50, 0.90, 0.99].map(|percentile| quantile >= percentile);
            let bits = (0..4).zip([failed, slower[0], slower[1], slower[2]]);
            let bits = bits.map(|(bit, is)| u32::from(is) << bit).sum();
            self.judges.iter_mut().for_each(|judge| judge.keys.saw(side, user as u64, u32::MAX, bits));
        } else {
            self.counters.count(is_green, failed, quantile);
        }
    }

    fn look(&mut self, at_ms: i64) -> [bool; 2] {
        for Judge { keys, panel, .. } in &mut self.judges {
            if self.counts_users {
                keys.look(at_ms, self.stratum, panel);
            } else {
                panel.observe(at_ms, self.stratum, &self.counters.blue, &self.counters.green);
            }
        }
        self.judges.each_ref().map(Judge::alarm)
    }
}

/// One-sided z-test of two proportions at its textbook limit: what one look may do, and many may not.
fn naive_alarm(counters: &Counters, limit: f64) -> bool {
    let ([blue, ..], [green, ..]) = (counters.blue, counters.green);
    let (Some(before), Some(now)) = (blue.rate(), green.rate()) else { return false };
    let (blues, greens) = (blue.units as f64, green.units as f64);
    let both = (before * blues + now * greens) / (blues + greens);
    let spread = (both * (1.0 - both) * (1.0 / blues + 1.0 / greens)).sqrt();
    green.units > 50 && spread > 0.0 && (now - before) / spread > limit
}
