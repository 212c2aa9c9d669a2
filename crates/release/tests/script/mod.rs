//! The language of scenario scripts, one command a line:
//!
//! ```text
//! policy steps [10,100]        any field of the release policy, as JSON; before `release`
//! live 1                       version 1 is live on blue; before `release`
//! release 2 | rehearse 2        plans it and takes the first step
//! done | fail WHY | foreign DIFF    ends the action under way
//! over WHY                     what was under way did not end while requests waited
//! pass | no WHY | unclear WHY       ends the gate under way
//! harm WHY                          ends it unclear; it did harm
//! ready | unready WHY | unseen      the new environment
//! spread | lag WHO | no-gateway     whether the gateways run what was written
//! traffic good | bad WHY | unknown WHY
//! guarded | trip WHY | unguarded WHY     what the gateways say of the guard
//! open OLD NEW                 open requests on the colours; `-` is not known
//! serving COLOUR...            who gets user traffic; `-` is not known
//! edit DIFF | unedit | taken
//! abort WHY | promote SUBJECT | supersede BY
//! advance 90s                  time passes, watched every second
//! jump -3600s                  the clock jumps
//! quietly COMMAND              journaled, but the machine looks only after the next command
//! crash                        only the journal is left
//! show                         the state
//! ```

use crate::world::{World, plan_over, plan_with};
use model::colour::Colour;
use model::policy::ReleasePolicy;
use release::gate::{GateOutcome, Verdict};
use release::journal::Command;
use release::machine::{ActionRequest, ActionResult, Decision, Guarded, Readiness, Spread, Traffic};
use release::plan::RehearsalInput;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Runs a script; the answer holds each command and what came of it.
pub(crate) fn run(script: &str) -> String {
    let mut stage = Stage::default();
    for line in script.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            let _ = writeln!(stage.out, "{line}");
            continue;
        }
        let _ = writeln!(stage.out, "> {line}");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        stage.command(word, rest.trim());
    }
    stage.out
}

#[derive(Default)]
struct Stage {
    policy: Map<String, Value>,
    live: Option<String>,
    world: Option<World>,
    last: Option<Decision>,
    out: String,
}

impl Stage {
    fn command(&mut self, word: &str, rest: &str) {
        match word {
            "policy" => {
                let (field, value) = rest.split_once(' ').expect("policy FIELD JSON");
                self.policy.insert(field.to_owned(), serde_json::from_str(value).expect("JSON"));
            }
            "live" => self.live = Some(rest.to_owned()),
            "release" | "rehearse" => self.release(rest, word == "rehearse"),
            "advance" => self.advance(rest),
            "show" => self.show(),
            "quietly" => {
                let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                self.world_command(word, rest);
            }
            _ => {
                self.world_command(word, rest);
                self.step();
            }
        }
    }

    fn release(&mut self, version: &str, wanted: bool) {
        let policy = Value::Object(self.policy.clone());
        let policy: ReleasePolicy = serde_json::from_value(policy).expect("a policy");
        let live = self.live.as_deref();
        let rehearsal = RehearsalInput { wanted: true, past: &[] };
        let made = if wanted {
            plan_with(&policy, live, version, rehearsal)
        } else {
            plan_over(&policy, live, version)
        };
        match made {
            Ok(plan) => {
                for note in &plan.notes {
                    let _ = writeln!(self.out, "  plan: {note}");
                }
                self.world = Some(World::new(plan));
                self.step();
            }
            Err(refusals) => {
                for refusal in refusals {
                    let _ = writeln!(self.out, "  refused: {refusal}");
                }
            }
        }
    }

    fn world_command(&mut self, word: &str, rest: &str) {
        let world = self.world.as_mut().expect("`release` comes first");
        let text = rest.to_owned();
        match word {
            "done" => {
                let action = world.actions.first().expect("an action under way").action.clone();
                let result = world.good_result(&action);
                world.end_action(result);
            }
            "fail" => world.end_action(ActionResult::Failed { why: text }),
            "foreign" => world.end_action(ActionResult::Foreign { diff: text }),
            "over" => world.end_action(ActionResult::HoldOver { why: text, interrupted: false }),
            "interrupted" => world.end_action(ActionResult::HoldOver { why: text, interrupted: true }),
            "pass" => world.end_action(gate(Verdict::Pass, "as it should be")),
            "no" => world.end_action(gate(Verdict::Fail, rest)),
            "harm" => world.end_action(harm(rest)),
            "unclear" => world.end_action(gate(Verdict::Inconclusive, rest)),
            "ready" => world.seen.new = Some(Readiness { ready: true, detail: String::new() }),
            "unready" => world.seen.new = Some(Readiness { ready: false, detail: text }),
            "crashes" => world.seen.crash_loop = Some(text),
            "unseen" => world.seen.new = None,
            "spread" => world.seen.spread = Spread::Yes,
            "lag" => world.seen.spread = Spread::No { detail: text },
            "no-gateway" => world.seen.spread = Spread::CannotTell,
            "traffic" => world.seen.traffic = traffic(rest),
            "guarded" => world.seen.guard = Guarded::Quiet,
            "trip" => world.seen.guard = Guarded::Tripped { evidence: vec![text] },
            "unguarded" => world.seen.guard = Guarded::Refused { why: text },
            "open" => {
                let (old, new) = rest.split_once(' ').expect("open OLD NEW");
                (world.seen.old_open, world.seen.new_open) = (old.parse().ok(), new.parse().ok());
            }
            "serving" => {
                let colours = rest.split_whitespace().filter_map(Colour::parse).collect();
                world.seen.serving = (rest != "-").then_some(colours);
            }
            "edit" => world.seen.foreign = Some(text),
            "unedit" => {
                // It has to be seen that it is gone.
                world.seen.foreign = None;
                world.seen.serving.get_or_insert_default();
            }
            "taken" => world.seen.taken = true,
            "abort" => world.command(Command::Abort { reason: text }),
            "promote" => world.command(Command::Promote { subject: text }),
            "supersede" => world.command(Command::Supersede { by: text }),
            "jump" => world.now_ms += seconds(rest) * 1_000,
            "crash" => world.crash(),
            _ => panic!("no such command: {word}"),
        }
    }

    /// A second at a time, as the runner looks; only what changes is written.
    fn advance(&mut self, text: &str) {
        for second in 1..=seconds(text) {
            self.world.as_mut().expect("`release` comes first").now_ms += 1_000;
            let mark = self.out.len();
            self.step();
            if self.out.len() > mark {
                self.out.insert_str(mark, &format!("  after {second} s:\n"));
            }
        }
    }

    fn step(&mut self) {
        let decision = self.world.as_mut().expect("`release` comes first").step();
        for note in &decision.notes {
            let _ = writeln!(self.out, "  {note}");
        }
        let known = self.last.as_ref().map(|last| last.actions.clone()).unwrap_or_default();
        for request in decision.actions.iter().filter(|request| !known.contains(request)) {
            let _ = writeln!(self.out, "  do {}", describe(request));
        }
        self.last = Some(decision);
    }

    fn show(&mut self) {
        let world = self.world.as_ref().expect("`release` comes first");
        let state = &world.state;
        let _ = write!(self.out, "  [{}", state.phase.name());
        let _ = write!(self.out, ", share {} %", state.share());
        if let Some(cause) = &state.cause {
            let _ = write!(self.out, ", {cause}");
        }
        let outcome = state.outcome.map_or("undecided", |outcome| outcome.name());
        let _ = writeln!(self.out, ", {outcome}, in flight: {}]", state.in_flight());
        for waiting in self.last.iter().flat_map(|last| &last.waiting_for) {
            let left = waiting.remaining_ms.map_or("no limit".to_owned(), |ms| format!("{ms} ms left"));
            let _ = writeln!(self.out, "  waits for {} ({left})", waiting.what);
        }
        for gate in &state.gates {
            let (name, round, runs) = (&gate.gate, gate.round, gate.runs);
            let _ = writeln!(
                self.out,
                "  gate {name} {round:?}: {:?} after {runs}: {}",
                gate.verdict, gate.summary
            );
        }
    }
}

fn gate(verdict: Verdict, summary: &str) -> ActionResult {
    ActionResult::Gate {
        outcome: GateOutcome {
            verdict,
            summary: summary.to_owned(),
            evidence: Vec::new(),
            did_harm: false,
            shadow: None,
        },
    }
}

fn harm(summary: &str) -> ActionResult {
    let (verdict, evidence) = (Verdict::Inconclusive, Vec::new());
    ActionResult::Gate {
        outcome: GateOutcome { verdict, summary: summary.to_owned(), evidence, did_harm: true, shadow: None },
    }
}

fn traffic(text: &str) -> Traffic {
    match text.split_once(' ').unwrap_or((text, "")) {
        ("good", _) => Traffic::Good,
        ("bad", why) => Traffic::Bad { evidence: vec![why.to_owned()] },
        ("unknown", why) => Traffic::Unknown { reason: why.to_owned() },
        (other, _) => panic!("no such traffic: {other}"),
    }
}

fn seconds(text: &str) -> i64 {
    text.trim_end_matches('s').parse().expect("a number of seconds")
}

fn describe(request: &ActionRequest) -> String {
    format!("{}: {}", request.id, serde_json::to_string(&request.action).expect("JSON"))
}
