//! Routes on this listener.

use crate::api7::{envelope, inherit, list, route_form};
use crate::apisix::Call;
use crate::apisix::collection::{missing_id, order};
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
pub(crate) async fn answer(state: &AdminState, mut call: Call) -> Result<Response, Problem> {
    match (&call.method, call.id()?) {
        (&Method::GET, id) => list::show(state, KIND, id.as_deref(), &call.query).await,
        (&Method::DELETE, id) => {
            let id = id.ok_or_else(|| missing_id(KIND))?;
            Ok(envelope::removed(remove(state, KIND, &id, false).await?))
        }
        _ => {
            call.segments.iter_mut().skip(2).for_each(rename);
            let order = order(KIND, call)?;
            let mut order = Order { change: stored(state.plugins, order.change)?, ..order };
            let warnings = complete(state, order.id.as_deref(), &mut order.change).await?;
            Ok(envelope::written(&write(state, &order).await?, &warnings))
        }
    }
}

/// The change in the form in which routes are stored.
fn stored(plugins: &[PluginInfo], change: Change) -> Result<Change, Problem> {
    match change {
        Change::Whole(route) => route_form::stored(route, plugins).map(Change::Whole),
        Change::Merge(part) => route_form::stored_part(part).map(Change::Merge),
        other @ Change::ReplaceAt(..) => return Ok(other),
    }
    .map_err(Problem::Invalid)
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

fn rename(segment: &mut String) {
    if segment == "paths" {
        "uris".clone_into(segment);
    }
}
