//! Checking without writing: `/schema/validate/{resource}` and `/configs/validate`.

use crate::apisix::gateway_kind;
use crate::apisix::schema::KINDS;
use crate::wire::problem::Problem;
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::Response;
use model::plugin::PluginInfo;
use model::resource::Kind;
use model::upstream::id_text;
use model::{check, schema};
use serde_json::{Value, json};

/// Checks one value against the schema of its resource; not the plugins in it, as in APISIX.
pub(crate) fn one(collection: &str, body: Option<&Value>) -> Result<Response, Problem> {
    let kind = gateway_kind(collection)?;
    let body = body.ok_or_else(|| Problem::invalid("missing configurations"))?;
    if let Some(schema) = schema::compiled(kind) {
        let checked = schema.validate(body);
        checked.map_err(|error| Problem::Invalid(format!("invalid configuration: {error}")))?;
    }
    Ok(reply::empty(StatusCode::OK))
}

/// Checks a whole declarative configuration (`{"routes": [...], "services": [...]}`) and lists all errors.
/// References are not looked up, as in APISIX.
pub(crate) fn whole(plugins: &[PluginInfo], body: Option<&Value>) -> Result<Response, Problem> {
    let body = body.ok_or_else(|| Problem::invalid("missing configurations"))?;
    let object =
        body.as_object().ok_or_else(|| Problem::invalid("invalid configuration: expected an object"))?;
    let mut errors = Vec::new();
    for (collection, resources) in object {
        let Some(kind) = KINDS.into_iter().find(|kind| kind.collection() == collection) else {
            errors.push(json!({"resource_type": collection, "error": "unknown resource type"}));
            continue;
        };
        let Some(list) = resources.as_array() else {
            errors.push(json!({"resource_type": collection, "error": "expected an array"}));
            continue;
        };
        errors.extend(
            list.iter().enumerate().filter_map(|(index, value)| error_of(kind, index, value, plugins)),
        );
    }
    if errors.is_empty() {
        return Ok(reply::json(StatusCode::OK, &json!({})));
    }
    let body = json!({"error_msg": "Configuration validation failed", "errors": errors});
    Ok(reply::json(StatusCode::BAD_REQUEST, &body))
}

fn error_of(kind: Kind, index: usize, value: &Value, plugins: &[PluginInfo]) -> Option<Value> {
    let error = check::check(kind, value, plugins).err()?;
    Some(json!({
        "resource_type": kind.collection(),
        "resource_id": id_text(value.get("id")),
        "index": index,
        "error": error.to_string(),
    }))
}
