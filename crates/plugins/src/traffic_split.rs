//! `traffic-split`: requests are divided between upstreams by rules and weights (APISIX §2).

pub mod schema;

use model::plugin::PluginInfo;

/// Name, order and configuration of the plugin.
pub const INFO: PluginInfo =
    PluginInfo { name: "traffic-split", priority: 966, schema: schema::schema, check: schema::check };
