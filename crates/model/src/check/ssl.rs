//! What an SSL resource must satisfy beyond its schema. Whether its PEM texts hold what they should is for those to say
//! who can read them.

use super::{CheckError, at};
use crate::ssl::PathPatterns;
use serde_json::Value;

/// Checks an SSL resource that the schema has accepted.
pub(super) fn check_ssl(value: &Value) -> Result<(), CheckError> {
    let count = |key: &str| value.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    if count("certs") != count("keys") {
        return Err(at("/keys", "mismatched number of certs and keys"));
    }
    let patterns = crate::route::texts(value.get("client").unwrap_or(&Value::Null), "skip_mtls_uri_regex");
    PathPatterns::compile(&patterns)
        .map(drop)
        .map_err(|error| at("/client/skip_mtls_uri_regex", format!("invalid configuration: {error}")))
}
