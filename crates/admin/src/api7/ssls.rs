//! Certificates on this listener: the same resources as in APISIX's dialect, in this one's envelopes.

use crate::api7::{envelope, list};
use crate::apisix::Call;
use crate::apisix::collection::{patch, ttl_s, whole};
use crate::resources::remove::remove;
use crate::resources::view;
use crate::resources::write::{Order, write};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use axum::http::Method;
use axum::response::Response;
use model::resource::Kind;

const KIND: Kind = Kind::Ssl;

/// Answers `/apisix/admin/ssls[/{id}[/{sub/path}]]`.
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
            Ok(envelope::one(&view::one(state, KIND, &id).await?.ok_or(Problem::KeyNotFound)?))
        }
        (Method::DELETE, id) => {
            let id = id.ok_or_else(|| Problem::invalid("missing ssl id"))?;
            Ok(envelope::removed(remove(state, KIND, &id, false).await?))
        }
        (method, path_id) => {
            let ttl_s = ttl_s(&query)?;
            let (id, change) = if method == Method::PATCH {
                let (id, change) = patch(KIND, path_id, sub_path, body)?;
                (Some(id), change)
            } else {
                whole(KIND, &method, path_id, body)?
            };
            let written = write(state, &Order { kind: KIND, id, change, ttl_s }).await?;
            Ok(envelope::written(&written, &[]))
        }
    }
}
