//! What plugins there are: `/plugins/list`, `/plugins/{name}`, `/plugins?all=true`, `/plugins/reload`.

use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::reply;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use model::plugin::PluginInfo;
use serde_json::{Map, Value, json};

/// The names, highest priority first.
pub(crate) fn list(plugins: &[PluginInfo]) -> Response {
    let mut sorted: Vec<&PluginInfo> = plugins.iter().collect();
    sorted.sort_by_key(|plugin| std::cmp::Reverse(plugin.priority));
    let names: Vec<&str> = sorted.iter().map(|plugin| plugin.name).collect();
    reply::json(StatusCode::OK, &json!(names))
}

/// One plugin's schema, or with `?all=true` every plugin's schema and priority.
pub(crate) fn one_or_all(plugins: &[PluginInfo], name: &str, query: &Query) -> Result<Response, Problem> {
    let subsystem = query.get("subsystem").unwrap_or("http");
    if !matches!(subsystem, "http" | "stream") {
        return Err(Problem::Invalid(format!("unsupported subsystem: {subsystem}")));
    }
    // There are no stream plugins.
    let plugins = if subsystem == "http" { plugins } else { &[] };
    if query.get("all") == Some("true") {
        let all = plugins.iter().map(|plugin| (plugin.name.to_owned(), described(plugin)));
        return Ok(reply::json(StatusCode::OK, &Value::Object(all.collect::<Map<_, _>>())));
    }
    match plugins.iter().find(|plugin| plugin.name == name) {
        Some(plugin) => Ok(reply::json(StatusCode::OK, &(plugin.schema)())),
        None => Err(Problem::NotFound(format!("plugin not found in subsystem {subsystem}"))),
    }
}

/// What is known of a plugin.
pub(crate) fn described(plugin: &PluginInfo) -> Value {
    let mut described = json!({"priority": plugin.priority, "schema": (plugin.schema)()});
    if let Some(auth) = plugin.auth {
        described["type"] = json!("auth");
        described["consumer_schema"] = (auth.schema)();
    }
    described
}

/// Plugins are part of the program: there is nothing to reload, and the answer is APISIX's.
pub(crate) fn reload(method: &Method) -> Result<Response, Problem> {
    if method == Method::PUT {
        return Ok(reply::text(StatusCode::OK, "done"));
    }
    Err(Problem::MethodNotAllowed(format!(
        "please use PUT method to reload the plugins, {method} method is not allowed."
    )))
}
