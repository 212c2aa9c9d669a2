//! A route as API7 writes it: `paths`, always with a service, never with a host or an upstream of its own.
//! It is stored as APISIX's route with `uris`. Pure.

use model::check::{self, Dialect};
use model::plugin::PluginInfo;
use model::resource::Kind;
use serde_json::{Map, Value};

/// What a route of APISIX may have and one of API7 may not.
const FORBIDDEN: [&str; 8] =
    ["uri", "uris", "host", "hosts", "upstream", "upstream_id", "status", "plugin_config_id"];

/// Reads a whole route.
///
/// # Errors
/// The text of the refusal.
pub(crate) fn stored(route: Value, plugins: &[PluginInfo]) -> Result<Value, String> {
    check::check_in(Dialect::Api7, Kind::Route, &route, plugins).map_err(|error| error.to_string())?;
    stored_part(route)
}

/// Reads a part of a route, for a PATCH.
///
/// # Errors
/// The text of the refusal.
pub(crate) fn stored_part(route: Value) -> Result<Value, String> {
    let Value::Object(object) = route else { return Ok(route) };
    if let Some(forbidden) = FORBIDDEN.iter().find(|key| object.contains_key(**key)) {
        return Err(format!("invalid configuration: additional properties forbidden, found {forbidden}"));
    }
    Ok(renamed(object, |key| if key == "paths" { "uris" } else { key }))
}

/// Shows a stored route.
pub(crate) fn shown(route: &Value) -> Value {
    let Value::Object(object) = route else { return route.clone() };
    let mut object = object.clone();
    if let Some(uri) = object.get_mut("uri") {
        *uri = Value::Array(vec![uri.take()]);
    }
    renamed(object, |key| if key == "uris" || key == "uri" { "paths" } else { key })
}

fn renamed(object: Map<String, Value>, rename: impl Fn(&str) -> &str) -> Value {
    Value::Object(object.into_iter().map(|(key, value)| (rename(&key).to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_are_stored_as_uris_and_shown_as_paths() {
        let route = json!({"name": "r", "paths": ["/a", "/b*"], "service_id": "s", "methods": ["GET"]});
        let apisix = stored(route.clone(), &[]).unwrap();
        assert_eq!(
            apisix,
            json!({"name": "r", "uris": ["/a", "/b*"], "service_id": "s", "methods": ["GET"]})
        );
        assert_eq!(shown(&apisix), route);
        assert_eq!(shown(&json!({"uri": "/a"})), json!({"paths": ["/a"]}));
    }

    #[test]
    fn a_route_of_api7_has_a_service_and_no_upstream() {
        let whole = json!({"name": "r", "paths": ["/a"], "service_id": "s"});
        for key in ["paths", "service_id"] {
            let mut route = whole.clone();
            route.as_object_mut().unwrap().remove(key);
            let text = format!("invalid configuration: property \"{key}\" is required");
            assert_eq!(stored(route.clone(), &[]).unwrap_err(), text);
            assert!(stored_part(route).is_ok());
        }
        for key in FORBIDDEN {
            let mut route = whole.clone();
            route[key] = json!(1);
            let text = format!("invalid configuration: additional properties forbidden, found {key}");
            assert_eq!(stored(route.clone(), &[]).unwrap_err(), text);
            assert_eq!(stored_part(route).unwrap_err(), text);
        }
        assert!(stored(json!([1]), &[]).is_err());
    }
}
