//! Finds all that is wrong with a spec, before anything is started.

use super::resolved::{Resolver, listen_address};
use super::session::INSTANCE_ID;
use crate::target::EnvironmentSpec;
use crate::target::readiness;
use model::target::ProcessTarget;

/// Most instances of one environment.
pub(super) const INSTANCES_MAX: u16 = 64;

/// Everything that is wrong, in words for a person. Touches the disk: program, directory and secrets must exist.
pub(super) fn faults(spec: &EnvironmentSpec, target: &ProcessTarget) -> Vec<String> {
    let mut faults = numbers(target);
    faults.extend(app_fault(&spec.app));
    faults.extend(readiness::faults(&target.readiness));
    faults.extend(listen_address(target).err());
    if target.env.contains_key(INSTANCE_ID) {
        faults.push(format!("env.{INSTANCE_ID}: this variable is set by Tealgate"));
    }
    // Placeholders may make a difference between instances: {instance} in a directory, for example.
    for number in 0..target.instances.clamp(1, INSTANCES_MAX) {
        let resolver = Resolver::new(spec, target, number, 65_535);
        let found = [resolver.resolve().err(), resolver.probe().err(), resolver.variables().err()];
        let found: Vec<String> =
            found.into_iter().flatten().filter(|fault| !faults.contains(fault)).collect();
        if !found.is_empty() {
            faults.extend(found);
            break;
        }
    }
    faults
}

/// What is wrong with an app's id, which becomes a part of paths.
pub(super) fn app_fault(app: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = (1..=64).contains(&app.len()) && app.chars().all(allowed) && !app.starts_with('.');
    (!fits).then(|| "the app's id must have 1 to 64 of [a-zA-Z0-9-_.] and not begin with a dot".to_owned())
}

fn numbers(target: &ProcessTarget) -> Vec<String> {
    let mut faults = Vec::new();
    let instances = target.instances;
    if !(1..=INSTANCES_MAX).contains(&instances) {
        faults.push(format!("instances is {instances}; it must be 1 to {INSTANCES_MAX}"));
    }
    if let Some([first, last]) = target.ports {
        if first == 0 || first > last {
            faults.push(format!(
                "ports is [{first}, {last}]; give the first and the last port, the first not 0"
            ));
        } else if last - first < instances.saturating_sub(1) {
            let count = last - first + 1;
            faults.push(format!("ports [{first}, {last}] has {count} ports for {instances} instances"));
        }
    }
    let (min, max) = (target.restart.backoff_min_ms, target.restart.backoff_max_ms);
    if min == 0 || min > max {
        faults.push(format!(
            "restart.backoff_min_ms is {min} and backoff_max_ms {max}; it must be at least 1 and not above the other"
        ));
    }
    faults
}
