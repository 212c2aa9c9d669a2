//! The few dashboard calls that `adc`-like clients make before they sync.

use crate::apisix::plugins::described;
use crate::state::AdminState;
use crate::wire::query::Query;
use crate::wire::reply;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::resource::Kind;
use model::schema;
use serde_json::{Map, Value, json};

/// The version of API7 Enterprise whose calls this listener follows; clients choose their calls by it.
const API7_VERSION: &str = "3.9.9";

/// `GET /api/version`.
pub(crate) async fn version() -> Response {
    let ours = env!("CARGO_PKG_VERSION");
    reply::json(StatusCode::OK, &json!({"value": API7_VERSION, "tealgate": ours}))
}

/// `GET /api/gateway_groups`: the one group, under whatever name it was asked for.
pub(crate) async fn gateway_groups(request: Request) -> Response {
    let query = Query::of(request.uri());
    let name = query.get("name").filter(|name| !name.is_empty()).unwrap_or("default");
    reply::json(StatusCode::OK, &json!({"list": [{"id": "default", "name": name}], "total": 1}))
}

/// `GET /api/schema/core`.
pub(crate) async fn core_schemas(State(state): State<AdminState>) -> Response {
    let main = [
        ("route", schema::api7_route()),
        ("service", schema::api7_service()),
        ("upstream", schema::of(Kind::Upstream)),
        ("consumer", schema::of(Kind::Consumer)),
        ("consumer_credential", schema::of(Kind::Credential)),
    ];
    let main: Map<String, Value> =
        main.into_iter().map(|(name, schema)| (name.to_owned(), schema.clone())).collect();
    let plugins: Map<String, Value> =
        state.plugins.iter().map(|plugin| (plugin.name.to_owned(), described(plugin))).collect();
    reply::json(StatusCode::OK, &json!({"value": {"main": main, "plugins": plugins}}))
}
