//! Notifications of whole releases, to a real server: signed, in order, tried again, and never in a release's way.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;

use fakes::{Site, ann, policy, until, wait_for};
use model::resource::Origin;
use release::controller::StartRequest;
use release::machine::Outcome;
use release::notify::{ReceiverView, signature};
use release::view::ReleaseView;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::service::{Answer, Asked, Service};
use tokio::sync::watch;

const LIMIT: Duration = Duration::from_secs(20);

const SECRET: &str = "a-key-that-nobody-may-see";

/// A site whose releases are told to `receivers`.
async fn site(receivers: Value, changes: Value) -> Site {
    let mut policy = policy(json!({ "notifications": receivers }));
    for (key, value) in changes.as_object().unwrap() {
        policy[key] = value.clone();
    }
    Site::new(policy).await
}

fn events(asked: &[Asked]) -> Vec<String> {
    let event = |asked: &Asked| body(asked)["event"].as_str().unwrap().to_owned();
    asked.iter().map(event).collect()
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

fn receiver<'a>(view: &'a ReleaseView, name: &str) -> &'a ReceiverView {
    view.notifications.iter().find(|receiver| receiver.name == name).unwrap()
}

#[tokio::test]
async fn a_release_is_told_in_order_signed_and_once() {
    let service = Service::start(|_| Answer::status(204)).await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, format!("{SECRET}\n")).unwrap();
    let receivers = json!([{"name": "ci", "url": service.url("/hook?job=7"), "secret": {"from_file": key}}]);
    let site = site(receivers, json!({"steps": [20, 100]})).await;
    site.release("1").await;
    let first = service.asked_times(3).await.len();
    let view = site.release("2").await;
    site.until(&view.release, |view| receiver(view, "ci").waiting == 0).await;

    let asked = service.asked();
    let told = &asked[first..];
    assert_eq!(events(told), ["started", "shifted", "shifted", "done"]);
    for one in told {
        assert_eq!((one.method.as_str(), one.target.as_str()), ("POST", "/hook?job=7"));
        assert_eq!(one.header("content-type"), "application/json");
        let (id, at_s) = (one.header("webhook-id"), one.header("webhook-timestamp").parse().unwrap());
        assert_eq!(one.header("webhook-signature"), signature(SECRET, id, at_s, &one.body).unwrap());
        let body = body(one);
        assert_eq!((body["id"].as_str().unwrap(), &body["release"]), (id, &json!("shop-2")));
    }
    let shares: Vec<_> = told.iter().map(|one| body(one)["share"].as_u64().unwrap()).collect();
    assert_eq!(shares, [0, 20, 100, 100]);
    assert_eq!(body(told.last().unwrap())["outcome"], "promoted");
    let ids: BTreeSet<_> = asked.iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), asked.len(), "each was told once");

    let report = site.controller().report(&view.release).await.unwrap();
    let seen =
        serde_json::to_string(&(&report, &view)).unwrap() + &report.to_markdown() + &format!("{report:?}");
    assert!(!seen.contains(SECRET) && !seen.contains("job=7"), "{seen}");
    assert_eq!(report.notifications[0].delivered, 4);
}

#[tokio::test]
async fn slack_gets_the_events_that_were_chosen_and_what_it_would_read_as_a_link_is_escaped() {
    let service = Service::start(|_| Answer::ok("ok")).await;
    let url = service.url("/services/T0/B0/s3cret");
    let chosen = json!(["rolled_back", "done"]);
    let receivers = json!([{"name": "slack", "url": url, "format": "slack", "events": chosen}]);
    let site = site(receivers, json!({"soak": {"duration_ms": 60_000}})).await;
    site.release("1").await;
    let id = site.start("2").await;
    site.until(&id, |view| view.phase == "soak").await;
    site.controller().abort(&id, "look at <http://a|b> & c", &ann()).await.unwrap();
    let asked = service.asked_times(3).await;
    assert!(body(&asked[0])["text"].as_str().unwrap().starts_with("shop 1: done: version 1 is promoted"));
    let text = body(&asked[1])["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("shop 2: rolled back: version 1 serves all users: aborted by ann"), "{text}");
    assert!(text.ends_with("look at &lt;http://a|b&gt; &amp; c"), "{text}");
    let block = body(&asked[1])["blocks"][0].clone();
    assert_eq!((&block["type"], &block["text"]["type"]), (&json!("section"), &json!("mrkdwn")));
    assert!(asked.iter().all(|one| one.headers.get("webhook-signature").is_none()));
}

#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_id_and_in_order() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let service = Service::start(move |_| {
        let status = if count.fetch_add(1, Ordering::SeqCst) == 0 { 503 } else { 200 };
        Answer::status(status)
    })
    .await;
    let site = site(json!([{"name": "ci", "url": service.url("/")}]), json!({})).await;
    let view = site.release("1").await;
    assert_eq!(view.outcome, Some(Outcome::Promoted), "the release did not wait");
    let asked = service.asked_times(4).await;
    assert_eq!(events(&asked), ["started", "started", "shifted", "done"]);
    assert_eq!(asked[0].header("webhook-id"), asked[1].header("webhook-id"));
    let view = site.until(&view.release, |view| receiver(view, "ci").waiting == 0).await;
    assert_eq!((receiver(&view, "ci").delivered, receiver(&view, "ci").given_up), (3, 0));
}

#[tokio::test]
async fn a_dead_receiver_is_seen_and_given_up_and_the_release_does_not_care() {
    let silent = Service::start(|_| Answer::Never).await;
    let receivers = json!([
        {"name": "gone", "url": format!("http://127.0.0.1:{}/hook", testkit::free_port()), "give_up_after_ms": 0},
        {"name": "silent", "url": silent.url("/"), "timeout_ms": 50, "give_up_after_ms": 600_000},
        {"name": "keyless", "url": silent.url("/"), "secret": {"from_file": "no/such/key"}, "give_up_after_ms": 0},
    ]);
    let site = site(receivers, json!({})).await;
    let view = site.release("1").await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    let view = site
        .until(&view.release, |view| {
            let given_up = |name: &str| receiver(view, name).given_up == 3;
            given_up("gone") && given_up("keyless") && receiver(view, "silent").trouble.is_some()
        })
        .await;
    assert!(receiver(&view, "gone").unsent[0].why.contains("cannot connect to http://127.0.0.1:"));
    assert!(receiver(&view, "keyless").unsent[0].why.contains("secret: cannot read the secret file"));
    let silent = receiver(&view, "silent");
    assert!(silent.trouble.as_ref().unwrap().contains("no answer from http://127.0.0.1:"), "{silent:?}");
    assert_eq!((silent.waiting, silent.given_up), (3, 0));
    let markdown = site.controller().report(&view.release).await.unwrap().to_markdown();
    assert!(markdown.contains("**given up:** started (shop-1/2/0): cannot connect"), "{markdown}");
}

#[tokio::test]
async fn what_a_dead_controller_had_not_told_its_successor_tells() {
    let service = Service::start(|_| Answer::Never).await;
    let receivers = json!([{"name": "ci", "url": service.url("/"), "timeout_ms": 60_000}]);
    let policy = policy(json!({ "notifications": receivers }));
    let site = Site::without_controller(policy, json!({}), Origin::Api).await;
    let (shutdown, stopped) = watch::channel(false);
    let first = site.controller_named("c-1", stopped);
    wait_for(LIMIT, || async { first.holder().await.unwrap().is_some() }).await;
    let request = StartRequest { app: "shop".to_owned(), version: "1".to_owned(), ..StartRequest::default() };
    let id = first.start(request, &ann()).await.unwrap();
    // It was sent, and nobody knows whether it arrived. Meanwhile the release goes on and ends.
    service.asked_times(1).await;
    until(&first, &id, |view| view.ended_at_ms.is_some()).await;
    shutdown.send_replace(true);
    first.stopped().await;

    service.answer(|_| Answer::status(200));
    let (_shutdown, stopped) = watch::channel(false);
    let second = site.controller_named("c-2", stopped);
    until(&second, &id, |view| receiver(view, "ci").waiting == 0).await;
    let asked = service.asked();
    assert_eq!(events(&asked), ["started", "started", "shifted", "done"]);
    assert_eq!(asked[0].header("webhook-id"), asked[1].header("webhook-id"));
}
