//! How the two environments differ, so that a surprise in production can be seen before it happens there.

use super::OldSide;
use crate::target::EnvironmentSpec;
use model::target::{EnvValue, ProcessTarget, SecretReference, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One difference. Values of environment variables are never shown, only that they differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What differs, as in `tealgate.yaml`: `command`, `env.DATABASE_URL`, `instances`, ...
    pub what: String,
    /// In the environment that is live.
    pub old: String,
    /// In the new one.
    pub new: String,
}

/// Compares the live environment with the new one; empty if there is nothing to compare.
pub(super) fn parity(old: Option<&OldSide>, new: &EnvironmentSpec) -> Vec<Difference> {
    let Some(old) = old.and_then(|old| old.environment.as_ref()) else { return Vec::new() };
    let mut differences = Vec::new();
    if old.base_dir != new.base_dir {
        differences.push(difference("base directory", &old.base_dir, &new.base_dir));
    }
    let (before, after) = (fields(&old.target), fields(&new.target));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let text =
            |fields: &BTreeMap<String, Shown>| fields.get(name).map_or("(none)".to_owned(), Shown::text);
        if before.get(name) != after.get(name) {
            differences.push(difference(name, &text(&before), &text(&after)));
        }
    }
    differences
}

/// A target whose literal environment values are hidden; references to secrets say only where to look.
pub(super) fn masked(target: &Target) -> Target {
    let mut target = target.clone();
    if let Target::Process(process) = &mut target {
        for value in process.env.values_mut() {
            if let EnvValue::Text(text) = value {
                "(set)".clone_into(text);
            }
        }
    }
    target
}

/// A field's value, and whether it may be shown.
#[derive(PartialEq)]
enum Shown {
    Open(String),
    Hidden(String),
}

impl Shown {
    fn text(&self) -> String {
        match self {
            Shown::Open(text) => text.clone(),
            Shown::Hidden(_) => "(set)".to_owned(),
        }
    }
}

fn difference(what: &str, old: &str, new: &str) -> Difference {
    Difference { what: what.to_owned(), old: old.to_owned(), new: new.to_owned() }
}

fn fields(target: &Target) -> BTreeMap<String, Shown> {
    match target {
        Target::Process(process) => process_fields(process),
        Target::Upstream(upstream) => {
            let settings = [("blue", &upstream.blue), ("green", &upstream.green)];
            let mut fields: BTreeMap<String, Shown> = settings
                .into_iter()
                .map(|(name, value)| (format!("upstream.{name}"), Shown::Open(value.to_string())))
                .collect();
            fields.insert("readiness".to_owned(), Shown::Open(json(&upstream.readiness)));
            fields
        }
    }
}

fn process_fields(process: &ProcessTarget) -> BTreeMap<String, Shown> {
    let mut fields: BTreeMap<String, Shown> = [
        ("command", process.command.join(" ")),
        ("working_dir", process.working_dir.clone().unwrap_or_default()),
        ("instances", process.instances.to_string()),
        ("address", process.address.clone()),
        ("ports", json(&process.ports)),
        ("readiness", json(&process.readiness)),
        ("restart", json(&process.restart)),
        ("stop_timeout_ms", process.stop_timeout_ms.to_string()),
        ("upstream", process.upstream.as_ref().map(Value::to_string).unwrap_or_default()),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), Shown::Open(text)))
    .collect();
    for (name, value) in &process.env {
        let shown = match value {
            EnvValue::Text(text) => Shown::Hidden(text.clone()),
            EnvValue::Reference(SecretReference::FromEnv(name)) => Shown::Open(format!("from_env {name}")),
            EnvValue::Reference(SecretReference::FromFile(path)) => Shown::Open(format!("from_file {path}")),
        };
        fields.insert(format!("env.{name}"), shown);
    }
    fields
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
