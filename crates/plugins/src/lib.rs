//! The plugins: one file each, listed here in the order in which they run (APISIX §3.3).
//!
//! What a plugin is called, when it runs and how its configuration looks is a [`PluginInfo`]; the Admin API checks
//! with it and never runs a plugin. A new plugin is one file and one line.
#![forbid(unsafe_code)]

pub mod traffic_split;

use model::plugin::PluginInfo;

/// Every plugin, highest priority first.
pub const ALL: &[PluginInfo] = &[traffic_split::INFO];

#[cfg(test)]
mod tests {
    use super::*;
    use model::schema::CompiledSchema;

    #[test]
    fn the_list_is_in_priority_order_and_names_each_plugin_once() {
        assert!(ALL.is_sorted_by(|one, next| one.priority > next.priority));
        for (index, plugin) in ALL.iter().enumerate() {
            assert!(ALL.iter().skip(index + 1).all(|other| other.name != plugin.name), "{}", plugin.name);
        }
    }

    #[test]
    fn each_schema_says_only_what_the_walker_checks() {
        for plugin in ALL {
            assert!(CompiledSchema::new(&(plugin.schema)()).defects().is_empty(), "{}", plugin.name);
        }
    }
}
