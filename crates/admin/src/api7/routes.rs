//! Routes on this listener.

use crate::api7::{envelope, inherit, list, route_form};
use crate::apisix::Call;
use crate::apisix::collection::{patch, ttl_s, whole};
use crate::resources::remove::remove;
use crate::resources::view::{self, Shown};
use crate::resources::write::{Change, Order, write};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use axum::http::Method;
use axum::response::Response;
use model::plugin::PluginInfo;
use model::resource::Kind;
use model::route::optional_id;
use serde_json::Value;

const KIND: Kind = Kind::Route;

/// Answers `/apisix/admin/routes[/{id}[/{sub/path}]]`.
pub(crate) async fn answer(state: &AdminState, call: Call) -> Result<Response, Problem> {
    let Call { method, segments, query, body } = call;
    let id = segments.get(1).cloned();
    match (method, id) {
        (Method::GET, None) => Ok(list::answer(&view::all(state, KIND).await?, &query)),
        (Method::GET, Some(id)) => {
            let shown = view::one(state, KIND, &id).await?.ok_or(Problem::KeyNotFound)?;
            Ok(envelope::one(&shown))
        }
        (Method::DELETE, id) => {
            let id = id.ok_or_else(|| Problem::invalid("missing route id"))?;
            Ok(envelope::removed(remove(state, KIND, &id, false).await?))
        }
        (method, path_id) => {
            let ttl_s = ttl_s(&query)?;
            let sub_path: Vec<String> = segments.into_iter().skip(2).map(renamed).collect();
            let (id, mut change) = change(state.plugins, &method, path_id, &sub_path, body)?;
            let warnings = complete(state, id.as_deref(), &mut change).await?;
            let written = write(state, &Order { kind: KIND, id, change, ttl_s }).await?;
            Ok(envelope::written(&written, &warnings))
        }
    }
}

fn change(
    plugins: &[PluginInfo],
    method: &Method,
    path_id: Option<String>,
    sub_path: &[String],
    body: Option<Value>,
) -> Result<(Option<String>, Change), Problem> {
    if method == Method::PATCH {
        let (id, change) = patch(KIND, path_id, sub_path, body)?;
        let change = match change {
            Change::Merge(part) => Change::Merge(route_form::stored_part(part).map_err(Problem::Invalid)?),
            other => other,
        };
        return Ok((Some(id), change));
    }
    if !sub_path.is_empty() {
        return Err(Problem::NotFound("not found".to_owned()));
    }
    let (id, change) = whole(KIND, method, path_id, body)?;
    let change = match change {
        Change::Whole(route) => Change::Whole(route_form::stored(route, plugins).map_err(Problem::Invalid)?),
        other => other,
    };
    Ok((id, change))
}

/// Lets inline upstreams take over what they leave out; gives the warnings.
async fn complete(state: &AdminState, id: Option<&str>, change: &mut Change) -> Result<Vec<String>, Problem> {
    let (Change::Whole(route) | Change::Merge(route)) = change else { return Ok(Vec::new()) };
    let service = match (optional_id(route, "service_id"), id) {
        (Some(service), _) => Some(service),
        (None, Some(id)) => {
            view::one(state, KIND, id).await?.and_then(|current| optional_id(&current.value, "service_id"))
        }
        (None, None) => None,
    };
    let Some(service) = service else { return Ok(Vec::new()) };
    let Some(service) = view::one(state, Kind::Service, &service).await? else { return Ok(Vec::new()) };
    match default_upstream(state, &service).await? {
        Some(upstream) => Ok(inherit::inherit(route, &upstream)),
        None => Ok(Vec::new()),
    }
}

/// The upstream that a service sends requests to unless a split says otherwise.
pub(crate) async fn default_upstream(state: &AdminState, service: &Shown) -> Result<Option<Value>, Problem> {
    if let Some(inline) = service.value.get("upstream") {
        return Ok(Some(inline.clone()));
    }
    let Some(id) = optional_id(&service.value, "upstream_id") else { return Ok(None) };
    Ok(state.store.get(Kind::Upstream, &id).await?.map(|upstream| (*upstream.value).clone()))
}

fn renamed(segment: String) -> String {
    if segment == "paths" { "uris".to_owned() } else { segment }
}
