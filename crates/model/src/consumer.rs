//! Consumers and their credentials in typed form, read from JSON that the schema has accepted (APISIX §1.2, §1.7).

use crate::plugin::PluginInfo;
use crate::route::plugins;
use crate::upstream::{id_text, labels};
use serde_json::{Map, Value};

/// Who sends requests.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name, which is its id.
    pub username: String,
    /// The label `custom_id`, which its upstreams are told; or empty.
    pub custom_id: String,
    /// Plugin configurations by name: how it authenticates, and what else holds for its requests.
    pub plugins: Map<String, Value>,
}

impl Consumer {
    /// Reads a consumer that the schema has accepted.
    #[must_use]
    pub fn from_value(value: &Value) -> Consumer {
        Consumer {
            username: id_text(value.get("username")),
            custom_id: labels(value).remove("custom_id").unwrap_or_default(),
            plugins: plugins(value),
        }
    }
}

/// The id under which a credential is stored.
#[must_use]
pub fn credential_id(username: &str, id: &str) -> String {
    format!("{username}/{id}")
}

/// The consumer and the id within it of a credential that is stored under `id`.
#[must_use]
pub fn split_credential_id(id: &str) -> (&str, &str) {
    id.split_once('/').unwrap_or(("", id))
}

/// Changes every secret of a consumer or a credential: what its plugins that authenticate say is to be sealed.
///
/// # Errors
/// The first error of `change`.
pub fn change_secrets<E>(
    owner: &mut Value,
    known: &[PluginInfo],
    change: &mut impl FnMut(&mut String) -> Result<(), E>,
) -> Result<(), E> {
    let Some(plugins) = owner.get_mut("plugins").and_then(Value::as_object_mut) else { return Ok(()) };
    for (plugin, auth) in known.iter().filter_map(|plugin| Some((plugin, plugin.auth?))) {
        let Some(conf) = plugins.get_mut(plugin.name) else { continue };
        for field in auth.sealed {
            if let Some(Value::String(secret)) = conf.get_mut(*field) {
                change(secret)?;
            }
        }
    }
    Ok(())
}

/// What the consumer or credential `owner` can be found by: for each plugin that authenticates, its name and its key.
pub fn keys<'a>(owner: &'a Value, known: &'a [PluginInfo]) -> impl Iterator<Item = (&'static str, &'a str)> {
    known.iter().filter_map(|plugin| {
        let conf = owner.get("plugins")?.get(plugin.name)?;
        let disabled = conf.pointer("/_meta/disable") == Some(&Value::Bool(true));
        let key = conf.get(plugin.auth?.key)?.as_str()?;
        (!disabled).then_some((plugin.name, key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::AuthInfo;
    use serde_json::json;

    const PLUGINS: [PluginInfo; 2] = [
        PluginInfo::new("limit", 2, || json!({}), |_| Ok(())),
        PluginInfo::new("auth", 1, || json!({}), |_| Ok(())).authenticating(AuthInfo {
            schema: || json!({}),
            key: "name",
            sealed: &["password", "name"],
        }),
    ];

    #[test]
    fn secrets_are_those_of_plugins_that_authenticate() {
        let mut owner = json!({"plugins": {
            "auth": {"name": "n", "password": "p", "other": "o"}, "limit": {"name": "x"}, "unknown": {"password": "y"}}});
        let reversed = &mut |secret: &mut String| {
            secret.insert(0, '*');
            Ok::<(), ()>(())
        };
        change_secrets(&mut owner, &PLUGINS, reversed).unwrap();
        assert_eq!(owner["plugins"]["auth"], json!({"name": "*n", "password": "*p", "other": "o"}));
        assert_eq!(owner["plugins"]["limit"], json!({"name": "x"}));
        for mut none in [json!({}), json!({"plugins": []}), json!({"plugins": {"auth": 1}})] {
            assert_eq!(change_secrets(&mut none, &PLUGINS, reversed), Ok(()));
        }
    }

    #[test]
    fn what_is_switched_off_finds_nobody() {
        let owner = |meta: Value| json!({"plugins": {"auth": {"name": "n", "_meta": meta}}});
        let found = |owner: &Value| {
            keys(owner, &PLUGINS).map(|(plugin, key)| format!("{plugin} {key}")).collect::<Vec<_>>()
        };
        assert_eq!(found(&owner(json!({}))), ["auth n"]);
        assert_eq!(found(&owner(json!({"disable": true}))), [""; 0]);
        assert_eq!(found(&json!({"plugins": {"auth": {"name": 1}}})), [""; 0]);
    }
}
