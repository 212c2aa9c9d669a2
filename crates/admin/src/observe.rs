//! What can be seen without a key by whoever reaches the listener: status, readiness, metrics.

use crate::clock;
use crate::state::{AdminState, Readiness};
use crate::wire::problem::Problem;
use crate::wire::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The content type of the Prometheus text format, version 0.0.4.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /status`: version, role, store revision, and what each instance runs.
pub(crate) async fn status(State(state): State<AdminState>) -> Response {
    let reports = match state.store.reports().await {
        Ok(reports) => reports,
        Err(error) => return Problem::Store(error).into_response(),
    };
    let revision = *state.store.watch().borrow();
    let now_ms = clock::unix_ms();
    let live_within_ms = i64::try_from(state.live_within.as_millis()).unwrap_or(i64::MAX);
    let instances: Vec<Value> = reports
        .iter()
        .map(|report| {
            let age_ms = now_ms.saturating_sub(report.at_ms);
            json!({"instance": report.instance, "role": report.role, "applied": report.applied,
                   "live": age_ms <= live_within_ms, "reported_ms_ago": age_ms})
        })
        .collect();
    let ready = matches!(*state.readiness.borrow(), Readiness::Ready);
    let body = json!({
        "name": "tealgate",
        "version": env!("CARGO_PKG_VERSION"),
        "role": state.role,
        "ready": ready,
        "revision": revision,
        "instances": instances,
    });
    reply::json(StatusCode::OK, &body)
}

/// `GET /status/ready`: 200, or 503 with the reason.
pub(crate) async fn ready(State(state): State<AdminState>) -> Response {
    let readiness = state.readiness.borrow().clone();
    match readiness {
        Readiness::Ready => reply::json(StatusCode::OK, &json!({"status": "ok"})),
        Readiness::NotReady(reason) => {
            reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "error", "error": reason}))
        }
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(state): State<AdminState>) -> Response {
    reply::with_type(StatusCode::OK, PROMETHEUS, (state.metrics)())
}
