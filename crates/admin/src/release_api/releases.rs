//! Releases: start, look, promote, abort, roll back, report. Every verb answers the release as it is then.

use crate::keys::Actor;
use crate::release_api::ReleaseApi;
use crate::release_api::refusal::Refusal;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::{body, reply};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use model::policy::Step;
use model::target::Target;
use release::controller::Controller;
use release::controller::{Actor as ReleaseActor, StartRequest};
use release::view::ReleaseView;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Releases of a list that does not say how many it wants.
const DEFAULT_LIMIT: usize = 50;
/// Most releases of a list.
const LARGEST_LIMIT: usize = 500;

/// What `POST .../releases` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Start {
    /// The version to bring live.
    version: String,
    /// A whole new target for it; default: the app's.
    #[serde(default)]
    spec: Option<Target>,
    /// Other steps than the app's.
    #[serde(default)]
    steps: Option<Vec<Step>>,
    /// Only rehearse it.
    #[serde(default)]
    rehearsal: bool,
}

/// What `POST .../abort` takes; all of it may be left out.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Abort {
    /// Why; it goes into the journal.
    reason: String,
}

/// `GET /tealgate/v1/apps/{app}/status`: what is live, in flight and waiting.
pub(super) async fn status(
    State(api): State<ReleaseApi>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    let status = api.controller()?.status(&app).await?;
    shown(StatusCode::OK, &status)
}

/// `GET /tealgate/v1/apps/{app}/releases`: newest first, at most `?limit=`.
pub(super) async fn list(
    State(api): State<ReleaseApi>,
    Path(app): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let controller = api.controller()?;
    // Says so when there is no such app.
    controller.status(&app).await?;
    let limit = Query::of(&uri).get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(DEFAULT_LIMIT);
    let releases = controller.list(&app, limit.clamp(1, LARGEST_LIMIT)).await?;
    shown(StatusCode::OK, &json!({"list": releases, "total": releases.len()}))
}

/// `POST /tealgate/v1/apps/{app}/releases`.
pub(super) async fn start(
    State(api): State<ReleaseApi>,
    Extension(actor): Extension<Actor>,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Start { version, spec, steps, rehearsal } = read(&headers, body).await?;
    let controller = api.controller()?;
    let request = StartRequest { app, version, target: spec, steps, rehearsal };
    let id = controller.start(request, &as_release_actor(&actor)).await?;
    shown(StatusCode::CREATED, &controller.get(&id).await?)
}

/// `GET /tealgate/v1/apps/{app}/releases/{id}`.
pub(super) async fn get(
    State(api): State<ReleaseApi>,
    Path((app, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let view = of_app(&*api.controller()?, &app, &id).await?;
    shown(StatusCode::OK, &view)
}

/// `POST /tealgate/v1/apps/{app}/releases/{id}/promote`.
pub(super) async fn promote(
    State(api): State<ReleaseApi>,
    Extension(actor): Extension<Actor>,
    Path((app, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let controller = api.controller()?;
    of_app(&controller, &app, &id).await?;
    controller.promote(&id, &as_release_actor(&actor)).await?;
    shown(StatusCode::OK, &controller.get(&id).await?)
}

/// `POST /tealgate/v1/apps/{app}/releases/{id}/abort`.
pub(super) async fn abort(
    State(api): State<ReleaseApi>,
    Extension(actor): Extension<Actor>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Abort { reason } = read(&headers, body).await?;
    let controller = api.controller()?;
    of_app(&controller, &app, &id).await?;
    controller.abort(&id, &reason, &as_release_actor(&actor)).await?;
    shown(StatusCode::OK, &controller.get(&id).await?)
}

/// `POST /tealgate/v1/apps/{app}/rollback`: answers the release that was aborted, or the one that goes back.
pub(super) async fn rollback(
    State(api): State<ReleaseApi>,
    Extension(actor): Extension<Actor>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    let controller = api.controller()?;
    let id = controller.rollback(&app, &as_release_actor(&actor)).await?;
    shown(StatusCode::OK, &controller.get(&id).await?)
}

/// `GET /tealgate/v1/apps/{app}/releases/{id}/report?format=json|markdown|html`.
pub(super) async fn report(
    State(api): State<ReleaseApi>,
    Path((app, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let controller = api.controller()?;
    of_app(&controller, &app, &id).await?;
    let report = controller.report(&id).await?;
    match Query::of(&uri).get("format").unwrap_or("json") {
        "json" => shown(StatusCode::OK, &report),
        "markdown" => {
            Ok(reply::with_type(StatusCode::OK, "text/markdown; charset=utf-8", report.to_markdown()))
        }
        "html" => Ok(reply::with_type(StatusCode::OK, "text/html; charset=utf-8", report.to_html())),
        other => {
            let what = format!("there is no report format {other}");
            let hint = "ask for ?format=json, ?format=markdown or ?format=html";
            Err(Refusal::new(StatusCode::BAD_REQUEST, what, hint))
        }
    }
}

/// The release, if it is one of this app.
async fn of_app(controller: &Controller, app: &str, id: &str) -> Result<ReleaseView, Refusal> {
    let view = controller.get(id).await?;
    if view.app == app {
        return Ok(view);
    }
    let what = format!("app {app} has no release {id}");
    Err(Refusal::new(StatusCode::NOT_FOUND, what, format!("GET /tealgate/v1/apps/{app}/releases lists them")))
}

/// Reads a body of ours: unknown fields are errors; no body at all is the empty object.
async fn read<T: DeserializeOwned + JsonSchema>(headers: &HeaderMap, body: Body) -> Result<T, Refusal> {
    let value = body::json(headers, body).await?.unwrap_or_else(|| json!({}));
    model::parse(value).map_err(|error| Problem::invalid(error.to_string()).into())
}

fn shown(status: StatusCode, value: &impl Serialize) -> Result<Response, Refusal> {
    let value: Value = serde_json::to_value(value).map_err(|error| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the answer is no JSON: {error}"),
            "report this",
        )
    })?;
    Ok(reply::json(status, &value))
}

fn as_release_actor(actor: &Actor) -> ReleaseActor {
    ReleaseActor::new(actor.name.clone(), actor.role)
}
