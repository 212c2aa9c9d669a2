//! `traffic-split`: requests are divided between upstreams by rules and weights (APISIX §2).

pub mod schema;

use gateway::plugin::PluginKind;
use model::plugin::PluginInfo;

/// Name, order and configuration of the plugin.
pub const INFO: PluginInfo = PluginInfo::new(model::traffic_split::NAME, 966, schema::schema, schema::check);

/// The plugin. It decides the colour, so it is the stage of the request path that claims an upstream.
pub const KIND: PluginKind = PluginKind { info: INFO, compile: None };
