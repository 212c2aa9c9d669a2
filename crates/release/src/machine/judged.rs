//! What the judge's comparison leads to: back at once, or a wait at the end of a step, or a line in the report.
//!
//! Only what was compared side by side acts. A comparison with the time before is told, and no more: it promises no
//! rate of false alarms.

use super::{Cause, Flow, Run};
use judge::verdict::{Finding, Judgement, Verdict};
use model::policy::Reaction;

impl Run<'_> {
    /// The evidence that the new version is worse, where the policy goes back for it.
    pub(super) fn worse(&self) -> Option<Vec<String>> {
        let judge = self.plan.judge.as_ref()?;
        let (verdict, reasons) = self.side_by_side();
        (verdict == Verdict::Fail && judge.on_fail == Reaction::Rollback && self.state.share() > 0)
            .then_some(reasons)
    }

    /// At the end of a step with a share for both versions: `None`: it may go on.
    pub(super) fn settle_judgement(&mut self) -> Option<Flow> {
        let judge = self.plan.judge.as_ref().filter(|_| self.state.share() < 100)?;
        let (verdict, reasons) = self.side_by_side();
        let reaction = match verdict {
            Verdict::Pass => Reaction::Advise,
            Verdict::Inconclusive => judge.on_inconclusive,
            Verdict::Fail => judge.on_fail,
        };
        let what = reasons.join("; ");
        match reaction {
            Reaction::Advise => None,
            Reaction::Pause => Some(self.hold(what)),
            Reaction::Rollback if verdict == Verdict::Fail => {
                Some(self.turn_back(Cause::Worse { evidence: reasons }))
            }
            Reaction::Rollback => Some(self.turn_back(Cause::Inconclusive { what })),
        }
    }

    /// The answers that came from another version than the one that was asked, where the policy reacts so. One of them is
    /// proof.
    pub(super) fn mixed_up(&self, reaction: Reaction) -> Option<Vec<String>> {
        let asked = self.plan.identity.as_ref().is_some_and(|identity| identity.on_mismatch == reaction);
        let wrong = self.seen.identity.iter().filter(|finding| finding.verdict == Verdict::Fail);
        let wrong: Vec<String> = wrong.map(|finding| finding.words.clone()).collect();
        (asked && self.state.share() > 0 && !wrong.is_empty()).then_some(wrong)
    }

    /// At the end of a step, where a mix-up waits for a person. `None`: it may go on.
    pub(super) fn settle_identity(&mut self) -> Option<Flow> {
        let wrong = self.mixed_up(Reaction::Pause)?;
        Some(self.hold(wrong.join("; ")))
    }

    /// Writes down what the judge found, and what the answers said of themselves.
    pub(super) fn note_judgement(&mut self) {
        let told: Vec<String> = self.seen.told.iter().map(|told| format!("limits: {told}")).collect();
        self.notes.extend(told);
        let said = |one: &Finding| format!("identity: {}: {}", one.verdict.name(), one.words);
        let lines: Vec<String> = self.seen.identity.iter().map(said).collect();
        self.notes.extend(lines);
        if self.plan.judge.is_none() {
            return;
        }
        let Some(Judgement { findings, .. }) = &self.seen.judged else {
            return self.note("judge: inconclusive: no counters were read");
        };
        let lines: Vec<String> =
            findings.iter().map(|one| format!("judge: {}: {}", one.verdict.name(), one.words)).collect();
        self.notes.extend(lines);
    }

    /// The worst verdict of what was compared side by side, and why. Not to know is inconclusive.
    fn side_by_side(&self) -> (Verdict, Vec<String>) {
        let Some(judged) = &self.seen.judged else {
            return (Verdict::Inconclusive, vec!["the judge has read no counters".to_owned()]);
        };
        let acting = judged.findings.iter().filter(|finding| finding.basis.decides());
        let judgement = Judgement::of(acting.cloned().collect());
        let reasons = judgement.reasons().map(str::to_owned).collect();
        (judgement.verdict, reasons)
    }
}
