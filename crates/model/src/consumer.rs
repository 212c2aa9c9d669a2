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

/// What the consumer or credential `owner` can be found by: for each plugin that authenticates, its name and its key.
pub fn keys<'a>(owner: &'a Value, known: &'a [PluginInfo]) -> impl Iterator<Item = (&'static str, &'a str)> {
    known.iter().filter_map(|plugin| {
        let conf = owner.get("plugins")?.get(plugin.name)?;
        let disabled = conf.pointer("/_meta/disable") == Some(&Value::Bool(true));
        let key = conf.get(plugin.auth?.key)?.as_str()?;
        (!disabled).then_some((plugin.name, key))
    })
}
