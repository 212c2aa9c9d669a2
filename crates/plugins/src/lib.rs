//! The plugins: one file or folder each, listed here in the order in which they run (APISIX §3.3).
//!
//! What a plugin is called, when it runs and how its configuration looks is a [`PluginInfo`]; the Admin API checks
//! with it and never runs a plugin. The gateway compiles its configurations and runs them ([`gateway::plugin`]). A new
//! plugin is one file and one line.
#![forbid(unsafe_code)]

pub mod key_auth;
pub mod limit_count;
pub mod request_id;
pub mod traffic_split;

use gateway::plugin::PluginKind;
use model::plugin::PluginInfo;

/// Every plugin, highest priority first.
pub const KINDS: &[PluginKind] = &[request_id::KIND, key_auth::KIND, limit_count::KIND, traffic_split::KIND];

/// What is known of every plugin without running it, in the same order.
pub const ALL: &[PluginInfo] = &infos();

const fn infos() -> [PluginInfo; KINDS.len()] {
    let mut infos = [traffic_split::INFO; KINDS.len()];
    let mut at = 0;
    while at < infos.len() {
        infos[at] = KINDS[at].info;
        at += 1;
    }
    infos
}

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
            let schemas = [Some(plugin.schema), plugin.auth.map(|auth| auth.schema)];
            for schema in schemas.into_iter().flatten() {
                assert_eq!(CompiledSchema::new(&schema()).defects(), &[] as &[String], "{}", plugin.name);
            }
        }
    }
}
