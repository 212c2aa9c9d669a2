//! The schema of an upstream, as a resource of its own and inline (APISIX §1.7).

use super::definitions::{host, id, resource, timeout};
use super::health_check;
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    let own = json!({
        "nodes": nodes(),
        "type": {
            "type": "string",
            "description": "roundrobin, chash, ewma or least_conn",
            "default": "roundrobin",
        },
        "hash_on": {
            "type": "string",
            "default": "vars",
            "enum": ["vars", "header", "cookie", "consumer", "vars_combinations"],
        },
        "key": {"type": "string", "description": "what chash hashes"},
        "scheme": {
            "enum": ["grpc", "grpcs", "http", "https", "tcp", "tls", "udp", "kafka"],
            "default": "http",
        },
        "pass_host": {"type": "string", "enum": ["pass", "node", "rewrite"], "default": "pass"},
        "upstream_host": host(),
        "retries": {"type": "integer", "minimum": 0},
        "retry_timeout": {"type": "number", "minimum": 0, "description": "seconds over all tries"},
        "timeout": timeout(),
        "tls": tls(),
        "keepalive_pool": keepalive_pool(),
        "checks": health_check::schema(),
        "discovery_type": {"type": "string"},
        "discovery_args": {
            "type": "object",
            "properties": {"namespace_id": {"type": "string"}, "group_name": {"type": "string"}},
        },
        "service_name": {"type": "string", "minLength": 1, "maxLength": 256},
    });
    resource(
        own,
        json!({
            "oneOf": [{"required": ["nodes"]}, {"required": ["service_name", "discovery_type"]}],
        }),
    )
}

fn nodes() -> Value {
    let weight = json!({"type": "integer", "minimum": 0});
    json!({"anyOf": [
        {"type": "object", "description": "weights by host:port", "patternProperties": {".*": weight}},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "host": host(),
                    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                    "weight": weight,
                    "priority": {"type": "integer", "default": 0, "description": "higher first"},
                    "metadata": {"type": "object"},
                },
                "required": ["host", "weight"],
            },
        },
    ]})
}

/// A client certificate, in place or by the id of an SSL resource, never both.
fn tls() -> Value {
    let pem = json!({"type": "string", "minLength": 128, "maxLength": 65536});
    json!({
        "type": "object",
        "properties": {
            "client_cert": pem,
            "client_key": pem,
            "client_cert_id": id(),
            "verify": {"type": "boolean", "default": false},
        },
        "dependencies": {
            "client_cert": {"required": ["client_key"], "not": {"required": ["client_cert_id"]}},
            "client_key": {"required": ["client_cert"], "not": {"required": ["client_cert_id"]}},
            "client_cert_id": {"not": {"required": ["client_cert", "client_key"]}},
        },
    })
}

fn keepalive_pool() -> Value {
    json!({
        "type": "object",
        "properties": {
            "size": {"type": "integer", "minimum": 1, "default": 320},
            "idle_timeout": {"type": "number", "minimum": 0, "default": 60, "description": "seconds"},
            "requests": {"type": "integer", "minimum": 1, "default": 1000},
        },
    })
}
