//! Certificates and keys that stand outside the file: `{from_file: PATH}` or `{from_env: NAME}` in the place of a PEM
//! text, as in the environment of an app. They are read with the file, and so again whenever it is.

use crate::config::typed::Finding;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Longest text, bytes: what the schema allows.
const LONGEST_BYTES: u64 = 65_536;

/// Puts the texts in the place of their references in one resource of a collection. What cannot be read is a finding.
pub fn resolve(
    collection: &str,
    item: &mut Value,
    pointer: &str,
    base_dir: &Path,
    findings: &mut Vec<Finding>,
) {
    let mut read = |value: &mut Value, pointer: String| {
        let Some(text) = text_of(value, base_dir) else { return };
        match text {
            Ok(text) => *value = Value::String(text),
            Err(message) => findings.push(Finding { pointer, message, hint: String::new() }),
        }
    };
    if collection != "ssls" {
        return client_certificates(item, pointer, &mut read);
    }
    for name in ["cert", "key"] {
        at(item, name, pointer, &mut read);
    }
    for name in ["certs", "keys"] {
        let items = item.get_mut(name).and_then(Value::as_array_mut);
        for (place, item) in items.into_iter().flatten().enumerate() {
            read(item, format!("{pointer}/{name}/{place}"));
        }
    }
    if let Some(client) = item.get_mut("client") {
        at(client, "ca", &format!("{pointer}/client"), &mut read);
    }
}

fn at(owner: &mut Value, name: &str, pointer: &str, read: &mut impl FnMut(&mut Value, String)) {
    if let Some(value) = owner.get_mut(name) {
        read(value, format!("{pointer}/{name}"));
    }
}

/// `tls.client_cert` and `tls.client_key`, wherever an upstream stands.
fn client_certificates(value: &mut Value, pointer: &str, read: &mut impl FnMut(&mut Value, String)) {
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter_mut().enumerate() {
                client_certificates(item, &format!("{pointer}/{place}"), read);
            }
        }
        Value::Object(object) => {
            if let Some(tls) = object.get_mut("tls") {
                for name in ["client_cert", "client_key"] {
                    at(tls, name, &format!("{pointer}/tls"), read);
                }
            }
            for (name, value) in object {
                let name = crate::config::pointer::escape(name);
                client_certificates(value, &format!("{pointer}/{name}"), read);
            }
        }
        _ => {}
    }
}

/// The text that a reference leads to; `None` if the value is no reference.
fn text_of(value: &Value, base_dir: &Path) -> Option<Result<String, String>> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (kind, name) = object.iter().next()?;
    let name = name.as_str()?;
    match kind.as_str() {
        "from_file" => {
            Some(file(&base_dir.join(name)).map_err(|error| format!("{name} cannot be read: {error}")))
        }
        "from_env" => Some(std::env::var(name).map_err(|_| format!("the environment has no text {name}"))),
        _ => None,
    }
}

fn file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let size = File::open(path)?.take(LONGEST_BYTES + 1).read_to_string(&mut text)?;
    if size as u64 > LONGEST_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolved(collection: &str, mut item: Value) -> (Value, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.pem"), "text of a").unwrap();
        std::fs::write(dir.path().join("large.pem"), "x".repeat(65_537)).unwrap();
        let mut findings = Vec::new();
        resolve(collection, &mut item, "/x/0", dir.path(), &mut findings);
        let told = findings.into_iter().map(|finding| format!("{}: {}", finding.pointer, finding.message));
        (item, told.collect())
    }

    #[test]
    fn references_are_replaced_by_what_they_lead_to() {
        let (a, home) = (json!({"from_file": "a.pem"}), json!({"from_env": "PATH"}));
        let (ssl, told) =
            resolved("ssls", json!({"cert": a, "key": home, "certs": [a], "client": {"ca": a}, "sni": "x"}));
        assert_eq!(told, [] as [String; 0]);
        let path = std::env::var("PATH").unwrap();
        assert_eq!(
            ssl,
            json!({"cert": "text of a", "key": path, "certs": ["text of a"], "client": {"ca": "text of a"}, "sni": "x"})
        );
        let (route, _) = resolved("routes", json!({"upstream": {"tls": {"client_key": a}}}));
        assert_eq!(route, json!({"upstream": {"tls": {"client_key": "text of a"}}}));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let keys = json!(["x", {"from_env": "NO_SUCH_VARIABLE"}]);
        let (_, told) = resolved(
            "ssls",
            json!({"cert": {"from_file": "none.pem"}, "keys": keys, "key": {"from_file": "large.pem"}}),
        );
        assert!(told[0].starts_with("/x/0/cert: none.pem cannot be read"), "{told:?}");
        assert!(told[1].starts_with("/x/0/key: large.pem cannot be read"), "{told:?}");
        assert_eq!(told[2], "/x/0/keys/1: the environment has no text NO_SUCH_VARIABLE");
    }

    #[test]
    fn what_is_no_reference_stays() {
        for other in
            [json!({"from_file": 1}), json!({"from_file": "a.pem", "x": 1}), json!({"file": "a.pem"})]
        {
            let item = json!({"cert": other});
            assert_eq!(resolved("ssls", item.clone()), (item, vec![]));
        }
    }
}
