//! The schemas of a consumer and of a credential (APISIX §1.7).

use super::definitions::{description, id, labels, name, plugins, timestamp};
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": username(),
            "id": username(),
            "group_id": id(),
            "plugins": plugins(),
            "labels": labels(),
            "desc": description(),
            "create_time": timestamp(),
            "update_time": timestamp(),
        },
        "required": ["username"],
        "additionalProperties": false,
    })
}

/// A credential holds one plugin at most; that it is one that authenticates is checked behind the schema.
pub(super) fn credential() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": id(),
            "name": name(),
            "plugins": {"type": "object", "maxProperties": 1},
            "labels": labels(),
            "desc": description(),
            "create_time": timestamp(),
            "update_time": timestamp(),
        },
        "additionalProperties": false,
    })
}

fn username() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[a-zA-Z0-9_\\-]+$"})
}
