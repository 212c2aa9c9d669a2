//! Services on this listener. Deleting one deletes its routes and upstreams, too.

use crate::api7::{cascade, envelope, inherit, list, service_form};
use crate::apisix::Call;
use crate::apisix::collection::{patch, ttl_s, whole};
use crate::resources::view;
use crate::resources::write::{Change, Order, write};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use axum::http::Method;
use axum::response::Response;
use model::plugin::PluginInfo;
use model::resource::Kind;

const KIND: Kind = Kind::Service;

/// Answers `/apisix/admin/services[/{id}[/{sub/path}]]`.
pub(crate) async fn answer(state: &AdminState, call: Call) -> Result<Response, Problem> {
    let Call { method, segments, query, body } = call;
    let id = segments.get(1).cloned();
    let sub_path = segments.get(2..).unwrap_or_default();
    if !sub_path.is_empty() && method != Method::PATCH {
        return Err(Problem::NotFound("not found".to_owned()));
    }
    match (method, id) {
        (Method::GET, None) => Ok(list::answer(&view::all(state, KIND).await?, &query)),
        (Method::GET, Some(id)) => {
            let shown = view::one(state, KIND, &id).await?.ok_or(Problem::KeyNotFound)?;
            Ok(envelope::one(&shown))
        }
        (Method::DELETE, id) => {
            let id = id.ok_or_else(|| Problem::invalid("missing service id"))?;
            Ok(envelope::removed(cascade::remove(state, &id).await?))
        }
        (method, path_id) => {
            let ttl_s = ttl_s(&query)?;
            let (id, mut change) = if method == Method::PATCH {
                let (id, change) = patch(KIND, path_id, sub_path, body)?;
                (Some(id), change)
            } else {
                whole(KIND, &method, path_id, body)?
            };
            let warnings = complete(state.plugins, &mut change)?;
            let written = write(state, &Order { kind: KIND, id, change, ttl_s }).await?;
            Ok(envelope::written(&written, &warnings))
        }
    }
}

/// Brings a service into its stored form; its own traffic-split takes over from its own upstream.
fn complete(plugins: &[PluginInfo], change: &mut Change) -> Result<Vec<String>, Problem> {
    let (service, stored) = match change {
        Change::Whole(service) => {
            let stored = service_form::stored(service.take(), plugins);
            (service, stored)
        }
        Change::Merge(part) => {
            let stored = service_form::stored_part(part.take());
            (part, stored)
        }
        Change::ReplaceAt(..) => return Ok(Vec::new()),
    };
    *service = stored.map_err(Problem::Invalid)?;
    let upstream = service.get("upstream").cloned().unwrap_or_default();
    Ok(inherit::inherit(service, &upstream))
}
