//! How the nodes of upstreams with health checks are: as each gateway has reported it, and in the form of APISIX's
//! control API (`/v1/healthcheck`, `apisix/control/v1.lua`), which Tealgate serves on the Admin API's listeners.
//!
//! Gateways may run in other processes, so this reads their reports in the store; it never asks a gateway.

use crate::clock;
use crate::state::AdminState;
use crate::wire::problem::Problem;
use crate::wire::reply;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::Report;

/// `GET /tealgate/v1/upstreams/health`: what each gateway sees.
pub(crate) async fn by_gateway(State(state): State<AdminState>) -> Response {
    let reports = match state.store.reports().await {
        Ok(reports) => reports,
        Err(error) => return Problem::Store(error).into_response(),
    };
    let now_ms = clock::unix_ms();
    let gateways: Vec<Value> = reports
        .iter()
        .filter(|report| report.applied.is_some())
        .map(|report| {
            let age_ms = now_ms.saturating_sub(report.at_ms);
            let health = report.detail.get("health");
            let field = |name: &str| health.and_then(|health| health.get(name)).cloned();
            json!({
                "instance": report.instance,
                "live": is_live(&state, report, now_ms),
                "reported_ms_ago": age_ms,
                "upstreams": field("upstreams").unwrap_or_else(|| json!([])),
                "left_out": field("left_out").unwrap_or_else(|| json!(0)),
            })
        })
        .collect();
    reply::json(StatusCode::OK, &json!({ "gateways": gateways }))
}

/// `GET /v1/healthcheck`: all upstreams with checks, as APISIX tells them.
pub(crate) async fn all(State(state): State<AdminState>) -> Response {
    match merged(&state).await {
        Ok(merged) => reply::json(StatusCode::OK, &merged.values().map(apisix_form).collect()),
        Err(problem) => problem.into_response(),
    }
}

/// `GET /v1/healthcheck/{routes,services,upstreams}/{id}`: one of them.
pub(crate) async fn one(
    State(state): State<AdminState>,
    Path((collection, id)): Path<(String, String)>,
) -> Response {
    if !matches!(collection.as_str(), "routes" | "services" | "upstreams") {
        let text = format!("invalid src type {collection}");
        return reply::json(StatusCode::BAD_REQUEST, &json!({ "error_msg": text }));
    }
    match merged(&state).await {
        Ok(merged) => match merged.get(&format!("{collection}/{id}")) {
            Some(upstream) => reply::json(StatusCode::OK, &apisix_form(upstream)),
            None => {
                let text = format!("no checker for {collection}[{id}]");
                reply::json(StatusCode::NOT_FOUND, &json!({ "error_msg": text }))
            }
        },
        Err(problem) => problem.into_response(),
    }
}

fn is_live(state: &AdminState, report: &Report, now_ms: i64) -> bool {
    let within_ms = i64::try_from(state.live_within.as_millis()).unwrap_or(i64::MAX);
    now_ms.saturating_sub(report.at_ms) <= within_ms
}

/// The upstreams of all live gateways by name; of a node that they see differently, the worst is taken.
async fn merged(state: &AdminState) -> Result<BTreeMap<String, Value>, Problem> {
    let reports = state.store.reports().await.map_err(Problem::Store)?;
    let now_ms = clock::unix_ms();
    let mut merged: BTreeMap<String, Value> = BTreeMap::new();
    for report in reports.iter().filter(|report| is_live(state, report, now_ms)) {
        let upstreams = report.detail.pointer("/health/upstreams").and_then(Value::as_array);
        for upstream in upstreams.into_iter().flatten() {
            let Some(name) = upstream.get("upstream").and_then(Value::as_str) else { continue };
            match merged.get_mut(name) {
                Some(known) => take_worse(known, upstream),
                None => {
                    merged.insert(name.to_owned(), upstream.clone());
                }
            }
        }
    }
    Ok(merged)
}

fn nodes(upstream: &Value) -> impl Iterator<Item = &Value> {
    upstream.get("nodes").and_then(Value::as_array).into_iter().flatten()
}

fn take_worse(known: &mut Value, other: &Value) {
    let Some(known) = known.get_mut("nodes").and_then(Value::as_array_mut) else { return };
    for node in nodes(other) {
        let is_same = |one: &Value| one["host"] == node["host"] && one["port"] == node["port"];
        match known.iter_mut().find(|one| is_same(one)) {
            Some(one) if badness(node) > badness(one) => *one = node.clone(),
            Some(_) => {}
            None => known.push(node.clone()),
        }
    }
}

fn badness(node: &Value) -> u8 {
    match node["status"].as_str() {
        Some("healthy") => 0,
        Some("mostly_healthy") => 1,
        Some("mostly_unhealthy") => 2,
        _ => 3,
    }
}

fn apisix_form(upstream: &Value) -> Value {
    let of_node = |node: &Value| {
        json!({
            "ip": node["host"],
            "hostname": node["host"],
            "port": node["port"],
            "status": node["status"],
            "counter": {
                "success": node["successes"],
                "http_failure": node["http_failures"],
                "tcp_failure": node["tcp_failures"],
                "timeout_failure": node["timeouts"],
            },
        })
    };
    let name = upstream["upstream"].as_str().unwrap_or_default();
    json!({
        "name": format!("/apisix/{name}"),
        "type": upstream["check"],
        "nodes": nodes(upstream).map(of_node).collect::<Vec<Value>>(),
    })
}
