//! The plugins that the tests configure. What the gateway really runs is the crate `plugins`, which this crate does
//! not depend on; the shape of `traffic-split` is that of the contract (APISIX §2.1).

use model::plugin::{AuthInfo, PluginInfo};
use model::resource::Kind;
use model::traffic_split::TrafficSplit;
use serde_json::{Value, json};

pub(crate) const ALL: &[PluginInfo] = &[
    PluginInfo::new("mocking", 10_900, mocking, anything),
    PluginInfo::new("cors", 4_000, cors, anything),
    PluginInfo::new("key-auth", 2_500, key_auth, anything).authenticating(AuthInfo {
        schema: key_of_consumer,
        key: "key",
        sealed: &["key"],
    }),
    PluginInfo::new("limit-count", 1_002, limit_count, anything),
    PluginInfo::new("traffic-split", 966, traffic_split, expressions),
];

fn traffic_split() -> Value {
    let choice = json!({"type": "object", "properties": {
        "upstream_id": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "upstream": model::schema::of(Kind::Upstream),
        "weight": {"type": "integer", "minimum": 0, "default": 1},
    }});
    json!({"type": "object", "properties": {"rules": {"type": "array", "items": {"type": "object", "properties": {
        "match": {"type": "array", "items": {"type": "object"}},
        "weighted_upstreams": {"type": "array", "items": choice, "minItems": 1, "maxItems": 20},
    }}}}})
}

fn expressions(conf: &Value) -> Result<(), String> {
    TrafficSplit::from_value(conf).map(drop).map_err(|error| error.to_string())
}

fn key_auth() -> Value {
    json!({"type": "object", "properties": {"header": {"type": "string", "default": "apikey"}}})
}

fn key_of_consumer() -> Value {
    json!({"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"], "additionalProperties": false})
}

fn limit_count() -> Value {
    json!({"type": "object", "properties": {"count": {"type": "integer", "minimum": 1}}, "required": ["count"]})
}

fn cors() -> Value {
    json!({"type": "object", "properties": {"max_age": {"type": "integer", "default": 5}}})
}

fn mocking() -> Value {
    json!({"type": "object", "properties": {"response_status": {"type": "integer", "minimum": 100}}})
}

fn anything(_: &Value) -> Result<(), String> {
    Ok(())
}
