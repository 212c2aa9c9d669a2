//! What must hold of a policy and a target before anything is touched. All violations are found, not the first.

use super::{PlannedStep, Refusal};
use model::policy::{
    Check, Decommission, Gate, Limits, MAX_HOLD_BACK, Preview, ReleasePolicy, Soak, Step, When,
};
use model::target::{ProcessTarget, Readiness, Target, UpstreamTarget};
use model::upstream::Upstream;
use std::collections::BTreeSet;
use std::net::IpAddr;

const MAX_STEPS: usize = 32;
const MAX_GATES: usize = 32;
const MAX_INSTANCES: u16 = 64;
const MAX_VERSION: usize = 64;

pub(super) fn version(version: &str) -> Option<Refusal> {
    let fits = (1..=MAX_VERSION).contains(&version.len())
        && version.starts_with(|first: char| first.is_ascii_alphanumeric())
        && version.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
    (!fits).then(|| Refusal::Version { version: version.chars().take(2 * MAX_VERSION).collect() })
}

/// The steps with their times: the last one is watched by the soak unless it names a pause of its own.
pub(super) fn steps(steps: &[Step], default_pause_ms: u64) -> (Vec<PlannedStep>, Vec<Refusal>) {
    let mut refusals = Vec::new();
    if steps.is_empty() || steps.len() > MAX_STEPS {
        refusals.push(Refusal::policy(
            "steps",
            format!("1 to {MAX_STEPS} steps are needed, not {}", steps.len()),
        ));
    }
    let shares: Vec<u8> = steps.iter().map(Step::share).collect();
    for (number, share) in shares.iter().enumerate().filter(|(_, share)| !(1..=100).contains(*share)) {
        refusals
            .push(Refusal::policy(format!("steps[{number}]"), format!("a share is 1 to 100, not {share}")));
    }
    if shares.windows(2).any(|pair| pair.first() >= pair.last()) {
        refusals.push(Refusal::policy("steps", "each share must be larger than the one before"));
    }
    if shares.last().is_some_and(|last| *last != 100) {
        refusals.push(Refusal::policy("steps", "the last share must be 100"));
    }
    let last = steps.len().saturating_sub(1);
    let planned = steps.iter().enumerate().map(|(number, step)| PlannedStep {
        share: step.share(),
        pause_ms: step.pause_ms(if number == last { 0 } else { default_pause_ms }),
    });
    (planned.collect(), refusals)
}

/// What is held back is taken from the last step, which must stay the largest.
pub(super) fn hold_back(steps: &[PlannedStep], soak: &Soak) -> Option<Refusal> {
    let before = steps.iter().rev().nth(1).map_or(0, |step| step.share);
    let (hold_back, share) = (soak.hold_back, soak.share());
    let right = hold_back == 0 || (hold_back <= MAX_HOLD_BACK && before < share);
    (!right).then(|| {
        let what = format!(
            "{hold_back}: at most {MAX_HOLD_BACK}, and the {share} % that are left must be more than the step before ({before} %)"
        );
        Refusal::policy("soak.hold_back", what)
    })
}

pub(super) fn policy(policy: &ReleasePolicy) -> Vec<Refusal> {
    let mut refusals = gates(&policy.gates, policy);
    refusals.extend(limits(&policy.limits));
    refusals.extend(policy.preview.as_ref().map(preview).unwrap_or_default());
    if policy.apply_timeout_ms == 0 {
        refusals.push(Refusal::policy("apply_timeout_ms", "must be larger than 0"));
    }
    if let Decommission::Reduce { instances: 0 } = policy.decommission {
        refusals.push(Refusal::policy(
            "decommission.reduce.instances",
            "must be at least 1; to keep none, use stop",
        ));
    }
    refusals
}

fn gates(gates: &[Gate], policy: &ReleasePolicy) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if gates.len() > MAX_GATES {
        refusals.push(Refusal::policy("gates", format!("at most {MAX_GATES}, not {}", gates.len())));
    }
    let mut names = BTreeSet::new();
    for (number, gate) in gates.iter().enumerate() {
        let mut refuse = |what: String| refusals.push(Refusal::policy(format!("gates[{number}]"), what));
        if gate.name.is_empty() || gate.name.len() > 64 {
            refuse("name: 1 to 64 characters are needed".to_owned());
        }
        if !names.insert(&gate.name) {
            refuse(format!("name: {} is used twice", gate.name));
        }
        if gate.when.is_empty() {
            refuse("when: empty, so it would never run".to_owned());
        }
        if gate.timeout_ms == 0 {
            refuse("timeout_ms: must be larger than 0".to_owned());
        }
        if gate.when.contains(&When::Soak) && policy.soak.interval_ms == 0 {
            refuse("when: soak, but soak.interval_ms is 0".to_owned());
        }
        match &gate.check {
            Check::Smoke { requests, .. } if requests.is_empty() => {
                refuse("smoke.requests: empty, so it would prove nothing".to_owned());
            }
            Check::Smoke { through_gate: true, .. } if policy.preview.is_none() => {
                refuse("smoke.through_gate: needs a preview, which is switched off".to_owned());
            }
            Check::Smoke { requests, .. } => {
                for request in requests.iter().filter(|request| !request.path.starts_with('/')) {
                    refuse(format!("smoke: path {:?} must begin with /", request.path));
                }
            }
            Check::Command { command, .. } if command.is_empty() => {
                refuse("command.command: empty, but a program is needed".to_owned());
            }
            Check::Beside(beside) if beside.requests.is_empty() || beside.rounds == 0 => {
                refuse("beside: without requests or rounds it would prove nothing".to_owned());
            }
            Check::Load(load) if gate.when != [When::BeforeShift] || gate.timeout_ms <= load.longest_ms() => {
                refuse(
                    "load: runs before_shift only, and timeout_ms must be longer than all of it".to_owned(),
                );
            }
            Check::Shadow(shadow)
                if gate.when != [When::BeforeShift] || gate.timeout_ms <= shadow.duration_ms =>
            {
                refuse(
                    "shadow: runs before_shift only, and timeout_ms must be longer than duration_ms"
                        .to_owned(),
                );
            }
            Check::Command { .. }
            | Check::Beside(_)
            | Check::Load(_)
            | Check::Shadow(_)
            | Check::Metric(_)
            | Check::Approval {} => {}
        }
    }
    refusals
}

fn limits(limits: &Limits) -> Option<Refusal> {
    if limits.min_requests == 0 {
        let what = "must be at least 1: nothing is known of a version that nobody has asked";
        return Some(Refusal::policy("limits.min_requests", what));
    }
    let rate = limits.max_error_rate?;
    (!(0.0..=1.0).contains(&rate))
        .then(|| Refusal::policy("limits.max_error_rate", format!("is a share from 0 to 1, not {rate}")))
}

fn preview(preview: &Preview) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if preview.header.is_empty() && preview.cookie.is_empty() && preview.addresses.is_empty() {
        refusals
            .push(Refusal::policy("preview", "needs a header, a cookie or addresses; null switches it off"));
    }
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    for (field, name) in [("header", &preview.header), ("cookie", &preview.cookie)] {
        if !is_name(name) {
            let what = format!("{name:?} may hold only letters, digits, - and _");
            refusals.push(Refusal::policy(format!("preview.{field}"), what));
        }
    }
    for address in preview.addresses.iter().filter(|address| !is_address_or_block(address)) {
        refusals.push(Refusal::policy(
            "preview.addresses",
            format!("{address:?} is no IP address or CIDR block"),
        ));
    }
    refusals
}

fn is_address_or_block(text: &str) -> bool {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, bits.parse::<u8>().ok()),
        None => (text, Some(0)),
    };
    match (address.parse::<IpAddr>(), bits) {
        (Ok(IpAddr::V4(_)), Some(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Some(bits)) => bits <= 128,
        _ => false,
    }
}

pub(super) fn target(target: &Target) -> Vec<Refusal> {
    match target {
        Target::Process(process) => process_target(process),
        Target::Upstream(upstream) => upstream_target(upstream),
    }
}

fn process_target(process: &ProcessTarget) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = readiness("process.readiness", &process.readiness).into_iter().collect();
    if process.command.first().is_none_or(String::is_empty) {
        refusals.push(Refusal::target("process.command", "empty, but a program is needed"));
    }
    if !(1..=MAX_INSTANCES).contains(&process.instances) {
        let what = format!("is 1 to {MAX_INSTANCES}, not {}", process.instances);
        refusals.push(Refusal::target("process.instances", what));
    }
    if let Some([first, last]) = process.ports {
        let wanted = 2 * u32::from(process.instances);
        let has = u32::from(last).saturating_sub(u32::from(first)) + 1;
        if first == 0 || first > last {
            refusals.push(Refusal::target("process.ports", "are the first and the last port, from 1 on"));
        } else if has < wanted {
            let what = format!("hold {has} ports, but two environments together need {wanted}");
            refusals.push(Refusal::target("process.ports", what));
        }
    }
    if process.upstream.as_ref().is_some_and(|upstream| !upstream.is_object()) {
        refusals.push(Refusal::target("process.upstream", "must be an object of upstream settings"));
    }
    refusals
}

fn upstream_target(target: &UpstreamTarget) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = readiness("upstream.readiness", &target.readiness).into_iter().collect();
    for (field, value) in [("upstream.blue", &target.blue), ("upstream.green", &target.green)] {
        if Upstream::from_value(value, false).nodes.is_empty() {
            refusals.push(Refusal::target(format!("{field}.nodes"), "at least one address is needed"));
        }
    }
    refusals
}

fn readiness(field: &str, readiness: &Readiness) -> Option<Refusal> {
    let right = (1..=readiness.of).contains(&readiness.successes);
    (!right).then(|| {
        let what = format!("successes ({}) must be 1 to of ({})", readiness.successes, readiness.of);
        Refusal::target(field, what)
    })
}
