//! The gate that asks both versions the same.

use super::{context, instance, run};
use async_trait::async_trait;
use model::colour::Colour;
use release::gate::{GateContext, LiveSide, LiveUsers, Verdict};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry::counts::Counts;
use tempfile::TempDir;
use testkit::upstream::{Behaviour, Upstream};

#[derive(Debug)]
struct Nobody;

#[async_trait]
impl LiveUsers for Nobody {
    async fn counts(&self) -> Option<Counts> {
        None
    }
}

fn live(address: SocketAddr) -> LiveSide {
    LiveSide {
        colour: Colour::Blue,
        version: "v1".to_owned(),
        scheme: "http".to_owned(),
        instances: vec![instance(address)],
        users: Arc::new(Nobody),
    }
}

fn check(rounds: u32) -> Value {
    let headers = json!({"X-Who": "gate"});
    json!({"beside": {"requests": [{"path": "/cart?x=1", "headers": headers}], "rounds": rounds}})
}

fn answering(status: u16) -> Behaviour {
    Behaviour::Status(status.try_into().unwrap())
}

/// What the gate says where the new version and the old one answer with these statuses.
async fn verdict(new: u16, old: u16) -> (Verdict, String) {
    let directory = tempfile::tempdir().unwrap();
    let (green, blue) = (Upstream::start("green").await, Upstream::start("blue").await);
    green.behave(answering(new));
    blue.behave(answering(old));
    let context = GateContext {
        instances: vec![instance(green.address())],
        live: Some(live(blue.address())),
        ..context(&directory)
    };
    let outcome = run(check(2), &context).await;
    (outcome.verdict, outcome.summary)
}

#[tokio::test]
async fn it_fails_where_only_the_new_version_does() {
    let (said, summary) = verdict(500, 200).await;
    assert_eq!(said, Verdict::Fail, "{summary}");
    let line = "GET /cart?...: the new version failed 2 of 2 times (500), the old one 0 of 2 (200)";
    assert_eq!(summary, line);
}

#[tokio::test]
async fn where_both_fail_nothing_is_said_of_it() {
    let (said, summary) = verdict(503, 500).await;
    assert_eq!(said, Verdict::Inconclusive, "{summary}");
    assert!(summary.starts_with("nothing can be said of GET /cart?...: "), "{summary}");
}

#[tokio::test]
async fn it_passes_where_the_new_version_fails_none_and_says_what_was_answered() {
    let (said, summary) = verdict(204, 200).await;
    assert_eq!(said, Verdict::Pass, "{summary}");
    assert!(summary.ends_with("GET /cart?... (204, the old one 200)"), "{summary}");
}

#[tokio::test]
async fn it_fails_where_the_new_version_refuses_what_the_old_one_serves() {
    let (said, summary) = verdict(404, 200).await;
    let line = "GET /cart?...: the new version failed 2 of 2 times (404), the old one 0 of 2 (200)";
    assert_eq!((said, summary.as_str()), (Verdict::Fail, line));
    let (said, summary) = verdict(404, 404).await;
    assert_eq!(said, Verdict::Pass, "{summary}");
}

#[tokio::test]
async fn a_version_that_nobody_reaches_fails() {
    let directory = tempfile::tempdir().unwrap();
    let blue = Upstream::start("blue").await;
    // Nobody listens on the port of tcpmux.
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    let context = GateContext {
        instances: vec![instance(gone)],
        live: Some(live(blue.address())),
        ..context(&directory)
    };
    let outcome = run(check(5), &context).await;
    assert_eq!(outcome.verdict, Verdict::Fail, "{outcome:?}");
    assert_eq!(blue.requests().len(), 3, "no more than is needed to know");
}

#[tokio::test]
async fn every_instance_of_the_new_version_is_asked_and_the_old_one_as_often() {
    let directory = tempfile::tempdir().unwrap();
    let blue = Upstream::start("blue").await;
    let greens = [Upstream::start("green").await, Upstream::start("green").await];
    let context = GateContext {
        instances: greens.iter().map(|green| instance(green.address())).collect(),
        live: Some(live(blue.address())),
        ..context(&directory)
    };
    let outcome = run(check(1), &context).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
    assert_eq!(greens.each_ref().map(|green| green.requests().len()), [1, 1]);
    let received = blue.requests();
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|one| one.target == "/cart?x=1" && one.headers["x-who"] == "gate"));
}

#[tokio::test]
async fn each_request_is_asked_once_before_any_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let (green, blue) = (Upstream::start("green").await, Upstream::start("blue").await);
    let context = GateContext {
        instances: vec![instance(green.address())],
        live: Some(live(blue.address())),
        ..context(&directory)
    };
    let check = json!({"beside": {"requests": [{"path": "/a"}, {"path": "/b"}], "rounds": 2}});
    assert_eq!(run(check, &context).await.verdict, Verdict::Pass);
    for asked in [green.requests(), blue.requests()] {
        let asked: Vec<String> = asked.into_iter().map(|one| one.target).collect();
        assert_eq!(asked, ["/a", "/b", "/a", "/b"]);
    }
}

/// A version that answers one request well and the next one never, and a gate whose time that takes: the rest is not known.
#[tokio::test]
async fn it_does_not_pass_for_what_it_had_no_time_to_ask() {
    let directory = tempfile::tempdir().unwrap();
    let (green, blue) = (Upstream::start("green").await, Upstream::start("blue").await);
    green.behave(Behaviour::Held);
    green.release(1);
    let context = GateContext {
        instances: vec![instance(green.address())],
        live: Some(live(blue.address())),
        timeout_ms: 500,
        ..context(&directory)
    };
    let requests = json!([{"path": "/"}, {"path": "/slow"}, {"path": "/cart"}]);
    let outcome = run(json!({"beside": {"requests": requests, "rounds": 1}}), &context).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:?}");
    assert!(outcome.evidence.contains(&"GET /cart: not asked: out of time".to_owned()), "{outcome:?}");
}

/// Where the old version's addresses are not known, both are asked as users are answered.
#[tokio::test]
async fn through_the_gate_only_the_new_version_is_asked_with_the_preview() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let gateway = Upstream::start("gateway").await;
    let preview = Some(("X-Look".to_owned(), "t0ken".to_owned()));
    let context = GateContext {
        instances: vec![instance(gateway.address())],
        gateway: Some(gateway.address()),
        preview,
        host: Some("shop.example".to_owned()),
        ..context(&directory)
    };
    assert_eq!(run(check(1), &context).await.verdict, Verdict::Pass);
    let mut previewed: Vec<bool> =
        gateway.requests().iter().map(|one| one.headers.contains_key("x-look")).collect();
    previewed.sort_unstable();
    assert_eq!(previewed, [false, true]);
    let nobody = GateContext { gateway: None, ..context };
    let outcome = run(check(1), &nobody).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:?}");
}

#[tokio::test]
async fn what_no_http_reaches_is_not_asked() {
    let directory = tempfile::tempdir().unwrap();
    let context = GateContext { scheme: "grpc".to_owned(), ..context(&directory) };
    let outcome = run(check(1), &context).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert!(outcome.summary.contains("speaks grpc"), "{outcome:?}");
}
