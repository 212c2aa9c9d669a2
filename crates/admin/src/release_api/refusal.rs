//! How the release API says no: `{"error_msg", "hint"}`.

use crate::wire::problem::Problem;
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use store::StoreError;

/// A refusal: what is wrong, and what to do.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) hint: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { status, error: error.into(), hint: hint.into() }
    }

    pub(crate) fn no_app(app: &str) -> Refusal {
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("there is no app {app}"),
            "GET /tealgate/v1/apps lists the apps; tealgate.yaml or a PUT makes one",
        )
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        let (status, text) = (problem.status(), problem.to_string());
        match problem {
            Problem::Unauthorized(what) => Refusal::new(
                status,
                format!("{text}: {what}"),
                "send a key of the data directory's admin-keys.json in the header X-API-KEY",
            ),
            Problem::NotAllowed { .. } => Refusal::new(status, text, "add the address to allow_admin"),
            Problem::BadJson { .. } | Problem::BodyTooLarge { .. } => {
                Refusal::new(status, text, "send one JSON object of at most 1.5 MiB")
            }
            Problem::SlowBody | Problem::BrokenBody => Refusal::new(status, text, "send the body again"),
            Problem::Store(StoreError::Conflict { .. }) => {
                Refusal::new(StatusCode::CONFLICT, text, "someone else changed it meanwhile: read it again")
            }
            Problem::Store(_) => Refusal::new(status, text, "see the server's log; nothing was changed"),
            _ => Refusal::new(status, text, ""),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        reply::json(self.status, &json!({"error_msg": self.error, "hint": self.hint}))
    }
}
