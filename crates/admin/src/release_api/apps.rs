//! Apps: what is upgraded. Read by every key, written by administrators.

use crate::keys::Actor;
use crate::release_api::permission::require;
use crate::release_api::refusal::Refusal;
use crate::resources::remove::remove;
use crate::resources::view::{self, Shown};
use crate::resources::write::{Change, Order, write};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use crate::wire::{body, reply};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::policy::Role;
use model::resource::Kind;
use model::route::optional_id;
use serde_json::{Value, json};

const KIND: Kind = Kind::App;

/// `GET /tealgate/v1/apps`.
pub(crate) async fn list(State(state): State<AdminState>) -> Result<Response, Refusal> {
    let apps: Vec<Value> = view::all(&state, KIND).await?.iter().map(entry).collect();
    Ok(reply::json(StatusCode::OK, &json!({"list": apps, "total": apps.len()})))
}

/// `GET /tealgate/v1/apps/{app}`.
pub(crate) async fn get(
    State(state): State<AdminState>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    let shown = view::one(&state, KIND, &app).await?.ok_or_else(|| Refusal::no_app(&app))?;
    Ok(reply::json(StatusCode::OK, &entry(&shown)))
}

/// `PUT /tealgate/v1/apps/{app}`: creates or replaces.
pub(crate) async fn put(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    require(&actor, Role::Admin, "change an app")?;
    let value = body::json(&headers, body).await?;
    let value = value.ok_or_else(|| Problem::invalid("the body is empty: send the app as JSON"))?;
    if optional_id(&value, "id").is_some_and(|id| id != app) {
        return Err(Problem::invalid("the id in the body is not the one in the path").into());
    }
    let order = Order { kind: KIND, id: Some(app), change: Change::Whole(value), ttl_s: None };
    let written = write(&state, &order).await?;
    let status = if written.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(written.progress.mark(reply::json(status, &entry(&written.shown))))
}

/// `DELETE /tealgate/v1/apps/{app}`. Its service, upstreams and journals stay.
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(actor): Extension<Actor>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    require(&actor, Role::Admin, "delete an app")?;
    let removed = remove(&state, KIND, &app, false).await;
    let progress = removed.map_err(|problem| match problem {
        Problem::KeyNotFound => Refusal::no_app(&app),
        other => other.into(),
    })?;
    Ok(progress.mark(reply::json(StatusCode::OK, &json!({"deleted": app}))))
}

fn entry(shown: &Shown) -> Value {
    json!({"value": shown.value, "origin": shown.origin, "created": shown.created, "modified": shown.modified})
}
