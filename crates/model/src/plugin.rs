//! What the rest of the program knows of a plugin without running it: name, order, schemas.

use serde_json::Value;

/// The description of one plugin. The list of all of them is made in the crate `plugins` and handed on by the
/// composition root, so that the Admin API can check a configuration without depending on the plugins.
#[derive(Clone, Copy)]
pub struct PluginInfo {
    /// Its APISIX name, for example `traffic-split`.
    pub name: &'static str,
    /// Its APISIX priority: higher runs first.
    pub priority: i32,
    /// The JSON schema of its configuration.
    pub schema: fn() -> Value,
    /// Checks that a schema cannot express; the text is APISIX's.
    pub check: fn(&Value) -> Result<(), String>,
    /// What a consumer or a credential says of it; `None`: it does not authenticate.
    pub auth: Option<AuthInfo>,
}

/// Of a plugin that authenticates: the configuration that a consumer or a credential has of it.
#[derive(Clone, Copy)]
pub struct AuthInfo {
    /// The JSON schema.
    pub schema: fn() -> Value,
    /// The field by which a consumer is found; no two consumers may have the same.
    pub key: &'static str,
    /// The fields that are sealed in the store (APISIX: `encrypt_fields`).
    pub sealed: &'static [&'static str],
}

impl PluginInfo {
    /// A plugin that does not authenticate.
    #[must_use]
    pub const fn new(
        name: &'static str,
        priority: i32,
        schema: fn() -> Value,
        check: fn(&Value) -> Result<(), String>,
    ) -> PluginInfo {
        PluginInfo { name, priority, schema, check, auth: None }
    }

    /// The same plugin as one that authenticates.
    #[must_use]
    pub const fn authenticating(self, auth: AuthInfo) -> PluginInfo {
        PluginInfo { auth: Some(auth), ..self }
    }
}

impl std::fmt::Debug for PluginInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginInfo").field("name", &self.name).field("priority", &self.priority).finish()
    }
}
