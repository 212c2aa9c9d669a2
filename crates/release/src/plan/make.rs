//! Making a plan.

use super::budget::Parts;
use super::standing::{Standing, standing};
use super::{Component, FORMAT, Plan, PlanInput, PlannedPreview, PlannedStep, Refusal, Wave};
use super::{
    asked, beside, guard, identity, live_requests, parity, rehearsal, routes, rules, unwatched, users,
};
use crate::target::EnvironmentSpec;
use model::app::App;
use model::colour::{Colour, upstream_id};
use model::policy::{Gate, HeldRequests, Limits, OnInconclusive, ReleasePolicy, Soak};
use model::resource::{Kind, Resource};
use model::upstream::id_text;
use serde_json::Value;
use std::sync::Arc;

/// Decides a release, or says everything that speaks against it. Pure: the same input gives the same plan.
///
/// # Errors
/// All reasons why the release cannot begin; never an empty list.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, Vec<Refusal>> {
    let app = input.app;
    let policy = &app.release;
    let (steps, mut refusals) = rules::steps(input.steps.unwrap_or(&policy.steps), policy.step_pause_ms);
    refusals.extend(rules::hold_back(&steps, &policy.soak).filter(|_| !input.takes_back));
    refusals.extend(rules::version(input.version));
    refusals.extend(rules::policy(policy));
    let target = match (input.environment, input.target) {
        (Some(environment), _) => &environment.target,
        (None, Some(target)) => target,
        (None, None) => &app.target,
    };
    refusals.extend(rules::target(target));
    refusals.extend(shared_service(app, input.resources));
    let Some(standing) = standing(&app.service_id, input.resources) else {
        refusals.push(Refusal::ServiceMissing { app: app.id.clone(), service: app.service_id.clone() });
        return Err(refusals);
    };
    refusals.extend(split_conflicts(app, &standing));
    let component = component(input, &standing);
    refusals.extend(routes::bypasses(&app.service_id, &component.routes));
    let (refusal, note) = users::judged(policy, &standing.service.value, &component.routes, input.resources);
    refusals.extend(refusal);
    refusals.extend(rehearsal::refusal(input, target, &component));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let plan = assemble(input, component, steps, policy, note);
    Ok(if input.rehearsal.wanted { rehearsal::rehearsed(plan, input, target) } else { plan })
}

fn component(input: &PlanInput<'_>, standing: &Standing) -> Component {
    let app = input.app;
    let old = standing.live(app, input.resources, input.environments, input.base_dir);
    let live = old.as_ref().map(|old| old.colour).or(input.last_live);
    let colour = live.map_or(Colour::Blue, Colour::other);
    let new = match input.environment {
        // What still runs keeps its ids, so that going back to it adopts it instead of starting it anew.
        Some(stored) if stored.colour == colour => stored.clone(),
        Some(stored) => EnvironmentSpec { colour, release: input.release.to_owned(), ..stored.clone() },
        None => EnvironmentSpec {
            app: app.id.clone(),
            colour,
            version: input.version.to_owned(),
            release: input.release.to_owned(),
            target: input.target.unwrap_or(&app.target).clone(),
            base_dir: input.base_dir.to_owned(),
        },
    };
    Component {
        app: app.id.clone(),
        service: app.service_id.clone(),
        origin: standing.origin(),
        parity: parity::parity(old.as_ref(), &new),
        new,
        old,
        before: standing.before(),
        routes: routes::routes_of(&app.service_id, input.resources),
        host: routes::host_of(&standing.service.value, &app.service_id, input.resources),
    }
}

fn assemble(
    input: &PlanInput<'_>,
    component: Component,
    steps: Vec<PlannedStep>,
    policy: &ReleasePolicy,
    note: Option<String>,
) -> Plan {
    let mut notes: Vec<String> = note.into_iter().collect();
    if component.routes.is_empty() {
        notes.push(format!(
            "no route names service {}: no request will reach the new version",
            component.service
        ));
    }
    let asked_who_it_is = identity::gate(policy, &component.new);
    let mut gates: Vec<Gate> = asked_who_it_is.into_iter().chain(policy.gates.clone()).collect();
    if input.takes_back {
        // A person has decided, and it is urgent: what was live before is not examined again, and too little traffic to
        // judge it is no reason to bring back what they fled from.
        gates.clear();
        notes.push("goes back to a version that was live before: without gates".to_owned());
    }
    let protected = component.has_way_back();
    if !protected {
        notes.push(
            "nothing is live yet: all traffic goes to the new version at once, without limits".to_owned(),
        );
    }
    notes.extend(live_requests::planned(&mut gates, protected));
    let has_preview = policy.preview.is_some();
    notes.extend(asked::unreachable(&gates, has_preview, &component.service, input.resources));
    let new = upstream_id(&component.app, component.new.colour);
    let parts = Parts::of(policy, input.gateways);
    let compared = protected && !input.takes_back && !input.rehearsal.wanted;
    let soak = soak(policy, protected, input.takes_back);
    let steps = beside::without_held_back(steps, &soak);
    notes.extend(beside::held_back(policy, &soak));
    let (judge, said) =
        if compared { beside::planned(policy, &parts, &steps, &soak) } else { (None, Vec::new()) };
    notes.extend(said);
    if compared {
        notes.extend(unwatched::of(policy, &steps, &soak).into_iter().map(|open| open.words));
    }
    let hold = Some(policy.hold.clone())
        .filter(|hold| hold.requests != HeldRequests::None && protected && !input.takes_back);
    notes.extend(hold.as_ref().filter(|_| compared).map(|hold| users::held(hold, component.new.scheme())));
    Plan {
        format: FORMAT,
        release: input.release.to_owned(),
        made_at_ms: input.now_ms,
        started_by: input.actor.to_owned(),
        waves: vec![Wave { name: "local".to_owned(), apps: vec![component.app.clone()] }],
        rehearsal: None,
        steps: if protected { steps } else { vec![PlannedStep { share: 100, pause_ms: 0 }] },
        preview: policy.preview.clone().map(|rule| PlannedPreview { rule, token: input.token.clone() }),
        assignment: users::assignment(&component.app, input.release, policy),
        // Nobody waits on the way back, nor where there is no old version to finish anything.
        hold,
        guard: guard::planned(policy, &parts, input.release, input.now_ms, new, input.takes_back)
            .filter(|_| protected),
        gates,
        soak,
        limits: (protected && has_limits(&policy.limits)).then(|| policy.limits.clone()),
        judge,
        checks: policy.checks.clone(),
        identity: policy.identity.clone(),
        on_inconclusive: if input.takes_back { OnInconclusive::Proceed } else { policy.on_inconclusive },
        inconclusive_hold_ms: policy.inconclusive_hold_ms,
        decommission: policy.decommission.clone(),
        drain_timeout_ms: policy.drain_timeout_ms,
        longest_drain_ms: routes::longest_drain_ms(&component.routes, input.resources),
        keep_failed_ms: policy.keep_failed_ms,
        apply_timeout_ms: policy.apply_timeout_ms,
        on_conflict: policy.on_conflict,
        permissions: policy.permissions.clone(),
        notes,
        components: vec![component],
    }
}

/// Nothing is held back where nothing is live yet, nor on a version that a person has fled from.
fn soak(policy: &ReleasePolicy, protected: bool, takes_back: bool) -> Soak {
    let soak = policy.soak.clone();
    Soak {
        duration_ms: if protected { soak.duration_ms } else { 0 },
        hold_back: if protected && !takes_back { soak.hold_back } else { 0 },
        ..soak
    }
}

fn has_limits(limits: &Limits) -> bool {
    limits.max_error_rate.is_some() || limits.max_p99_ms.is_some()
}

fn shared_service(app: &App, resources: &[Arc<Resource>]) -> Vec<Refusal> {
    let others = resources.iter().filter(|resource| {
        resource.kind == Kind::App
            && resource.id != app.id
            && resource.value.get("service_id").and_then(Value::as_str) == Some(app.service_id.as_str())
    });
    others
        .map(|other| Refusal::ServiceShared { service: app.service_id.clone(), other: other.id.clone() })
        .collect()
}

/// A split that is there before the release begins is someone else's, and so is an overlay of another app.
fn split_conflicts(app: &App, standing: &Standing) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if standing.owned.traffic_split.as_ref().is_some_and(|split| !is_empty_split(split)) {
        refusals.push(Refusal::ForeignSplit { service: app.service_id.clone() });
    }
    if let Some((_, overlay)) = &standing.overlay
        && overlay.app != app.id
    {
        refusals
            .push(Refusal::OverlayOfOther { service: app.service_id.clone(), owner: overlay.app.clone() });
    }
    let default = standing.owned.upstream_id.as_ref().map(|id| id_text(Some(id)));
    if standing.owned.upstream.is_some()
        && default.is_some_and(|id| Colour::BOTH.iter().any(|colour| upstream_id(&app.id, *colour) == id))
    {
        let what = "the service has both upstream and upstream_id; remove the inline upstream";
        refusals.push(Refusal::policy("service", what));
    }
    refusals
}

fn is_empty_split(split: &Value) -> bool {
    split.get("rules").and_then(Value::as_array).is_none_or(Vec::is_empty)
}
