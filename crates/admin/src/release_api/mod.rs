//! The release API, below `/tealgate/v1`: apps, releases, and the stream of their events.
//!
//! Errors are `{"error_msg", "hint"}`: what is wrong, and what to do.

mod apps;
mod permission;
pub(crate) mod refusal;

use crate::state::AdminState;
use axum::Router;
use axum::routing::get;

/// Where the release API lives.
pub(crate) const PREFIX: &str = "/tealgate/";

/// Its endpoints.
pub(crate) fn router() -> Router<AdminState> {
    Router::new()
        .route("/tealgate/v1/apps", get(apps::list))
        .route("/tealgate/v1/apps/{app}", get(apps::get).put(apps::put).delete(apps::delete))
}
