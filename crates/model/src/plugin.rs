//! What the rest of the program knows of a plugin without running it: name, order, schema.

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
}

impl std::fmt::Debug for PluginInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginInfo").field("name", &self.name).field("priority", &self.priority).finish()
    }
}
