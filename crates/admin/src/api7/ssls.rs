//! Certificates on this listener: the same resources as in APISIX's dialect, in this one's envelopes.

use crate::api7::{envelope, list};
use crate::apisix::Call;
use crate::apisix::collection::{missing_id, order};
use crate::resources::remove::remove;
use crate::resources::write::write;
use crate::state::AdminState;
use crate::wire::problem::Problem;
use axum::http::Method;
use axum::response::Response;
use model::resource::Kind;

const KIND: Kind = Kind::Ssl;

/// Answers `/apisix/admin/ssls[/{id}[/{sub/path}]]`.
pub(crate) async fn answer(state: &AdminState, call: Call) -> Result<Response, Problem> {
    match (&call.method, call.id()?) {
        (&Method::GET, id) => list::show(state, KIND, id.as_deref(), &call.query).await,
        (&Method::DELETE, id) => {
            let id = id.ok_or_else(|| missing_id(KIND))?;
            Ok(envelope::removed(remove(state, KIND, &id, false).await?))
        }
        _ => Ok(envelope::written(&write(state, &order(KIND, call)?).await?, &[])),
    }
}
