//! The schema of a service (APISIX §1.7). Nothing is required: an empty service is legal.

use super::definitions::{enable_websocket, hosts, id, plugins, resource, script};
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    let own = json!({
        "plugins": plugins(),
        "upstream": super::upstream::schema(),
        "upstream_id": id(),
        "script": script(),
        "enable_websocket": enable_websocket(),
        "hosts": hosts(),
    });
    resource(own, json!({}))
}
