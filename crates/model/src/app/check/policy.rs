//! The release policy: steps, gates, limits, durations, permissions.

use super::{Errors, beside, load, metric, notifications, outward, shadow};
use crate::check::is_id;
use crate::cidr::Cidr;
use crate::field::push_segment;
use crate::policy::{
    Check, Decommission, Gate, Guard, Historical, Hold, JsonPointer, Judge, Limits, MAX_ANSWER_CHECKS,
    MAX_HISTORICAL_MS, MAX_HOLD_BACK, MAX_HOLD_MS, OnFail, Permissions, Preview, ReleasePolicy, Role,
    SmokeRequest, Step, Sticky, StickyBy, When,
};
use crate::target::Target;
use crate::traffic_split::MAX_HANG_REQUESTS;
use crate::traffic_split::MAX_TEXT;
pub(super) use crate::traffic_split::is_token;

/// More gates than a release can usefully have.
const MAX_GATES: usize = 64;
/// More requests than a smoke gate can usefully have.
const MAX_REQUESTS: usize = 256;

pub(super) fn check(errors: &mut Errors, at: &str, policy: &ReleasePolicy, target: &Target) {
    steps(errors, &format!("{at}/steps"), &policy.steps);
    if let Some(preview) = &policy.preview {
        check_preview(errors, &format!("{at}/preview"), preview);
    }
    if let Some(policy) = &policy.sticky {
        sticky(errors, &format!("{at}/sticky"), policy);
    }
    hold(errors, &format!("{at}/hold"), &policy.hold);
    errors.positive_duration(&format!("{at}/rehearsal/within_ms"), policy.rehearsal.within_ms);
    errors.duration(&format!("{at}/rehearsal/watch_ms"), policy.rehearsal.watch_ms);
    beside::requests(errors, &format!("{at}/rehearsal/requests"), &policy.rehearsal.requests);
    gates(errors, &format!("{at}/gates"), &policy.gates);
    errors.duration(&format!("{at}/soak/duration_ms"), policy.soak.duration_ms);
    errors.positive_duration(&format!("{at}/soak/interval_ms"), policy.soak.interval_ms);
    hold_back(errors, at, policy);
    limits(errors, &format!("{at}/limits"), &policy.limits);
    // Whole numbers of releases are what a gateway is armed with.
    let alpha = (1e-9..=0.5).contains(&policy.alpha);
    errors.expect(alpha, &format!("{at}/alpha"), "must be 0.000000001 to 0.5");
    if let Some(policy) = &policy.guard {
        guard(errors, &format!("{at}/guard"), policy);
    }
    if let Some(policy) = &policy.judge {
        judge(errors, &format!("{at}/judge"), policy);
    }
    answers(errors, at, policy);
    decommission(errors, &format!("{at}/decommission"), &policy.decommission, target);
    for (name, ms) in [
        ("step_pause_ms", policy.step_pause_ms),
        ("inconclusive_hold_ms", policy.inconclusive_hold_ms),
        ("drain_timeout_ms", policy.drain_timeout_ms),
        ("keep_failed_ms", policy.keep_failed_ms),
    ] {
        errors.duration(&format!("{at}/{name}"), ms);
    }
    errors.positive_duration(&format!("{at}/apply_timeout_ms"), policy.apply_timeout_ms);
    permissions(errors, &format!("{at}/permissions"), &policy.permissions);
    notifications::check(errors, &format!("{at}/notifications"), &policy.notifications);
}

fn steps(errors: &mut Errors, at: &str, steps: &[Step]) {
    let mut before = 0;
    for (index, step) in steps.iter().enumerate() {
        let at = format!("{at}/{index}");
        let share = step.share();
        errors.expect((1..=100).contains(&share), &at, "a share must be 1 to 100");
        errors.expect(share > before || share == 0, &at, "shares must increase from step to step");
        if let Step::Timed(timed) = step {
            errors.duration(&format!("{at}/pause_ms"), timed.pause_ms);
        }
        before = share;
    }
    let last = steps.last().map(Step::share);
    errors.expect(last == Some(100), at, "the last step must be 100");
}

/// What is held back is taken from the last step, which must stay the largest.
fn hold_back(errors: &mut Errors, at: &str, policy: &ReleasePolicy) {
    let most = policy.soak.hold_back;
    let at = format!("{at}/soak/hold_back");
    errors.expect(most <= MAX_HOLD_BACK, &at, "must be at most 50 percent");
    let before = policy.steps.iter().rev().skip(1).map(Step::share).max().unwrap_or(0);
    let right = most == 0 || before.saturating_add(most) < 100;
    errors.expect(right, &at, "must leave the last step more than the step before it");
}

fn check_preview(errors: &mut Errors, at: &str, preview: &Preview) {
    for (name, text) in [("header", &preview.header), ("cookie", &preview.cookie)] {
        errors.expect(is_token(text), &format!("{at}/{name}"), "must be a token (RFC 9110 §5.6.2)");
    }
    for (index, address) in preview.addresses.iter().enumerate() {
        let at = format!("{at}/addresses/{index}");
        errors.expect(Cidr::parse(address).is_some(), &at, "must be an IP address or a CIDR block");
    }
}

fn sticky(errors: &mut Errors, at: &str, sticky: &Sticky) {
    let name = format!("{at}/name");
    match sticky.by {
        StickyBy::Header => errors.expect(is_token(&sticky.name), &name, "must name a header"),
        StickyBy::Cookie => {
            let right = sticky.name.is_empty() || is_token(&sticky.name);
            errors.expect(right && sticky.name.len() <= 128, &name, "must name a cookie");
        }
        StickyBy::Consumer | StickyBy::Address => {
            errors.expect(sticky.name.is_empty(), &name, "only a header or a cookie has a name");
        }
    }
    let lifetime = format!("{at}/lifetime_ms");
    errors.duration(&lifetime, sticky.lifetime_ms);
    errors.expect(sticky.lifetime_ms >= 1_000, &lifetime, "must be at least 1 second (1000)");
}

fn hold(errors: &mut Errors, at: &str, hold: &Hold) {
    let right = (1..=MAX_HOLD_MS).contains(&hold.budget_ms);
    errors.expect(right, &format!("{at}/budget_ms"), "must be 1 to 30000");
    errors.expect(hold.max_requests > 0, &format!("{at}/max_requests"), "must be at least 1");
    errors.expect(hold.max_bytes > 0, &format!("{at}/max_bytes"), "must be at least 1");
    errors.expect((1..=10).contains(&hold.tries), &format!("{at}/tries"), "must be 1 to 10");
}

fn gates(errors: &mut Errors, at: &str, gates: &[Gate]) {
    errors.expect(gates.len() <= MAX_GATES, at, "must have at most 64 gates");
    for (index, gate) in gates.iter().enumerate() {
        let at = format!("{at}/{index}");
        let name = format!("{at}/name");
        errors.expect(is_id(&gate.name), &name, "must be 1 to 64 characters of a-z, A-Z, 0-9, -, _ and .");
        let first = gates.iter().position(|other| other.name == gate.name);
        errors.expect(first == Some(index), &name, "another gate has the same name");
        errors.expect(!gate.when.is_empty(), &format!("{at}/when"), "must say when the gate runs");
        errors.positive_duration(&format!("{at}/timeout_ms"), gate.timeout_ms);
        if let Check::Load(load) = &gate.check {
            let before = gate.when == [When::BeforeShift];
            errors.expect(before, &format!("{at}/when"), "a load gate runs before_shift only");
            let text =
                "must be more than users_before_ms, warm_up_ms, duration_ms and request_timeout_ms together";
            errors.expect(gate.timeout_ms > load.longest_ms(), &format!("{at}/timeout_ms"), text);
        }
        if let Check::Shadow(policy) = &gate.check {
            shadow::check_gate(errors, &at, gate, policy);
        }
        gate_check(errors, &format!("{at}/check"), gate);
    }
}

fn gate_check(errors: &mut Errors, at: &str, gate: &Gate) {
    match &gate.check {
        Check::Smoke { requests, .. } => {
            let at = format!("{at}/smoke/requests");
            let count = (1..=MAX_REQUESTS).contains(&requests.len());
            errors.expect(count, &at, "must have 1 to 256 requests");
            for (index, request) in requests.iter().enumerate() {
                smoke_request(errors, &format!("{at}/{index}"), request);
            }
        }
        Check::Command { command, env, working_dir } => {
            outward::program(errors, &format!("{at}/command"), command, env, working_dir.as_deref());
        }
        Check::Beside(one) => beside::check(errors, &format!("{at}/beside"), one),
        Check::Load(load) => load::check(errors, &format!("{at}/load"), load),
        Check::Shadow(one) => shadow::check(errors, &format!("{at}/shadow"), one),
        Check::Metric(one) => metric::check(errors, &format!("{at}/metric"), one, gate.timeout_ms),
        Check::Approval {} => {
            let at = at.trim_end_matches("/check");
            let right = gate.on_fail == OnFail::Rollback;
            errors.expect(right, &format!("{at}/on_fail"), "an approval that nobody gives is always a no");
        }
    }
}

fn smoke_request(errors: &mut Errors, at: &str, request: &SmokeRequest) {
    errors.expect(is_token(&request.method), &format!("{at}/method"), "must be a token (RFC 9110 §9.1)");
    errors.path(&format!("{at}/path"), &request.path);
    let expect = format!("{at}/expect");
    for (owner, headers) in [(at, &request.headers), (&expect, &request.expect.headers)] {
        for (name, value) in headers {
            let mut at = format!("{owner}/headers");
            push_segment(&mut at, name);
            outward::plain_header(errors, &at, name, value);
        }
    }
    errors.statuses(&format!("{expect}/statuses"), &request.expect.statuses);
    for pointer in request.expect.json.keys() {
        let mut at = format!("{expect}/json");
        push_segment(&mut at, pointer);
        errors.expect(is_json_pointer(pointer), &at, "must be a JSON pointer (RFC 6901), such as /version");
    }
}

fn limits(errors: &mut Errors, at: &str, limits: &Limits) {
    if let Some(rate) = limits.max_error_rate {
        errors.expect((0.0..=1.0).contains(&rate), &format!("{at}/max_error_rate"), "must be 0 to 1");
    }
    let text = "must be at least 1: nothing is known of a version that nobody has asked";
    errors.expect(limits.min_requests > 0, &format!("{at}/min_requests"), text);
    if let Some(ms) = limits.max_p99_ms {
        errors.positive_duration(&format!("{at}/max_p99_ms"), ms);
    }
}

fn guard(errors: &mut Errors, at: &str, guard: &Guard) {
    // Whole numbers of percent and of millionths are what a gateway is armed with.
    let tolerance = (1.0..=1_000.0).contains(&guard.tolerance);
    errors.expect(tolerance, &format!("{at}/tolerance"), "must be 1 to 1000");
    let rate = (1e-6..=1.0).contains(&guard.break_rate);
    errors.expect(rate, &format!("{at}/break_rate"), "must be 0.000001 to 1");
    if let Some(hang) = &guard.hang {
        let right = (1..=MAX_HANG_REQUESTS).contains(&hang.requests);
        errors.expect(right, &format!("{at}/hang/requests"), "must be 1 to 1000000");
        errors.positive_duration(&format!("{at}/hang/after_ms"), hang.after_ms);
    }
    let missing = &guard.controller_missing;
    errors.duration(&format!("{at}/controller_missing/after_ms"), missing.after_ms);
    errors.duration(&format!("{at}/controller_missing/planned_restart_ms"), missing.planned_restart_ms);
}

fn judge(errors: &mut Errors, at: &str, judge: &Judge) {
    let right = (1.0..=1_000.0).contains(&judge.tolerance);
    errors.expect(right, &format!("{at}/tolerance"), "must be 1 to 1000");
    let Historical { window_ms, tolerance } = judge.historical;
    let right = (10_000..=MAX_HISTORICAL_MS).contains(&window_ms);
    errors.expect(right, &format!("{at}/historical/window_ms"), "must be 10000 to 300000");
    let right = (1.0..=1_000.0).contains(&tolerance);
    errors.expect(right, &format!("{at}/historical/tolerance"), "must be 1 to 1000");
}

fn answers(errors: &mut Errors, at: &str, policy: &ReleasePolicy) {
    let few = policy.checks.len() <= MAX_ANSWER_CHECKS;
    errors.expect(few, &format!("{at}/checks"), "must be at most 4");
    for (place, check) in policy.checks.iter().enumerate() {
        let at = format!("{at}/checks/{place}");
        let named = is_id(&check.name);
        errors.expect(
            named,
            &format!("{at}/name"),
            "must be 1 to 64 characters of a-z, A-Z, 0-9, -, _ and .",
        );
        let known = policy.checks.iter().take(place).any(|other| other.name == check.name);
        errors.expect(!known, &format!("{at}/name"), "is used twice");
        match (&check.header, &check.json) {
            (Some(name), None) => header(errors, &format!("{at}/header"), name),
            (None, Some(field)) => {
                let text =
                    "must be a JSON pointer (RFC 6901) of at most 16 steps and 256 bytes, such as /order/id";
                errors.expect(field.place().is_some(), &format!("{at}/json/pointer"), text);
            }
            _ => errors.add(at.clone(), "must have either header or json"),
        }
        let text = "must have 1 to 16 values of at most 256 bytes";
        errors.expect(check.fails_if.is_bounded(), &format!("{at}/fails_if"), text);
        // What no header can say is a mistake; a field of JSON can say all of it.
        let in_header = |value: &String| {
            value.trim() == value && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        };
        let right = check.header.is_none() || check.fails_if.values().iter().all(in_header);
        errors.expect(right, &format!("{at}/fails_if"), "must be what a header can have");
    }
    if let Some(identity) = &policy.identity {
        header(errors, &format!("{at}/identity/header"), &identity.header);
        if let Some(path) = &identity.path {
            errors.path(&format!("{at}/identity/path"), path);
        }
    }
}

fn header(errors: &mut Errors, at: &str, name: &str) {
    let right = is_token(name) && name.len() <= MAX_TEXT;
    errors.expect(right, at, "must be a token (RFC 9110 §5.6.2) of at most 128 bytes");
}

fn decommission(errors: &mut Errors, at: &str, decommission: &Decommission, target: &Target) {
    match decommission {
        Decommission::KeepWarm { for_ms } => errors.duration(&format!("{at}/keep_warm/for_ms"), *for_ms),
        Decommission::Reduce { instances } => match target {
            Target::Process(process) => {
                let right = (1..=process.instances).contains(instances);
                let text = "must be at least 1 and at most the instances of the target";
                errors.expect(right, &format!("{at}/reduce/instances"), text);
            }
            Target::Upstream(_) => {
                errors
                    .add(format!("{at}/reduce"), "Tealgate does not run the instances of an upstream target");
            }
        },
        Decommission::Stop {} | Decommission::Keep {} => {}
    }
}

fn permissions(errors: &mut Errors, at: &str, permissions: &Permissions) {
    for (name, role) in
        [("start", permissions.start), ("approve", permissions.approve), ("rollback", permissions.rollback)]
    {
        errors.expect(role > Role::Viewer, &format!("{at}/{name}"), "a viewer may only read");
    }
}

/// RFC 6901 §3.
pub(super) fn is_json_pointer(text: &str) -> bool {
    JsonPointer::parse(text).is_some()
}
