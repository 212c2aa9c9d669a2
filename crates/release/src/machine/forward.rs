//! The way forward: provision, test, shift, soak. Everything here can still be undone.

use super::{Action, Cause, Flow, Guarded, Phase, RoundKind, Run, Spread, Stage, Traffic, WaitingFor};
use crate::plan::PlannedStep;
use model::policy::{OnInconclusive, Reaction};

/// How long the new environment may be unready, once it was ready, before the release goes back, milliseconds.
/// Long enough for one instance to be restarted, short enough that users do not suffer for a minute.
const UNREADY_LIMIT_MS: u64 = 5_000;
/// How often in one move of a share a hold may end because a gateway was started, without using up a try. More is no upgrade,
/// but a gateway that cannot stay up.
const MAX_INTERRUPTIONS: u32 = 10;

impl Run<'_> {
    /// Whatever the phase waits for: a version that users reach and that is bad goes back now.
    pub(super) fn watch_for_danger(&mut self) {
        if !self.state.phase.can_turn_back() || self.state.phase == Phase::Provision {
            return;
        }
        if let Some(cause) = self.guard_has_spoken() {
            self.turn_back(cause);
        } else if let Some(detail) = &self.seen.crash_loop {
            let detail = detail.clone();
            // In a rehearsal once is too often.
            self.turn_back(match self.plan.rehearsal {
                Some(_) => Cause::Exited { detail },
                None => Cause::CrashLoop { detail },
            });
        } else if let Traffic::Bad { evidence } = &self.seen.traffic
            && self.plan.limits.is_some()
            && self.state.share() > 0
        {
            self.turn_back(Cause::Limits { evidence: evidence.clone() });
        } else if let Some(evidence) = self.mixed_up(Reaction::Rollback) {
            self.turn_back(Cause::Identity { evidence });
        } else if let Some(evidence) = self.worse() {
            self.turn_back(Cause::Worse { evidence });
        } else if self.state.unready_ms.is_some_and(|ms| ms >= UNREADY_LIMIT_MS) {
            let detail = self.readiness_detail();
            self.turn_back(Cause::NotReady { detail });
        }
    }

    /// What a gateway has done by itself already, the release does for all of them.
    fn guard_has_spoken(&self) -> Option<Cause> {
        match &self.seen.guard {
            Guarded::Quiet => None,
            Guarded::Refused { why } => Some(Cause::Unguarded { why: why.clone() }),
            Guarded::Tripped { evidence } => Some(Cause::Guard { evidence: evidence.clone() }),
        }
    }

    pub(super) fn provision(&mut self) -> Flow {
        let deadline_ms = self.plan.readiness_deadline_ms();
        if self.state.stage_ms >= deadline_ms {
            let detail = format!("{} after {deadline_ms} ms", self.readiness_detail());
            return self.turn_back(Cause::NotReady { detail });
        }
        let remaining_ms = Some(deadline_ms - self.state.stage_ms);
        if self.state.stage == Stage::Act {
            return match self.state.pending {
                None => self.begin(Action::Provision),
                Some(_) => self.wait_for_action("starting the new environment", remaining_ms),
            };
        }
        if self.is_ready() {
            self.note("provision: the new environment is ready");
            return self.enter(Phase::Test, Stage::Act);
        }
        let detail = self.readiness_detail();
        self.wait(WaitingFor::Ready { detail }, remaining_ms)
    }

    pub(super) fn test(&mut self) -> Flow {
        match self.state.stage {
            Stage::Act => self.write_share(0),
            Stage::Spread { .. } => {
                if let Some(flow) = self.wait_for_gateways() {
                    return flow;
                }
                // Within a round it was for a gate.
                if self.state.round.is_some() {
                    return self.enter_stage(Stage::Check);
                }
                self.start_round(RoundKind::BeforeShift)
            }
            _ => match self.run_round() {
                Some(flow) => flow,
                None => {
                    self.note("test: passed");
                    self.enter(Phase::Shift { step: 0 }, Stage::Act)
                }
            },
        }
    }

    pub(super) fn shift(&mut self, step: usize) -> Flow {
        let Some(planned) = self.plan.steps.get(step).copied() else {
            return self.enter(Phase::Soak, Stage::Watch);
        };
        match self.state.stage {
            Stage::Act => self.write_share(planned.share),
            Stage::Spread { .. } => match self.wait_for_gateways() {
                Some(flow) => flow,
                None => self.begin_to_watch(planned.share),
            },
            Stage::Watch if self.state.watched_ms < planned.pause_ms => {
                let of = format!("step {} %", planned.share);
                self.wait(WaitingFor::Time { of }, Some(planned.pause_ms - self.state.watched_ms))
            }
            Stage::Watch => self.enter_stage(Stage::Settle),
            Stage::Settle => match self.settle(self.soak_judges(step, planned)) {
                Some(flow) => flow,
                None => self.start_round(RoundKind::StepEnd(step)),
            },
            _ => match self.run_round() {
                Some(flow) => flow,
                None => self.after_step(step),
            },
        }
    }

    fn after_step(&mut self, step: usize) -> Flow {
        if step + 1 < self.plan.steps.len() {
            return self.enter(Phase::Shift { step: step + 1 }, Stage::Act);
        }
        match (&self.plan.rehearsal, self.plan.soak.hold_back) {
            (Some(_), _) => {}
            (None, 0) => self.note("shift: all user traffic is on the new version"),
            (None, rest) => self.note(format!("shift: {rest} % stay on the old version through the soak")),
        }
        self.enter(Phase::Soak, Stage::Watch)
    }

    pub(super) fn soak(&mut self) -> Flow {
        let duration_ms = self.plan.soak.duration_ms;
        match self.state.stage {
            Stage::Act => self.write_share(self.plan.soak.share()),
            Stage::Empty => self.write_share(100),
            Stage::Spread { .. } => match self.wait_for_gateways() {
                Some(flow) => flow,
                None if self.state.is_emptied(&self.plan.soak) => self.emptied(),
                None => self.begin_to_watch(self.plan.soak.share()),
            },
            Stage::Watch if self.state.watched_ms >= duration_ms => self.end_soak(),
            Stage::Watch if self.soak_round_is_due() => {
                self.state.soak_rounds = self.state.soak_rounds.saturating_add(1);
                self.start_round(RoundKind::SoakInterval)
            }
            Stage::Watch => {
                let of = "soak".to_owned();
                self.wait(WaitingFor::Time { of }, Some(duration_ms - self.state.watched_ms))
            }
            Stage::Settle => match self.settle(false) {
                Some(flow) => flow,
                None => self.start_round(RoundKind::SoakEnd),
            },
            _ => {
                let ended = self.state.round.as_ref().is_none_or(|round| round.kind == RoundKind::SoakEnd);
                match self.run_round() {
                    Some(flow) => flow,
                    None if ended => self.after_soak(),
                    None => self.enter_stage(Stage::Watch),
                }
            }
        }
    }

    /// In a rehearsal no user says that the version lives: it must be ready at the end.
    fn end_soak(&mut self) -> Flow {
        if self.plan.rehearsal.is_none() || self.is_ready() {
            return self.enter_stage(Stage::Settle);
        }
        let detail = self.readiness_detail();
        let remaining_ms = UNREADY_LIMIT_MS.saturating_sub(self.state.unready_ms.unwrap_or(0));
        self.wait(WaitingFor::Ready { detail }, Some(remaining_ms))
    }

    /// What was held back follows in a switch of its own, the last one.
    fn after_soak(&mut self) -> Flow {
        match self.plan.soak.hold_back {
            0 => self.decide_for_new(),
            _ => self.enter_stage(Stage::Empty),
        }
    }

    fn emptied(&mut self) -> Flow {
        self.note(match self.plan.rehearsal {
            Some(_) => "soak: the switch of what is held back was rehearsed, with no user",
            None => "soak: what was held back is on the new version, too",
        });
        self.decide_for_new()
    }

    fn soak_round_is_due(&self) -> bool {
        let due_ms = self.plan.soak.interval_ms.saturating_mul(u64::from(self.state.soak_rounds) + 1);
        self.has_gates_for(RoundKind::SoakInterval) && self.state.watched_ms >= due_ms
    }

    /// A last step without a time of its own is judged by the soak that follows at the same share.
    fn soak_judges(&self, step: usize, planned: PlannedStep) -> bool {
        planned.pause_ms == 0 && step + 1 == self.plan.steps.len()
    }

    /// The counters must say that all is well, and the judge. `None`: they do, or nobody asks.
    fn settle(&mut self, excused: bool) -> Option<Flow> {
        let flow = self.settle_limits(excused).or_else(|| self.settle_identity());
        let flow = flow.or_else(|| if excused { None } else { self.settle_judgement() });
        if flow.is_none() {
            self.state.hold = None;
            self.note_judgement();
        }
        flow
    }

    fn settle_limits(&mut self, excused: bool) -> Option<Flow> {
        let Traffic::Unknown { reason } = &self.seen.traffic else { return None };
        if excused || self.plan.limits.is_none() {
            return None;
        }
        match self.plan.on_inconclusive {
            OnInconclusive::Proceed => {
                self.note(format!("went on although nothing was proven: {reason}"));
                None
            }
            OnInconclusive::Rollback => Some(self.turn_back(Cause::Inconclusive { what: reason.clone() })),
            OnInconclusive::Hold => Some(self.hold(reason.clone())),
        }
    }

    /// Waits for a clear verdict until the hold is over.
    pub(super) fn hold(&mut self, what: String) -> Flow {
        let limit_ms = self.plan.inconclusive_hold_ms;
        let held = self.state.hold.get_or_insert_with(super::Hold::default);
        held.what.clone_from(&what);
        let remaining_ms = limit_ms.saturating_sub(held.ms);
        if remaining_ms == 0 {
            let cause = self.cause_of_hold(what);
            return self.turn_back(cause);
        }
        self.wait(WaitingFor::Verdict { what }, Some(remaining_ms))
    }

    /// A person said: go on without a verdict of the counters.
    pub(super) fn settled_by_person(&mut self) {
        self.state.hold = None;
        match self.state.phase {
            Phase::Shift { step } => self.start_round(RoundKind::StepEnd(step)),
            _ => self.start_round(RoundKind::SoakEnd),
        };
    }

    fn begin_to_watch(&mut self, share: u8) -> Flow {
        self.note(match self.plan.rehearsal {
            Some(_) => format!("shift: the step of {share} % was rehearsed, with no user"),
            None => format!("shift: {share} % of user traffic is on the new version"),
        });
        self.state.watched_ms = 0;
        self.enter_stage(Stage::Watch)
    }

    /// Writes a share; more than nothing only to an environment that is ready.
    fn write_share(&mut self, share: u8) -> Flow {
        if let Some(pending) = &self.state.pending {
            let is_held = matches!(pending.action, Action::SetShare { hold: Some(_), .. });
            let held_ms = self.plan.hold.as_ref().filter(|_| is_held).map_or(0, |hold| hold.budget_ms);
            let limit_ms = self.plan.apply_timeout_ms.saturating_add(held_ms);
            if self.state.stage_ms >= limit_ms {
                return self.turn_back(Cause::NotApplied { detail: "the store does not answer".to_owned() });
            }
            let doing = if is_held { "moving traffic while requests wait" } else { "moving traffic" };
            return self.wait_for_action(doing, Some(limit_ms - self.state.stage_ms));
        }
        if !self.is_ready() {
            let detail = self.readiness_detail();
            let remaining_ms = UNREADY_LIMIT_MS.saturating_sub(self.state.unready_ms.unwrap_or(0));
            return self.wait(WaitingFor::Ready { detail }, Some(remaining_ms));
        }
        if let Some(flow) = self.back_off() {
            return flow;
        }
        let hold = self.moves_held(share).then_some(self.state.counter.saturating_add(1));
        let action = self.set_share(share, false, hold);
        self.begin(action)
    }

    /// The write of a planned share. That of a rehearsal gives users nothing of the new version.
    pub(super) fn set_share(&self, share: u8, overwrite: bool, hold: Option<u32>) -> Action {
        match self.plan.rehearsal {
            None => Action::SetShare { share, rehearses: None, overwrite, hold },
            Some(_) => {
                let rehearses = (share > 0).then_some(share);
                Action::SetShare { share: 0, rehearses, overwrite, hold: None }
            }
        }
    }

    /// Whether requests wait while the share becomes this one: when it grows. Nobody waits on the way back.
    fn moves_held(&self, share: u8) -> bool {
        self.plan.hold.is_some() && self.state.phase.has_traffic() && share > self.state.share()
    }

    /// The budget of a hold was over: everyone went on to the old version, where the traffic still is. After some tries
    /// the release goes back, because nobody asked for a switch without the hold. A gateway that was started meanwhile uses up
    /// no try.
    pub(super) fn hold_was_over(&mut self, why: &str, interrupted: bool) {
        if interrupted && self.state.interruptions < MAX_INTERRUPTIONS {
            self.state.interruptions += 1;
            let failures = self.state.failures;
            self.try_again_later(&format!("the hold ended early, and no try is used up: {why}"));
            self.state.failures = failures;
            return;
        }
        let tries = self.state.failures.saturating_add(1);
        if tries >= self.plan.hold.as_ref().map_or(1, |hold| hold.tries) {
            self.turn_back(Cause::Hold { tries, why: why.to_owned() });
        } else {
            self.try_again_later(&format!("requests waited in vain, and went on to the old version: {why}"));
        }
    }

    /// Waits until every gateway runs what was written, within the plan's limit. `None`: they do.
    fn wait_for_gateways(&mut self) -> Option<Flow> {
        let detail = self.lagging()?;
        let remaining_ms = self.plan.apply_timeout_ms.saturating_sub(self.state.stage_ms);
        if remaining_ms == 0 {
            return Some(self.turn_back(Cause::NotApplied { detail }));
        }
        Some(self.wait(WaitingFor::Gateways { detail }, Some(remaining_ms)))
    }

    /// Why it cannot be said that every gateway runs what was written; `None`: they do.
    pub(super) fn lagging(&self) -> Option<String> {
        match &self.seen.spread {
            Spread::Yes => None,
            Spread::No { detail } => Some(detail.clone()),
            Spread::CannotTell => Some("no gateway is alive".to_owned()),
            Spread::NotAsked => Some("just written".to_owned()),
        }
    }

    pub(super) fn wait_for_action(&mut self, doing: &str, remaining_ms: Option<u64>) -> Flow {
        self.wait(WaitingFor::Action { doing: doing.to_owned() }, remaining_ms)
    }

    fn is_ready(&self) -> bool {
        self.seen.new.as_ref().is_some_and(|new| new.ready)
    }

    fn readiness_detail(&self) -> String {
        match &self.seen.new {
            Some(new) if !new.detail.is_empty() => new.detail.clone(),
            Some(_) => "not ready".to_owned(),
            None => "nothing is seen of it".to_owned(),
        }
    }
}
