//! Every way in which a request can be refused, and the one table in which a refusal becomes a response. Texts and
//! shapes are APISIX's where it has one.

use crate::wire::body::LARGEST_BYTES;
use crate::wire::reply;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::IpAddr;
use store::StoreError;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The address is not in the allow list.
    #[error("this address is not in admin.allow")]
    NotAllowed {
        /// Whose; `None`: not known.
        peer: Option<IpAddr>,
    },
    /// No key, a wrong key, or a role that may not do this.
    #[error("failed to check token")]
    Unauthorized(&'static str),
    /// The body is larger than 1.5 MiB.
    #[error(
        "invalid request body: request size {size} is greater than the maximum size {LARGEST_BYTES} allowed"
    )]
    BodyTooLarge {
        /// What was announced or, without Content-Length, read so far, bytes.
        size: usize,
    },
    /// The body did not come in time.
    #[error("invalid request body: it did not arrive within 30 seconds")]
    SlowBody,
    /// The connection broke while the body was read.
    #[error("invalid request body: it broke off")]
    BrokenBody,
    /// The body is no JSON.
    #[error("invalid request body: {reason}")]
    BadJson {
        /// lua-cjson's text.
        reason: String,
        /// The body as it came.
        raw: String,
    },
    /// What was asked cannot be done as it is written; the text says why.
    #[error("{0}")]
    Invalid(String),
    /// As `Invalid`, but answered in plain text, as APISIX does in a few places.
    #[error("{0}")]
    InvalidText(String),
    /// The resource does not exist.
    #[error("Key not found")]
    KeyNotFound,
    /// There is no such thing; the text says what.
    #[error("{0}")]
    NotFound(String),
    /// The path exists, but not with this method: a bare 404, as in APISIX.
    #[error("no such endpoint")]
    NotDispatchable,
    /// The method is not for this resource; the text says so.
    #[error("{0}")]
    MethodNotAllowed(String),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Problem {
    /// For the many refusals with status 400 and a text of their own.
    pub(crate) fn invalid(text: impl Into<String>) -> Problem {
        Problem::Invalid(text.into())
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Problem::NotAllowed { .. } => StatusCode::FORBIDDEN,
            Problem::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Problem::BodyTooLarge { .. }
            | Problem::SlowBody
            | Problem::BrokenBody
            | Problem::BadJson { .. }
            | Problem::Invalid(_)
            | Problem::InvalidText(_) => StatusCode::BAD_REQUEST,
            Problem::KeyNotFound | Problem::NotFound(_) | Problem::NotDispatchable => StatusCode::NOT_FOUND,
            Problem::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Problem::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let text = self.to_string();
        let body = match self {
            Problem::Unauthorized(description) => json!({"error_msg": text, "description": description}),
            Problem::NotAllowed { peer: Some(peer) } => {
                json!({"error_msg": text, "address": peer.to_string()})
            }
            Problem::BadJson { raw, .. } => json!({"error_msg": text, "req_body": raw}),
            Problem::KeyNotFound => json!({"message": text}),
            Problem::InvalidText(_) => return reply::text(status, text),
            Problem::NotDispatchable => return reply::empty(status),
            // APISIX's text for a lost compare-and-swap names no key; the log does.
            Problem::Store(StoreError::Conflict { .. }) => {
                json!({"error_msg": "value changed before overwritten"})
            }
            Problem::Store(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store failed an Admin API request"
                );
                json!({"error_msg": text})
            }
            _ => json!({"error_msg": text}),
        };
        reply::json(status, &body)
    }
}
