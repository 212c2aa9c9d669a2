//! What a guard compares: whether failures, answers that do not end, or answers that a check cannot look at fall on the new version
//! more than chance allows. The evidence is the judge's.

use super::bounds::Crossed;
use super::sums::Counted;
use super::tallied::Tallied;
use super::users::Users;
use judge::budget::{Charge, Terms, Unit};
use judge::metric::Metric;
use judge::panel::{Alarm, Panel};
use judge::tally::Tally;
use judge::unended::Turns;
use judge::verdict::Finding;
use model::policy::MAX_ANSWER_CHECKS;
use model::traffic_split::GuardRule;
use telemetry::report::{Judged, Weighed};

/// Most comparisons: failures, answers that do not end, and two of each check.
const MOST: usize = 2 + 2 * MAX_ANSWER_CHECKS;

/// What one comparison is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Failures,
    /// What a check of the business has said.
    Check(usize),
    /// That it could not look.
    Unexamined(usize),
    /// Answers that have begun, and whether they end in time.
    Unended,
}

/// The comparisons of one guard under way.
#[derive(Debug)]
pub(super) struct Compared {
    /// What each comparison is about.
    asked: Vec<Asked>,
    panel: Panel,
    turns: Turns,
    /// Where users keep their version.
    users: Option<Users>,
}

impl Compared {
    /// Arms what a rule asks for; what it does not ask for is not compared.
    pub(super) fn armed(rule: &GuardRule, threads: usize) -> Compared {
        let unit = if rule.by_users { Unit::User } else { Unit::Request };
        let charge = |one_in: u64, metric: Metric| {
            let tolerance = f64::from(rule.tolerance_percent) / 100.0;
            let bound = metric.bound(1.0 / one_in as f64, tolerance).ok()?;
            Some(Charge { metric, bound, unit })
        };
        let of_failures = rule.false_alarm_one_in.and_then(|one_in| charge(one_in, Metric::Failures));
        let users = rule.by_users.then(|| Users::new(threads, rule.checks.len()));
        let of_checks = rule.checks.iter().enumerate().filter_map(|(place, check)| {
            let metric = Metric::Business { check: check.clone() };
            Some((Asked::Check(place), charge(rule.check_false_alarm_one_in?, metric)?))
        });
        let of_unexamined = rule.checks.iter().enumerate().filter_map(|(place, check)| {
            let metric = Metric::Unexamined { check: check.clone() };
            Some((Asked::Unexamined(place), charge(rule.unexamined_false_alarm_one_in?, metric)?))
        });
        let hang = rule.hang.filter(|_| !rule.by_users);
        let of_ends = hang.zip(rule.unended_false_alarm_one_in);
        let of_ends = of_ends.and_then(|(hang, one_in)| {
            Some((Asked::Unended, charge(one_in, Metric::Unended { after_ms: hang.after_ms })?))
        });
        let of_failures = of_failures.map(|charge| (Asked::Failures, charge)).into_iter();
        // Where users are what is compared, their bits are in this order. A rule leaves none of them out in between.
        let all = of_failures.chain(of_checks).chain(of_unexamined).chain(of_ends);
        let (asked, charges): (Vec<_>, Vec<Charge>) = all.unzip();
        let panel = Panel::armed(&Terms { charges, ratio_alpha: 0.0 });
        Compared { asked, panel, turns: Turns::default(), users }
    }

    /// Looks at what is counted. `turn` is what request threads were told after the last look.
    pub(super) fn look(&mut self, counted: &Counted, turn: usize) -> Option<Crossed> {
        let alarm = match &mut self.users {
            Some(users) => users.look(counted, &mut self.panel)?,
            None => self.look_at_requests(counted, turn)?,
        };
        let evidence = self.panel.finding(alarm.charge)?.words;
        let e_value = Some(alarm.crossing.e_value);
        let asked = self.asked.get(alarm.charge).copied().unwrap_or(Asked::Failures);
        let check = if let Asked::Check(place) = asked { Some(place) } else { None };
        let is_unexamined = matches!(asked, Asked::Unexamined(_));
        let has_not_failed = is_unexamined || asked == Asked::Unended;
        let judged = has_not_failed.then(|| [alarm.crossing.blue, alarm.crossing.green].map(judged));
        let evidence = vec![evidence];
        Some(Crossed {
            bound: "comparison",
            evidence,
            e_value,
            check,
            judged,
            is_unexamined,
            found_in_ms: None,
        })
    }

    fn look_at_requests(&mut self, counted: &Counted, turn: usize) -> Option<Alarm> {
        let both = [&counted.old, &counted.new];
        let unended = self.turns.look(counted.stratum, turn, both.map(Tallied::ends));
        let mut tallies = [[Tally::default(); MOST]; 2];
        for ((side, tallied), unended) in tallies.iter_mut().zip(both).zip(unended) {
            let of = |check: Option<usize>| {
                let Judged { requests, failed } = tallied.by(check);
                Tally::new(requests, failed)
            };
            for (tally, asked) in side.iter_mut().zip(&self.asked) {
                *tally = match *asked {
                    Asked::Failures => of(None),
                    Asked::Check(place) => of(Some(place)),
                    Asked::Unexamined(place) => tallied.unexamined(place),
                    Asked::Unended => unended,
                };
            }
        }
        let [old, new] = tallies;
        self.panel.observe(counted.wall_ms, counted.stratum, &old, &new)
    }

    /// The users, where they are what is compared.
    pub(super) fn users(&self) -> Option<&Users> {
        self.users.as_ref()
    }

    /// What was found until now.
    pub(super) fn evidence(&self) -> Vec<Weighed> {
        self.panel.findings().into_iter().filter_map(weighed).collect()
    }
}

fn judged(tally: Tally) -> Judged {
    Judged { requests: tally.units, failed: tally.failed }
}

fn weighed(finding: Finding) -> Option<Weighed> {
    let Finding { check, verdict, words, figures, .. } = finding;
    let figures = figures?;
    Some(Weighed {
        check,
        verdict: verdict.name().to_owned(),
        words,
        old: judged(figures.blue),
        new: judged(figures.green),
        e_value: figures.e_value,
        threshold: figures.threshold,
        detectable: figures.detectable,
        crossed_at_ms: figures.crossing.map(|crossing| crossing.at_ms),
    })
}
