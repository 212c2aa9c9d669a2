//! What a configuration of `key-auth` must look like (APISIX §4): on a route, and on a consumer or a credential.

use serde_json::{Value, json};

/// Of a route or a service.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "header": {"type": "string", "default": "apikey"},
            "query": {"type": "string", "default": "apikey"},
            "hide_credentials": {"type": "boolean", "default": false},
            "realm": {"type": "string", "default": "key"},
            "anonymous_consumer": {"type": "string", "minLength": 1},
        },
    })
}

/// Of a consumer or a credential. An empty key would be everyone's who sends an empty header.
pub(super) fn consumer() -> Value {
    json!({
        "type": "object",
        "properties": {"key": {"type": "string", "minLength": 1}},
        "required": ["key"],
        "additionalProperties": false,
    })
}

/// Checks what the schema cannot say: the realm is sent in a header.
pub(super) fn check(conf: &Value) -> Result<(), String> {
    let realm = conf.get("realm").and_then(Value::as_str).unwrap_or_default();
    if realm.chars().any(char::is_control) {
        return Err("property \"realm\" has a control character".to_owned());
    }
    Ok(())
}

/// A text inside a quoted string (RFC 9110, section 5.6.4).
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
