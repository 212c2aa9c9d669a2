//! The shapes of API7's answers: `{"value": ..., "warning_msg"?}` and flat lists (APISIX §1.9).

use crate::api7::{route_form, upstreams};
use crate::resources::view::Shown;
use crate::resources::write::Written;
use crate::resources::{Progress, secrets};
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::Response;
use model::resource::Kind;
use serde_json::{Value, json};

/// A resource as this dialect shows it.
pub(crate) fn flat(shown: &Shown) -> Value {
    let value = secrets::shown(shown.kind, &shown.value);
    match shown.kind {
        Kind::Route => route_form::shown(&value),
        Kind::Upstream => upstreams::shown(&value),
        _ => value,
    }
}

/// Of a GET of one.
pub(crate) fn one(shown: &Shown) -> Response {
    reply::json(StatusCode::OK, &json!({"value": flat(shown)}))
}

/// Of a GET of all.
pub(crate) fn list(page: &[Value], total: usize) -> Response {
    reply::json(StatusCode::OK, &json!({"list": page, "total": total}))
}

/// Of a write; `inherited` says what the caller filled in, and joins what the write itself warns of.
pub(crate) fn written(written: &Written, inherited: &[String]) -> Response {
    let status = if written.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut body = json!({"value": flat(&written.shown)});
    let warnings = [inherited, &written.warnings].concat();
    if !warnings.is_empty() {
        body["warning_msg"] = warnings.join("; ").into();
    }
    written.progress.mark(reply::json(status, &body))
}

/// Of a DELETE.
pub(crate) fn removed(progress: Progress) -> Response {
    progress.mark(reply::json(StatusCode::OK, &json!({})))
}
