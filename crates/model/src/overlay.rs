//! What a release owns of a service: the split and the live colour, nothing else.
//!
//! A service that comes from the Admin API is written directly. A service that comes from `tealgate.yaml` is
//! read-only, so what a release owns of it lies beside it as an *overlay* that survives reload and restart. The
//! gateway and the Admin API see the *effective* service: base plus overlay.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The owned fields of a service: `upstream_id`, `upstream` and `plugins.traffic-split`. Absent is a value too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owned {
    /// The default upstream by id: the live colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<Value>,
    /// An inline default upstream (a service that was never released may have one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Value>,
    /// The configuration of the `traffic-split` plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_split: Option<Value>,
}

/// Stored under the service's id as [`crate::resource::Kind::Overlay`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// The app that owns the fields.
    pub app: String,
    /// What the file said of the owned fields when the overlay was made; a reload that says otherwise conflicts.
    pub base: Owned,
    /// What holds now.
    pub owned: Owned,
}

impl Overlay {
    /// Reads an overlay as the store holds it, that is with the `id` that the store puts into every value.
    ///
    /// # Errors
    /// When the value is no overlay.
    pub fn from_value(value: &Value) -> Result<Overlay, serde_json::Error> {
        let mut value = value.clone();
        if let Some(object) = value.as_object_mut() {
            object.shift_remove("id");
        }
        serde_json::from_value(value)
    }
}

impl Owned {
    /// Reads the owned fields of a service.
    #[must_use]
    pub fn of(service: &Value) -> Owned {
        Owned {
            upstream_id: service.get("upstream_id").cloned(),
            upstream: service.get("upstream").cloned(),
            traffic_split: service.get("plugins").and_then(|plugins| plugins.get("traffic-split")).cloned(),
        }
    }

    /// Writes the owned fields into a service; what is absent here is removed there.
    pub fn apply(&self, service: &mut Value) {
        let Some(object) = service.as_object_mut() else { return };
        set(object, "upstream_id", self.upstream_id.as_ref());
        set(object, "upstream", self.upstream.as_ref());
        let had_plugins = object.contains_key("plugins");
        if !had_plugins && self.traffic_split.is_none() {
            return;
        }
        let plugins = object.entry("plugins").or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(plugins) = plugins.as_object_mut() {
            set(plugins, "traffic-split", self.traffic_split.as_ref());
            if plugins.is_empty() {
                object.remove("plugins");
            }
        }
    }
}

fn set(object: &mut serde_json::Map<String, Value>, key: &str, value: Option<&Value>) {
    match value {
        Some(value) => {
            object.insert(key.to_owned(), value.clone());
        }
        None => {
            object.shift_remove(key);
        }
    }
}

/// The service that holds: its base with the overlay's owned fields, if there is an overlay.
#[must_use]
pub fn effective(base: &Value, overlay: Option<&Overlay>) -> Value {
    let mut service = base.clone();
    if let Some(overlay) = overlay {
        overlay.owned.apply(&mut service);
    }
    service
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn owned_fields_round_trip_through_a_service() {
        let mut service = json!({"id": "s", "name": "n", "upstream_id": "a-blue", "plugins": {"cors": {}}});
        let split = Owned {
            upstream_id: Some(json!("a-green")),
            upstream: None,
            traffic_split: Some(json!({"rules": []})),
        };
        split.apply(&mut service);
        assert_eq!(Owned::of(&service), split);
        assert_eq!(service["plugins"]["cors"], json!({}));
        Owned::default().apply(&mut service);
        assert_eq!(service, json!({"id": "s", "name": "n", "plugins": {"cors": {}}}));
    }

    #[test]
    fn an_overlay_is_read_back_with_the_id_that_the_store_adds() {
        let owned = Owned { upstream_id: Some(json!("a-green")), ..Owned::default() };
        let overlay = Overlay { app: "a".to_owned(), base: Owned::default(), owned };
        let mut stored = serde_json::to_value(&overlay).unwrap();
        stored["id"] = json!("service");
        assert_eq!(Overlay::from_value(&stored).unwrap(), overlay);
        assert!(Overlay::from_value(&json!({"app": "a"})).is_err());
        assert!(Overlay::from_value(&json!([])).is_err());
    }

    #[test]
    fn removing_the_last_plugin_removes_the_empty_map() {
        let mut service = json!({"plugins": {"traffic-split": {}}});
        Owned::default().apply(&mut service);
        assert_eq!(service, json!({}));
    }
}
