//! Secrets as values: what may be used and never shown, where it stands in a resource, and who can open it.
//!
//! A private key is sealed before it is stored and opened where it is used. Which fields are meant is said here, once,
//! for whoever writes, shows or compiles resources.

use crate::resource::Kind;
use serde_json::{Map, Value};
use std::fmt;

/// A symmetric key. Neither `Debug` nor anything else shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretKey(pub [u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// A text that nobody is shown, such as a private key in PEM.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// Who can open what was sealed.
pub trait Opener: fmt::Debug + Send + Sync {
    /// The text as it was before it was sealed; one that never was, as it is.
    ///
    /// # Errors
    /// Why it cannot be opened, as part of a sentence.
    fn open(&self, text: &SecretText) -> Result<SecretText, String>;
}

/// Opens nothing: takes every text as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsealed;

impl Opener for Unsealed {
    fn open(&self, text: &SecretText) -> Result<SecretText, String> {
        Ok(text.clone())
    }
}

/// Changes every secret of a resource: the private keys of an SSL resource, and those of client certificates wherever
/// an upstream stands.
///
/// # Errors
/// The first error of `change`.
pub fn change<E>(
    kind: Kind,
    value: &mut Value,
    change: &mut impl FnMut(&mut String) -> Result<(), E>,
) -> Result<(), E> {
    if kind != Kind::Ssl {
        return change_client_keys(value, change);
    }
    let Some(object) = value.as_object_mut() else { return Ok(()) };
    if let Some(Value::String(key)) = object.get_mut("key") {
        change(key)?;
    }
    let keys = object.get_mut("keys").and_then(Value::as_array_mut);
    for key in keys.into_iter().flatten() {
        if let Value::String(key) = key {
            change(key)?;
        }
    }
    Ok(())
}

/// Whether a resource holds a secret.
#[must_use]
pub fn is_in(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Ssl => value.get("key").is_some() || value.get("keys").is_some(),
        _ => holds_client_key(value),
    }
}

/// Takes every secret out of a resource that is to be shown.
pub fn redact(kind: Kind, value: &mut Value) {
    if kind != Kind::Ssl {
        return redact_client_keys(value);
    }
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("key");
        object.shift_remove("keys");
    }
}

/// Name of an object that may hold a client's key, and of that key.
const TLS: &str = "tls";
const CLIENT_KEY: &str = "client_key";

fn change_client_keys<E>(
    value: &mut Value,
    change: &mut impl FnMut(&mut String) -> Result<(), E>,
) -> Result<(), E> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| change_client_keys(item, change)),
        Value::Object(object) => {
            if let Some(Value::String(key)) = tls_of(object).and_then(|tls| tls.get_mut(CLIENT_KEY)) {
                change(key)?;
            }
            object.values_mut().try_for_each(|value| change_client_keys(value, change))
        }
        _ => Ok(()),
    }
}

fn redact_client_keys(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact_client_keys),
        Value::Object(object) => {
            if let Some(tls) = tls_of(object) {
                tls.shift_remove(CLIENT_KEY);
            }
            object.values_mut().for_each(redact_client_keys);
        }
        _ => {}
    }
}

fn holds_client_key(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_client_key),
        Value::Object(object) => {
            object.get(TLS).is_some_and(|tls| tls.get(CLIENT_KEY).is_some())
                || object.values().any(holds_client_key)
        }
        _ => false,
    }
}

fn tls_of(object: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    object.get_mut(TLS)?.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secrets(kind: Kind, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let mut value = value.clone();
        change(kind, &mut value, &mut |secret: &mut String| {
            found.push(secret.clone());
            Ok::<(), ()>(())
        })
        .unwrap();
        found
    }

    #[test]
    fn every_secret_is_found_and_none_is_shown() {
        let tls = |key: &str| json!({"nodes": {}, "tls": {"client_cert": "c", "client_key": key}});
        let split = json!({"rules": [{"weighted_upstreams": [{"upstream": tls("k2")}]}]});
        let route = json!({"upstream": tls("k1"), "plugins": {"traffic-split": split}});
        for (kind, value, expected) in [
            (Kind::Ssl, json!({"cert": "c", "key": "k1", "keys": ["k2", "k3"]}), vec!["k1", "k2", "k3"]),
            (Kind::Upstream, tls("k1"), vec!["k1"]),
            (Kind::Route, route, vec!["k1", "k2"]),
            (Kind::Upstream, json!({"nodes": {}, "key": "remote_addr"}), vec![]),
        ] {
            assert_eq!(secrets(kind, &value), expected);
            assert_eq!(is_in(kind, &value), !expected.is_empty());
            let mut shown = value;
            redact(kind, &mut shown);
            assert!(!is_in(kind, &shown) && secrets(kind, &shown).is_empty(), "{shown}");
            assert!(!shown.to_string().contains("k1"));
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", SecretText("hush".to_owned())), "SecretText");
        assert_eq!(format!("{:?}", SecretKey([1; 32])), "SecretKey");
    }
}
