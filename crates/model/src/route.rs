//! A route in typed form, read from JSON that the schema has accepted (APISIX §1.7, §3).

use crate::colour::{LABEL_DRAIN_TIMEOUT_MS, LABEL_TOTAL_TIMEOUT_MS};
use crate::expr::{Expr, ExprError};
use crate::label;
use crate::upstream::{Timeouts, Upstream, as_integer, id_text};
use serde_json::{Map, Value};

/// Which requests, and what happens to them.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its id.
    pub id: String,
    /// Its name, or empty.
    pub name: String,
    /// Path patterns: exact, or with a `*`.
    pub uris: Vec<String>,
    /// Host patterns; empty: the service's, else any host.
    pub hosts: Vec<String>,
    /// Methods; empty: all.
    pub methods: Vec<String>,
    /// Addresses or CIDR blocks of the client; empty: all.
    pub remote_addrs: Vec<String>,
    /// Condition on variables.
    pub vars: Option<Expr>,
    /// Higher first among routes with the same path.
    pub priority: i64,
    /// `status: 0` routes are not installed.
    pub enabled: bool,
    /// `filter_func`: Lua source, which this gateway cannot run; such a route never matches and is reported.
    pub has_filter_func: bool,
    /// Plugin configurations by name.
    pub plugins: Map<String, Value>,
    /// Inline upstream.
    pub upstream: Option<Upstream>,
    /// Upstream by id.
    pub upstream_id: Option<String>,
    /// Service by id.
    pub service_id: Option<String>,
    /// Time limits that beat the upstream's.
    pub timeouts: Option<Timeouts>,
    /// Whether `Upgrade: websocket` is passed on; `None`: the service's.
    pub enable_websocket: Option<bool>,
    /// How long a stream may stay when traffic has left its upstream, milliseconds; `None`: as the upstream says.
    pub drain_timeout_ms: Option<u64>,
    /// How long a whole request may take, milliseconds, 0: as long as it likes; `None`: as the setting says.
    pub total_timeout_ms: Option<u64>,
}

impl Route {
    /// Reads a route that the schema has accepted.
    ///
    /// # Errors
    /// When `vars` is no valid expression.
    pub fn from_value(value: &Value) -> Result<Route, ExprError> {
        Ok(Route {
            id: id_text(value.get("id")),
            name: value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            uris: one_or_many(value, "uri", "uris"),
            hosts: one_or_many(value, "host", "hosts"),
            methods: texts(value, "methods"),
            remote_addrs: one_or_many(value, "remote_addr", "remote_addrs"),
            vars: value.get("vars").map(Expr::parse).transpose()?,
            priority: value.get("priority").and_then(as_integer).unwrap_or(0),
            enabled: value.get("status").and_then(as_integer).unwrap_or(1) != 0,
            has_filter_func: value.get("filter_func").is_some(),
            plugins: plugins(value),
            upstream: value.get("upstream").map(|upstream| Upstream::from_value(upstream, false)),
            upstream_id: optional_id(value, "upstream_id"),
            service_id: optional_id(value, "service_id"),
            timeouts: Timeouts::from_value(value),
            enable_websocket: value.get("enable_websocket").and_then(Value::as_bool),
            drain_timeout_ms: drain_timeout_ms(value),
            total_timeout_ms: label::ms(value, LABEL_TOTAL_TIMEOUT_MS),
        })
    }
}

/// What the label of a route or an upstream says of how long streams may stay after traffic has left, milliseconds.
#[must_use]
pub fn drain_timeout_ms(owner: &Value) -> Option<u64> {
    label::ms(owner, LABEL_DRAIN_TIMEOUT_MS)
}

/// The plugin configurations of a route or a service.
#[must_use]
pub fn plugins(owner: &Value) -> Map<String, Value> {
    owner.get("plugins").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A reference by id, if there is one.
#[must_use]
pub fn optional_id(owner: &Value, key: &str) -> Option<String> {
    owner.get(key).map(|id| id_text(Some(id)))
}

/// A list of texts under a key; absent is empty.
#[must_use]
pub fn texts(owner: &Value, key: &str) -> Vec<String> {
    let list = owner.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

fn one_or_many(owner: &Value, one: &str, many: &str) -> Vec<String> {
    match owner.get(one).and_then(Value::as_str) {
        Some(text) => vec![text.to_owned()],
        None => texts(owner, many),
    }
}
