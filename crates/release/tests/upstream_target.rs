//! Target `upstream`: environments that someone else runs, played by recording servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: a surprise must stop the test"
)]

use http::StatusCode;
use model::colour::Colour;
use model::target::Target;
use release::clock;
use release::target::upstream::UpstreamDriver;
use release::target::{EnvironmentDriver, EnvironmentSpec, EnvironmentStatus, InstanceState};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::upstream::{Behaviour, Upstream};

fn spec(green: &Value) -> EnvironmentSpec {
    let target: Target = serde_json::from_value(json!({"upstream": {
        "blue": {"nodes": {"127.0.0.1:1": 1}},
        "green": green,
        "readiness": {"probe": {"http": {"path": "/ready/{version}"}}, "interval_ms": 1}
    }}))
    .unwrap();
    EnvironmentSpec {
        app: "shop".to_owned(),
        colour: Colour::Green,
        version: "v2".to_owned(),
        release: "r1".to_owned(),
        target,
        base_dir: String::new(),
    }
}

async fn until(
    driver: &UpstreamDriver,
    spec: &EnvironmentSpec,
    seen: impl Fn(&EnvironmentStatus) -> bool,
) -> EnvironmentStatus {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let status = driver.observe(spec).await;
            if seen(&status) {
                return status;
            }
            clock::pause(Duration::from_millis(2)).await;
        }
    });
    waited.await.expect("it was to be seen")
}

#[tokio::test]
async fn every_node_with_traffic_must_be_ready() {
    let servers = [Upstream::start("a").await, Upstream::start("b").await];
    let [a, b] = servers.each_ref().map(|server| server.address());
    let spec = spec(&json!({"nodes": {a.to_string(): 1, b.to_string(): 2, "127.0.0.1:1": 0}}));
    let driver = UpstreamDriver::new();
    driver.check(&spec).await.unwrap();
    driver.provision(&spec).await.unwrap();
    let first = driver.observe(&spec).await;
    assert_eq!((first.ready, first.instances.len()), (false, 2), "one good answer is not enough");
    let status = until(&driver, &spec, |status| status.ready).await;
    assert_eq!(status.detail, "");
    assert_eq!((status.instances[1].host.as_str(), status.instances[1].port), ("127.0.0.1", b.port()));
    assert_eq!(servers[0].requests()[0].target, "/ready/v2");

    servers[1].behave(Behaviour::Status(StatusCode::SERVICE_UNAVAILABLE));
    let status = until(&driver, &spec, |status| !status.ready).await;
    let states: Vec<_> = status.instances.iter().map(|instance| instance.state).collect();
    assert_eq!(states, [InstanceState::Ready, InstanceState::Unready]);
    assert_eq!(status.detail, "1: GET /ready/v2 answered 503");
}

#[tokio::test]
async fn nobody_is_asked_more_often_than_the_interval_says() {
    let server = Upstream::start("a").await;
    let mut spec = spec(&json!({"nodes": {server.address().to_string(): 1}}));
    if let Target::Upstream(target) = &mut spec.target {
        target.readiness.interval_ms = 3_600_000;
    }
    let driver = UpstreamDriver::new();
    for _ in 0..10 {
        driver.observe(&spec).await;
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn stopping_and_scaling_leave_foreign_instances_alone() {
    let server = Upstream::start("a").await;
    let spec = spec(&json!({"nodes": {server.address().to_string(): 1}}));
    let driver = UpstreamDriver::new();
    until(&driver, &spec, |status| status.ready).await;
    driver.scale(&spec, 0).await.unwrap();
    driver.stop(&spec).await.unwrap();
    until(&driver, &spec, |status| status.ready).await;
    assert!(driver.last_log_lines(&spec, 10).await.is_empty());
}

#[tokio::test]
async fn an_https_node_is_asked_for_a_connection_only() {
    let server = Upstream::start("a").await;
    let spec = spec(&json!({"scheme": "https", "nodes": {server.address().to_string(): 1}}));
    let driver = UpstreamDriver::new();
    let status = until(&driver, &spec, |status| status.ready).await;
    assert_eq!(status.instances[0].detail, "accepts connections");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_upstream_that_cannot_work_is_refused_with_its_faults() {
    let driver = UpstreamDriver::new();
    let error = driver.check(&spec(&json!({"nodes": {"127.0.0.1:1": 0}}))).await.unwrap_err().to_string();
    assert_eq!(error, "shop green: green.nodes has no node with a weight above 0");
    let mut broken = spec(&json!({"nodes": {"127.0.0.1:1": 1}}));
    if let Target::Upstream(target) = &mut broken.target {
        target.readiness.of = 0;
        target.readiness.probe = model::target::Probe::Command { command: vec!["{nobody}".to_owned()] };
    }
    let error = driver.provision(&broken).await.unwrap_err().to_string();
    assert!(error.contains("readiness.of is 0") && error.contains("unknown placeholder {nobody}"), "{error}");
}
