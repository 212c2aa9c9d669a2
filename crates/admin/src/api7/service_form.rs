//! A service as API7 writes it: what it has beyond APISIX's is accepted where it says what holds anyway, and refused
//! where it asks for something that this gateway does not do. Pure.

use model::check::{self, Dialect};
use model::plugin::PluginInfo;
use model::resource::Kind;
use serde_json::{Value, json};

/// Reads a whole service. One that a release has moved shows an `upstream_id`, which API7 does not know; it may be
/// sent back.
///
/// # Errors
/// The text of the refusal.
pub(crate) fn stored(service: Value, plugins: &[PluginInfo]) -> Result<Value, String> {
    let mut known = service.clone();
    if let Some(object) = known.as_object_mut() {
        object.shift_remove("upstream_id");
    }
    check::check_in(Dialect::Api7, Kind::Service, &known, plugins).map_err(|error| error.to_string())?;
    stored_part(service)
}

/// Reads a part of a service, for a PATCH.
///
/// # Errors
/// The text of the refusal.
pub(crate) fn stored_part(mut service: Value) -> Result<Value, String> {
    let Some(object) = service.as_object_mut() else { return Ok(service) };
    for (key, holds_anyway) in [("type", json!("http")), ("status", json!(1)), ("path_prefix", json!("/"))] {
        let Some(value) = object.shift_remove(key) else { continue };
        if value != holds_anyway {
            return Err(format!(
                "invalid configuration: {key} {value} is not supported, only {holds_anyway} is"
            ));
        }
    }
    // Says how a prefix is treated; without one it says nothing.
    object.shift_remove("strip_path_prefix");
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_anyway_is_accepted_and_the_rest_is_refused() {
        let service =
            json!({"name": "s", "type": "http", "status": 1, "path_prefix": "/", "strip_path_prefix": true});
        assert_eq!(stored(service, &[]).unwrap(), json!({"name": "s"}));
        for (key, value) in [("type", json!("stream")), ("status", json!(0)), ("path_prefix", json!("/v1"))] {
            let error = stored(json!({"name": "s", key: value}), &[]).unwrap_err();
            assert!(
                error.starts_with(&format!("invalid configuration: {key} {value} is not supported")),
                "{error}"
            );
        }
        let moved = json!({"name": "s", "upstream_id": "a-green"});
        assert_eq!(stored(moved.clone(), &[]).unwrap(), moved);
        assert_eq!(
            stored(json!({}), &[]).unwrap_err(),
            "invalid configuration: property \"name\" is required"
        );
    }
}
