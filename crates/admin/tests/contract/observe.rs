use crate::support::{ADMIN, Gate, state, upstream};
use admin::{Dialect, Readiness};
use serde_json::json;
use std::sync::Arc;
use store::Report;
use tokio::sync::watch;

#[tokio::test]
async fn readiness_follows_what_the_process_says() {
    let (says, readiness) = watch::channel(Readiness::NotReady("no configuration yet".to_owned()));
    let mut state = state();
    state.readiness = readiness;
    let gate = Gate::start_with(state, Dialect::Apisix).await;
    let ready = async || gate.send("GET", "/status/ready", &[], ()).await;
    ready().await.is(503, &json!({"status": "error", "error": "no configuration yet"}));
    says.send_replace(Readiness::Ready);
    ready().await.is(200, &json!({"status": "ok"}));
    says.send_replace(Readiness::NotReady("draining".to_owned()));
    ready().await.is(503, &json!({"status": "error", "error": "draining"}));
}

#[tokio::test]
async fn status_shows_the_revision_and_the_instances() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/upstreams/1", upstream()).await.has_status(201);
    let report = Report {
        instance: "i-1".to_owned(),
        role: "gateway".to_owned(),
        applied: Some(1),
        at_ms: 0,
        detail: json!({}),
    };
    gate.state.store.report(report).await.unwrap();
    let status = gate.send("GET", "/status", &[], ()).await.has_status(200).json();
    assert_eq!(
        (&status["name"], &status["role"], &status["ready"]),
        (&json!("tealgate"), &json!("all"), &json!(true))
    );
    assert_eq!(status["revision"], 1);
    let instance = &status["instances"][0];
    assert_eq!(
        (&instance["instance"], &instance["applied"], &instance["live"]),
        (&json!("i-1"), &json!(1), &json!(false))
    );
    assert!(!status.to_string().contains(ADMIN));
}

#[tokio::test]
async fn metrics_are_what_telemetry_renders() {
    let mut state = state();
    state.metrics = Arc::new(|| "tealgate_up 1\n".to_owned());
    let gate = Gate::start_with(state, Dialect::Apisix).await;
    for path in ["/metrics", "/apisix/prometheus/metrics"] {
        let answer = gate.send("GET", path, &[], ()).await.has_status(200);
        assert_eq!(answer.text, "tealgate_up 1\n");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    }
}
