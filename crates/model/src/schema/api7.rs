//! The schemas of API7's dialect of the Admin API (APISIX §1.9).
//!
//! A service is published to a gateway group and always named; a route always belongs to a service and has `paths`.

use super::definitions::{enable_websocket, hosts, id, methods, plugins, resource, status, timeout};
use serde_json::{Value, json};

pub(super) fn route() -> Value {
    let own = json!({
        "paths": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 4096},
            "minItems": 1,
            "uniqueItems": true,
        },
        "methods": methods(),
        "vars": {"type": "array"},
        "service_id": id(),
        "plugins": plugins(),
        "priority": {"type": "integer", "default": 0},
        "timeout": timeout(),
        "enable_websocket": enable_websocket(),
    });
    resource(
        own,
        json!({
            "required": ["paths", "service_id"],
        }),
    )
}

pub(super) fn service() -> Value {
    let mut hosts = hosts();
    if let Some(hosts) = hosts.as_object_mut() {
        hosts.insert("maxItems".to_owned(), json!(32));
    }
    let own = json!({
        "type": {"type": "string", "enum": ["http", "stream"], "default": "http"},
        "hosts": hosts,
        "path_prefix": {"type": "string", "pattern": "^/"},
        "strip_path_prefix": {"type": "boolean", "default": true},
        "plugins": plugins(),
        "upstream": super::upstream::schema(),
        "status": status(),
    });
    resource(
        own,
        json!({
            "required": ["name"],
        }),
    )
}
