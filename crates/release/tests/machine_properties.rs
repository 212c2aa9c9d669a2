//! The invariants of a release under every interleaving that chance finds: actions that end well, badly or never,
//! aborts, promotes, newer releases, crashes and clocks that jump.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use model::colour::Colour;
use model::policy::{Check, Decommission, OnInconclusive, ReleasePolicy, When};
use proptest::prelude::*;
use release::gate::{GateOutcome, Verdict};
use release::journal::Command;
use release::machine::{
    Action, ActionResult, Guarded, MAX_TICK_MS, Outcome, Phase, Readiness, Spread, Traffic,
};
use release::plan::{Plan, RehearsalInput};
use serde_json::json;
use std::collections::BTreeMap;
use world::{World, plan_over, plan_with};

#[derive(Clone, Debug)]
enum Event {
    EndWell,
    EndBadly,
    Gate(Verdict),
    Foreign,
    HoldOver,
    Ready(bool),
    Spread(Spread),
    Traffic(Traffic),
    Guard(Guarded),
    Open(Option<u64>),
    Edit(bool),
    Serving(Option<Vec<Colour>>),
    Taken,
    Abort,
    Promote,
    Supersede,
    Crash,
    Pass(u64),
    Jump(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let spread = prop_oneof![6 => Just(Spread::Yes), 1 => Just(Spread::No { detail: "gw".into() }), 1 => Just(Spread::CannotTell)];
    let traffic = prop_oneof![
        6 => Just(Traffic::Good),
        1 => Just(Traffic::Bad { evidence: vec!["7 of 20 failed".into()] }),
        1 => Just(Traffic::Unknown { reason: "too little".into() }),
    ];
    let guarded = prop_oneof![
        6 => Just(Guarded::Quiet),
        1 => Just(Guarded::Tripped { evidence: vec!["5 of 5 failed".into()] }),
        1 => Just(Guarded::Refused { why: "no room".into() }),
    ];
    let verdict = prop_oneof![
        6 => Just(Verdict::Pass), 1 => Just(Verdict::Fail), 1 => Just(Verdict::Inconclusive)
    ];
    let serving = prop_oneof![
        Just(None),
        Just(Some(vec![Colour::Blue])),
        Just(Some(vec![Colour::Green])),
        Just(Some(vec![]))
    ];
    prop_oneof![
        30 => Just(Event::EndWell),
        2 => Just(Event::EndBadly),
        8 => verdict.prop_map(Event::Gate),
        1 => Just(Event::Foreign),
        2 => Just(Event::HoldOver),
        6 => prop::bool::weighted(0.85).prop_map(Event::Ready),
        8 => spread.prop_map(Event::Spread),
        8 => traffic.prop_map(Event::Traffic),
        2 => guarded.prop_map(Event::Guard),
        4 => prop_oneof![Just(Some(0)), Just(Some(3)), Just(None)].prop_map(Event::Open),
        2 => prop::bool::weighted(0.3).prop_map(Event::Edit),
        3 => serving.prop_map(Event::Serving),
        1 => Just(Event::Taken),
        1 => Just(Event::Abort),
        3 => Just(Event::Promote),
        1 => Just(Event::Supersede),
        5 => Just(Event::Crash),
        20 => (1u64..5_000).prop_map(Event::Pass),
        2 => (-100_000_000i64..100_000_000).prop_map(Event::Jump),
    ]
}

fn policy() -> impl Strategy<Value = ReleasePolicy> {
    let steps = prop_oneof![
        Just(json!([100])),
        Just(json!([10, 50, 100])),
        Just(json!([1, {"share": 100, "pause_ms": 2_000}]))
    ];
    let gates = prop_oneof![
        Just(json!([])),
        Just(json!([{"name": "smoke", "check": {"smoke": {"requests": [{"path": "/"}]}}}])),
        Just(json!([
            {"name": "tests", "when": ["before_shift", "each_step", "soak"], "check": {"command": {"command": ["t"]}}},
            {"name": "yes", "when": ["before_shift"], "check": {"approval": {}}},
        ])),
        Just(json!([
            {"name": "shadow", "timeout_ms": 40_000, "check": {"shadow": {}}},
            {"name": "tests", "when": ["before_shift"], "check": {"command": {"command": ["t"]}}},
            {"name": "again", "timeout_ms": 40_000, "check": {"shadow": {}}},
        ])),
    ];
    let unclear = prop_oneof![
        Just(OnInconclusive::Hold),
        Just(OnInconclusive::Proceed),
        Just(OnInconclusive::Rollback)
    ];
    let decommission = prop_oneof![
        Just(Decommission::Stop {}),
        Just(Decommission::KeepWarm { for_ms: 3_000 }),
        Just(Decommission::Reduce { instances: 1 }),
        Just(Decommission::Keep {}),
    ];
    let hold =
        prop_oneof![Just(json!({})), Just(json!({"requests": "writes", "budget_ms": 800, "tries": 2}))];
    let hold_back = prop_oneof![Just(0), Just(5)];
    let all = (steps, gates, unclear, decommission, hold, hold_back);
    all.prop_map(|(steps, gates, unclear, decommission, hold, hold_back)| ReleasePolicy {
        hold: serde_json::from_value(hold).unwrap(),
        steps: serde_json::from_value(steps).unwrap(),
        gates: serde_json::from_value(gates).unwrap(),
        on_inconclusive: unclear,
        decommission,
        step_pause_ms: 3_000,
        soak: model::policy::Soak { duration_ms: 4_000, interval_ms: 1_500, hold_back },
        inconclusive_hold_ms: 5_000,
        keep_failed_ms: 3_000,
        drain_timeout_ms: 2_000,
        ..ReleasePolicy::default()
    })
}

/// What the machine was told, kept outside of it, to compare with what it does.
#[derive(Default)]
struct Witness {
    verdicts: BTreeMap<usize, Verdict>,
    promoted: bool,
    outcome: Option<Outcome>,
    aborted_before_commit: bool,
    /// Its guard had fired, or could not be armed.
    unguarded_before_commit: bool,
}

impl Witness {
    fn check(&mut self, world: &World) {
        self.assert_copies_are_for_a_gate(world);
        for request in &world.actions {
            match request.action {
                Action::SetShare { share, rehearses, hold, .. } if share > 0 || rehearses.is_some() => {
                    self.assert_gates_passed(&world.plan);
                    assert!(
                        hold.is_none() || world.state.phase.can_turn_back(),
                        "nobody waits on the way back"
                    );
                }
                Action::StopOld | Action::ReduceOld { .. } => {
                    assert_eq!(world.state.outcome, Some(Outcome::Promoted));
                    assert_idle(world, Colour::Blue);
                }
                Action::StopNew => {
                    assert!(world.state.outcome.is_some_and(|outcome| outcome != Outcome::Promoted));
                    assert_idle(world, Colour::Green);
                }
                Action::CleanUp { .. } => assert_eq!(world.state.outcome, Some(Outcome::Promoted)),
                _ => {}
            }
        }
        if let Some(outcome) = self.outcome {
            assert_eq!(world.state.outcome, Some(outcome), "an outcome never changes");
        }
        self.outcome = world.state.outcome;
        if self.aborted_before_commit {
            assert_ne!(world.state.outcome, Some(Outcome::Promoted), "an abort in time is never lost");
        }
        if self.unguarded_before_commit {
            assert_ne!(world.state.outcome, Some(Outcome::Promoted), "what a gateway took back stays back");
        }
        if world.state.outcome.is_some_and(|outcome| outcome != Outcome::Promoted) {
            assert_eq!(world.state.share(), 0, "an uncommitted end leaves users on the old version");
        }
    }

    /// Live requests are copied for the gate that runs and for nobody else, and not beside users or on the way out.
    fn assert_copies_are_for_a_gate(&self, world: &World) {
        let copied = world.state.copying.map(|copying| copying.gate);
        let action = world.actions.first().map(|request| &request.action);
        match action {
            Some(Action::RunGate { gate, .. }) => {
                let shadow = matches!(world.plan.gates[*gate].check, Check::Shadow(_));
                assert_eq!(copied, shadow.then_some(*gate), "a shadow gate runs while requests are copied");
            }
            Some(Action::SetShare { share, .. }) if *share > 0 => assert_eq!(copied, None),
            _ => {}
        }
        if !matches!(world.state.phase, Phase::Test | Phase::Revert) {
            assert_eq!(copied, None, "nothing is left behind");
        }
    }

    fn assert_gates_passed(&self, plan: &Plan) {
        let may_proceed = self.promoted || plan.on_inconclusive == OnInconclusive::Proceed;
        for (place, gate) in plan.gates.iter().enumerate() {
            if !gate.when.contains(&When::BeforeShift) {
                continue;
            }
            let passed = match (&gate.check, self.verdicts.get(&place)) {
                (Check::Approval {}, _) => self.promoted,
                (_, Some(Verdict::Pass)) => true,
                (_, Some(Verdict::Inconclusive) | None) => may_proceed,
                (_, Some(Verdict::Fail)) => false,
            };
            assert!(passed, "users reach a version whose gate {} has not passed", gate.name);
        }
    }

    fn tell(&mut self, world: &mut World, result: ActionResult) {
        if let (Some(request), ActionResult::Gate { outcome }) = (world.actions.first(), &result)
            && let Action::RunGate { gate, .. } = request.action
        {
            self.verdicts.insert(gate, outcome.verdict);
        }
        world.end_action(result);
    }
}

/// Of every moment of a rehearsal.
fn assert_no_user_is_moved(world: &World) {
    assert_eq!(world.state.share(), 0);
    for request in &world.actions {
        match &request.action {
            Action::SetShare { share, hold, .. } => assert_eq!((*share, *hold), (0, None)),
            Action::CleanUp { .. } | Action::StopOld | Action::ReduceOld { .. } => panic!("{request:?}"),
            Action::Provision | Action::RunGate { .. } | Action::Copy { .. } => {}
            Action::Restore | Action::StopNew => {}
        }
    }
}

fn assert_idle(world: &World, colour: Colour) {
    let serving = world.seen.serving.as_ref().expect("known before anything is stopped");
    assert!(!serving.contains(&colour), "an environment that serves is never stopped");
}

fn verdict(verdict: Verdict) -> ActionResult {
    ActionResult::Gate {
        outcome: GateOutcome {
            verdict,
            summary: "s".into(),
            evidence: Vec::new(),
            did_harm: false,
            shadow: None,
        },
    }
}

fn happen(world: &mut World, witness: &mut Witness, event: Event) {
    let action = world.actions.first().map(|request| request.action.clone());
    let gate_runs = matches!(action, Some(Action::RunGate { .. }));
    match event {
        Event::EndWell => {
            if let Some(action) = action {
                let result = world.good_result(&action);
                witness.tell(world, result);
            }
        }
        Event::EndBadly => world.end_action(ActionResult::Failed { why: "no".into() }),
        Event::Gate(said) if gate_runs => witness.tell(world, verdict(said)),
        Event::Gate(_) => {}
        Event::Foreign => world.end_action(ActionResult::Foreign { diff: "edit".into() }),
        Event::HoldOver if matches!(action, Some(Action::SetShare { hold: Some(_), .. })) => {
            world.end_action(ActionResult::HoldOver { why: "1 was under way".into(), interrupted: false });
        }
        Event::HoldOver => {}
        Event::Ready(ready) => world.seen.new = Some(Readiness { ready, detail: String::new() }),
        Event::Spread(spread) => world.seen.spread = spread,
        Event::Traffic(traffic) => world.seen.traffic = traffic,
        Event::Guard(guard) => {
            let goes_back = world.state.phase.has_traffic() && guard != Guarded::Quiet;
            witness.unguarded_before_commit |= goes_back;
            world.seen.guard = guard;
        }
        Event::Open(open) => (world.seen.old_open, world.seen.new_open) = (open, open),
        Event::Edit(edited) => world.seen.foreign = edited.then(|| "edit".into()),
        Event::Serving(serving) => world.seen.serving = serving,
        Event::Taken => world.seen.taken = true,
        Event::Abort => {
            witness.aborted_before_commit |= !world.state.committed();
            world.command(Command::Abort { reason: "enough".into() });
        }
        Event::Promote => promote(world, witness),
        Event::Supersede => world.command(Command::Supersede { by: "shop-3".into() }),
        Event::Crash => crash(world),
        Event::Pass(ms) => world.now_ms += i64::try_from(ms).unwrap(),
        Event::Jump(ms) => world.now_ms += ms,
    }
}

fn promote(world: &mut World, witness: &mut Witness) {
    let waiting = world.step().waiting_for;
    let subject = waiting.iter().find_map(|waiting| waiting.what.subject());
    witness.promoted |= subject.is_some();
    world.command(Command::Promote { subject: subject.unwrap_or_else(|| "nothing".into()) });
}

/// After a crash the journal alone leads to the same actions with the same ids.
fn crash(world: &mut World) {
    let before = world.step().actions;
    world.crash();
    assert_eq!(world.step().actions, before);
}

/// From here on all goes well, and a person says yes to whatever is asked.
fn all_goes_well(world: &mut World, witness: &mut Witness) {
    world.seen.new = Some(Readiness { ready: true, detail: String::new() });
    world.seen.spread = Spread::Yes;
    world.seen.traffic = Traffic::Good;
    world.seen.guard = Guarded::Quiet;
    (world.seen.old_open, world.seen.new_open) = (Some(0), Some(0));
    world.seen.foreign = None;
    world.seen.serving = Some(Vec::new());
    for _ in 0..400 {
        let decision = world.step();
        witness.check(world);
        if world.state.phase == Phase::Ended {
            return;
        }
        if decision.waiting_for.iter().any(|waiting| waiting.what.subject().is_some()) {
            promote(world, witness);
        }
        happen(world, witness, Event::EndWell);
        world.now_ms += 1_000;
    }
    panic!("it does not end: {:?}", world.state);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_keeps_the_invariants_and_can_end(
        policy in policy(),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut world = World::new(plan_over(&policy, Some("1"), "2").unwrap());
        let mut witness = Witness::default();
        world.seen.new = Some(Readiness { ready: true, detail: String::new() });
        world.seen.serving = Some(vec![Colour::Blue]);
        for event in events {
            happen(&mut world, &mut witness, event);
            world.step();
            witness.check(&world);
        }
        all_goes_well(&mut world, &mut witness);
        prop_assert!(world.state.outcome.is_some());
    }

    #[test]
    fn an_abort_before_the_commit_always_ends_restored(
        policy in policy(),
        events in prop::collection::vec(event(), 0..80),
    ) {
        let mut world = World::new(plan_over(&policy, Some("1"), "2").unwrap());
        let mut witness = Witness::default();
        world.seen.new = Some(Readiness { ready: true, detail: String::new() });
        for event in events {
            happen(&mut world, &mut witness, event);
            world.step();
        }
        let committed = world.state.committed();
        world.command(Command::Abort { reason: "enough".into() });
        world.command(Command::Abort { reason: "again".into() });
        world.step();
        if committed {
            prop_assert_eq!(world.state.outcome, Some(Outcome::Promoted));
        } else {
            // The new version's help is not needed, nor anybody's consent to an edit.
            world.seen.new = None;
            world.seen.foreign = Some("edit".into());
            world.seen.spread = Spread::Yes;
            for _ in 0..40 {
                happen(&mut world, &mut witness, Event::EndWell);
                world.now_ms += 1_000;
                world.step();
            }
            prop_assert!(matches!(world.state.phase, Phase::KeepFailed | Phase::Ended), "{:?}", world.state);
            prop_assert!(world.state.outcome.is_some_and(|outcome| outcome != Outcome::Promoted));
            prop_assert_eq!(world.state.share(), 0);
        }
    }

    #[test]
    fn a_rehearsal_moves_no_user_commits_nothing_and_can_end(
        policy in policy(),
        events in prop::collection::vec(event(), 0..120),
    ) {
        let rehearsal = RehearsalInput { wanted: true, past: &[] };
        let mut world = World::new(plan_with(&policy, Some("1"), "2", rehearsal).unwrap());
        let mut witness = Witness::default();
        world.seen.new = Some(Readiness { ready: true, detail: String::new() });
        world.seen.serving = Some(vec![Colour::Blue]);
        for event in events {
            happen(&mut world, &mut witness, event);
            world.step();
            assert_no_user_is_moved(&world);
            witness.check(&world);
        }
        all_goes_well(&mut world, &mut witness);
        assert_no_user_is_moved(&world);
        prop_assert!(world.state.outcome.is_some_and(|outcome| outcome != Outcome::Promoted));
    }

    #[test]
    fn a_clock_that_jumps_never_counts_for_more_than_one_tick(
        policy in policy(),
        // Twelve ticks are the readiness deadline of a minute, after which it goes back by right.
        jumps in prop::collection::vec(-1_000_000_000_000i64..1_000_000_000_000, 1..12),
    ) {
        let mut world = World::new(plan_over(&policy, Some("1"), "2").unwrap());
        world.seen.new = Some(Readiness { ready: true, detail: String::new() });
        for jump in jumps {
            let before = world.step().state;
            world.now_ms = world.now_ms.saturating_add(jump);
            let after = world.step().state;
            if after.phase == before.phase && after.stage == before.stage {
                prop_assert!(after.stage_ms <= before.stage_ms + MAX_TICK_MS);
            }
            prop_assert_eq!(after.outcome, None);
        }
    }
}
