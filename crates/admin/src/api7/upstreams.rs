//! The further upstreams of a service: `/services/{sid}/upstreams[/{uid}]`. They serve as targets of a traffic-split
//! by `upstream_id`. A label, which this dialect does not show, says whose they are.

use crate::api7::{envelope, list};
use crate::apisix::Call;
use crate::apisix::collection::whole;
use crate::resources::remove::remove;
use crate::resources::view::{self, Shown};
use crate::resources::write::{Change, Order, write};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use axum::http::Method;
use axum::response::Response;
use model::resource::Kind;
use model::upstream::labels;
use serde_json::{Map, Value};

const KIND: Kind = Kind::Upstream;
/// Label of an upstream: the service that it belongs to.
const LABEL_SERVICE: &str = "tealgate.service_id";

/// Answers a request for a service's upstreams.
pub(crate) async fn answer(state: &AdminState, call: Call) -> Result<Response, Problem> {
    let Call { method, segments, query, body } = call;
    let service_id = segments.get(1).cloned().unwrap_or_default();
    let service = view::one(state, Kind::Service, &service_id).await?.ok_or(Problem::KeyNotFound)?;
    let id = segments.get(3).cloned();
    if segments.len() > 4 {
        return Err(Problem::NotFound("not found".to_owned()));
    }
    match (method, id) {
        (Method::GET, None) => {
            let mut all: Vec<Shown> = default_of(&service).into_iter().collect();
            all.extend(of_service(state, &service_id).await?);
            Ok(list::answer(&all, &query))
        }
        (Method::GET, Some(id)) if id == service_id => {
            Ok(envelope::one(&default_of(&service).ok_or(Problem::KeyNotFound)?))
        }
        (Method::GET, Some(id)) => {
            Ok(envelope::one(&own(state, &service_id, &id).await?.ok_or(Problem::KeyNotFound)?))
        }
        (Method::PUT, path_id) => {
            let (id, change) = whole(KIND, &Method::PUT, path_id, body)?;
            if let Some(id) = &id {
                own(state, &service_id, id).await?;
            }
            let order = Order { kind: KIND, id, change: labelled(change, &service_id), ttl_s: None };
            let written = write(state, &order).await?;
            Ok(envelope::written(&written, &[]))
        }
        (Method::DELETE, Some(id)) => {
            own(state, &service_id, &id).await?.ok_or(Problem::KeyNotFound)?;
            Ok(envelope::removed(remove(state, KIND, &id, false).await?))
        }
        _ => Err(Problem::NotFound("not found".to_owned())),
    }
}

/// All further upstreams of a service.
pub(crate) async fn of_service(state: &AdminState, service: &str) -> Result<Vec<Shown>, Problem> {
    let all = view::all(state, KIND).await?;
    Ok(all.into_iter().filter(|upstream| owner(upstream).as_deref() == Some(service)).collect())
}

/// An upstream of this service; one of somebody else is refused.
async fn own(state: &AdminState, service: &str, id: &str) -> Result<Option<Shown>, Problem> {
    let found = view::one(state, KIND, id).await?;
    match found.as_ref().map(owner) {
        Some(Some(owner)) if owner != service => {
            Err(Problem::Invalid(format!("upstream [{id}] belongs to service [{owner}]")))
        }
        Some(None) => Err(Problem::Invalid(format!("upstream [{id}] belongs to no service"))),
        _ => Ok(found),
    }
}

fn owner(upstream: &Shown) -> Option<String> {
    labels(&upstream.value).remove(LABEL_SERVICE)
}

/// The upstream written into the service itself; it has the service's id.
fn default_of(service: &Shown) -> Option<Shown> {
    let mut value = service.value.get("upstream")?.clone();
    value.as_object_mut()?.insert("id".to_owned(), service.id.as_str().into());
    Some(Shown { kind: KIND, value, ..service.clone() })
}

fn labelled(mut change: Change, service: &str) -> Change {
    if let Change::Whole(Value::Object(upstream)) = &mut change {
        let labels = upstream.entry("labels").or_insert_with(|| Value::Object(Map::new()));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(LABEL_SERVICE.to_owned(), service.into());
        }
    }
    change
}

/// An upstream without the label that says whose it is.
pub(crate) fn shown(upstream: &Value) -> Value {
    let mut upstream = upstream.clone();
    let Some(object) = upstream.as_object_mut() else { return upstream };
    if let Some(labels) = object.get_mut("labels").and_then(Value::as_object_mut) {
        labels.shift_remove(LABEL_SERVICE);
        if labels.is_empty() {
            object.shift_remove("labels");
        }
    }
    upstream
}
