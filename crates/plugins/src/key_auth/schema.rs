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

/// Checks what the schema cannot say: the realm is sent in a header, and `header` is the name of one (RFC 9110, section
/// 5.6.2). Under any other name no key could ever come.
pub(super) fn check(conf: &Value) -> Result<(), String> {
    let header = conf.get("header").and_then(Value::as_str).unwrap_or("apikey");
    if header.is_empty() || !header.bytes().all(is_of_token) {
        return Err(format!("property \"header\" is not the name of a header: {header:?}"));
    }
    let realm = conf.get("realm").and_then(Value::as_str).unwrap_or_default();
    if realm.chars().any(char::is_control) {
        return Err("property \"realm\" has a control character".to_owned());
    }
    Ok(())
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A text inside a quoted string (RFC 9110, section 5.6.4).
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
