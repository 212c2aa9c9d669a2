use crate::support::{Gate, state, upstream};
use admin::Dialect;
use serde_json::json;
use std::time::Duration;
use store::Report;

/// A gateway that will not die while the test runs.
fn report(applied: u64) -> Report {
    let at_ms = 9_000_000_000_000;
    Report {
        instance: "gate".to_owned(),
        role: "all".to_owned(),
        applied: Some(applied),
        at_ms,
        detail: json!({}),
    }
}

#[tokio::test]
async fn a_write_returns_once_the_gateway_runs_it() {
    let mut state = state();
    state.apply_timeout = Duration::from_secs(60);
    let gate = Gate::start_with(state, Dialect::Apisix).await;
    gate.state.store.report(report(0)).await.unwrap();
    let store = gate.state.store.clone();
    let mut revisions = store.watch();
    let gateway = tokio::spawn(async move {
        revisions.changed().await.unwrap();
        let revision = *revisions.borrow();
        store.report(report(revision)).await.unwrap();
    });
    let answer = gate.call("PUT", "/upstreams/1", upstream()).await.has_status(201);
    assert!(gateway.is_finished(), "answered before the gateway had reported");
    assert_eq!(answer.header("x-tealgate-applied"), None);
    assert_eq!(answer.header("x-tealgate-revision"), Some("1"));
}

#[tokio::test]
async fn a_write_that_a_gateway_does_not_run_in_time_is_pending() {
    let mut state = state();
    state.apply_timeout = Duration::from_millis(20);
    let gate = Gate::start_with(state, Dialect::Apisix).await;
    gate.state.store.report(report(0)).await.unwrap();
    for (method, status) in [("PUT", 201), ("PUT", 200), ("PATCH", 200), ("DELETE", 200)] {
        let answer = gate.call(method, "/upstreams/1", upstream()).await.has_status(status);
        assert_eq!(answer.header("x-tealgate-applied"), Some("pending"), "{method}");
    }
}

#[tokio::test]
async fn without_a_gateway_a_write_does_not_wait() {
    let mut state = state();
    state.apply_timeout = Duration::from_secs(3_600);
    let gate = Gate::start_with(state, Dialect::Apisix).await;
    let answer = gate.call("PUT", "/upstreams/1", upstream()).await.has_status(201);
    assert_eq!(answer.header("x-tealgate-applied"), None);
}
