//! The Admin API of API7 Gateway as far as blue-green needs it (contract: APISIX §1.9 and §8): the same resources as
//! `apisix`, other envelopes, `paths` instead of `uris`, services that own their routes and upstreams.
//!
//! There is one gateway group; whatever `gateway_group_id` a client sends means it.

mod cascade;
pub(crate) mod dashboard;
pub(crate) mod envelope;
mod inherit;
pub(crate) mod list;
mod route_form;
mod routes;
mod service_form;
mod services;
mod ssls;
mod upstreams;

use crate::apisix::{Call, PREFIX, fixed, is_dispatched};
use crate::consumers;
use crate::state::{AdminState, Dialect};
use crate::wire::path;
use crate::wire::problem::Problem;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

/// Answers a request below `/apisix/admin`.
pub(crate) async fn handle(State(state): State<AdminState>, request: Request) -> Response {
    answer(&state, request).await.unwrap_or_else(|problem| in_api7_form(problem).into_response())
}

async fn answer(state: &AdminState, request: Request) -> Result<Response, Problem> {
    if !is_dispatched(request.method()) {
        return Err(Problem::NotDispatchable);
    }
    let segments = path::segments(request.uri().path(), PREFIX);
    match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Err(Problem::NotDispatchable),
        ["plugins" | "schema" | "configs", ..] => fixed(state, Call::read(request).await?),
        ["routes", ..] => routes::answer(state, Call::read(request).await?).await,
        ["services", _, "upstreams", ..] => upstreams::answer(state, Call::read(request).await?).await,
        ["consumers", ..] => consumers::answer(state, Dialect::Api7, Call::read(request).await?).await,
        ["ssls", ..] => ssls::answer(state, Call::read(request).await?).await,
        ["services", ..] => services::answer(state, Call::read(request).await?).await,
        [other, ..] => Err(Problem::NotFound(format!("Unsupported resource type: {other}"))),
    }
}

/// API7 knows only `error_msg`; and what is stored as `uris` is called `paths` here.
fn in_api7_form(problem: Problem) -> Problem {
    match problem {
        Problem::KeyNotFound => Problem::NotFound("Key not found".to_owned()),
        Problem::Invalid(text) => Problem::Invalid(text.replace("property \"uris\"", "property \"paths\"")),
        Problem::InvalidText(text) => Problem::Invalid(text),
        other => other,
    }
}
