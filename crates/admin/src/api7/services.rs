//! Services on this listener. Deleting one deletes its routes and upstreams, too.

use crate::api7::{cascade, envelope, inherit, list, service_form};
use crate::apisix::Call;
use crate::apisix::collection::{missing_id, order};
use crate::resources::write::{Change, write};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use axum::http::Method;
use axum::response::Response;
use model::plugin::PluginInfo;
use model::resource::Kind;

const KIND: Kind = Kind::Service;

/// Answers `/apisix/admin/services[/{id}[/{sub/path}]]`.
pub(crate) async fn answer(state: &AdminState, call: Call) -> Result<Response, Problem> {
    match (&call.method, call.id()?) {
        (&Method::GET, id) => list::show(state, KIND, id.as_deref(), &call.query).await,
        (&Method::DELETE, id) => {
            let id = id.ok_or_else(|| missing_id(KIND))?;
            Ok(envelope::removed(cascade::remove(state, &id).await?))
        }
        _ => {
            let mut order = order(KIND, call)?;
            let warnings = complete(state.plugins, &mut order.change)?;
            Ok(envelope::written(&write(state, &order).await?, &warnings))
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
