//! The judge of a release: what both versions counted, compared as long as both have a share.
//!
//! It is journaled whenever traffic has moved, and counters are counted from there, so a successor goes on with all of the evidence and
//! with the same chance to be wrong ([`crate::journal::Event::Judged`]).

use crate::counters::{hindrances, said, unexamined};
use crate::plan::PlannedJudge;
use crate::report::Baseline;
use judge::budget::{Budget, InvalidBudget, Terms, Unit};
use judge::historical::{Basis, Historical};
use judge::metric::Metric;
use judge::panel::Panel;
use judge::sample_ratio::SampleRatio;
use judge::tally::Tally;
use judge::verdict::{Finding, Judgement, Verdict};
use model::policy::AnswerCheck;
use model::resource::Revision;
use serde::{Deserialize, Serialize};
use telemetry::counts::Counts;

/// Quantiles of the old version's times that are frozen, percent.
const PERCENTILES: [u8; 3] = [50, 90, 99];
/// Whole answers of the old version from which they may be frozen.
const MIN_ANSWERS: u64 = 200;

/// One comparison under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    terms: Terms,
    /// The checks of the business, in the order of their counters.
    checks: Vec<AnswerCheck>,
    panel: Panel,
    ratio: SampleRatio,
    since: Revision,
    /// Requests that were claimed under this share at the last look: old, new.
    claimed: [u64; 2],
    /// How many answers of the old version there were to freeze its times by, if those were too few.
    too_few: Option<u64>,
    /// Times as high as before that the odds of failing may be.
    historical_tolerance: f64,
    /// Since all of the traffic is on the new version: the same questions, about the time before.
    after: Vec<Historical>,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) at_ms: i64,
    /// The new version's share, percent.
    pub(crate) share: u8,
    /// Since when.
    pub(crate) revision: Revision,
    /// What the old version has counted since then.
    pub(crate) old: Counts,
    /// What the new version has.
    pub(crate) new: Counts,
    /// What the old version did last, once all of the traffic has moved.
    pub(crate) baseline: Option<&'a Baseline>,
}

impl Comparison {
    /// Freezes what is judged; `before` is what the old version counted until now.
    pub(crate) fn begin(
        policy: &PlannedJudge,
        checks: &[AnswerCheck],
        before: &Counts,
    ) -> Result<Comparison, InvalidBudget> {
        let mut metrics = vec![Metric::Failures];
        metrics.extend(checks.iter().flat_map(|check| {
            let check = || check.name.clone();
            [Metric::Business { check: check() }, Metric::Unexamined { check: check() }]
        }));
        let answers = before.latency.count();
        if answers >= MIN_ANSWERS {
            metrics.extend(PERCENTILES.into_iter().filter_map(|percentile| {
                let frozen_us = before.latency.quantile(f64::from(percentile) / 100.0)?;
                Some(Metric::slower_than(percentile, frozen_us))
            }));
        }
        let budget = Budget { alpha: policy.alpha, tolerance: policy.tolerance, ..Budget::default() };
        let terms = budget.terms(&metrics, Unit::Request)?;
        let (panel, ratio) = (Panel::armed(&terms), SampleRatio::armed(terms.ratio_alpha));
        Ok(Comparison {
            terms,
            checks: checks.to_vec(),
            panel,
            ratio,
            since: 0,
            claimed: [0; 2],
            too_few: Some(answers).filter(|answers| *answers < MIN_ANSWERS),
            historical_tolerance: policy.historical.tolerance,
            after: Vec::new(),
        })
    }

    /// What came under shares that someone else ordered says nothing of those that were.
    pub(crate) fn leave_out(&mut self, revision: Revision, old: &Counts, new: &Counts) {
        self.follow(revision);
        self.claimed = [old.received, new.received];
    }

    fn follow(&mut self, revision: Revision) {
        if self.since != revision {
            (self.since, self.claimed) = (revision, [0; 2]);
            self.after.clear();
        }
    }

    /// Adds what came since the last look, and says what is found.
    pub(crate) fn look(&mut self, look: &Look<'_>) -> Judgement {
        self.follow(look.revision);
        let claimed = [look.old.received, look.new.received];
        let came: Vec<u64> =
            claimed.iter().zip(self.claimed).map(|(now, before)| now.saturating_sub(before)).collect();
        if let [old, new] = came.as_slice() {
            self.ratio.add(look.at_ms, f64::from(look.share) / 100.0, *old, *new);
        }
        self.claimed = claimed;
        let (old, new) = (self.tallies(&look.old), self.tallies(&look.new));
        self.panel.observe(look.at_ms, look.revision, &old, &new);
        let mut findings = self.panel.findings();
        self.tell_unexamined(&mut findings, &look.old, &look.new);
        findings.push(self.ratio.finding());
        findings.extend(self.too_few.map(untimed));
        if let Some(baseline) = look.baseline {
            let mut historical = self.compare_with_before(look.at_ms, baseline, &new);
            self.tell_unexamined(&mut historical, &baseline.counts, &look.new);
            findings.extend(historical);
        }
        Judgement::of(findings)
    }

    /// Where a check of the business says nothing, its words say how many answers it could look at, and why not at the others. Where
    /// that is the verdict, they say why.
    fn tell_unexamined(&self, findings: &mut [Finding], old: &Counts, new: &Counts) {
        for (place, check) in self.checks.iter().enumerate() {
            let metric = Metric::Unexamined { check: check.name.clone() }.to_string();
            let why = hindrances(check, new, said(new, place)).words();
            let failed = findings.iter_mut().filter(|it| it.verdict == Verdict::Fail && it.check == metric);
            failed.for_each(|finding| finding.words.push_str(&format!("; of the new version {why}")));
        }
        let checks = findings.iter_mut().filter(|finding| finding.verdict == Verdict::Inconclusive);
        for finding in checks {
            let metric = |check: &AnswerCheck| Metric::Business { check: check.name.clone() }.to_string();
            let Some(place) = self.checks.iter().position(|check| metric(check) == finding.check) else {
                continue;
            };
            let (said_of_old, said_of_new) = (said(old, place), said(new, place));
            let (Some(check), true) = (self.checks.get(place), said_of_new.unexamined > 0) else { continue };
            let seen = format!("{} of {}", said_of_old.examined(), old.requests().max(said_of_old.asked()));
            let of_new = unexamined(check, new, said_of_new);
            finding.words = format!("{}; of the new version {of_new}, of the old one {seen}", finding.words);
            // Without numbers the words are shown.
            finding.figures =
                finding.figures.filter(|figures| figures.green.units.min(figures.blue.units) > 0);
        }
    }

    fn compare_with_before(&mut self, at_ms: i64, baseline: &Baseline, new: &[Tally]) -> Vec<Finding> {
        if self.after.is_empty() {
            let before = self.tallies(&baseline.counts);
            let charges = self.terms.charges.iter().zip(before);
            self.after = charges
                .filter_map(|(charge, before)| {
                    Historical::since(before, charge.bound, self.historical_tolerance).ok()
                })
                .collect();
        }
        let compared = self.after.iter_mut().zip(new).zip(&self.terms.charges);
        compared
            .map(|((after, now), charge)| {
                after.observe(at_ms, *now);
                (&charge.metric, after.finding(&charge.metric, charge.unit))
            })
            .filter(|(metric, finding)| finding.is_told(metric))
            .map(|(_, finding)| Finding {
                words: format!("{}; {}", finding.words, baseline.words()),
                ..finding
            })
            .collect()
    }

    /// The tally of each charge.
    fn tallies(&self, counts: &Counts) -> Vec<Tally> {
        let tally = |metric: &Metric| match metric {
            Metric::Slower { threshold_us, .. } => {
                let answers = counts.latency.count();
                let slower = answers.saturating_sub(counts.latency.count_up_to(*threshold_us));
                Tally::new(answers, slower)
            }
            Metric::Business { check } => {
                let place = self.checks.iter().position(|one| one.name == *check);
                let said = place.and_then(|place| counts.checks.get(place)).copied().unwrap_or_default();
                Tally::new(said.examined(), said.failed)
            }
            Metric::Unexamined { check } => {
                let place = self.checks.iter().position(|one| one.name == *check);
                let said = place.map(|place| said(counts, place)).unwrap_or_default();
                let (units, unexamined) = said.of_good(counts.failed());
                Tally::new(units, unexamined)
            }
            Metric::Failures => Tally::new(counts.requests(), counts.failed()),
            // Only a gateway knows of what is open since when: its guard compares that.
            Metric::Unended { .. } => Tally::default(),
        };
        self.terms.charges.iter().map(|charge| tally(&charge.metric)).collect()
    }
}

/// Times are not compared: of the old version's there are too few to say what is slow.
fn untimed(answers: u64) -> Finding {
    let words = format!(
        "times: not compared: the old version had {answers} answers before the release, of {MIN_ANSWERS} that are needed to say \
         what is slow"
    );
    let (check, basis, verdict) = ("times".to_owned(), Basis::Nothing, Verdict::Inconclusive);
    Finding { check, basis, verdict, words, figures: None }
}

#[cfg(test)]
mod tests;
