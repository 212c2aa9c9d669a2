//! A service in typed form, read from JSON that the schema has accepted (APISIX §1.7).

use crate::route::{optional_id, plugins, texts};
use crate::upstream::{Upstream, id_text};
use serde_json::{Map, Value};

/// What several routes have in common.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Its name, or empty.
    pub name: String,
    /// Host patterns for routes that have none.
    pub hosts: Vec<String>,
    /// Plugin configurations by name.
    pub plugins: Map<String, Value>,
    /// Inline upstream.
    pub upstream: Option<Upstream>,
    /// Upstream by id.
    pub upstream_id: Option<String>,
    /// Whether `Upgrade: websocket` is passed on.
    pub enable_websocket: Option<bool>,
}

impl Service {
    /// Reads a service that the schema has accepted.
    #[must_use]
    pub fn from_value(value: &Value) -> Service {
        Service {
            id: id_text(value.get("id")),
            name: value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            hosts: texts(value, "hosts"),
            plugins: plugins(value),
            upstream: value.get("upstream").map(|upstream| Upstream::from_value(upstream, false)),
            upstream_id: optional_id(value, "upstream_id"),
            enable_websocket: value.get("enable_websocket").and_then(Value::as_bool),
        }
    }
}
