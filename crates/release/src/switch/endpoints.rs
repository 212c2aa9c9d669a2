//! The upstream that stands for an environment: its addresses as they are seen, and its labels. Pure.

use crate::target::{EnvironmentSpec, EnvironmentStatus, InstanceState};
use model::colour::{Colour, LABEL_APP, LABEL_COLOUR, LABEL_DRAIN_TIMEOUT_MS, LABEL_VERSION};
use model::target::Target;
use serde_json::{Map, Value, json};

/// Makes the upstream of an environment. `None`: it has no address yet, so there is nothing to write.
///
/// Requests go to the instances that are ready; when none is, to all that have an address: a request that is tried
/// is better than one that is not.
#[must_use]
pub fn upstream_value(
    spec: &EnvironmentSpec,
    status: Option<&EnvironmentStatus>,
    drain_timeout_ms: u64,
) -> Option<Value> {
    let mut upstream = match &spec.target {
        Target::Upstream(target) => {
            let value = if spec.colour == Colour::Blue { &target.blue } else { &target.green };
            value.as_object()?.clone()
        }
        Target::Process(process) => {
            let mut upstream = Map::new();
            upstream.insert("type".to_owned(), Value::from("roundrobin"));
            for (key, value) in process.upstream.as_ref().and_then(Value::as_object).into_iter().flatten() {
                upstream.insert(key.clone(), value.clone());
            }
            upstream.insert("nodes".to_owned(), nodes(status?)?);
            upstream
        }
    };
    let labels = upstream.entry("labels").or_insert_with(|| Value::Object(Map::new()));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(LABEL_APP.to_owned(), Value::from(spec.app.as_str()));
        labels.insert(LABEL_COLOUR.to_owned(), Value::from(spec.colour.name()));
        labels.insert(LABEL_VERSION.to_owned(), Value::from(spec.version.as_str()));
        labels.insert(LABEL_DRAIN_TIMEOUT_MS.to_owned(), Value::from(drain_timeout_ms.to_string()));
    }
    Some(Value::Object(upstream))
}

fn nodes(status: &EnvironmentStatus) -> Option<Value> {
    let addressed = || status.instances.iter().filter(|instance| instance.port != 0);
    let is_ready = |state: InstanceState| state == InstanceState::Ready;
    let any_ready = addressed().any(|instance| is_ready(instance.state));
    let nodes: Vec<Value> = addressed()
        .filter(|instance| is_ready(instance.state) || !any_ready)
        .filter(|instance| any_ready || instance.state != InstanceState::Stopped)
        .map(|instance| json!({"host": instance.host, "port": instance.port, "weight": 1}))
        .collect();
    (!nodes.is_empty()).then_some(Value::Array(nodes))
}
