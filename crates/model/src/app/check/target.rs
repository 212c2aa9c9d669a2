//! Targets: commands, ports, readiness, and the upstreams they become.

use super::{Errors, MAX_ARGUMENTS};
use crate::check::check_upstream as check_upstream_rules;
use crate::colour::{LABEL_PROTOCOL, LABEL_SLOW_START_MS};
use crate::resource::Kind;
use crate::schema;
use crate::target::{EnvValue, Probe, ProcessTarget, Readiness, SecretReference, UpstreamTarget};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Labels that Tealgate sets itself.
const RESERVED_LABELS: &str = "tealgate.";
/// Labels that look like those and are anyone's to set.
const FREE_LABELS: [&str; 2] = [LABEL_PROTOCOL, LABEL_SLOW_START_MS];

pub(super) fn check_process(errors: &mut Errors, at: &str, target: &ProcessTarget) {
    let command = format!("{at}/command");
    errors.command(&command, &target.command);
    for (index, argument) in target.command.iter().enumerate() {
        errors.placeholders(&format!("{command}/{index}"), argument);
    }
    environment(errors, &format!("{at}/env"), &target.env);
    if let Some(directory) = &target.working_dir {
        let at = format!("{at}/working_dir");
        errors.expect(!directory.is_empty(), &at, "must name a directory");
        errors.argument(&at, directory);
        errors.placeholders(&at, directory);
    }
    let instances = (1..=64).contains(&target.instances);
    errors.expect(instances, &format!("{at}/instances"), "must be 1 to 64");
    check_address(errors, &format!("{at}/address"), &target.address);
    check_ports(errors, &format!("{at}/ports"), target);
    readiness(errors, &format!("{at}/readiness"), &target.readiness);
    let restart = format!("{at}/restart");
    errors.positive_duration(&format!("{restart}/backoff_min_ms"), target.restart.backoff_min_ms);
    errors.duration(&format!("{restart}/backoff_max_ms"), target.restart.backoff_max_ms);
    let ordered = target.restart.backoff_min_ms <= target.restart.backoff_max_ms;
    errors.expect(ordered, &restart, "backoff_min_ms must not exceed backoff_max_ms");
    if let Some(crashes) = &target.restart.crash_loop {
        let exits = (1..=100).contains(&crashes.exits);
        errors.expect(exits, &format!("{restart}/crash_loop/exits"), "must be 1 to 100");
        errors.positive_duration(&format!("{restart}/crash_loop/within_ms"), crashes.within_ms);
    }
    errors.duration(&format!("{at}/stop_timeout_ms"), target.stop_timeout_ms);
    if let Some(settings) = &target.upstream {
        upstream_settings(errors, &format!("{at}/upstream"), settings);
    }
}

/// The gate connects to it, so it must be one address and not "any".
fn check_address(errors: &mut Errors, at: &str, address: &str) {
    let right =
        address.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified() && !address.is_multicast());
    errors.expect(right, at, "must be the IP address that the gate connects to, such as 127.0.0.1 or ::1");
}

fn check_ports(errors: &mut Errors, at: &str, target: &ProcessTarget) {
    let Some([first, last]) = target.ports else { return };
    errors.expect(first > 0, &format!("{at}/0"), "must be 1 to 65535");
    if first > last {
        errors.add(at, "the first port must not exceed the last");
        return;
    }
    let available = u32::from(last - first) + 1;
    let needed = 2 * u32::from(target.instances);
    if available < needed {
        errors.add(at, format!("both environments together need {needed} ports, the range has {available}"));
    }
}

fn environment(errors: &mut Errors, at: &str, variables: &BTreeMap<String, EnvValue>) {
    errors.expect(variables.len() <= MAX_ARGUMENTS, at, "must have at most 1024 variables");
    for (name, value) in variables {
        let mut at = at.to_owned();
        crate::field::push_segment(&mut at, name);
        variable(errors, &at, name, value);
        if let EnvValue::Text(text) = value {
            errors.placeholders(&at, text);
        }
    }
}

/// A variable of a process or of a gate's command. Its value is never part of an error.
pub(super) fn variable(errors: &mut Errors, at: &str, name: &str, value: &EnvValue) {
    let named = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
    errors.expect(named(name), at, "the name of a variable must not be empty or hold = or NUL");
    match value {
        EnvValue::Text(text) => errors.argument(at, text),
        EnvValue::Reference(reference) => secret_reference(errors, at, reference),
    }
}

/// Where a secret is found.
pub(super) fn secret_reference(errors: &mut Errors, at: &str, reference: &SecretReference) {
    match reference {
        SecretReference::FromEnv(name) => {
            let right = !name.is_empty() && !name.contains(['=', '\0']);
            errors.expect(right, &format!("{at}/from_env"), "must name a variable");
        }
        SecretReference::FromFile(path) => {
            let right = !path.is_empty() && !path.contains('\0');
            errors.expect(right, &format!("{at}/from_file"), "must name a file");
        }
    }
}

fn readiness(errors: &mut Errors, at: &str, readiness: &Readiness) {
    let probe = format!("{at}/probe");
    match &readiness.probe {
        Probe::Http { path, statuses } => {
            let at = format!("{probe}/http/path");
            errors.path(&at, path);
            errors.placeholders(&at, path);
            errors.statuses(&format!("{probe}/http/statuses"), statuses);
        }
        Probe::Tcp {} => {}
        Probe::Command { command } => {
            let at = format!("{probe}/command/command");
            errors.command(&at, command);
            for (index, argument) in command.iter().enumerate() {
                errors.placeholders(&format!("{at}/{index}"), argument);
            }
        }
    }
    errors.positive_duration(&format!("{at}/interval_ms"), readiness.interval_ms);
    errors.positive_duration(&format!("{at}/timeout_ms"), readiness.timeout_ms);
    errors.positive_duration(&format!("{at}/deadline_ms"), readiness.deadline_ms);
    errors.expect((1..=100).contains(&readiness.of), &format!("{at}/of"), "must be 1 to 100");
    let successes = (1..=readiness.of).contains(&readiness.successes);
    errors.expect(successes, &format!("{at}/successes"), "must be at least 1 and at most `of`");
}

/// What the two upstreams of a process target have besides their nodes.
fn upstream_settings(errors: &mut Errors, at: &str, settings: &Value) {
    let Some(object) = settings.as_object() else {
        errors.add(at, "must be an APISIX upstream without nodes");
        return;
    };
    for owned in ["nodes", "id", "service_name", "discovery_type", "create_time", "update_time"] {
        errors.expect(!object.contains_key(owned), &format!("{at}/{owned}"), "is set by Tealgate");
    }
    let mut whole = object.clone();
    for owned in ["id", "service_name", "discovery_type"] {
        whole.shift_remove(owned);
    }
    whole.insert("nodes".to_owned(), json!({}));
    upstream(errors, at, &Value::Object(whole));
}

pub(super) fn check_upstream(errors: &mut Errors, at: &str, target: &UpstreamTarget) {
    for (name, value) in [("blue", &target.blue), ("green", &target.green)] {
        let at = format!("{at}/{name}");
        upstream(errors, &at, value);
        for owned in ["id", "create_time", "update_time"] {
            errors.expect(value.get(owned).is_none(), &format!("{at}/{owned}"), "is set by Tealgate");
        }
        let empty = match value.get("nodes") {
            Some(Value::Object(nodes)) => nodes.is_empty(),
            Some(Value::Array(nodes)) => nodes.is_empty(),
            _ => true,
        };
        errors.expect(!empty, &at, "must have nodes");
    }
    let same = target.blue.get("nodes").is_some() && target.blue.get("nodes") == target.green.get("nodes");
    errors.expect(!same, at, "blue and green have the same nodes: they must be two environments");
    readiness(errors, &format!("{at}/readiness"), &target.readiness);
}

fn upstream(errors: &mut Errors, at: &str, value: &Value) {
    let schema = schema::compiled(Kind::Upstream).map_or(Ok(()), |schema| schema.validate(value));
    if let Err(error) = schema {
        errors.add(format!("{at}{}", error.pointer), error.text);
        return;
    }
    if let Err(error) = check_upstream_rules(value) {
        errors.add(format!("{at}{}", error.pointer.unwrap_or_default()), error.text);
    }
    let labels = value.get("labels").and_then(Value::as_object);
    for label in labels.into_iter().flatten().map(|(label, _)| label) {
        if label.starts_with(RESERVED_LABELS) && !FREE_LABELS.contains(&label.as_str()) {
            errors
                .add(format!("{at}/labels/{label}"), "labels that begin with tealgate. are set by Tealgate");
        }
    }
}
