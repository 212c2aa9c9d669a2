//! The machine, walked through: every state that a small plan can come to, by everything that can happen in it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod exploration;
mod world;

use exploration::explore;
use exploration::happenings::Happening;
use judge::verdict;
use model::policy::{Check, OnInconclusive, Reaction, ReleasePolicy, When};
use release::machine::{
    Action, Cause, Decision, GateResult, Input, Observation, Outcome, Phase, Stage, State, Verdict, step,
};
use release::plan::Plan;
use serde_json::{Value, json};
use world::plan_over;

/// A walk ends after so many states, the nearest ones: a matter of seconds.
const MOST: usize = 8_000;

fn plan(changes: Value) -> Plan {
    let mut policy = json!({
        "steps": [100],
        "step_pause_ms": 5_000,
        "soak": {"duration_ms": 10_000, "interval_ms": 5_000},
        "inconclusive_hold_ms": 10_000,
        "keep_failed_ms": 5_000,
        "drain_timeout_ms": 3_000,
        "apply_timeout_ms": 5_000,
    });
    policy.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let policy: ReleasePolicy = serde_json::from_value(policy).unwrap();
    plan_over(&policy, Some("1"), "2").unwrap()
}

/// What holds of every step that the machine takes, whatever happened.
fn check(plan: &Plan, before: &State, happening: &Happening, decision: &Decision) -> Result<(), String> {
    let after = &decision.state;
    let hold = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let ended = after.phase == Phase::Ended;
    hold(ended || !decision.actions.is_empty() || !decision.waiting_for.is_empty(), "it stands still")?;
    hold(!ended || decision.actions.is_empty(), "it goes on after its end")?;
    hold(ended == (after.outcome.is_some() && ended), "it ends without an outcome")?;
    let decided = before.outcome.is_none() || before.outcome == after.outcome;
    hold(decided, "its outcome changes")?;
    let promoted = after.outcome == Some(Outcome::Promoted);
    hold(
        promoted || after.outcome.is_none() || after.share() == 0,
        "users stay on a version that was refused",
    )?;
    if matches!(happening, Happening::Abort | Happening::EndedAndAborted) && before.outcome.is_none() {
        let back = matches!(after.phase, Phase::Revert | Phase::KeepFailed | Phase::Ended);
        hold(back && !promoted, "an abort before the commit does not go back")?;
    }
    judged_rightly(plan, before, happening, after)?;
    if *happening == Happening::LeaseLost {
        hold(before.outcome == after.outcome || !promoted, "it commits and has seen nothing")?;
        hold(shares_asked_for(after) <= shares_asked_for(before), "users come and nothing was seen")?;
    }
    decision.actions.iter().try_for_each(|request| allowed(plan, after, happening, &request.action))
}

/// The share that is, or is about to be.
fn shares_asked_for(state: &State) -> u8 {
    match state.pending.as_ref().map(|pending| &pending.action) {
        Some(Action::SetShare { share, .. }) => *share,
        _ => state.share(),
    }
}

/// What is found of the new version beside the old one has its reaction, and nothing else has.
fn judged_rightly(plan: &Plan, before: &State, happening: &Happening, after: &State) -> Result<(), String> {
    let hold = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    // What was found in the shift holds in the soak as well.
    let beside = if *happening == Happening::Judged(verdict::Verdict::Fail) { 1..=100 } else { 1..=99 };
    let judge = plan.judge.as_ref().filter(|_| beside.contains(&before.share()));
    let identity = plan.identity.as_ref().filter(|_| before.share() > 0);
    let reaction = match happening {
        Happening::Judged(verdict::Verdict::Fail) => judge.map(|judge| judge.on_fail),
        Happening::Judged(verdict::Verdict::Inconclusive) | Happening::NotJudged => {
            // It may yet become clear before the end of the step.
            judge.map(|judge| judge.on_inconclusive).filter(|_| before.stage == Stage::Settle)
        }
        Happening::MixedUp => identity.map(|identity| identity.on_mismatch),
        Happening::GuardTripped | Happening::GuardRefused => Some(Reaction::Rollback),
        _ => None,
    };
    let forward = before.phase.can_turn_back() && before.phase != Phase::Provision;
    let (goes_back, stays) =
        (!after.phase.can_turn_back(), after.phase == before.phase && after.round == before.round);
    match reaction.filter(|_| forward) {
        Some(Reaction::Rollback) => hold(goes_back, "it goes on with a version that is worse")?,
        Some(Reaction::Pause)
            if before.stage == Stage::Settle
                && (before.share() < 100 || *happening == Happening::MixedUp) =>
        {
            hold(goes_back || stays, "it does not wait with a version that is worse")?;
        }
        _ => {}
    }
    let by_judge = matches!(after.cause, Some(Cause::Worse { .. } | Cause::Identity { .. }));
    hold(
        !by_judge || before.cause == after.cause || reaction == Some(Reaction::Rollback),
        "it goes back for nothing",
    )
}

/// Whether an action may be under way in a state.
fn allowed(plan: &Plan, state: &State, happening: &Happening, action: &Action) -> Result<(), String> {
    let hold = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let promoted = state.outcome == Some(Outcome::Promoted);
    let serves = |colour| matches!(happening, Happening::Serving(serving) if *serving == colour);
    let unknown = matches!(happening, Happening::NobodyKnowsWhoServes | Happening::LeaseLost);
    let lead = plan.lead().unwrap();
    match action {
        Action::SetShare { share, hold: waits, .. } => {
            hold(*share == 0 || gates_passed(plan, state), "users come before the gates have passed")?;
            hold(*share >= state.share(), "users are moved back on the way forward")?;
            hold(waits.is_none() || state.phase.can_turn_back(), "someone waits on the way back")
        }
        Action::StopOld | Action::ReduceOld { .. } => {
            let idle = !unknown && !serves(lead.new.colour.other());
            hold(promoted && idle, "the old version is stopped although users may have it")
        }
        Action::StopNew => {
            let idle = !unknown && !serves(lead.new.colour);
            hold(
                !promoted && state.outcome.is_some() && idle,
                "the new version is stopped although users may have it",
            )
        }
        Action::CleanUp { .. } => {
            hold(promoted, "the split is removed before the commit")?;
            hold(state.share() == 100, "users are still held back at the commit")
        }
        Action::Restore => hold(state.phase == Phase::Revert, "it is put back on the way forward"),
        Action::Provision | Action::RunGate { .. } | Action::Copy { .. } => {
            hold(state.phase.can_turn_back(), "it goes forward on the way back")
        }
    }
}

fn gates_passed(plan: &Plan, state: &State) -> bool {
    plan.gates.iter().filter(|gate| gate.when.contains(&When::BeforeShift)).all(|gate| {
        let of_gate = |result: &&GateResult| result.gate == gate.name;
        let verdict = state.gates.iter().find(of_gate).map(|result| result.verdict);
        match verdict {
            Some(Verdict::Pass) => !matches!(gate.check, Check::Approval {}),
            Some(Verdict::Approved) => true,
            Some(Verdict::Inconclusive) => plan.on_inconclusive == OnInconclusive::Proceed,
            Some(Verdict::Fail) | None => false,
        }
    })
}

/// A process that has just read the journal does what one does that never stopped.
fn survives_a_crash(plan: &Plan, state: &State) -> Result<(), String> {
    let journaled: State = serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap();
    if journaled != *state {
        return Err("the journal does not say all of it".to_owned());
    }
    let resumed = journaled.resumed(state.seen_at_ms + 3_600_000);
    let seen = Observation { inputs: Vec::<Input>::new(), ..Happening::Time.seen(plan, state).0 };
    let (now, later) = (state.seen_at_ms, resumed.seen_at_ms);
    let (on, again) = (step(plan, state, &seen, now), step(plan, &resumed, &seen, later));
    let same = on.actions == again.actions && on.state.same_but_for_time(&again.state);
    if same { Ok(()) } else { Err("a crash changes what it does".to_owned()) }
}

fn walk(changes: Value) -> usize {
    let plan = plan(changes);
    let check_step = |before: &State, happening: &Happening, decision: &Decision| {
        check(&plan, before, happening, decision)
    };
    let found = explore(&plan, MOST, check_step, |state| survives_a_crash(&plan, state));
    found.all_can_end();
    let phases: Vec<&str> = found.phases();
    let all =
        ["provision", "test", "shift", "soak", "commit", "decommission", "revert", "keep-failed", "ended"];
    // The nearest states of a large plan may all be before its commit.
    let missing: Vec<_> = all.iter().filter(|phase| !phases.contains(phase)).collect();
    assert!(missing.is_empty() || found.len() >= MOST, "no way leads to {missing:?}");
    println!("{} states", found.len());
    found.len()
}

#[test]
fn without_gates() {
    let found = walk(json!({}));
    assert!((100..MOST).contains(&found), "all states of the smallest plan: {found}");
}

#[test]
fn with_a_gate_before_users_and_one_in_the_soak() {
    let gates = json!([{"name": "tests", "when": ["before_shift", "soak"], "timeout_ms": 5_000,
        "check": {"command": {"command": ["t"]}}}]);
    assert!(walk(json!({"gates": gates, "decommission": {"keep_warm": {"for_ms": 5_000}}})) > 100);
}

#[test]
fn with_two_steps_and_an_approval() {
    let gates =
        json!([{"name": "yes", "when": ["before_shift"], "timeout_ms": 10_000, "check": {"approval": {}}}]);
    assert!(
        walk(json!({"gates": gates, "steps": [10, 100], "decommission": {"reduce": {"instances": 1}}})) > 100
    );
}

#[test]
fn with_requests_that_wait() {
    let hold = json!({"requests": "writes", "budget_ms": 5_000, "tries": 2});
    assert!(walk(json!({"hold": hold, "on_inconclusive": "rollback", "decommission": {"keep": {}}})) > 100);
}

#[test]
fn with_live_requests_that_are_copied() {
    let gates = json!([{"name": "shadow", "timeout_ms": 5_000, "check": {"shadow": {"duration_ms": 1_000}}}]);
    assert!(walk(json!({"gates": gates, "on_inconclusive": "proceed"})) > 100);
}

#[test]
fn with_users_who_are_held_back_in_the_soak() {
    let soak = json!({"duration_ms": 10_000, "interval_ms": 5_000, "hold_back": 5});
    let found = walk(json!({"soak": soak, "steps": [10, 100]}));
    assert!((100..MOST).contains(&found), "all states: {found}");
}

#[test]
fn with_users_who_are_held_back_and_requests_that_wait() {
    let soak = json!({"duration_ms": 10_000, "interval_ms": 5_000, "hold_back": 5});
    let hold = json!({"requests": "writes", "budget_ms": 5_000, "tries": 2});
    assert!(walk(json!({"soak": soak, "hold": hold, "decommission": {"keep": {}}})) > 100);
}

fn judged(on_fail: &str, on_inconclusive: &str, on_mismatch: &str) -> Value {
    json!({
        "steps": [10, 100],
        "judge": {"on_fail": on_fail, "on_inconclusive": on_inconclusive},
        "identity": {"header": "x-version", "on_mismatch": on_mismatch},
    })
}

#[test]
fn with_a_judge_whose_word_is_law() {
    assert!(walk(judged("rollback", "rollback", "pause")) > 100);
}

#[test]
fn with_a_judge_that_waits_for_a_person() {
    assert!(walk(judged("pause", "pause", "advise")) > 100);
}

#[test]
fn with_a_judge_that_only_tells() {
    assert!(walk(judged("advise", "advise", "rollback")) > 100);
}
