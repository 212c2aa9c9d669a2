//! How the release API says no: `{"error_msg", "hint"}`.

use crate::wire::problem::Problem;
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use release::controller::{CommandError, QueryError, StartError};
use serde_json::json;
use store::StoreError;

/// For what does not go now.
const SEE_STATUS: &str = "GET /tealgate/v1/apps/{app}/status shows what is in flight";

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

    fn not_found(error: String) -> Refusal {
        Refusal::new(
            StatusCode::NOT_FOUND,
            error,
            "GET /tealgate/v1/apps/{app}/releases lists an app's releases",
        )
    }

    fn forbidden(error: String) -> Refusal {
        let hint = "use another key, or change the app's release.permissions";
        Refusal::new(StatusCode::FORBIDDEN, error, hint)
    }

    fn damaged(error: String) -> Refusal {
        let hint = "restore the store from a copy, or look at the journal; traffic goes on";
        Refusal::new(StatusCode::CONFLICT, error, hint)
    }

    fn no_controller(error: String) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error, "GET /status shows which processes run")
    }

    /// The store or the journal failed: the whole chain goes into the log, the reasons into the answer.
    fn failed(error: &(dyn std::error::Error + 'static)) -> Refusal {
        tracing::error!(error, "a release API request failed");
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(reason) = source {
            text.push_str(": ");
            text.push_str(&reason.to_string());
            source = reason.source();
        }
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text, "see the server's log")
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
            Problem::NotAllowed { .. } => Refusal::new(status, text, "add the address to admin.allow"),
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

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Refusal {
        let text = error.to_string();
        match error {
            StartError::NoSuchApp(app) => Refusal::no_app(&app),
            StartError::Refused(_) => {
                Refusal::new(StatusCode::BAD_REQUEST, text, "correct what it names; nothing was changed")
            }
            StartError::Forbidden(_) => Refusal::forbidden(text),
            StartError::Conflict(_) => Refusal::new(StatusCode::CONFLICT, text, SEE_STATUS),
            StartError::Damaged { .. } => Refusal::damaged(text),
            StartError::NoController => Refusal::no_controller(text),
            StartError::Append(_) | StartError::Store(_) => Refusal::failed(&error),
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Refusal {
        let text = error.to_string();
        match error {
            CommandError::NotFound(_) => Refusal::not_found(text),
            CommandError::Forbidden(_) => Refusal::forbidden(text),
            CommandError::Conflict(_) => Refusal::new(StatusCode::CONFLICT, text, SEE_STATUS),
            CommandError::NoController => Refusal::no_controller(text),
            CommandError::Start(error) => Refusal::from(*error),
            CommandError::Append(_) | CommandError::Store(_) => Refusal::failed(&error),
        }
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Refusal {
        let text = error.to_string();
        match error {
            QueryError::NotFound(_) => Refusal::not_found(text),
            QueryError::Damaged { .. } => Refusal::damaged(text),
            QueryError::Store(_) => Refusal::failed(&error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        reply::json(self.status, &json!({"error_msg": self.error, "hint": self.hint}))
    }
}
