//! What can happen to a release between two looks.

use judge::historical::Basis;
use judge::verdict::{self, Finding, Judgement};
use model::colour::Colour;
use release::gate::{GateOutcome, Verdict};
use release::machine::{
    Action, ActionResult, Guarded, Input, Observation, Readiness, Spread, State, Traffic, question,
};
use release::plan::Plan;

/// Between two looks, milliseconds; the longest that counts.
const TICK_MS: i64 = 5_000;

/// One look at the world: all is well but for this.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// Time passes.
    Time,
    /// The clock was set back by a year.
    ClockGoesBack,
    /// What is under way has ended so.
    Ended(ActionResult),
    /// What is under way has ended well, and at the same time someone said stop.
    EndedAndAborted,
    /// Something that was once under way has written after all.
    LateWrite,
    Abort,
    Supersede,
    /// A person says yes to what is asked, or to nothing.
    Promote,
    NotReady,
    NotSeen,
    SomeGatewaysLag,
    NoGateway,
    TooManyFailures,
    TooLittleTraffic,
    GuardTripped,
    GuardRefused,
    /// The judge says so of the version beside the old one.
    Judged(verdict::Verdict),
    /// It is worse than the old one was before.
    WorseThanBefore,
    NotJudged,
    /// Answers come from another version than the one that was asked.
    MixedUp,
    /// Another controller has taken over and has not looked at anything yet.
    LeaseLost,
    Edited,
    NobodyKnowsWhoServes,
    Serving(Colour),
    StillOpen,
    OpenIsUnknown,
    Taken,
}

impl Happening {
    /// What the machine sees of it, and how much time has passed, milliseconds.
    pub(crate) fn seen(&self, plan: &Plan, state: &State) -> (Observation, i64) {
        let mut seen = all_is_well();
        let mut passed_ms = TICK_MS;
        let ended = |result: &ActionResult| {
            let id = state.pending.as_ref().map(|pending| pending.id.clone()).unwrap_or_default();
            Input::Ended { id, result: result.clone() }
        };
        let actor = || "ann".to_owned();
        let abort = || Input::Abort { actor: actor(), reason: "enough".to_owned() };
        match self {
            Happening::Time => {}
            Happening::ClockGoesBack => passed_ms = -31_536_000_000,
            Happening::Ended(result) => (seen.inputs, passed_ms) = (vec![ended(result)], 0),
            Happening::EndedAndAborted => {
                let well = state.pending.as_ref().map_or(ActionResult::Done, |pending| well(&pending.action));
                (seen.inputs, passed_ms) = (vec![ended(&well), abort()], 0);
            }
            Happening::LateWrite => {
                let result = ActionResult::Written { revision: 5, overwrote: None };
                seen.inputs = vec![Input::Ended { id: "shop-2/test/0".to_owned(), result }];
            }
            Happening::Abort => (seen.inputs, passed_ms) = (vec![abort()], 0),
            Happening::Supersede => seen.inputs = vec![Input::Supersede { by: "shop-3".to_owned() }],
            Happening::Promote => {
                let subject = question(plan, state).and_then(|asked| asked.subject());
                let subject = subject.unwrap_or_else(|| "nothing".to_owned());
                (seen.inputs, passed_ms) = (vec![Input::Promote { actor: actor(), subject }], 0);
                seen.foreign.clone_from(&state.foreign);
            }
            Happening::NotReady => seen.new = Some(Readiness { ready: false, detail: "503".to_owned() }),
            Happening::NotSeen => seen.new = None,
            Happening::SomeGatewaysLag => seen.spread = Spread::No { detail: "gw-1".to_owned() },
            Happening::NoGateway => seen.spread = Spread::CannotTell,
            Happening::TooManyFailures => seen.traffic = Traffic::Bad { evidence: vec!["7 of 9".to_owned()] },
            Happening::TooLittleTraffic => seen.traffic = Traffic::Unknown { reason: "none".to_owned() },
            Happening::GuardTripped => seen.guard = Guarded::Tripped { evidence: vec!["7 of 9".to_owned()] },
            Happening::GuardRefused => seen.guard = Guarded::Refused { why: "no room".to_owned() },
            Happening::Judged(verdict) => seen.judged = Some(judged(Basis::Concurrent, *verdict)),
            Happening::WorseThanBefore => {
                seen.judged = Some(judged(Basis::Historical, verdict::Verdict::Fail));
            }
            Happening::NotJudged => seen.judged = None,
            Happening::MixedUp => seen.identity = judged(Basis::Absolute, verdict::Verdict::Fail).findings,
            Happening::LeaseLost => (seen, passed_ms) = (Observation::default(), 0),
            Happening::Edited => seen.foreign = Some("someone was here".to_owned()),
            Happening::NobodyKnowsWhoServes => seen.serving = None,
            Happening::Serving(colour) => seen.serving = Some(vec![*colour]),
            Happening::StillOpen => (seen.old_open, seen.new_open) = (Some(3), Some(3)),
            Happening::OpenIsUnknown => (seen.old_open, seen.new_open) = (None, None),
            Happening::Taken => seen.taken = true,
        }
        (seen, passed_ms)
    }
}

fn all_is_well() -> Observation {
    Observation {
        new: Some(Readiness { ready: true, detail: String::new() }),
        spread: Spread::Yes,
        traffic: Traffic::Good,
        judged: Some(judged(Basis::Concurrent, verdict::Verdict::Pass)),
        old_open: Some(0),
        new_open: Some(0),
        serving: Some(Vec::new()),
        ..Observation::default()
    }
}

/// What is compared side by side is well but for this.
fn judged(basis: Basis, verdict: verdict::Verdict) -> Judgement {
    let finding = |check: &str, basis, verdict| Finding {
        check: check.to_owned(),
        basis,
        verdict,
        words: "so it is".to_owned(),
        figures: None,
    };
    let well = finding("timeouts", Basis::Concurrent, verdict::Verdict::Pass);
    Judgement::of(vec![well, finding("errors", basis, verdict)])
}

fn said(verdict: Verdict) -> ActionResult {
    let (summary, evidence) = ("so it is".to_owned(), Vec::new());
    ActionResult::Gate { outcome: GateOutcome { verdict, summary, evidence, did_harm: false, shadow: None } }
}

/// How an action ends when all goes well.
fn well(action: &Action) -> ActionResult {
    match action {
        Action::SetShare { .. } | Action::Copy { .. } | Action::Restore | Action::CleanUp { .. } => {
            ActionResult::Written { revision: 7, overwrote: None }
        }
        Action::RunGate { .. } => said(Verdict::Pass),
        Action::Provision | Action::StopOld | Action::ReduceOld { .. } | Action::StopNew => {
            ActionResult::Done
        }
    }
}

/// How an action can end; also in ways that make no sense.
fn endings(action: &Action) -> Vec<ActionResult> {
    let failed = ActionResult::Failed { why: "no".to_owned() };
    let foreign = ActionResult::Foreign { diff: "someone was here".to_owned() };
    let senseless = match well(action) {
        ActionResult::Done => said(Verdict::Pass),
        _ => ActionResult::Done,
    };
    let mut endings = vec![well(action), failed, senseless];
    match action {
        Action::SetShare { hold: Some(_), .. } => {
            endings.extend([
                foreign,
                ActionResult::HoldOver { why: "1 was under way".to_owned(), interrupted: false },
            ]);
        }
        Action::SetShare { .. } | Action::Copy { .. } | Action::CleanUp { .. } => endings.push(foreign),
        Action::RunGate { .. } => endings.extend([said(Verdict::Fail), said(Verdict::Inconclusive)]),
        Action::Provision
        | Action::Restore
        | Action::StopOld
        | Action::ReduceOld { .. }
        | Action::StopNew => {}
    }
    endings
}

/// All that can happen in a state.
pub(crate) fn can_happen(state: &State) -> Vec<Happening> {
    let mut all = vec![
        Happening::Time,
        Happening::ClockGoesBack,
        Happening::LateWrite,
        Happening::Abort,
        Happening::Supersede,
        Happening::Promote,
        Happening::NotReady,
        Happening::NotSeen,
        Happening::SomeGatewaysLag,
        Happening::NoGateway,
        Happening::TooManyFailures,
        Happening::TooLittleTraffic,
        Happening::GuardTripped,
        Happening::GuardRefused,
        Happening::Judged(verdict::Verdict::Fail),
        Happening::Judged(verdict::Verdict::Inconclusive),
        Happening::WorseThanBefore,
        Happening::NotJudged,
        Happening::MixedUp,
        Happening::LeaseLost,
        Happening::Edited,
        Happening::NobodyKnowsWhoServes,
        Happening::Serving(Colour::Blue),
        Happening::Serving(Colour::Green),
        Happening::StillOpen,
        Happening::OpenIsUnknown,
        Happening::Taken,
    ];
    if let Some(pending) = &state.pending {
        all.push(Happening::EndedAndAborted);
        all.extend(endings(&pending.action).into_iter().map(Happening::Ended));
    }
    all
}

/// What happens next when all goes well, and a person says yes to whatever is asked.
pub(crate) fn goes_well(plan: &Plan, state: &State) -> Happening {
    match &state.pending {
        Some(pending) => Happening::Ended(well(&pending.action)),
        None if question(plan, state).is_some() => Happening::Promote,
        None => Happening::Time,
    }
}
