//! Routes, services, upstreams: the verbs on a collection and on one of its resources (APISIX §1.2 to §1.5).

use crate::apisix::{Call, envelope, list};
use crate::resources::remove::remove;
use crate::resources::view;
use crate::resources::write::{Change, Order, write};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use axum::http::Method;
use axum::response::Response;
use model::check;
use model::resource::Kind;
use model::route::optional_id;
use serde_json::Value;

/// Answers a request whose first segment is the collection.
pub(crate) async fn answer(state: &AdminState, kind: Kind, call: Call) -> Result<Response, Problem> {
    let id = call.id()?;
    match call.method {
        Method::GET => get(state, kind, id.as_deref(), &call.query).await,
        Method::DELETE => {
            let id = id.ok_or_else(|| missing_id(kind))?;
            let force = call.query.get("force") == Some("true");
            let progress = remove(state, kind, &id, force).await?;
            Ok(envelope::removed(&format!("/apisix/{}/{id}", kind.collection()), progress))
        }
        _ => Ok(envelope::written(&write(state, &order(kind, call)?).await?)),
    }
}

async fn get(state: &AdminState, kind: Kind, id: Option<&str>, query: &Query) -> Result<Response, Problem> {
    if let Some(id) = id {
        let shown = view::one(state, kind, id).await?.ok_or(Problem::KeyNotFound)?;
        return Ok(envelope::one(&shown));
    }
    let paging = list::Paging::of(query)?;
    let selected = list::Filters::of(kind, query)?.select(view::all(state, kind).await?);
    Ok(envelope::list(paging.page(&selected), selected.len()))
}

/// What a call that writes asks for: PATCH changes a part, PUT and POST bring the whole.
pub(crate) fn order(kind: Kind, call: Call) -> Result<Order, Problem> {
    let path_id = call.id()?;
    let ttl_s = ttl_s(&call.query)?;
    let Call { method, segments, body, .. } = call;
    let (id, change) = if method == Method::PATCH {
        let (id, change) = patch(kind, path_id, segments.get(2..).unwrap_or_default(), body)?;
        (Some(id), change)
    } else {
        whole(kind, &method, path_id, body)?
    };
    Ok(Order { kind, id, change, ttl_s })
}

/// The id and the change of a PUT (an id in the path or the body) or a POST (none).
pub(crate) fn whole(
    kind: Kind,
    method: &Method,
    path_id: Option<String>,
    body: Option<Value>,
) -> Result<(Option<String>, Change), Problem> {
    let mut body = body.ok_or_else(|| Problem::invalid("missing configurations"))?;
    if body.as_array().is_some_and(Vec::is_empty) {
        body = Value::Object(serde_json::Map::new());
    }
    let body_id = optional_id(&body, "id");
    let id = path_id.clone().or_else(|| body_id.clone());
    if *method == Method::POST {
        if id.is_some() {
            return Err(Problem::Invalid(format!("wrong {} id, do not need it", kind.singular())));
        }
    } else {
        if id.is_none() {
            return Err(missing_id(kind));
        }
        if body_id.is_some() && body_id != id {
            return Err(Problem::Invalid(format!("wrong {} id", kind.singular())));
        }
    }
    check::check_forbidden(&body).map_err(|error| Problem::invalid(error.to_string()))?;
    Ok((id, Change::Whole(body)))
}

/// The id and the change of a PATCH.
fn patch(
    kind: Kind,
    path_id: Option<String>,
    sub_path: &[String],
    body: Option<Value>,
) -> Result<(String, Change), Problem> {
    let id = path_id.ok_or_else(|| missing_id(kind))?;
    let body = body.ok_or_else(|| Problem::invalid("missing new configuration"))?;
    match body {
        new if !sub_path.is_empty() => Ok((id, Change::ReplaceAt(sub_path.to_vec(), new))),
        Value::Object(patch) => Ok((id, Change::Merge(Value::Object(patch)))),
        Value::Array(list) if list.is_empty() => {
            Ok((id, Change::Merge(Value::Object(serde_json::Map::new()))))
        }
        _ => Err(Problem::invalid("invalid configuration")),
    }
}

/// `?ttl=`: how long the resource shall live, seconds.
pub(crate) fn ttl_s(query: &Query) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get("ttl") else { return Ok(None) };
    let seconds = text.parse::<f64>().ok().filter(|seconds| (1.0..1.0e9).contains(seconds));
    #[allow(clippy::cast_possible_truncation, reason = "in range")]
    seconds
        .map(|seconds| Some(seconds as i64))
        .ok_or_else(|| Problem::invalid("invalid argument ttl: should be a number"))
}

pub(crate) fn missing_id(kind: Kind) -> Problem {
    Problem::Invalid(format!("missing {} id", kind.singular()))
}
