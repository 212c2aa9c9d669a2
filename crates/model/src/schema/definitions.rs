//! Small schemas that the resources share (APISIX §1.7).

use serde_json::{Value, json};

/// The schema of a resource: the properties that all of them have, its own, and the rules between them.
pub(super) fn resource(own: Value, rules: Value) -> Value {
    let mut properties = json!({
        "id": id(),
        "name": name(),
        "desc": description(),
        "labels": labels(),
        "create_time": timestamp(),
        "update_time": timestamp(),
    });
    extend(&mut properties, own);
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    extend(&mut schema, rules);
    schema
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// An id: a text of 1 to 64 characters, or a positive integer that is compared as a text.
pub(super) fn id() -> Value {
    json!({"anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-_.]+$"},
        {"type": "integer", "minimum": 1},
    ]})
}

pub(super) fn name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 256})
}

pub(super) fn description() -> Value {
    json!({"type": "string", "maxLength": 256})
}

pub(super) fn labels() -> Value {
    json!({
        "type": "object",
        "description": "texts by name",
        "patternProperties": {
            ".*": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^\\S+$"},
        },
    })
}

/// Epoch seconds; written by the gateway.
pub(super) fn timestamp() -> Value {
    json!({"type": "integer"})
}

/// A host name, an address, or a wildcard such as `*.example.com`.
pub(super) fn host() -> Value {
    json!({"type": "string", "pattern": "^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$"})
}

pub(super) fn hosts() -> Value {
    json!({"type": "array", "items": host(), "minItems": 1, "uniqueItems": true})
}

/// An address or a CIDR block, of either family.
pub(super) fn address() -> Value {
    const OCTET: &str = "([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
    let ipv4_block = format!("^{OCTET}(\\.{OCTET}){{3}}/([12]?[0-9]|3[0-2])$");
    json!({
        "type": "string",
        "description": "IP address or CIDR block",
        "anyOf": [
            {"type": "string", "format": "ipv4"},
            {"type": "string", "pattern": ipv4_block},
            {"type": "string", "format": "ipv6"},
            {"type": "string", "pattern": "^[a-fA-F0-9:]*:[a-fA-F0-9:.]*/[0-9]{1,3}$"},
        ],
    })
}

pub(super) fn timeout() -> Value {
    let seconds = json!({"type": "number", "exclusiveMinimum": 0, "description": "seconds"});
    json!({
        "type": "object",
        "properties": {"connect": seconds, "send": seconds, "read": seconds},
        "required": ["connect", "send", "read"],
    })
}

/// Plugin configurations by name; each is checked by its plugin.
pub(super) fn plugins() -> Value {
    json!({"type": "object"})
}

pub(super) fn methods() -> Value {
    json!({
        "type": "array",
        "description": "empty: all",
        "items": {
            "type": "string",
            "enum": ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"],
        },
        "uniqueItems": true,
    })
}

/// Lua source, as the schema of APISIX takes it. This gateway has no Lua: a check behind the schema refuses it.
pub(super) fn script() -> Value {
    json!({"type": "string", "minLength": 10, "maxLength": 102_400})
}

/// `1` enables, `0` disables.
pub(super) fn status() -> Value {
    json!({"type": "integer", "enum": [1, 0], "default": 1})
}

pub(super) fn enable_websocket() -> Value {
    json!({"type": "boolean", "description": "whether an upgrade to WebSocket is passed on"})
}
