//! The machine: what happens next in a release, as a pure function.
//!
//! `step(plan, state, observation, now) → (state, actions, waiting_for)`. It does no I/O and reads no clock. The state
//! is data that is written into the journal; `actions` says what should be *under way* now, not what to start, so a
//! process that has just read the journal after a crash does exactly what one does that never stopped: it compares
//! with what runs, starts what is missing and drops what is not wanted any more.
//!
//! Two rules hold in every phase before the commit: an abort is taken before anything else, and what cannot be found
//! out is never taken as good.

mod action;
mod back;
mod cause;
mod copying;
mod finish;
mod forward;
mod inputs;
mod judged;
mod observation;
mod rounds;
mod state;
mod time;
mod waiting;

pub use action::{Action, ActionRequest, ActionResult};
pub use cause::{Cause, Outcome};
pub use inputs::question;
pub use observation::{Guarded, Input, Observation, Readiness, Spread, Traffic};
pub use state::{
    Copying, GateResult, Hold, Pending, Phase, Round, RoundKind, Stage, Stands, State, Verdict, Written,
};
pub use time::MAX_TICK_MS;
pub use waiting::{Ahead, Waiting, WaitingFor};

pub(crate) use rounds::describe;

use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// Most transitions of one step; more would be a circle.
const MAX_TRANSITIONS: usize = 256;

/// What a step decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The state from now on.
    pub state: State,
    /// What should be under way. Each has an id that was journaled with the state; doing it again is harmless.
    pub actions: Vec<ActionRequest>,
    /// Why it does not go on, for people; empty only when the release has ended or an action is under way.
    pub waiting_for: Vec<Waiting>,
    /// What changed, in words, oldest first; empty: nothing worth a line.
    pub notes: Vec<String>,
}

/// Decides what happens next. `now_ms` is milliseconds since the Unix epoch; it may jump, see [`MAX_TICK_MS`].
#[must_use]
pub fn step(plan: &Plan, state: &State, seen: &Observation, now_ms: i64) -> Decision {
    let mut run = Run { plan, seen, state: state.clone(), notes: Vec::new(), waiting: Vec::new() };
    run.pass_time(now_ms);
    run.take_inputs();
    run.watch_for_foreign_edits();
    run.watch_for_danger();
    for _ in 0..MAX_TRANSITIONS {
        run.waiting.clear();
        match run.advance() {
            Flow::Again => {}
            Flow::Wait => break,
        }
    }
    let actions = run.state.pending.iter().map(Pending::request).collect();
    Decision { state: run.state, actions, waiting_for: run.waiting, notes: run.notes }
}

/// One step in the making.
struct Run<'a> {
    plan: &'a Plan,
    seen: &'a Observation,
    state: State,
    notes: Vec<String>,
    waiting: Vec<Waiting>,
}

/// Whether there is more to decide at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Again,
    Wait,
}

impl Run<'_> {
    fn advance(&mut self) -> Flow {
        if self.state.foreign.is_some() {
            return self.wait_for_person_about_edit();
        }
        match self.state.phase {
            Phase::Provision => self.provision(),
            Phase::Test => self.test(),
            Phase::Shift { step } => self.shift(step),
            Phase::Soak => self.soak(),
            Phase::Commit => self.commit(),
            Phase::Decommission => self.decommission(),
            Phase::Revert => self.revert(),
            Phase::KeepFailed => self.keep_failed(),
            Phase::Ended => Flow::Wait,
        }
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn wait(&mut self, what: WaitingFor, remaining_ms: Option<u64>) -> Flow {
        self.waiting.push(Waiting { what, remaining_ms });
        Flow::Wait
    }

    /// Begins a phase.
    fn enter(&mut self, phase: Phase, stage: Stage) -> Flow {
        self.state.phase = phase;
        // Only these phases wait for a person to look at an edit.
        self.state.foreign = self.state.foreign.take().filter(|_| phase.may_pause());
        self.state.watched_ms = 0;
        self.state.hold = None;
        self.enter_stage(stage)
    }

    /// Begins a stage of the phase: what was under way for the stage before is not wanted any more.
    fn enter_stage(&mut self, stage: Stage) -> Flow {
        self.state.stage = stage;
        self.state.stage_ms = 0;
        self.state.pending = None;
        self.state.failures = 0;
        self.state.interruptions = 0;
        self.state.last_failure = None;
        Flow::Again
    }

    /// Makes `action` the one that should be under way.
    fn begin(&mut self, action: Action) -> Flow {
        self.state.counter = self.state.counter.saturating_add(1);
        self.state.began_to_write |= matches!(action, Action::SetShare { .. });
        let id = format!("{}/{}/{}", self.plan.release, self.state.phase.name(), self.state.counter);
        self.state.pending = Some(Pending { id, action });
        self.state.stage_ms = 0;
        Flow::Again
    }

    /// Before the commit: everything goes back. The first cause stays.
    fn turn_back(&mut self, cause: Cause) -> Flow {
        self.note(format!("going back: {cause}"));
        self.state.cause = Some(cause);
        self.state.round = None;
        // Whoever switched meanwhile, it was not this release; what it never wrote it does not put back.
        let may_have_written = self.state.may_have_written();
        self.enter(Phase::Revert, Stage::Act);
        if may_have_written {
            Flow::Again
        } else {
            self.gone_back("nothing was written, nothing is put back")
        }
    }
}
