//! `/schema/{resource}` and `/schema/plugins/{name}`.

use crate::wire::problem::Problem;
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::Response;
use model::plugin::PluginInfo;
use model::resource::Kind;
use model::schema;

/// The kinds whose schemas are shown.
pub(crate) const KINDS: [Kind; 3] = [Kind::Route, Kind::Service, Kind::Upstream];

/// The schema that the segments after `schema` name.
pub(crate) fn get(plugins: &[PluginInfo], segments: &[&str]) -> Result<Response, Problem> {
    let found = match segments {
        ["plugins", name] => {
            plugins.iter().find(|plugin| plugin.name == *name).map(|plugin| (plugin.schema)())
        }
        [name] => {
            KINDS.into_iter().find(|kind| kind.singular() == *name).map(|kind| schema::of(kind).clone())
        }
        _ => None,
    };
    let name = segments.last().copied().unwrap_or_default();
    let found = found.ok_or_else(|| Problem::Invalid(format!("not found schema: {name}")))?;
    Ok(reply::json(StatusCode::OK, &found))
}
