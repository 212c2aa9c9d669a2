//! Copies of live requests for a shadow gate: they begin before it runs and end with it, whatever it said.
//!
//! Both are writes that every gateway has to run, like that of a share, and the state says at any moment whether the copies
//! may stand in the service. So neither a crash nor a person who goes on without the gate leaves them behind, and the
//! next gate, or the first user on the new version, comes after they are gone.

use super::{Action, Cause, Copying, Flow, Round, Run, Stands};

impl Run<'_> {
    /// Whether everything is prepared for the current gate, which has not begun.
    pub(super) fn copies_for(&self, round: &Round) -> bool {
        self.state
            .copying
            .is_some_and(|copying| copying.gate == round.gate && copying.stands == Stands::Ready)
    }

    pub(super) fn begin_copying(&mut self, round: &Round) -> Flow {
        let number = self.state.counter.saturating_add(1);
        self.state.copying = Some(Copying { gate: round.gate, number, stands: Stands::Perhaps });
        self.begin(Action::Copy { gate: round.gate, number })
    }

    /// What was written for a gate that is over is taken away before anything else happens. `None`: nothing is.
    pub(super) fn end_copying(&mut self, round: &Round) -> Option<Flow> {
        self.state.copying?;
        let writes = match self.state.pending.as_ref().map(|pending| &pending.action) {
            Some(Action::Copy { .. }) => "beginning to copy requests",
            Some(Action::SetShare { .. }) => "ending the copies of requests",
            // The gate is under way.
            Some(_) => return None,
            None if self.copies_for(round) => return None,
            None => return Some(self.begin(self.set_share(0, false, None))),
        };
        let remaining_ms = self.plan.apply_timeout_ms.saturating_sub(self.state.stage_ms);
        if remaining_ms == 0 {
            return Some(
                self.turn_back(Cause::NotApplied { detail: "the store does not answer".to_owned() }),
            );
        }
        Some(self.wait_for_action(writes, Some(remaining_ms)))
    }

    /// What was written says whether requests are copied now.
    pub(super) fn copying_was_written(&mut self, action: &Action) {
        match (action, &mut self.state.copying) {
            (Action::Copy { .. }, Some(copying)) => copying.stands = Stands::Ready,
            (_, copying) => *copying = None,
        }
    }
}
