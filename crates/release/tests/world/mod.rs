//! The pure half of the release path in a world made of plain values: what the runner would see and do, by hand.

#![allow(dead_code, reason = "each test binary uses its part")]

use model::app::App;
use model::colour::Colour;
use model::policy::ReleasePolicy;
use model::resource::{Kind, Origin, Resource};
use release::journal::{Command, Event, Head, Request, fold, read, seal};
use release::machine::{ActionRequest, ActionResult, Decision, Input, Observation, State, step};
use release::plan::{Plan, PlanInput, PreviewToken, Refusal, RehearsalInput, plan};
use release::target::EnvironmentSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::JournalEntry;

/// When every world begins: 2026-01-01T00:00:00Z.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// An app of two processes behind the service `shop`, with this policy.
pub(crate) fn app(policy: ReleasePolicy) -> App {
    let target = json!({"process": {"command": ["shop", "--port", "{port}"], "instances": 2}});
    let app = json!({"id": "shop", "service_id": "shop", "target": target});
    let mut app: App = serde_json::from_value(app).expect("an app");
    app.release = policy;
    app
}

pub(crate) fn resource(kind: Kind, id: &str, value: Value) -> Arc<Resource> {
    let value = Arc::new(value);
    Arc::new(Resource { kind, id: id.to_owned(), value, origin: Origin::Api, created: 1, modified: 1 })
}

/// A service and a route; `live` stands behind the service if there is one.
pub(crate) fn resources(live: Option<Colour>) -> Vec<Arc<Resource>> {
    let service = match live {
        Some(colour) => json!({"id": "shop", "upstream_id": format!("shop-{colour}")}),
        None => json!({"id": "shop"}),
    };
    vec![
        resource(Kind::Service, "shop", service),
        resource(Kind::Route, "all", json!({"id": "all", "uri": "/*", "service_id": "shop"})),
    ]
}

pub(crate) fn environment(app: &App, colour: Colour, version: &str) -> EnvironmentSpec {
    EnvironmentSpec {
        app: app.id.clone(),
        colour,
        version: version.to_owned(),
        release: "shop-1".to_owned(),
        target: app.target.clone(),
        base_dir: "/".to_owned(),
    }
}

/// Plans `version` over a live blue one, or as the first release.
pub(crate) fn plan_over(
    policy: &ReleasePolicy,
    live: Option<&str>,
    version: &str,
) -> Result<Plan, Vec<Refusal>> {
    plan_with(policy, live, version, RehearsalInput::default())
}

/// The same, as a rehearsal or after rehearsals.
pub(crate) fn plan_with(
    policy: &ReleasePolicy,
    live: Option<&str>,
    version: &str,
    rehearsal: RehearsalInput<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let app = app(policy.clone());
    let environments: BTreeMap<Colour, EnvironmentSpec> =
        live.iter().map(|version| (Colour::Blue, environment(&app, Colour::Blue, version))).collect();
    plan(&PlanInput {
        release: "shop-2",
        app: &app,
        version,
        actor: "ann",
        now_ms: START_MS,
        base_dir: "/",
        target: None,
        environment: None,
        steps: None,
        takes_back: false,
        gateways: 1,
        rehearsal,
        resources: &resources(live.map(|_| Colour::Blue)),
        environments: &environments,
        last_live: live.map(|_| Colour::Blue),
        token: PreviewToken::new("token".to_owned()),
    })
}

/// A release and its journal, without anything real behind it.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) state: State,
    pub(crate) seen: Observation,
    pub(crate) now_ms: i64,
    pub(crate) actions: Vec<ActionRequest>,
    /// Journaled since the last step.
    inputs: Vec<Input>,
    journal: Vec<JournalEntry>,
    head: Head,
    /// Revisions are handed out in this order.
    pub(crate) revision: u64,
}

impl World {
    pub(crate) fn new(plan: Plan) -> World {
        let mut world = World {
            state: State::new(START_MS),
            plan: plan.clone(),
            seen: Observation::default(),
            now_ms: START_MS,
            actions: Vec::new(),
            inputs: Vec::new(),
            journal: Vec::new(),
            head: Head::default(),
            revision: 100,
        };
        world.append(Event::Requested(Box::new(Request {
            app: "shop".to_owned(),
            version: "2".to_owned(),
            target: None,
            environment: None,
            steps: None,
            takes_back: None,
            rehearsal: false,
            receivers: Vec::new(),
        })));
        world.append(Event::Planned { plan: Box::new(plan) });
        world
    }

    pub(crate) fn append(&mut self, event: Event) {
        let (entry, head) = seal(&self.head, self.now_ms, "ann", &event).expect("an entry");
        self.journal.push(entry);
        self.head = head;
    }

    /// Steps as the runner does: take what was journaled, decide, write the decision.
    pub(crate) fn step(&mut self) -> Decision {
        self.seen.inputs = std::mem::take(&mut self.inputs);
        let decision = step(&self.plan, &self.state, &self.seen, self.now_ms);
        let changed = !self.seen.inputs.is_empty() || !decision.state.same_but_for_time(&self.state);
        if changed {
            self.append(Event::Decided {
                notes: decision.notes.clone(),
                intents: decision.actions.clone(),
                state: Box::new(decision.state.clone()),
            });
        }
        self.state = decision.state.clone();
        self.actions.clone_from(&decision.actions);
        decision
    }

    /// All that a crash leaves: the journal.
    pub(crate) fn crash(&mut self) {
        let chain = read(&self.journal).expect("a whole journal");
        let folded = fold("shop-2", &chain).expect("a release");
        let journaled = folded.state.expect("a state");
        assert!(journaled.same_but_for_time(&self.state), "only time is lost");
        assert_eq!(folded.inputs, self.inputs);
        assert_eq!(folded.plan.as_ref(), Some(&self.plan));
        self.state = journaled.resumed(self.now_ms);
        self.actions.clear();
    }

    pub(crate) fn end_action(&mut self, result: ActionResult) {
        if let Some(action) = self.actions.first() {
            let id = action.id.clone();
            self.inputs.push(Input::Ended { id: id.clone(), result: result.clone() });
            self.append(Event::Ended { id, result });
        }
    }

    pub(crate) fn command(&mut self, command: Command) {
        let actor = "ann".to_owned();
        self.inputs.push(match command.clone() {
            Command::Abort { reason } => Input::Abort { actor, reason },
            Command::Promote { subject } => Input::Promote { actor, subject },
            Command::Supersede { by } => Input::Supersede { by },
        });
        self.append(Event::Commanded(command));
    }

    /// The result of an action that went well.
    pub(crate) fn good_result(&mut self, action: &release::machine::Action) -> ActionResult {
        use release::machine::Action;
        match action {
            Action::SetShare { .. } | Action::Copy { .. } | Action::Restore | Action::CleanUp { .. } => {
                self.revision += 1;
                ActionResult::Written { revision: self.revision, overwrote: None }
            }
            Action::RunGate { .. } => ActionResult::Gate {
                outcome: release::gate::GateOutcome {
                    verdict: release::gate::Verdict::Pass,
                    summary: "as it should be".to_owned(),
                    evidence: Vec::new(),
                    did_harm: false,
                    shadow: None,
                },
            },
            Action::Provision | Action::StopOld | Action::ReduceOld { .. } | Action::StopNew => {
                ActionResult::Done
            }
        }
    }
}
