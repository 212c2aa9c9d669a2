//! Rehearsals: the plan of a release that goes the whole way there and back and moves no user. Pure.
//!
//! A rehearsal is an ordinary plan. Its steps are written, guarded and acknowledged as they would be, with a share of
//! zero for the new version; then the way back is taken, as a release that failed takes it, and timed. What can only be
//! asked of users' traffic (limits, the judge, metrics in the shift and in the soak) and of people is left out, and so is what users
//! would feel (holds, assignments).

use super::probes;
use super::{Component, Plan, PlanInput, PlannedStep, Refusal};
use aws_lc_rs::digest::{SHA256, digest};
use model::policy::{Check, Gate, Permissions, Rehearsal, ReleasePolicy, Soak, Step, When};
use model::target::{CrashLoop, Target};
use model::traffic_split::Extension;
use serde::{Deserialize, Serialize};

/// That a plan is a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRehearsal {
    /// SHA-256 of what is rehearsed besides the version: service, target, policy, steps; in hexadecimal digits.
    pub of: String,
}

/// A rehearsal that went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRehearsal {
    /// Its release.
    pub release: String,
    /// The version that was rehearsed.
    pub version: String,
    /// As [`PlannedRehearsal::of`].
    pub of: String,
    /// When it was over, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Whether a plan is to be a rehearsal, and which there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct RehearsalInput<'a> {
    /// This one is.
    pub wanted: bool,
    /// Those of the app that went well.
    pub past: &'a [PastRehearsal],
}

/// What speaks against a rehearsal, or against a release without one.
pub(super) fn refusal(input: &PlanInput<'_>, target: &Target, component: &Component) -> Option<Refusal> {
    let app = input.app.id.clone();
    if !component.has_way_back() {
        return input.rehearsal.wanted.then_some(Refusal::NothingLive { app });
    }
    if input.rehearsal.wanted || input.takes_back || !input.app.release.rehearsal.required {
        return None;
    }
    let what = missing(input, &fingerprint(input, target))?;
    let with_spec = input.target.is_some();
    Some(Refusal::NotRehearsed { app, version: input.version.to_owned(), what, with_spec })
}

/// What the rehearsals lack; `None`: nothing.
fn missing(input: &PlanInput<'_>, of: &str) -> Option<String> {
    let version = input.version;
    let of_version = input.rehearsal.past.iter().filter(|past| past.version == version);
    let Some(newest) = of_version.clone().max_by_key(|past| past.at_ms) else {
        return Some(format!("no rehearsal of version {version} has gone well"));
    };
    let Some(newest) = of_version.filter(|past| past.of == of).max_by_key(|past| past.at_ms) else {
        let release = &newest.release;
        return Some(format!(
            "{release} has rehearsed version {version} with another target, policy or steps"
        ));
    };
    let within_ms = input.app.release.rehearsal.within_ms;
    let age_ms = u64::try_from(input.now_ms.saturating_sub(newest.at_ms)).unwrap_or(0);
    (age_ms > within_ms).then(|| {
        let release = &newest.release;
        format!("{release} has rehearsed version {version} {age_ms} ms ago, of which {within_ms} are allowed")
    })
}

/// What is rehearsed besides the version. Who may do what and who is told is no part of it.
fn fingerprint(input: &PlanInput<'_>, target: &Target) -> String {
    let policy = &input.app.release;
    let steps: Vec<Step> = input.steps.unwrap_or(&policy.steps).to_vec();
    let policy = ReleasePolicy {
        steps,
        rehearsal: Rehearsal::default(),
        permissions: Permissions::default(),
        notifications: Vec::new(),
        ..policy.clone()
    };
    let what = serde_json::json!([input.app.service_id, target, policy]);
    hex::encode(digest(&SHA256, what.to_string().as_bytes()))
}

/// Makes a plan one that moves no user.
pub(super) fn rehearsed(plan: Plan, input: &PlanInput<'_>, target: &Target) -> Plan {
    let at_once = |step: PlannedStep| PlannedStep { pause_ms: 0, ..step };
    let (probes, said) = plan.lead().map(|lead| probes::planned(&input.app.release, &lead.new)).unzip();
    let (mut gates, left_out) = gates(plan.gates);
    let mut notes = plan.notes;
    gates.extend(probes.flatten());
    let watch_ms = input.app.release.rehearsal.watch_ms;
    let seconds = watch_ms as f64 / 1_000.0;
    let watched = match target {
        Target::Process(_) => format!("it must not exit meanwhile, nor for {seconds} s after"),
        Target::Upstream(_) => format!("it is watched for {seconds} s after, and must be ready then"),
    };
    notes.push(format!(
        "a rehearsal: every step is written, guarded and taken back with no user on the new version; {watched}; \
         limits, judge and holds are left out"
    ));
    notes.extend(said);
    let interval_ms = plan.soak.interval_ms.max(watch_ms);
    if !left_out.is_empty() {
        notes.push(format!("asked only of a real release: {}", left_out.join(", ")));
    }
    Plan {
        rehearsal: Some(PlannedRehearsal { of: fingerprint(input, target) }),
        steps: plan.steps.into_iter().map(at_once).collect(),
        assignment: Extension::default(),
        hold: None,
        gates,
        // The soak's gates run once, at its end.
        soak: Soak { duration_ms: watch_ms, interval_ms, ..plan.soak },
        components: plan.components.into_iter().map(exits_at_most_never).collect(),
        limits: None,
        judge: None,
        notes,
        ..plan
    }
}

/// While it is rehearsed, one exit by itself of a version that was ready is too much, whatever its policy says of releases.
fn exits_at_most_never(mut component: Component) -> Component {
    if let Target::Process(process) = &mut component.new.target {
        process.restart.crash_loop = Some(CrashLoop { exits: 1, ..CrashLoop::default() });
    }
    component
}

/// The gates that can be asked without users and people, and what is left out.
fn gates(gates: Vec<Gate>) -> (Vec<Gate>, Vec<String>) {
    let mut left_out = Vec::new();
    let mut kept = Vec::new();
    for mut gate in gates {
        let asked = gate.when.len();
        match gate.check {
            Check::Approval {} => gate.when.clear(),
            Check::Metric(_) => gate.when.retain(|when| *when == When::BeforeShift),
            _ => {}
        }
        if gate.when.len() < asked {
            let partly = if gate.when.is_empty() { "" } else { " (in the shift and in the soak)" };
            left_out.push(format!("gate {}{partly}", gate.name));
        }
        if !gate.when.is_empty() {
            kept.push(gate);
        }
    }
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::super::{PROBES, plan};
    use super::*;
    use crate::example::{input, resource};
    use model::app::App;
    use model::colour::Colour;
    use model::resource::Kind;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const DAY_MS: i64 = 86_400_000;

    fn app(release: Value) -> App {
        let target = json!({"process": {"command": ["shop"]}});
        let app = json!({"id": "shop", "service_id": "shop", "target": target, "release": release});
        serde_json::from_value(app).unwrap()
    }

    /// Plans version 2 over whatever the service says.
    fn planned(app: &App, live: Value, rehearsal: RehearsalInput<'_>) -> Result<Plan, Vec<Refusal>> {
        let resources = [resource(Kind::Service, "shop", live)];
        let environments = BTreeMap::new();
        plan(&PlanInput {
            now_ms: 2 * DAY_MS,
            rehearsal,
            last_live: Some(Colour::Blue),
            ..input(app, &resources, &environments)
        })
    }

    fn live() -> Value {
        json!({"id": "shop", "upstream_id": "shop-blue"})
    }

    const WANTED: RehearsalInput<'_> = RehearsalInput { wanted: true, past: &[] };

    fn past(app: &App, at_ms: i64) -> PastRehearsal {
        let of = planned(app, live(), WANTED).unwrap().rehearsal.unwrap().of;
        PastRehearsal { release: "shop-7".to_owned(), version: "2".to_owned(), of, at_ms }
    }

    fn refused(app: &App, past: &[PastRehearsal]) -> String {
        let refusals = planned(app, live(), RehearsalInput { wanted: false, past }).unwrap_err();
        refusals.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rehearsal_goes_through_all_steps_at_once_and_asks_nothing_of_users_and_people() {
        let gate =
            |name: &str, when: Value, check: Value| json!({"name": name, "when": when, "check": check});
        let source = json!({"http_json": {"url": "http://m/", "pointer": "/v"}});
        let check = json!({"source": source, "at_most": 1});
        let app = app(json!({
            "steps": [10, 100], "judge": {}, "hold": {"requests": "writes"}, "sticky": {"by": "address"},
            "gates": [
                gate("yes", json!(["before_shift"]), json!({"approval": {}})),
                gate("errors", json!(["before_shift", "soak"]), json!({"metric": check})),
                gate("lag", json!(["each_step"]), json!({"metric": check})),
                gate("tests", json!(["before_shift", "each_step"]), json!({"command": {"command": ["t"]}})),
            ],
        }));
        let plan = planned(&app, live(), WANTED).unwrap();
        assert_eq!(
            plan.steps.iter().map(|step| (step.share, step.pause_ms)).collect::<Vec<_>>(),
            [(10, 0), (100, 0)]
        );
        assert_eq!((&plan.limits, &plan.judge, &plan.hold), (&None, &None, &None));
        assert_eq!(
            (plan.soak.duration_ms, plan.soak.interval_ms),
            (5_000, 10_000),
            "it is watched for a while"
        );
        let Target::Process(process) = &plan.lead().unwrap().new.target else { panic!("{plan:?}") };
        assert_eq!(process.restart.crash_loop.map(|rule| rule.exits), Some(1));
        assert_eq!(plan.assignment, Extension::default());
        assert!(plan.guard.is_some(), "the guard is armed as it will be");
        let gates: Vec<_> = plan.gates.iter().map(|gate| (gate.name.as_str(), gate.when.len())).collect();
        assert_eq!(gates, [("errors", 1), ("tests", 2), (PROBES, 1)]);
        let note = plan.notes.last().unwrap();
        assert_eq!(
            note,
            "asked only of a real release: gate yes, gate errors (in the shift and in the soak), gate lag"
        );
    }

    #[test]
    fn where_nothing_is_live_there_is_nothing_to_rehearse_and_nothing_has_to_be() {
        let app = app(json!({"rehearsal": {"required": true}}));
        let refusals = planned(&app, json!({"id": "shop"}), WANTED).unwrap_err();
        assert_eq!(refusals, [Refusal::NothingLive { app: "shop".to_owned() }]);
        assert!(planned(&app, json!({"id": "shop"}), RehearsalInput::default()).is_ok());
    }

    #[test]
    fn a_release_needs_a_young_rehearsal_of_the_same_version_with_the_same_policy() {
        let required = app(json!({"rehearsal": {"required": true}}));
        let young = past(&required, DAY_MS + 1);
        let release =
            |past: &[PastRehearsal]| planned(&required, live(), RehearsalInput { wanted: false, past });
        assert_eq!(release(std::slice::from_ref(&young)).unwrap().rehearsal, None);
        let text = refused(&required, &[]);
        assert!(text.contains("no rehearsal of version 2 has gone well"), "{text}");
        assert!(text.contains("`tealgate release rehearse shop --version 2`"), "{text}");
        let target = required.target.clone();
        let environments = BTreeMap::new();
        let with_spec = PlanInput { target: Some(&target), ..input(&required, &[], &environments) };
        let component = planned(&required, live(), WANTED).unwrap().components.remove(0);
        let with_spec = refusal(&with_spec, &target, &component).unwrap().to_string();
        assert!(with_spec.ends_with("rehearse shop --version 2 --spec FILE`"), "{with_spec}");
        let other = PastRehearsal { version: "3".to_owned(), ..young.clone() };
        assert_eq!(refused(&required, &[other]), text);
        let old = PastRehearsal { at_ms: DAY_MS - 1, ..young.clone() };
        let text = refused(&required, &[old]);
        assert!(text.contains("shop-7 has rehearsed version 2 86400001 ms ago"), "{text}");
        let changed = app(json!({"rehearsal": {"required": true}, "steps": [50, 100]}));
        let text = refused(&changed, std::slice::from_ref(&young));
        assert!(text.contains("with another target, policy or steps"), "{text}");
        let whom = json!([{"name": "ops", "url": "http://ops/"}]);
        let told = app(json!({"rehearsal": {"required": true, "within_ms": DAY_MS}, "notifications": whom}));
        assert!(planned(&told, live(), RehearsalInput { wanted: false, past: &[young] }).is_ok());
    }
}
