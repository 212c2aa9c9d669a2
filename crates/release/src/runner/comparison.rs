//! The judge of a release: what both versions counted, compared as long as both have a share.
//!
//! Its state is not journaled. A successor begins with what was counted since the share was last changed: less evidence,
//! and a chance of its own to be wrong, so the promise is for each controller that judges a release.

use super::app::AppRunner;
use crate::book::Release;
use crate::counters::{Gateways, hindrances, said, unexamined};
use crate::machine::{Action, State};
use crate::plan::{Plan, PlannedJudge};
use crate::report::{Baseline, Evidence};
use judge::budget::{Budget, InvalidBudget, Terms, Unit};
use judge::historical::{Basis, Historical};
use judge::metric::Metric;
use judge::panel::Panel;
use judge::sample_ratio::SampleRatio;
use judge::tally::Tally;
use judge::verdict::{Finding, Judgement, Verdict};
use model::policy::AnswerCheck;
use model::record::Lane;
use model::resource::Revision;
use telemetry::counts::Counts;

/// Quantiles of the old version's times that are frozen, percent.
const PERCENTILES: [u8; 3] = [50, 90, 99];
/// Whole answers of the old version from which they may be frozen.
const MIN_ANSWERS: u64 = 200;

/// One comparison under way.
#[derive(Debug)]
pub(super) struct Comparison {
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
struct Look<'a> {
    at_ms: i64,
    /// The new version's share, percent.
    share: u8,
    /// Since when.
    revision: Revision,
    /// What the old version has counted since then.
    old: Counts,
    /// What the new version has.
    new: Counts,
    /// What the old version did last, once all of the traffic has moved.
    baseline: Option<&'a Baseline>,
}

impl Comparison {
    /// Freezes what is judged; `before` is what the old version counted until now.
    fn begin(
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
    fn leave_out(&mut self, revision: Revision, old: &Counts, new: &Counts) {
        self.follow(revision);
        self.claimed = [old.received, new.received];
    }

    fn follow(&mut self, revision: Revision) {
        if self.since != revision {
            (self.since, self.claimed) = (revision, [0; 2]);
            self.after.clear();
        }
    }

    fn look(&mut self, look: &Look<'_>) -> Judgement {
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

/// What the guards have found about users: of each check what fails, or else what most users were seen for. Evidence of
/// several gateways is not added, because the same user may come to several.
fn of_users(evidence: Vec<Evidence>) -> Judgement {
    let weight = |finding: &Finding| {
        let units = finding.figures.map_or(0, |figures| figures.green.units.min(figures.blue.units));
        (finding.verdict == Verdict::Fail, units)
    };
    let mut findings: Vec<Finding> = Vec::new();
    for Evidence { finding, .. } in evidence {
        match findings.iter_mut().find(|known| known.check == finding.check) {
            Some(known) if weight(known) < weight(&finding) => *known = finding,
            Some(_) => {}
            None => findings.push(finding),
        }
    }
    Judgement::of(findings)
}

impl AppRunner {
    /// Compares both versions' user traffic; `None`: nothing can be compared, or nobody asks. `is_edited`: someone else
    /// has changed the shares.
    pub(super) fn compare(
        &mut self,
        release: &Release,
        state: &State,
        gateways: &Gateways,
        at_ms: i64,
        is_edited: bool,
    ) -> Option<Judgement> {
        let plan = release.folded.plan.as_ref()?;
        let (policy, lead) = (plan.judge.as_ref()?, Plan::lead(plan)?);
        let old = lead.old.as_ref()?.colour;
        let written = state.written.filter(|written| state.phase.has_traffic() && written.share > 0)?;
        // What comes under a share that is just being written did not come under this one.
        let is_moving = state.pending.as_ref().is_some_and(|it| matches!(it.action, Action::SetShare { .. }));
        if !gateways.count_all() || is_moving {
            return None;
        }
        if policy.by_users {
            let guard = plan.guard.as_ref()?;
            return Some(of_users(gateways.weighed(&guard.rule.id)));
        }
        // Since then all of it is the old version's: it would be compared with a new one that nobody asks.
        if plan.guard.as_ref().is_some_and(|guard| !gateways.trips(&guard.rule.id).is_empty()) {
            return None;
        }
        let of = |colour, since| gateways.of_colour(&lead.app, colour, since, Some(Lane::Share));
        let now = of(old, written.revision);
        let known = self.comparisons.contains_key(&release.folded.release);
        if !known {
            let before = of(old, 0).minus(&of(old, state.first_revision.unwrap_or(written.revision)));
            let comparison = Comparison::begin(policy, &plan.checks, &before).ok()?;
            self.comparisons.insert(release.folded.release.clone(), comparison);
        }
        let baseline = release.folded.baseline.as_ref().filter(|_| written.share == 100);
        let comparison = self.comparisons.get_mut(&release.folded.release)?;
        let new = of(lead.new.colour, written.revision);
        if is_edited {
            comparison.leave_out(written.revision, &now, &new);
            return None;
        }
        let (share, revision) = (written.share, written.revision);
        Some(comparison.look(&Look { at_ms, share, revision, new, old: now, baseline }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::policy::{JsonField, Judge};
    use telemetry::counts::Examined;

    fn counts(good: u64, bad: u64, ms: u64) -> Counts {
        let mut counts = Counts { received: good + bad, ..Counts::default() };
        counts.whole = [0, good, 0, 0, bad];
        (0..good).for_each(|_| counts.latency.record(ms * 1_000));
        counts
    }

    fn policy() -> PlannedJudge {
        let judge = Judge::default();
        PlannedJudge {
            alpha: 0.001,
            tolerance: judge.tolerance,
            on_fail: judge.on_fail,
            on_inconclusive: judge.on_inconclusive,
            by_users: false,
            historical: judge.historical,
        }
    }

    fn comparison() -> Comparison {
        Comparison::begin(&policy(), &[], &counts(1_000, 0, 20)).unwrap()
    }

    fn look(share: u8, old: Counts, new: Counts) -> Look<'static> {
        Look { at_ms: 1_000, share, revision: 7, old, new, baseline: None }
    }

    fn baseline(counts: Counts) -> Baseline {
        Baseline { ms: 12_300, counts }
    }

    fn verdict_of(judgement: &Judgement, check: &str) -> Verdict {
        let of = judgement.findings.iter().filter(|finding| finding.check.starts_with(check));
        of.map(|finding| finding.verdict).max().unwrap()
    }

    #[test]
    fn five_percent_of_failures_are_found_in_the_first_hundred_requests() {
        let judgement = comparison().look(&look(10, counts(1_260, 0, 20), counts(133, 7, 20)));
        assert_eq!((judgement.verdict, verdict_of(&judgement, "failures")), (Verdict::Fail, Verdict::Fail));
        assert_eq!(verdict_of(&judgement, "shares"), Verdict::Pass);
    }

    #[test]
    fn slower_answers_are_found_against_what_was_frozen() {
        let mut comparison = comparison();
        let mut after = |halves: u64, ms| {
            let at_ms = i64::try_from(halves).unwrap() * 500;
            let (old, new) = (counts(90 * halves, 0, 20), counts(10 * halves, 0, ms));
            comparison.look(&Look { at_ms, ..look(10, old, new) })
        };
        assert_ne!(verdict_of(&after(1, 40), "slower"), Verdict::Fail, "one stall looks so, too");
        let judgement = (2..40).map(|halves| after(halves, 40)).last().unwrap();
        assert_eq!(verdict_of(&judgement, "slower"), Verdict::Fail);
        assert_eq!(verdict_of(&judgement, "failures"), Verdict::Pass);
    }

    #[test]
    fn without_answers_before_times_are_not_judged_and_that_is_said() {
        let mut comparison = Comparison::begin(&policy(), &[], &counts(20, 0, 20)).unwrap();
        assert_eq!(comparison.terms.charges.len(), 1);
        let judgement = comparison.look(&look(10, counts(900, 1, 20), counts(100, 0, 20)));
        let said = judgement.findings.iter().find(|finding| finding.check == "times").unwrap();
        assert!(said.words.contains("had 20 answers before the release, of 200"), "{}", said.words);
        assert!(!said.basis.decides(), "what cannot be asked holds nobody up");
    }

    #[test]
    fn after_the_cutover_the_old_ones_last_window_is_compared_and_said_to_be_so() {
        let mut comparison = comparison();
        comparison.look(&look(10, counts(900, 1, 20), counts(100, 0, 20)));
        let last = baseline(counts(5_000, 5, 20));
        let after = |new| Look { revision: 8, baseline: Some(&last), ..look(100, Counts::default(), new) };
        let judgement = comparison.look(&after(counts(1_000, 60, 40)));
        let failed: Vec<&Finding> =
            judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
        assert!(failed.len() > 1, "failures and times: {failed:?}");
        assert!(failed.iter().all(|finding| finding.basis == Basis::Historical));
        let words = &failed[0].words;
        assert!(words.contains("the old one before (historical) 5 of 5005 requests"), "{words}");
        assert!(words.contains("before are 5005 requests in the 12.3 s up to the full cutover"), "{words}");
    }

    #[test]
    fn what_was_a_little_worse_before_passes_by_the_tolerance_of_the_policy() {
        let verdict = |tolerance| {
            let historical = model::policy::Historical { tolerance, ..Default::default() };
            let policy = PlannedJudge { historical, ..policy() };
            let mut comparison = Comparison::begin(&policy, &[], &counts(1_000, 0, 20)).unwrap();
            let last = baseline(counts(10_000, 100, 20));
            let new = counts(10_000, 250, 20);
            let judgement =
                comparison.look(&Look { baseline: Some(&last), ..look(100, Counts::default(), new) });
            verdict_of(&judgement, "failures")
        };
        assert_eq!(verdict(1.2), Verdict::Fail);
        assert_ne!(verdict(4.0), Verdict::Fail);
    }

    #[test]
    fn a_last_window_with_too_few_answers_is_told_and_not_dropped() {
        for (last, words) in [
            (baseline(counts(2, 0, 20)), "before are 2 requests in the 12.3 s"),
            (Baseline::default(), "what was before is not known"),
        ] {
            let new = counts(1_000, 60, 20);
            let judgement =
                comparison().look(&Look { baseline: Some(&last), ..look(100, Counts::default(), new) });
            let said: Vec<&Finding> =
                judgement.findings.iter().filter(|one| one.basis == Basis::Historical).collect();
            assert_eq!(said.len(), 4, "failures, p50, p90, p99");
            for finding in said {
                assert_eq!(finding.verdict, Verdict::Inconclusive);
                assert!(finding.words.contains(words), "{}", finding.words);
            }
        }
    }

    #[test]
    fn a_share_that_is_not_as_written_is_found() {
        let judgement = comparison().look(&look(10, counts(1_000, 0, 20), counts(20, 0, 20)));
        assert_eq!(verdict_of(&judgement, "shares"), Verdict::Fail);
    }

    #[test]
    fn what_came_while_someone_else_had_changed_the_shares_is_no_sign_of_a_bypass() {
        let mut comparison = comparison();
        comparison.look(&look(10, counts(900, 0, 20), counts(100, 0, 20)));
        comparison.leave_out(7, &counts(900, 0, 20), &counts(1_100, 0, 20));
        let judgement = comparison.look(&look(10, counts(1_800, 0, 20), counts(1_200, 0, 20)));
        assert_eq!(verdict_of(&judgement, "shares"), Verdict::Pass);
    }

    #[test]
    fn a_failed_check_of_the_business_is_compared_by_itself() {
        let check = AnswerCheck {
            name: "order".to_owned(),
            header: None,
            json: Some(JsonField { pointer: "/order/id".to_owned() }),
            fails_if: model::policy::FailsIf::Missing,
        };
        let mut comparison = Comparison::begin(&policy(), &[check], &counts(20, 0, 20)).unwrap();
        let of = |passed, failed| {
            let mut counts = counts(10 * (passed + failed), 0, 20);
            counts.checks[0] = Examined { passed, failed, unexamined: 9 * (passed + failed) };
            counts
        };
        let judgement = comparison.look(&look(10, of(1_260, 0), of(121, 12)));
        let words =
            judgement.findings.iter().find(|one| one.check == "failed check order").unwrap().words.clone();
        assert!(words.contains("12 of 133 "), "only what was looked at counts: {words}");
        assert_eq!(verdict_of(&judgement, "failed check order"), Verdict::Fail);
        assert_ne!(verdict_of(&judgement, "failures"), Verdict::Fail);
    }

    #[test]
    fn a_check_that_could_look_at_nothing_says_why() {
        let check =
            serde_json::json!({"name": "total", "json": {"pointer": "/total"}, "fails_if": "missing"});
        let check: AnswerCheck = serde_json::from_value(check).unwrap();
        let mut comparison = Comparison::begin(&policy(), &[check], &counts(20, 0, 20)).unwrap();
        let of = |answers, passed| {
            let mut counts = counts(answers, 0, 20);
            counts.checks[0] = Examined { passed, failed: 0, unexamined: answers - passed };
            counts.hindered.compressed = answers - passed;
            counts
        };
        let judgement = comparison.look(&look(10, of(900, 850), of(100, 0)));
        let finding = judgement.findings.iter().find(|one| one.check == "failed check total").unwrap();
        let words = "failed check total: too few examined answers to compare; of the new version 0 of 100 answers could be \
                     examined (compressed 100), of the old one 850 of 900";
        assert_eq!((finding.words.as_str(), finding.verdict), (words, Verdict::Inconclusive));
        assert_eq!(finding.shown(), None);
    }

    #[test]
    fn a_version_whose_answers_cannot_be_examined_any_more_fails_and_it_is_said_why() {
        let check: AnswerCheck = serde_json::from_value(
            serde_json::json!({"name": "total", "json": {"pointer": "/total"}, "fails_if": "missing"}),
        )
        .unwrap();
        let of = |answers: u64, passed: u64| {
            let mut counts = counts(answers, 0, 20);
            counts.checks[0] = Examined { passed, failed: 0, unexamined: answers - passed };
            counts.hindered.compressed = answers - passed;
            counts
        };
        let judged = |old: Counts, new: Counts| {
            let mut comparison =
                Comparison::begin(&policy(), std::slice::from_ref(&check), &counts(1_000, 0, 20)).unwrap();
            let judgement = comparison.look(&look(10, old, new));
            judgement.findings.into_iter().find(|one| one.check == "not examined by check total")
        };
        let found = judged(of(891, 891), of(99, 2)).unwrap();
        assert_eq!(found.verdict, Verdict::Fail);
        let words = "not examined by check total: new version 97 of 99 requests (98 %), the old one 0 of 891 requests (0 %); over";
        assert!(
            found.words.starts_with(words) && found.words.ends_with("; of the new version compressed 97"),
            "{found:?}"
        );
        assert_eq!(judged(of(891, 0), of(99, 0)), None, "alike says nothing that the check itself does not");
        let mut broken = of(99, 50);
        (broken.whole, broken.hindered) = ([0, 50, 0, 0, 49], Default::default());
        let found = judged(of(891, 891), broken);
        assert!(found.is_none_or(|found| found.verdict != Verdict::Fail), "they have failed");
    }

    #[test]
    fn what_one_gateway_proves_about_users_counts_and_the_others_are_heard_by_how_many_they_saw() {
        use crate::report::tests_of_evidence::evidence;
        let (weak, proof) = (evidence("guard in a", 3.0, 2_000.0), evidence("guard in b", 5_000.0, 2_000.0));
        let mut more = evidence("guard in c", 1.0, 2_000.0);
        more.finding.figures.as_mut().unwrap().green = Tally::new(500, 1);
        let judgement = of_users(vec![weak.clone(), proof.clone(), more.clone()]);
        assert_eq!((judgement.findings, judgement.verdict), (vec![proof.finding], Verdict::Fail));
        assert_eq!(of_users(vec![weak, more.clone()]).findings, vec![more.finding]);
        assert_eq!(of_users(Vec::new()).verdict, Verdict::Inconclusive);
    }
}
