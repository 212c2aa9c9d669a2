//! The Admin API of Apache APISIX, version 3, below `/apisix/admin` (contract: APISIX §1.1 to §1.8).
//!
//! This file decides which endpoint a request is for. The endpoints only translate between HTTP and `resources`.

pub(crate) mod collection;
pub(crate) mod envelope;
pub(crate) mod list;
pub(crate) mod plugins;
pub(crate) mod schema;
mod validate;

use crate::consumers;
use crate::state::{AdminState, Dialect};
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::{body, path, reply};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use model::resource::Kind;
use serde_json::Value;

/// Where the Admin API lives.
pub(crate) const PREFIX: &str = "/apisix/admin";

/// A request, read: what every endpoint gets.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    /// Read for POST, PUT and PATCH only.
    pub(crate) body: Option<Value>,
}

impl Call {
    /// Reads a request below [`PREFIX`].
    pub(crate) async fn read(request: Request) -> Result<Call, Problem> {
        let (head, body) = request.into_parts();
        let mut call = Call {
            segments: path::segments(head.uri.path(), PREFIX),
            query: Query::of(&head.uri),
            method: head.method,
            body: None,
        };
        if matches!(call.method, Method::POST | Method::PUT | Method::PATCH) {
            call.body = body::json(&head.headers, body).await?;
        }
        Ok(call)
    }

    pub(crate) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The id of the resource in the path, if one is named. Only PATCH goes on to a part of it.
    pub(crate) fn id(&self) -> Result<Option<String>, Problem> {
        if self.segments.len() > 2 && self.method != Method::PATCH {
            return Err(Problem::NotFound("not found".to_owned()));
        }
        Ok(self.segments.get(1).cloned())
    }
}

/// Whether APISIX dispatches the method at all; others get a bare 404.
pub(crate) fn is_dispatched(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::PUT | Method::POST | Method::DELETE | Method::PATCH)
}

/// The kind that a path segment names, if it is one that the gateway knows.
pub(crate) fn gateway_kind(collection: &str) -> Result<Kind, Problem> {
    match collection {
        "routes" => Ok(Kind::Route),
        "services" => Ok(Kind::Service),
        "upstreams" => Ok(Kind::Upstream),
        "consumers" => Ok(Kind::Consumer),
        "ssls" => Ok(Kind::Ssl),
        other => Err(Problem::NotFound(format!("Unsupported resource type: {other}"))),
    }
}

/// Answers a request below [`PREFIX`].
pub(crate) async fn handle(State(state): State<AdminState>, request: Request) -> Response {
    let ended = answer(&state, request).await;
    let was_handled = !matches!(ended, Err(Problem::NotDispatchable));
    let mut response = ended.unwrap_or_else(IntoResponse::into_response);
    if was_handled {
        response.headers_mut().insert("x-api-version", HeaderValue::from_static("v3"));
    }
    response
}

async fn answer(state: &AdminState, request: Request) -> Result<Response, Problem> {
    let segments = path::segments(request.uri().path(), PREFIX);
    if segments.is_empty() && request.method() == Method::HEAD {
        return Ok(reply::empty(StatusCode::OK));
    }
    if segments.is_empty() || !is_dispatched(request.method()) {
        return Err(Problem::NotDispatchable);
    }
    if let ["plugins" | "schema" | "configs", ..] =
        segments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return fixed(state, Call::read(request).await?);
    }
    let kind = gateway_kind(segments.first().map(String::as_str).unwrap_or_default())?;
    let call = Call::read(request).await?;
    match kind {
        Kind::Consumer => consumers::answer(state, Dialect::Apisix, call).await,
        kind => collection::answer(state, kind, call).await,
    }
}

/// The endpoints that are no resources.
pub(crate) fn fixed(state: &AdminState, call: Call) -> Result<Response, Problem> {
    let method = call.method.clone();
    match (&method, &call.segments()[..]) {
        (_, ["plugins", "reload"]) => plugins::reload(&method),
        (&Method::GET, ["plugins", "list"]) => Ok(plugins::list(state.plugins)),
        (&Method::GET, ["plugins"]) => plugins::one_or_all(state.plugins, "", &call.query),
        (&Method::GET, ["plugins", name]) => plugins::one_or_all(state.plugins, name, &call.query),
        (&Method::POST, ["schema", "validate", collection]) => validate::one(collection, call.body.as_ref()),
        (&Method::POST, ["configs", "validate"]) => validate::whole(state.plugins, call.body.as_ref()),
        (_, ["schema", "validate", _] | ["configs", ..]) => Err(Problem::NotDispatchable),
        (&Method::GET, ["schema", rest @ ..]) => schema::get(state.plugins, rest, &call.query),
        _ => Err(Problem::NotFound("not found".to_owned())),
    }
}
