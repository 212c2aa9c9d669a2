//! The schema of an SSL resource: certificates for names, or a certificate of our own towards upstreams (APISIX §1.7).

use super::definitions::{resource, status, timestamp};
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    let own = json!({
        "validity_start": timestamp(),
        "validity_end": timestamp(),
        "type": {
            "type": "string",
            "description": "server: for clients of this gateway; client: for upstreams, by tls.client_cert_id",
            "default": "server",
            "enum": ["server", "client"],
        },
        "cert": pem(),
        "key": pem(),
        "sni": server_name(),
        "snis": {"type": "array", "items": server_name(), "minItems": 1},
        "certs": {"type": "array", "items": pem()},
        "keys": {"type": "array", "items": pem()},
        "client": {
            "type": "object",
            "properties": {
                "ca": pem(),
                "depth": {"type": "integer", "minimum": 0, "default": 1},
                "skip_mtls_uri_regex": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": true,
                    "items": {"type": "string", "description": "paths that need no client certificate"},
                },
            },
            "required": ["ca"],
        },
        "status": status(),
        "ssl_protocols": {
            "type": "array",
            "maxItems": 3,
            "uniqueItems": true,
            "items": {"enum": ["TLSv1.1", "TLSv1.2", "TLSv1.3"]},
        },
    });
    resource(
        own,
        json!({
            "if": {"properties": {"type": {"enum": ["server"]}}},
            "then": {"oneOf": [{"required": ["sni", "key", "cert"]}, {"required": ["snis", "key", "cert"]}]},
            "else": {"required": ["key", "cert"]},
        }),
    )
}

/// A certificate chain or a private key.
fn pem() -> Value {
    json!({"type": "string", "minLength": 128, "maxLength": 65_536})
}

/// A name, a wildcard for one label, or `*` for every name.
fn server_name() -> Value {
    json!({"type": "string", "pattern": "^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$"})
}
