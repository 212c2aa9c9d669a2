//! Asks the judge of a release, with what the gateways counted.

use super::app::AppRunner;
use crate::book::Release;
use crate::comparison::{Comparison, Look};
use crate::counters::Gateways;
use crate::machine::{Action, State};
use crate::plan::Plan;
use crate::report::Evidence;
use judge::verdict::{Finding, Judgement, Verdict};
use model::record::Lane;

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
        if !self.comparisons.contains_key(&release.folded.release) {
            let before = of(old, 0).minus(&of(old, state.first_revision.unwrap_or(written.revision)));
            // What another controller has written down is where this one goes on.
            let comparison = match &release.folded.comparison {
                Some(known) => known.clone(),
                None => Comparison::begin(policy, &plan.checks, &before).ok()?,
            };
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
    use judge::tally::Tally;

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
