//! Gates: one after the other, in the order of the policy, on each occasion that the policy names.

use super::{
    Action, Cause, Flow, GateResult, Hold, Round, RoundKind, Run, Stage, Stands, State, Verdict, WaitingFor,
};
use crate::gate::{self, GateOutcome};
use crate::plan::Plan;
use model::policy::{Check, Gate, OnFail, OnInconclusive, When};

/// Between two runs of a gate whose verdict was inconclusive, milliseconds.
const RETRY_MS: u64 = 5_000;
/// A gate keeps its own limit; this much later the machine stops believing that it will, milliseconds.
const GRACE_MS: u64 = 5_000;

impl Run<'_> {
    pub(super) fn has_gates_for(&self, kind: RoundKind) -> bool {
        self.plan.gates.iter().any(|gate| runs_on(gate, kind))
    }

    pub(super) fn start_round(&mut self, kind: RoundKind) -> Flow {
        self.state.round = Some(Round { kind, gate: 0, attempt: 0 });
        self.state.hold = None;
        self.enter_stage(Stage::Check)
    }

    /// Runs the gates of this round. `None`: all of them have passed.
    pub(super) fn run_round(&mut self) -> Option<Flow> {
        let round = self.state.round.clone()?;
        if let Some(flow) = self.end_copying(&round) {
            return Some(flow);
        }
        let next =
            self.plan.gates.iter().enumerate().skip(round.gate).find(|(_, gate)| runs_on(gate, round.kind));
        let Some((place, gate)) = next else {
            self.state.round = None;
            return None;
        };
        if place != round.gate {
            self.go_to_gate(place);
            return Some(Flow::Again);
        }
        Some(if matches!(gate.check, Check::Approval {}) {
            self.wait_for_approval(gate, round.kind)
        } else {
            self.run_gate(gate, &round)
        })
    }

    fn run_gate(&mut self, gate: &Gate, round: &Round) -> Flow {
        let limit_ms = gate.timeout_ms.saturating_add(GRACE_MS);
        if self.state.pending.is_some() {
            if self.state.stage_ms < limit_ms {
                let doing = format!("gate {} ({})", gate.name, describe(round.kind));
                return self.wait_for_action(&doing, Some(limit_ms - self.state.stage_ms));
            }
            self.state.pending = None;
            return self.inconclusive("did not end within its limit", String::new(), false);
        }
        let is_prepared = self.copies_for(round);
        if let Some(hold) = &self.state.hold
            && !is_prepared
            && (hold.did_harm || self.state.stage_ms < RETRY_MS || hold.ms >= self.plan.inconclusive_hold_ms)
        {
            return self.hold(hold.what.clone());
        }
        if matches!(gate.check, Check::Shadow(_)) && !is_prepared {
            return self.begin_copying(round);
        }
        let attempt = round.attempt.saturating_add(1);
        if let Some(round) = &mut self.state.round {
            round.attempt = attempt;
        }
        if let Some(copying) = &mut self.state.copying {
            copying.stands = Stands::UntilItsEnd;
        }
        self.begin(Action::RunGate { gate: round.gate, attempt })
    }

    /// A person must say yes in time; no answer is a no.
    fn wait_for_approval(&mut self, gate: &Gate, kind: RoundKind) -> Flow {
        let remaining_ms = gate.timeout_ms.saturating_sub(self.state.stage_ms);
        if remaining_ms == 0 {
            let summary = format!("nobody approved within {} ms", gate.timeout_ms);
            self.record(&gate.name, kind, Verdict::Fail, summary.clone(), String::new());
            return self.turn_back(Cause::Gate { gate: gate.name.clone(), summary });
        }
        self.wait(WaitingFor::Approval { gate: gate.name.clone() }, Some(remaining_ms))
    }

    /// A person said yes to the gate that waits, or to go on without its verdict.
    pub(super) fn approve(&mut self, actor: &str) {
        let Some((gate, kind)) = self.current_gate() else { return };
        self.record(&gate, kind, Verdict::Approved, format!("approved by {actor}"), String::new());
        self.next_gate();
    }

    /// The gate that is under way has spoken.
    pub(super) fn gate_spoke(&mut self, action: String, outcome: &GateOutcome) {
        let Some((gate, kind)) = self.current_gate() else { return };
        let summary = outcome.summary.clone();
        match outcome.verdict {
            gate::Verdict::Pass => {
                self.record(&gate, kind, Verdict::Pass, summary, action);
                self.next_gate();
            }
            gate::Verdict::Fail => self.failed(gate, kind, summary, action),
            gate::Verdict::Inconclusive => {
                self.inconclusive(&summary, action, outcome.did_harm);
            }
        }
    }

    fn failed(&mut self, gate: String, kind: RoundKind, summary: String, action: String) {
        self.record(&gate, kind, Verdict::Fail, summary.clone(), action);
        match self.on_fail() {
            OnFail::Rollback => {
                self.turn_back(Cause::Gate { gate, summary });
            }
            OnFail::Advise => {
                self.note(format!("gate {gate} failed, which only advises: went on"));
                self.next_gate();
            }
            OnFail::Pause => {
                let what = format!("gate {gate} failed: {summary}");
                self.state.stage_ms = 0;
                self.state.hold.get_or_insert_with(Hold::default).what = what;
            }
        }
    }

    fn on_fail(&self) -> OnFail {
        let gate = self.state.round.as_ref().and_then(|round| self.plan.gates.get(round.gate));
        gate.map_or(OnFail::Rollback, |gate| gate.on_fail)
    }

    /// Why a hold that is over goes back: the gate that is held said no, or could not tell.
    pub(super) fn cause_of_hold(&self, what: String) -> Cause {
        let failed = self.current_gate().and_then(|(gate, kind)| {
            let of_gate = |result: &&GateResult| result.gate == gate && result.round == kind;
            self.state.gates.iter().find(of_gate).filter(|result| result.verdict == Verdict::Fail)
        });
        match failed {
            Some(result) => Cause::Gate { gate: result.gate.clone(), summary: result.summary.clone() },
            None => Cause::Inconclusive { what },
        }
    }

    pub(super) fn inconclusive(&mut self, summary: &str, action: String, did_harm: bool) -> Flow {
        let Some((gate, kind)) = self.current_gate() else { return Flow::Again };
        self.record(&gate, kind, Verdict::Inconclusive, summary.to_owned(), action);
        let what = format!("gate {gate}: {summary}");
        match self.plan.on_inconclusive_of(&gate) {
            OnInconclusive::Proceed => {
                self.note(format!("went on although nothing was proven: {what}"));
                self.next_gate();
                Flow::Again
            }
            OnInconclusive::Rollback => self.turn_back(Cause::Inconclusive { what }),
            OnInconclusive::Hold => {
                self.state.stage_ms = 0;
                let hold = self.state.hold.get_or_insert_with(Hold::default);
                (hold.what, hold.did_harm) = (what, did_harm);
                Flow::Again
            }
        }
    }

    fn current_gate(&self) -> Option<(String, RoundKind)> {
        let round = self.state.round.as_ref()?;
        Some((self.plan.gates.get(round.gate)?.name.clone(), round.kind))
    }

    fn next_gate(&mut self) {
        let place = self.state.round.as_ref().map_or(0, |round| round.gate + 1);
        self.go_to_gate(place);
    }

    fn go_to_gate(&mut self, place: usize) {
        if let Some(round) = &mut self.state.round {
            round.gate = place;
            round.attempt = 0;
        }
        self.state.hold = None;
        self.state.pending = None;
        self.state.stage_ms = 0;
    }

    /// Keeps the last verdict of each gate on each occasion, so that a long soak does not grow the state.
    fn record(&mut self, gate: &str, round: RoundKind, verdict: Verdict, summary: String, action: String) {
        self.notes.push(format!("gate {gate} ({}): {}: {summary}", describe(round), word(verdict)));
        let known = self.state.gates.iter_mut().find(|known| known.gate == gate && known.round == round);
        match known {
            Some(known) => {
                known.runs = known.runs.saturating_add(1);
                (known.verdict, known.summary, known.action) = (verdict, summary, action);
            }
            None => self.state.gates.push(GateResult {
                gate: gate.to_owned(),
                round,
                runs: 1,
                verdict,
                summary,
                action,
            }),
        }
    }
}

/// The approval that is waited for, if one is.
pub(super) fn approval_gate(plan: &Plan, state: &State) -> Option<String> {
    let round = state.round.as_ref().filter(|_| state.stage == Stage::Check)?;
    let gate = plan.gates.get(round.gate).filter(|gate| runs_on(gate, round.kind))?;
    matches!(gate.check, Check::Approval {}).then(|| gate.name.clone())
}

/// Whether a gate runs on an occasion. An approval in the soak is asked for once, at its end.
fn runs_on(gate: &Gate, kind: RoundKind) -> bool {
    match kind {
        RoundKind::BeforeShift => gate.when.contains(&When::BeforeShift),
        RoundKind::StepEnd(_) => gate.when.contains(&When::EachStep),
        RoundKind::SoakInterval => {
            gate.when.contains(&When::Soak) && !matches!(gate.check, Check::Approval {})
        }
        RoundKind::SoakEnd => gate.when.contains(&When::Soak),
    }
}

/// An occasion in words.
pub(crate) fn describe(kind: RoundKind) -> String {
    match kind {
        RoundKind::BeforeShift => "before the shift".to_owned(),
        RoundKind::StepEnd(step) => format!("step {}", step + 1),
        RoundKind::SoakInterval => "soak".to_owned(),
        RoundKind::SoakEnd => "end of soak".to_owned(),
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Approved => "approved",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
    }
}
