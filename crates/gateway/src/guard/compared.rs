//! What a guard compares: whether failures fall on the new version more than chance allows. The evidence is the judge's.

use super::bounds::Crossed;
use super::sums::Counted;
use super::users::Users;
use judge::bound::Bound;
use judge::budget::{Charge, Terms, Unit};
use judge::metric::Metric;
use judge::panel::{Alarm, Panel};
use judge::tally::Tally;
use judge::verdict::Finding;
use model::policy::MAX_ANSWER_CHECKS;
use model::traffic_split::GuardRule;
use telemetry::report::{Judged, Weighed};

/// Most comparisons: failures, and the checks.
const MOST: usize = 1 + MAX_ANSWER_CHECKS;

/// The comparisons of one guard under way.
#[derive(Debug)]
pub(super) struct Compared {
    /// Of each comparison, which check it is about; `None`: failures.
    places: Vec<Option<usize>>,
    panel: Panel,
    /// Where users keep their version.
    users: Option<Users>,
}

impl Compared {
    /// Arms what a rule asks for; what it does not ask for is not compared.
    pub(super) fn armed(rule: &GuardRule, threads: usize) -> Compared {
        let unit = if rule.by_users { Unit::User } else { Unit::Request };
        let charge = |one_in: u64, metric: Metric| {
            let tolerance = f64::from(rule.tolerance_percent) / 100.0;
            let bound = Bound::new(1.0 / one_in as f64).ok()?.tolerating(tolerance).ok()?;
            Some(Charge { bound: bound.sensing(metric.sensitivity()).ok()?, metric, unit })
        };
        let failures = rule.false_alarm_one_in.and_then(|one_in| charge(one_in, Metric::Failures));
        let users = rule.by_users.then(|| Users::new(threads));
        let of_checks = rule.checks.iter().enumerate().filter_map(|(place, check)| {
            let metric = Metric::Business { check: check.clone() };
            Some((Some(place), charge(rule.check_false_alarm_one_in?, metric)?))
        });
        let failures = failures.map(|charge| (None, charge));
        let (places, charges): (Vec<_>, Vec<Charge>) = failures.into_iter().chain(of_checks).unzip();
        Compared { places, panel: Panel::armed(&Terms { charges, ratio_alpha: 0.0 }), users }
    }

    /// Looks at what is counted.
    pub(super) fn look(&mut self, counted: &Counted) -> Option<Crossed> {
        let alarm = match &mut self.users {
            Some(users) => users.look(counted, &mut self.panel)?,
            None => self.look_at_requests(counted)?,
        };
        let evidence = self.panel.findings().into_iter().nth(alarm.charge)?.words;
        let e_value = Some(alarm.crossing.e_value);
        let check = self.places.get(alarm.charge).copied().flatten();
        Some(Crossed { bound: "comparison", evidence: vec![evidence], e_value, check, found_in_ms: None })
    }

    fn look_at_requests(&mut self, counted: &Counted) -> Option<Alarm> {
        let mut tallies = [[Tally::default(); MOST]; 2];
        for (side, tallied) in tallies.iter_mut().zip([&counted.old, &counted.new]) {
            for (tally, place) in side.iter_mut().zip(&self.places) {
                let Judged { requests, failed } = tallied.by(*place);
                *tally = Tally::new(requests, failed);
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

fn weighed(finding: Finding) -> Option<Weighed> {
    let Finding { check, verdict, words, figures, .. } = finding;
    let figures = figures?;
    let judged = |tally: Tally| Judged { requests: tally.units, failed: tally.failed };
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
