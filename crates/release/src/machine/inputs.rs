//! What was journaled since the last step: commands of people, outcomes of actions. Aborts are taken first.

use super::rounds::approval_gate;
use super::{Action, ActionResult, Cause, Flow, Input, Phase, Run, Stage, State, WaitingFor, Written};
use crate::plan::Plan;

/// What a person is asked in this state, and a `promote` would answer; `None`: nothing.
#[must_use]
pub fn question(plan: &Plan, state: &State) -> Option<WaitingFor> {
    if let Some(diff) = &state.foreign {
        return Some(WaitingFor::Edit { diff: diff.clone() });
    }
    if let Some(hold) = &state.hold {
        return Some(WaitingFor::Verdict { what: hold.what.clone() });
    }
    approval_gate(plan, state).map(|gate| WaitingFor::Approval { gate })
}

impl Run<'_> {
    pub(super) fn take_inputs(&mut self) {
        for input in &self.seen.inputs {
            match input {
                Input::Abort { actor, reason } => {
                    self.stop(Cause::Aborted { actor: actor.clone(), reason: reason.clone() });
                }
                Input::Supersede { by } => self.stop(Cause::Superseded { by: by.clone() }),
                Input::Ended { .. } | Input::Promote { .. } => {}
            }
        }
        for input in &self.seen.inputs {
            match input {
                Input::Ended { id, result } => self.ended(id, result),
                Input::Promote { actor, subject } => self.promote(actor, subject),
                Input::Abort { .. } | Input::Supersede { .. } => {}
            }
        }
    }

    /// Goes back if that is still possible; otherwise it is back already, or it is too late.
    fn stop(&mut self, cause: Cause) {
        if self.state.phase.can_turn_back() {
            self.turn_back(cause);
        } else if self.state.committed() {
            self.note(format!("too late, the new version is live: {cause}"));
        }
    }

    fn ended(&mut self, id: &str, result: &ActionResult) {
        // Also an action that is not wanted any more may have written.
        if let ActionResult::Written { revision, .. } = result {
            self.state.first_revision.get_or_insert(*revision);
        }
        if self.state.pending.as_ref().is_none_or(|pending| pending.id != id) {
            return;
        }
        let Some(pending) = self.state.pending.take() else { return };
        match (pending.action, result) {
            (Action::Provision, ActionResult::Done) => {
                self.state.provisioned = true;
                self.note("provision: the new environment is started");
                self.enter_stage(Stage::Watch);
            }
            (Action::Provision, ActionResult::Failed { why }) => {
                self.turn_back(Cause::Provision { why: why.clone() });
            }
            (action, ActionResult::Written { revision, overwrote }) => {
                if let Some(diff) = overwrote {
                    self.note(format!("overwrote someone's edit: {diff}"));
                }
                let (share, rehearses) = match action {
                    Action::SetShare { share, rehearses, .. } => (share, rehearses),
                    Action::CleanUp { .. } => (100, None),
                    _ => (0, None),
                };
                self.copying_was_written(&action);
                self.state.written = Some(Written { share, rehearses, revision: *revision });
                self.enter_stage(Stage::Spread { revision: *revision });
            }
            (Action::Copy { .. }, ActionResult::Foreign { diff }) => {
                self.state.copying = None;
                self.found_edit(diff);
            }
            (Action::SetShare { .. } | Action::CleanUp { .. }, ActionResult::Foreign { diff }) => {
                // The edit was found instead of what was there before, so this write did not happen.
                self.state.began_to_write = false;
                self.found_edit(diff);
            }
            (Action::SetShare { .. }, ActionResult::HoldOver { why, interrupted }) => {
                self.hold_was_over(why, *interrupted);
            }
            (Action::SetShare { .. } | Action::Copy { .. }, ActionResult::Failed { why }) => {
                self.turn_back(Cause::Switch { why: why.clone() });
            }
            (Action::RunGate { .. }, ActionResult::Gate { outcome }) => {
                self.gate_spoke(id.to_owned(), outcome)
            }
            (Action::RunGate { .. }, ActionResult::Failed { why }) => {
                self.inconclusive(why, id.to_owned(), false);
            }
            (Action::StopOld | Action::ReduceOld { .. } | Action::StopNew, ActionResult::Done) => {
                self.enter(Phase::Ended, Stage::Keep);
            }
            (_, ActionResult::Failed { why }) => self.try_again_later(why),
            (action, result) => {
                self.try_again_later(&format!("{action:?} was answered with {result:?}"));
            }
        }
    }

    /// What leads back, or tidies up after the commit, is tried until it succeeds.
    pub(super) fn try_again_later(&mut self, why: &str) {
        self.state.failures = self.state.failures.saturating_add(1);
        self.state.last_failure = Some(why.to_owned());
        self.state.stage_ms = 0;
        self.note(format!("{}: {why}", self.state.phase.name()));
    }

    fn promote(&mut self, actor: &str, subject: &str) {
        let asked = question(self.plan, &self.state).and_then(|question| question.subject());
        if asked.as_deref() != Some(subject) {
            self.note(format!("{actor} promoted {subject}, but that does not wait any more"));
            return;
        }
        self.note(format!("{actor} promoted {subject}"));
        if self.state.foreign.take().is_some() {
            self.overwrite_edit();
        } else if self.state.stage == Stage::Check || self.state.round.is_some() {
            self.approve(actor);
        } else {
            self.settled_by_person();
        }
    }

    fn found_edit(&mut self, diff: &str) {
        self.note(format!("someone changed what the release owns: {diff}"));
        self.state.foreign = Some(diff.to_owned());
    }

    /// Someone else's edit of what the release owns stops the way forward until a person has looked at it, or until
    /// it is gone.
    pub(super) fn watch_for_foreign_edits(&mut self) {
        let overwriting = self.state.pending.as_ref().is_some_and(|pending| {
            matches!(
                pending.action,
                Action::SetShare { overwrite: true, .. } | Action::CleanUp { overwrite: true }
            )
        });
        if !self.state.phase.may_pause() || overwriting {
            return;
        }
        match (&self.state.foreign, &self.seen.foreign) {
            (None, Some(diff)) => self.found_edit(&diff.clone()),
            // Who could not look has not seen that it is gone.
            (Some(_), None) if self.seen.serving.is_none() => {}
            (Some(_), None) => {
                self.note("what the release owns is as it was written again");
                self.state.foreign = None;
            }
            (Some(_), Some(diff)) => self.state.foreign = Some(diff.clone()),
            (None, None) => {}
        }
    }

    pub(super) fn wait_for_person_about_edit(&mut self) -> Flow {
        let diff = self.state.foreign.clone().unwrap_or_default();
        self.wait(WaitingFor::Edit { diff }, None)
    }

    /// Writes again what should hold, over the edit; what was watched before does not count any more.
    fn overwrite_edit(&mut self) {
        self.state.round = None;
        self.state.hold = None;
        let emptying = self.state.is_emptying(&self.plan.soak);
        let share = match self.state.phase {
            Phase::Shift { step } => self.plan.steps.get(step).map_or(100, |step| step.share),
            Phase::Soak if emptying => 100,
            Phase::Soak => self.plan.soak.share(),
            _ => 0,
        };
        let action = match self.state.phase {
            Phase::Commit => Action::CleanUp { overwrite: true },
            _ => self.set_share(share, true, None),
        };
        self.enter_stage(if emptying { Stage::Empty } else { Stage::Act });
        self.begin(action);
    }
}
