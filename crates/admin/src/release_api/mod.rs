//! The release API, below `/tealgate/v1`: apps, releases, and the stream of their events.
//!
//! It translates between HTTP and [`release::Controller`], which decides everything, permissions included. Errors are
//! `{"error_msg", "hint"}`: what is wrong, and what to do.

mod apps;
mod events;
mod permission;
pub(crate) mod refusal;
mod releases;

use crate::state::AdminState;
use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::routing::{get, post};
use refusal::Refusal;
use release::controller::Controller;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Where the release API lives.
pub(crate) const PREFIX: &str = "/tealgate/";

/// What its handlers share.
#[derive(Clone)]
struct ReleaseApi {
    state: AdminState,
    /// Names this run of the server in the ids of events.
    run: Arc<str>,
    /// Places for event streams.
    streams: Arc<Semaphore>,
}

impl FromRef<ReleaseApi> for AdminState {
    fn from_ref(api: &ReleaseApi) -> AdminState {
        api.state.clone()
    }
}

impl ReleaseApi {
    /// The controller of this process.
    fn controller(&self) -> Result<Arc<Controller>, Refusal> {
        self.state.controller.clone().ok_or_else(|| {
            Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "this process runs no release controller",
                "ask the one that was started with --role controller or --role all",
            )
        })
    }
}

/// Its endpoints.
pub(crate) fn router(state: AdminState) -> Router<AdminState> {
    let run = events::run_name();
    let api = ReleaseApi { state, run, streams: Arc::new(Semaphore::new(events::MOST_STREAMS)) };
    Router::new()
        .route("/tealgate/v1/apps", get(apps::list))
        .route("/tealgate/v1/apps/{app}", get(apps::get).put(apps::put).delete(apps::delete))
        .route("/tealgate/v1/apps/{app}/status", get(releases::status))
        .route("/tealgate/v1/apps/{app}/rollback", post(releases::rollback))
        .route("/tealgate/v1/apps/{app}/releases", get(releases::list).post(releases::start))
        .route("/tealgate/v1/apps/{app}/releases/{id}", get(releases::get))
        .route("/tealgate/v1/apps/{app}/releases/{id}/promote", post(releases::promote))
        .route("/tealgate/v1/apps/{app}/releases/{id}/abort", post(releases::abort))
        .route("/tealgate/v1/apps/{app}/releases/{id}/report", get(releases::report))
        .route("/tealgate/v1/events", get(events::follow))
        .with_state(api)
}
