//! What an upstream must satisfy beyond its schema, as a resource and inline (APISIX §1.7, §2.6).

use super::{CheckError, at, check_schema};
use crate::cidr::parse_ip;
use crate::field::push_segment;
use crate::schema::CompiledSchema;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// The variables that `chash` may hash.
static HASH_VARIABLE: LazyLock<CompiledSchema> = LazyLock::new(|| {
    CompiledSchema::new(&json!({
        "type": "string",
        "pattern": "^(uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname\
                    |mqtt_client_id|arg_[0-9a-zA-Z_-]+)$",
    }))
});
/// A header's or cookie's name.
static HASH_NAME: LazyLock<CompiledSchema> =
    LazyLock::new(|| CompiledSchema::new(&json!({"type": "string", "pattern": "^[a-zA-Z0-9-_]+$"})));

/// Checks an upstream that the schema has accepted.
///
/// # Errors
/// The first thing that is wrong, with APISIX's text.
pub fn check_upstream(value: &Value) -> Result<(), CheckError> {
    match value.get("nodes") {
        Some(Value::Object(nodes)) => {
            for address in nodes.keys() {
                check_address(address).map_err(|text| {
                    let mut pointer = "/nodes".to_owned();
                    push_segment(&mut pointer, address);
                    at(&pointer, text)
                })?;
            }
        }
        Some(Value::Array(nodes)) => {
            for (index, node) in nodes.iter().enumerate() {
                let host = node.get("host").and_then(Value::as_str).unwrap_or_default();
                check_host(host).map_err(|text| at(&format!("/nodes/{index}/host"), text))?;
            }
        }
        _ => {}
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if let Some(scheme @ ("tcp" | "tls" | "udp" | "kafka")) = text("scheme") {
        let why = "is not spoken by this gateway: use http, https, grpc or grpcs";
        return Err(at("/scheme", format!("scheme \"{scheme}\" {why}")));
    }
    if text("pass_host") == Some("rewrite") && text("upstream_host").unwrap_or_default().is_empty() {
        return Err(at("/pass_host", "`upstream_host` can't be empty when `pass_host` is `rewrite`"));
    }
    if text("type") == Some("chash") { check_hash_key(value) } else { Ok(()) }
}

fn check_hash_key(value: &Value) -> Result<(), CheckError> {
    let hash_on = value.get("hash_on").and_then(Value::as_str).unwrap_or("vars");
    if hash_on == "consumer" {
        return Ok(());
    }
    let Some(key) = value.get("key") else { return Err(at("", "missing key")) };
    let schema = match hash_on {
        "vars" => &HASH_VARIABLE,
        "header" | "cookie" => &HASH_NAME,
        _ => return Ok(()),
    };
    check_schema(schema, key).map_err(|error| error.inside("/key"))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn check_address(address: &str) -> Result<(), String> {
    let (host, port) = if address.starts_with('[') {
        let end = address.find(']').map_or(address.len(), |end| end + 1);
        let (host, rest) = address.split_at(end);
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(format!("invalid host {address}")),
        }
    } else {
        check_host(address)?;
        address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    };
    check_host(host)?;
    port.map_or(Ok(()), check_port)
}

fn check_port(port: &str) -> Result<(), String> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(format!("invalid port {port}")),
    }
}

/// An IPv6 address stands in brackets, for its end cannot be told from a port otherwise.
fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("invalid host: it is empty".to_owned());
    }
    if !host.starts_with('[') && host.matches(':').count() > 1 {
        return Err("IPv6 address must be enclosed with '[' and ']'".to_owned());
    }
    if host.starts_with('[') && parse_ip(host).is_none() {
        return Err(format!("invalid host {host}"));
    }
    Ok(())
}
