//! What of a configuration cannot be run as it says.

use model::label;
use model::resource::Kind;
use model::upstream::{Balancer, Scheme, Upstream};
use serde_json::Value;

/// A resource that could not be compiled, or not in all that it says; the rest of the table stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of resource.
    pub kind: Kind,
    /// Which.
    pub id: String,
    /// What is wrong.
    pub what: String,
}

/// What of an upstream cannot be run. Requests get what APISIX would answer: a 500, a 502 or a 503.
pub(super) fn of_upstream(value: &Value, upstream: &Upstream) -> Vec<String> {
    let mut problems = Vec::new();
    match &upstream.balancer {
        Balancer::Unknown(name) if upstream.nodes.len() != 1 => {
            problems.push(format!("the balancer type {name} is not known: its requests get a 500"));
        }
        _ => {}
    }
    if upstream.scheme == Scheme::Unsupported && !upstream.inline {
        problems.push("its scheme is not one of http, https, grpc, grpcs: its requests get a 502".to_owned());
    }
    problems.extend(label::of_upstream(value, upstream.inline).into_iter().map(|wrong| wrong.text));
    let lines = upstream.checks.iter().flat_map(|checks| &checks.active.req_headers);
    for line in lines.filter(|line| !is_header(line)) {
        problems.push(format!("checks.active.req_headers: {line:?} is no `Name: value` and is not sent"));
    }
    if value.get("discovery_type").is_some() && upstream.nodes.is_empty() {
        problems.push("service discovery is not there yet: its requests get a 503".to_owned());
    }
    problems
}

/// Whether a line can stand in the head of a health check.
pub(crate) fn is_header(line: &str) -> bool {
    let no_controls = !line.bytes().any(|byte| byte.is_ascii_control());
    no_controls && line.split_once(':').is_some_and(|(name, _)| !name.trim().is_empty())
}
