use crate::support::{ADMIN, Gate, VIEWER};
use admin::Dialect;
use serde_json::{Value, json};
use store::Report;

fn node(port: u16, status: &str) -> Value {
    json!({"host": "a", "port": port, "status": status, "since_ms": 5, "why": "check: status 500", "successes": 0,
           "http_failures": 5, "tcp_failures": 1, "timeouts": 2})
}

async fn gate() -> Gate {
    let gate = Gate::start(Dialect::Apisix).await;
    let report = |instance: &str, at_ms: i64, nodes: Value| Report {
        instance: instance.to_owned(),
        role: "gateway".to_owned(),
        applied: Some(1),
        at_ms,
        detail: json!({"health": {"left_out": 0, "upstreams": [
            {"upstream": "upstreams/web", "check": "http", "nodes": nodes}]}}),
    };
    // A moment that is always now enough, and one that is long ago.
    let now = i64::MAX / 2;
    for (instance, at_ms, nodes) in [
        ("one", now, json!([node(1, "healthy"), node(2, "healthy")])),
        ("two", now, json!([node(1, "unhealthy"), node(2, "mostly_healthy")])),
        ("old", 0, json!([node(1, "healthy"), node(9, "healthy")])),
    ] {
        gate.state.store.report(report(instance, at_ms, nodes)).await.unwrap();
    }
    gate
}

#[tokio::test]
async fn what_each_gateway_sees_is_shown_to_every_key() {
    let gate = gate().await;
    let path = "/tealgate/v1/upstreams/health";
    gate.send("GET", path, &[], ()).await.has_status(401);
    let shown = gate.send("GET", path, &[("X-API-KEY", VIEWER)], ()).await.has_status(200).json();
    let gateways = shown["gateways"].as_array().unwrap();
    let live: Vec<_> = gateways.iter().map(|one| (one["instance"].as_str(), one["live"].as_bool())).collect();
    assert!(
        live.contains(&(Some("two"), Some(true))) && live.contains(&(Some("old"), Some(false))),
        "{live:?}"
    );
    let two = gateways.iter().find(|one| one["instance"] == "two").unwrap();
    assert_eq!(two["upstreams"][0]["nodes"][0], node(1, "unhealthy"));
}

#[tokio::test]
async fn apisixs_form_shows_the_worst_that_a_live_gateway_sees() {
    let gate = gate().await;
    let ask = async |path: &str| gate.send("GET", path, &[("X-API-KEY", ADMIN)], ()).await;
    let counter = json!({"success": 0, "http_failure": 5, "tcp_failure": 1, "timeout_failure": 2});
    let node = |port: u16, status: &str| json!({"ip": "a", "hostname": "a", "port": port, "status": status, "counter": counter});
    let web = json!({"name": "/apisix/upstreams/web", "type": "http",
                     "nodes": [node(1, "unhealthy"), node(2, "mostly_healthy")]});
    ask("/v1/healthcheck").await.is(200, &json!([web]));
    ask("/v1/healthcheck/upstreams/web").await.is(200, &web);
    ask("/v1/healthcheck/upstreams/x").await.is(404, &json!({"error_msg": "no checker for upstreams[x]"}));
    ask("/v1/healthcheck/apps/web").await.is(400, &json!({"error_msg": "invalid src type apps"}));
    gate.send("GET", "/v1/healthcheck", &[], ()).await.has_status(401);
}
