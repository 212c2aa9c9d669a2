//! The end of a good release: the commit, and what becomes of the environment that was live.

use super::{Action, Cause, Flow, Outcome, Phase, Run, Stage, WaitingFor};
use model::policy::Decommission;

impl Run<'_> {
    /// The point of no return. From here on there is only forward; a way back is a release of its own.
    /// A rehearsal turns here.
    pub(super) fn decide_for_new(&mut self) -> Flow {
        if self.plan.rehearsal.is_some() {
            return self.turn_back(Cause::Rehearsed);
        }
        self.state.outcome = Some(Outcome::Promoted);
        self.note("committed: the new version is live");
        self.enter(Phase::Commit, Stage::Act)
    }

    pub(super) fn commit(&mut self) -> Flow {
        if let Stage::Spread { .. } = self.state.stage {
            if let Some(detail) = self.lagging() {
                return self.wait(WaitingFor::Gateways { detail }, None);
            }
            self.note("commit: the split is removed, the new version is the default");
            return self.enter(Phase::Decommission, Stage::Drain);
        }
        self.act_until_done("cleaning up the split", Action::CleanUp { overwrite: false })
    }

    pub(super) fn decommission(&mut self) -> Flow {
        let old = self.plan.lead().and_then(|lead| lead.old.clone());
        let Some(old) = old.filter(|old| old.environment.is_some()) else {
            return self.enter(Phase::Ended, Stage::Keep);
        };
        match self.state.stage {
            Stage::Drain => match self.drain(self.seen.old_open) {
                Some(flow) => flow,
                None => self.drained(),
            },
            Stage::Keep => {
                let Decommission::KeepWarm { for_ms } = self.plan.decommission else {
                    return self.enter_stage(Stage::Act);
                };
                self.keep("old", for_ms)
            }
            _ => match self.plan.decommission {
                Decommission::Keep {} => self.enter(Phase::Ended, Stage::Keep),
                Decommission::Reduce { instances } => {
                    let doing = "reducing the old environment";
                    self.stop_environment(Some(old.colour), doing, Action::ReduceOld { instances })
                }
                Decommission::Stop {} | Decommission::KeepWarm { .. } => {
                    self.stop_environment(Some(old.colour), "stopping the old environment", Action::StopOld)
                }
            },
        }
    }

    fn drained(&mut self) -> Flow {
        let left = self.undrained(self.seen.old_open);
        self.note(left.map_or("decommission: the old version has drained".to_owned(), |left| {
            format!("decommission: the drain time of the old version is over: {left}")
        }));
        match self.plan.decommission {
            Decommission::KeepWarm { .. } => self.enter_stage(Stage::Keep),
            _ => self.enter_stage(Stage::Act),
        }
    }
}
