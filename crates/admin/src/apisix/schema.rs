//! `/schema/{resource}` and `/schema/plugins/{name}[?schema_type=consumer]`.

use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::Response;
use model::plugin::PluginInfo;
use model::resource::Kind;
use model::schema;

/// The kinds whose schemas are shown.
pub(crate) const KINDS: [Kind; 5] = [Kind::Route, Kind::Service, Kind::Upstream, Kind::Ssl, Kind::Consumer];

/// The schema that the segments after `schema` name.
pub(crate) fn get(plugins: &[PluginInfo], segments: &[&str], query: &Query) -> Result<Response, Problem> {
    let of_consumers = query.get("schema_type") == Some("consumer");
    let found = match segments {
        ["plugins", name] => {
            let plugin = plugins.iter().find(|plugin| plugin.name == *name);
            let schema = plugin.map(|plugin| match plugin.auth {
                Some(auth) if of_consumers => auth.schema,
                _ => plugin.schema,
            });
            schema.map(|schema| schema())
        }
        ["credential"] => Some(schema::of(Kind::Credential).clone()),
        [name] => {
            KINDS.into_iter().find(|kind| kind.singular() == *name).map(|kind| schema::of(kind).clone())
        }
        _ => None,
    };
    let name = segments.last().copied().unwrap_or_default();
    let found = found.ok_or_else(|| Problem::Invalid(format!("not found schema: {name}")))?;
    Ok(reply::json(StatusCode::OK, &found))
}
