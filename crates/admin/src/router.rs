//! Which handler a path belongs to, and what every response carries.

use crate::access::{self, Guard};
use crate::release_api::{self, refusal::Refusal};
use crate::state::{AdminState, Dialect};
use crate::wire::reply;
use crate::{api7, apisix, health, observe};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

/// What every response carries, as in APISIX: who answers, and that browsers may call from anywhere (they still need
/// a key).
const ON_EVERY_RESPONSE: [(HeaderName, &str); 5] = [
    (header::SERVER, concat!("Tealgate/", env!("CARGO_PKG_VERSION"))),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
    (header::ACCESS_CONTROL_MAX_AGE, "3600"),
];

/// Everything that a listener of this dialect serves.
pub fn router(state: AdminState, dialect: Dialect) -> Router {
    let guard = Guard { state: state.clone(), dialect };
    let guarded = match dialect {
        Dialect::Apisix => below_prefix(any(apisix::handle)),
        Dialect::Api7 => below_prefix(any(api7::handle))
            .route("/api/version", get(api7::dashboard::version))
            .route("/api/gateway_groups", get(api7::dashboard::gateway_groups))
            .route("/api/schema/core", get(api7::dashboard::core_schemas)),
    };
    guarded
        .merge(release_api::router(state.clone()))
        .route("/tealgate/v1/upstreams/health", get(health::by_gateway))
        .route("/v1/healthcheck", get(health::all))
        .route("/v1/healthcheck/{collection}/{id}", get(health::one))
        .route_layer(middleware::from_fn_with_state(guard, access::check))
        .route("/status", get(observe::status))
        .route("/status/ready", get(observe::ready))
        .route("/metrics", get(observe::metrics))
        .route("/apisix/prometheus/metrics", get(observe::metrics))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .layer(middleware::from_fn(preflight_and_headers))
        .with_state(state)
}

fn below_prefix(handler: axum::routing::MethodRouter<AdminState>) -> Router<AdminState> {
    Router::new().route(apisix::PREFIX, handler.clone()).route("/apisix/admin/{*path}", handler)
}

/// A bare 404, also for a known path with another method, as in APISIX; the release API says more.
async fn nothing_here(request: Request) -> Response {
    if !request.uri().path().starts_with(release_api::PREFIX) {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    let what = format!("there is no {} {}", request.method(), request.uri().path());
    Refusal::new(StatusCode::NOT_FOUND, what, "docs/admin-api.md lists the endpoints").into_response()
}

/// Answers CORS preflights, which carry no key; marks every response.
async fn preflight_and_headers(request: Request, next: Next) -> Response {
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = if is_preflight { reply::empty(StatusCode::OK) } else { next.run(request).await };
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in ON_EVERY_RESPONSE {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_preflight {
        let methods = HeaderValue::from_static("POST, GET, PUT, OPTIONS, DELETE, PATCH");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    }
    response
}
