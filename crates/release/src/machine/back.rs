//! The way back: restore, drain, keep what failed to look at, stop it. It needs nothing from the new version, asks
//! nothing of the old one, and is not stopped by anyone's edit.

use super::time::back_off_ms;
use super::{Action, Cause, Flow, Outcome, Phase, Run, Stage, WaitingFor};
use model::colour::Colour;

/// The gateway closes streams at the drain deadline; their sides get a moment to answer, and it gets this much longer to
/// report it, milliseconds.
pub(super) const DRAIN_GRACE_MS: u64 = 2_000;

impl Run<'_> {
    pub(super) fn revert(&mut self) -> Flow {
        if let Stage::Spread { .. } = self.state.stage {
            if let Some(detail) = self.lagging() {
                return self.wait(WaitingFor::Gateways { detail }, None);
            }
            return self.gone_back("restored");
        }
        self.act_until_done("putting everything back", Action::Restore)
    }

    /// Everything is as it was; what is left is the environment.
    pub(super) fn gone_back(&mut self, how: &str) -> Flow {
        let outcome = self.state.cause.as_ref().map_or(Outcome::RolledBack, Cause::outcome);
        self.state.outcome = Some(outcome);
        self.note(format!("{how}: {}", outcome.name()));
        self.enter(Phase::KeepFailed, Stage::Drain)
    }

    pub(super) fn keep_failed(&mut self) -> Flow {
        match self.state.stage {
            Stage::Drain => {
                if let Some(flow) = self.drain(self.seen.new_open) {
                    return flow;
                }
                if let Some(left) = self.undrained(self.seen.new_open) {
                    self.note(format!("the drain time of the new version is over: {left}"));
                }
                let went_well = matches!(self.state.outcome, Some(Outcome::Superseded | Outcome::Rehearsed));
                let nothing_to_look_at = went_well || !self.state.provisioned;
                self.enter_stage(if nothing_to_look_at { Stage::Act } else { Stage::Keep })
            }
            Stage::Keep => self.keep("failed", self.plan.keep_failed_ms),
            _ => {
                let colour = self.plan.lead().map(|lead| lead.new.colour);
                self.stop_environment(colour, "stopping the new environment", Action::StopNew)
            }
        }
    }

    /// Waits until a colour has nothing open any more, or its time is over. `None`: it is empty.
    pub(super) fn drain(&mut self, open: Option<u64>) -> Option<Flow> {
        let limit_ms =
            self.plan.drain_timeout_ms.max(self.plan.longest_drain_ms).saturating_add(DRAIN_GRACE_MS);
        let never_used = self.state.first_revision.is_none();
        if open == Some(0) || never_used || self.state.stage_ms >= limit_ms {
            return None;
        }
        Some(self.wait(WaitingFor::Drain { open }, Some(limit_ms - self.state.stage_ms)))
    }

    /// What a colour whose time to drain is over has not ended, in words; `None`: nothing.
    pub(super) fn undrained(&self, open: Option<u64>) -> Option<String> {
        match open {
            _ if self.state.first_revision.is_none() => None,
            Some(0) => None,
            Some(1) => Some("1 request is still open on it, and ends with it at the latest".to_owned()),
            Some(open) => {
                Some(format!("{open} requests are still open on it, and end with it at the latest"))
            }
            None => Some("how many requests are still open on it is not known".to_owned()),
        }
    }

    /// Keeps an environment for a time, unless a later release takes it.
    pub(super) fn keep(&mut self, which: &str, for_ms: u64) -> Flow {
        if self.seen.taken {
            return self.leave_to_later_release();
        }
        if self.state.stage_ms >= for_ms {
            return self.enter_stage(Stage::Act);
        }
        let remaining_ms = Some(for_ms - self.state.stage_ms);
        self.wait(WaitingFor::Keep { which: which.to_owned() }, remaining_ms)
    }

    /// Stops (or reduces) an environment; never one that users reach, whoever made it so.
    pub(super) fn stop_environment(&mut self, colour: Option<Colour>, doing: &str, action: Action) -> Flow {
        if self.state.pending.is_none() && self.seen.taken {
            return self.leave_to_later_release();
        }
        let Some(serving) = &self.seen.serving else {
            self.state.pending = None;
            return self.wait_for_action("finding out which environment serves", None);
        };
        if colour.is_some_and(|colour| serving.contains(&colour)) {
            self.note("left running: someone gave this environment traffic");
            return self.enter(Phase::Ended, Stage::Keep);
        }
        self.act_until_done(doing, action)
    }

    /// Does something that must succeed at last, with a growing pause between tries.
    pub(super) fn act_until_done(&mut self, doing: &str, action: Action) -> Flow {
        if self.state.pending.is_some() {
            return self.wait_for_action(doing, None);
        }
        match self.back_off() {
            Some(flow) => flow,
            None => self.begin(action),
        }
    }

    /// The pause after a failed try. `None`: it is over, or nothing failed.
    pub(super) fn back_off(&mut self) -> Option<Flow> {
        let why = self.state.last_failure.clone()?;
        let pause_ms = back_off_ms(self.state.failures);
        let remaining_ms = pause_ms.checked_sub(self.state.stage_ms).filter(|ms| *ms > 0)?;
        Some(self.wait(WaitingFor::Retry { why }, Some(remaining_ms)))
    }

    fn leave_to_later_release(&mut self) -> Flow {
        self.note("its environment was taken by a later release");
        self.enter(Phase::Ended, Stage::Keep)
    }
}
