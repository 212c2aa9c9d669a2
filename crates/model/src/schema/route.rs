//! The schema of a route (APISIX §1.7).

use super::definitions::{
    address, enable_websocket, host, hosts, id, methods, plugins, resource, script, status, timeout,
};
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    let own = json!({
        "uri": {"type": "string", "minLength": 1, "maxLength": 4096},
        "uris": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true},
        "priority": {"type": "integer", "default": 0},
        "methods": methods(),
        "host": host(),
        "hosts": hosts(),
        "remote_addr": address(),
        "remote_addrs": {"type": "array", "items": address(), "minItems": 1, "uniqueItems": true},
        "timeout": timeout(),
        "vars": {"type": "array"},
        "filter_func": {"type": "string", "minLength": 10, "pattern": "^function"},
        "script": script(),
        "script_id": id(),
        "plugins": plugins(),
        "plugin_config_id": id(),
        "upstream": super::upstream::schema(),
        "service_id": id(),
        "upstream_id": id(),
        "enable_websocket": enable_websocket(),
        "status": status(),
    });
    resource(
        own,
        json!({
            "allOf": [
                {"oneOf": [{"required": ["uri"]}, {"required": ["uris"]}]},
                at_most_one("host", "hosts"),
                at_most_one("remote_addr", "remote_addrs"),
            ],
            "anyOf": somewhere_to_go(),
            "not": {"anyOf": [{"required": ["script", "plugins"]}, {"required": ["script", "plugin_config_id"]}]},
        }),
    )
}

fn at_most_one(one: &str, many: &str) -> Value {
    json!({"oneOf": [
        {"not": {"anyOf": [{"required": [one]}, {"required": [many]}]}},
        {"required": [one]},
        {"required": [many]},
    ]})
}

/// A route must say what becomes of its requests.
fn somewhere_to_go() -> Value {
    let mut alternatives = Vec::new();
    for path in ["uri", "uris"] {
        for target in ["plugins", "upstream", "upstream_id", "service_id", "script"] {
            alternatives.push(json!({"required": [target, path]}));
        }
    }
    Value::Array(alternatives)
}
