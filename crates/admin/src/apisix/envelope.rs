//! The shapes of APISIX's answers, version 3 (APISIX §1.3).

use crate::resources::view::Shown;
use crate::resources::write::Written;
use crate::resources::{Progress, secrets};
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::Response;
use model::consumer::split_credential_id;
use model::resource::Kind;
use serde_json::{Value, json};

/// The key of a resource in APISIX's store.
pub(crate) fn path(kind: Kind, id: &str) -> String {
    match kind {
        Kind::Credential => {
            let (username, id) = split_credential_id(id);
            format!("/apisix/consumers/{username}/credentials/{id}")
        }
        _ => format!("/apisix/{}/{id}", kind.collection()),
    }
}

fn key(shown: &Shown) -> String {
    path(shown.kind, &shown.id)
}

fn with_indexes(shown: &Shown) -> Value {
    json!({
        "key": key(shown),
        "value": secrets::shown(shown.kind, &shown.value),
        "createdIndex": shown.created,
        "modifiedIndex": shown.modified,
    })
}

/// Of a GET of one.
pub(crate) fn one(shown: &Shown) -> Response {
    reply::json(StatusCode::OK, &with_indexes(shown))
}

/// Of a GET of all.
pub(crate) fn list(page: &[Shown], total: usize) -> Response {
    let list: Vec<Value> = page.iter().map(with_indexes).collect();
    reply::json(StatusCode::OK, &json!({"list": list, "total": total}))
}

/// Of a write; without the indexes, as in APISIX. What will not be as it says stands in `warning_msg`, as with API7.
pub(crate) fn written(written: &Written) -> Response {
    let status = if written.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut body = json!({
        "key": key(&written.shown),
        "value": secrets::shown(written.shown.kind, &written.shown.value),
    });
    if !written.warnings.is_empty() {
        body["warning_msg"] = written.warnings.join("; ").into();
    }
    written.progress.mark(reply::json(status, &body))
}

/// Of a DELETE; the number is a text, as in APISIX.
pub(crate) fn removed(key: &str, progress: Progress) -> Response {
    let body = json!({"deleted": "1", "key": key});
    progress.mark(reply::json(StatusCode::OK, &body))
}
