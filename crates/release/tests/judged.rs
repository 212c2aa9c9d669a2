//! What a release does with what the judge says.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use judge::historical::Basis;
use judge::verdict::{Finding, Judgement, Verdict};
use model::policy::{Judge, Reaction, ReleasePolicy, Soak, Step};
use release::machine::{Cause, Phase, Readiness, Spread, Stage, Traffic, WaitingFor};
use world::{World, plan_over};

fn policy(judge: Judge) -> ReleasePolicy {
    ReleasePolicy { steps: vec![Step::Share(10), Step::Share(100)], judge: Some(judge), ..Default::default() }
}

fn judged(basis: Basis, verdict: Verdict) -> Option<Judgement> {
    let (check, words) = ("failures".to_owned(), "failures: 9 of 100".to_owned());
    Some(Judgement::of(vec![Finding { check, basis, verdict, words, figures: None }]))
}

/// A release that watches its first step, at 10 %.
fn at_ten_percent(judge: Judge) -> World {
    let mut world = World::new(plan_over(&policy(judge), Some("1"), "2").unwrap());
    world.seen.new = Some(Readiness { ready: true, detail: String::new() });
    (world.seen.spread, world.seen.traffic) = (Spread::Yes, Traffic::Good);
    for _ in 0..20 {
        world.step();
        if world.state.phase == (Phase::Shift { step: 0 }) && world.state.stage == Stage::Watch {
            assert_eq!(world.state.share(), 10);
            return world;
        }
        if let Some(action) = world.actions.first().map(|request| request.action.clone()) {
            let result = world.good_result(&action);
            world.end_action(result);
        }
    }
    panic!("it never came to its first step: {:?}", world.state);
}

/// A release that holds 5 % back, in its soak.
fn in_soak(judge: Judge) -> World {
    let soak = Soak { hold_back: 5, ..Soak::default() };
    let policy = ReleasePolicy { steps: vec![Step::Share(100)], soak, ..policy(judge) };
    let mut world = World::new(plan_over(&policy, Some("1"), "2").unwrap());
    world.seen.new = Some(Readiness { ready: true, detail: String::new() });
    (world.seen.spread, world.seen.traffic) = (Spread::Yes, Traffic::Good);
    for _ in 0..20 {
        world.step();
        if world.state.phase == Phase::Soak {
            assert_eq!((world.state.stage, world.state.share()), (Stage::Watch, 95));
            return world;
        }
        if let Some(action) = world.actions.first().map(|request| request.action.clone()) {
            let result = world.good_result(&action);
            world.end_action(result);
        }
    }
    panic!("it never came to its soak: {:?}", world.state);
}

/// The time of the step passes.
fn end_step(world: &mut World) -> Vec<String> {
    let mut notes = Vec::new();
    for _ in 0..8 {
        world.now_ms += 5_000;
        notes.extend(world.step().notes);
        if world.state.phase != (Phase::Shift { step: 0 }) {
            break;
        }
    }
    notes
}

#[test]
fn a_version_that_is_worse_goes_back_at_once() {
    let mut world = at_ten_percent(Judge::default());
    world.seen.judged = judged(Basis::Concurrent, Verdict::Fail);
    world.step();
    assert_eq!(world.state.phase, Phase::Revert);
    assert_eq!(world.state.cause, Some(Cause::Worse { evidence: vec!["failures: 9 of 100".to_owned()] }));
}

#[test]
fn with_a_hold_back_a_version_that_turns_bad_in_the_soak_goes_back_at_once() {
    let mut world = in_soak(Judge::default());
    world.seen.judged = judged(Basis::Concurrent, Verdict::Fail);
    world.step();
    assert_eq!(world.state.phase, Phase::Revert);
    assert_eq!(world.state.cause, Some(Cause::Worse { evidence: vec!["failures: 9 of 100".to_owned()] }));
}

#[test]
fn with_a_hold_back_the_judge_is_asked_at_the_end_of_the_soak_and_not_at_the_step_that_leads_there() {
    // The judge has said nothing yet when the soak begins.
    let mut world = in_soak(Judge { on_inconclusive: Reaction::Rollback, ..Judge::default() });
    world.seen.judged = judged(Basis::Concurrent, Verdict::Pass);
    for _ in 0..13 {
        world.now_ms += 5_000;
        world.step();
    }
    assert_eq!((world.state.stage, &world.state.cause), (Stage::Empty, &None));
    let mut world = in_soak(Judge { on_inconclusive: Reaction::Rollback, ..Judge::default() });
    for _ in 0..13 {
        world.now_ms += 5_000;
        world.step();
    }
    assert!(matches!(world.state.cause, Some(Cause::Inconclusive { .. })), "{:?}", world.state.cause);
}

#[test]
fn what_is_only_worse_than_before_is_told_and_leads_to_nothing() {
    let mut world = at_ten_percent(Judge::default());
    world.seen.judged = judged(Basis::Historical, Verdict::Fail);
    let notes = end_step(&mut world);
    assert_eq!(world.state.cause, None);
    assert!(notes.contains(&"judge: fail: failures: 9 of 100".to_owned()), "{notes:?}");
}

#[test]
fn a_pause_waits_for_a_person_at_the_end_of_the_step_and_goes_back_when_nobody_comes() {
    let judge = Judge { on_fail: Reaction::Pause, ..Judge::default() };
    let mut world = at_ten_percent(judge);
    world.seen.judged = judged(Basis::Concurrent, Verdict::Fail);
    assert!(matches!(world.step().waiting_for[0].what, WaitingFor::Time { .. }), "not before its end");
    end_step(&mut world);
    let waiting = world.step().waiting_for;
    assert_eq!(waiting[0].what, WaitingFor::Verdict { what: "failures: 9 of 100".to_owned() });
    for _ in 0..130 {
        world.now_ms += 5_000;
        world.step();
    }
    assert_eq!(world.state.cause, Some(Cause::Inconclusive { what: "failures: 9 of 100".to_owned() }));
}

#[test]
fn not_to_know_is_no_pass_where_the_policy_asks_for_one() {
    let mut world = at_ten_percent(Judge { on_inconclusive: Reaction::Rollback, ..Judge::default() });
    world.seen.judged = None;
    end_step(&mut world);
    assert!(matches!(world.state.cause, Some(Cause::Inconclusive { .. })), "{:?}", world.state.cause);

    let mut world = at_ten_percent(Judge { on_inconclusive: Reaction::Rollback, ..Judge::default() });
    world.seen.judged = judged(Basis::Concurrent, Verdict::Pass);
    end_step(&mut world);
    assert_eq!((&world.state.cause, world.state.phase), (&None, Phase::Shift { step: 1 }));
}

#[test]
fn what_a_check_cannot_examine_waits_and_what_nobody_asks_for_is_told() {
    let mut world = at_ten_percent(Judge::default());
    let reason = "check total: 0 of 1204 answers could be examined (compressed 1204)".to_owned();
    world.seen.traffic = Traffic::Unknown { reason: reason.clone() };
    end_step(&mut world);
    assert_eq!(world.step().waiting_for[0].what, WaitingFor::Verdict { what: reason });
    (world.seen.traffic, world.seen.told) =
        (Traffic::Good, vec!["check total: too few ask for it".to_owned()]);
    world.seen.judged = judged(Basis::Concurrent, Verdict::Pass);
    let notes = end_step(&mut world);
    assert_eq!(world.state.phase, Phase::Shift { step: 1 });
    assert!(notes.contains(&"limits: check total: too few ask for it".to_owned()), "{notes:?}");
}

#[test]
fn the_plan_says_what_the_judge_can_do() {
    let notes = |policy: &ReleasePolicy| plan_over(policy, Some("1"), "2").unwrap().notes.join("\n");
    let stepped = policy(Judge::default());
    assert!(notes(&stepped).contains("at most once in 1000 releases"), "{}", notes(&stepped));
    let at_once = ReleasePolicy { steps: vec![Step::Share(100)], ..stepped.clone() };
    assert!(!notes(&at_once).contains("once in"), "{}", notes(&at_once));
    assert!(notes(&at_once).contains("no step leaves a share on the old version"), "{}", notes(&at_once));
    let sticky = ReleasePolicy {
        sticky: serde_json::from_value(serde_json::json!({"by": "cookie"})).unwrap(),
        ..stepped
    };
    assert!(notes(&sticky).contains("each of them counts once"), "{}", notes(&sticky));
    assert!(plan_over(&sticky, Some("1"), "2").unwrap().judge.unwrap().by_users);
    let unguarded = ReleasePolicy { guard: None, ..sticky };
    assert!(notes(&unguarded).contains("only a guard can tell them apart"), "{}", notes(&unguarded));
    assert_eq!(plan_over(&unguarded, Some("1"), "2").unwrap().judge, None);
}
