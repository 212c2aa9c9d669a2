//! The schema of an upstream's `checks` (APISIX §1.7). Passive checks need active ones beside them, for only those
//! bring a node back.

use super::definitions::host;
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"active": active(), "passive": passive()},
        "anyOf": [{"required": ["active"]}, {"required": ["active", "passive"]}],
        "additionalProperties": false,
    })
}

fn active() -> Value {
    json!({
        "type": "object",
        "properties": {
            "type": kind(),
            "timeout": {"type": "number", "default": 1, "description": "seconds"},
            "concurrency": {"type": "integer", "default": 10},
            "host": host(),
            "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "http_path": {"type": "string", "default": "/"},
            "https_verify_certificate": {"type": "boolean", "default": true},
            "healthy": {
                "type": "object",
                "properties": {
                    "interval": interval(),
                    "http_statuses": statuses(&[200, 302]),
                    "successes": count(2),
                },
            },
            "unhealthy": {
                "type": "object",
                "properties": {
                    "interval": interval(),
                    "http_statuses": statuses(&[429, 404, 500, 501, 502, 503, 504, 505]),
                    "http_failures": count(5),
                    "tcp_failures": count(2),
                    "timeouts": count(3),
                },
            },
            "req_headers": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        },
    })
}

fn passive() -> Value {
    let successes: Vec<u16> = (200..=208).chain([226]).chain(300..=308).collect();
    json!({
        "type": "object",
        "properties": {
            "type": kind(),
            "healthy": {
                "type": "object",
                "properties": {"http_statuses": statuses(&successes), "successes": count(5)},
            },
            "unhealthy": {
                "type": "object",
                "properties": {
                    "http_statuses": statuses(&[429, 500, 503]),
                    "http_failures": count(5),
                    "tcp_failures": count(2),
                    "timeouts": count(7),
                },
            },
        },
    })
}

fn kind() -> Value {
    json!({"type": "string", "enum": ["http", "https", "tcp"], "default": "http"})
}

/// Seconds.
fn interval() -> Value {
    json!({"type": "integer", "minimum": 1, "default": 1})
}

fn count(default: u8) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": 254, "default": default})
}

fn statuses(default: &[u16]) -> Value {
    json!({
        "type": "array",
        "minItems": 1,
        "items": {"type": "integer", "minimum": 200, "maximum": 599},
        "uniqueItems": true,
        "default": default,
    })
}
