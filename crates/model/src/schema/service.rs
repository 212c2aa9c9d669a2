//! The schema of a service (APISIX §1.7). Nothing is required: an empty service is legal.

use super::definitions::{
    description, enable_websocket, hosts, id, labels, name, plugins, script, timestamp,
};
use serde_json::{Value, json};

pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": id(),
            "name": name(),
            "desc": description(),
            "labels": labels(),
            "create_time": timestamp(),
            "update_time": timestamp(),
            "plugins": plugins(),
            "upstream": super::upstream::schema(),
            "upstream_id": id(),
            "script": script(),
            "enable_websocket": enable_websocket(),
            "hosts": hosts(),
        },
        "additionalProperties": false,
    })
}
