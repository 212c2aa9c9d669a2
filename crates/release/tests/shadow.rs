//! Releases with a shadow gate: live requests are copied to the new version before any user sees it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;

use fakes::{FakeGateway, Site, ann, policy, wait_for};
use model::colour::Colour;
use model::resource::Origin;
use release::machine::{Outcome, Verdict};
use release::view::ReleaseView;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);

/// Short, and with few requests; changed in some fields.
fn shadow(changes: Value) -> Value {
    let mut shadow = json!({"duration_ms": 400, "min_requests": 50, "request_timeout_ms": 200});
    shadow.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!([{"name": "shadow", "timeout_ms": 10_000, "check": {"shadow": shadow}}])
}

/// Version 1 is live, and the next release has a shadow gate.
async fn site(gates: Value, changes: Value) -> Site {
    let mut changes = changes;
    changes["gates"] = gates;
    let site = Site::new(policy(changes)).await;
    site.release("1").await;
    site
}

/// The rule by which requests are copied now.
async fn rule(site: &Site) -> Option<Value> {
    let service = site.service().await;
    let rules = service.pointer("/plugins/traffic-split/rules").and_then(Value::as_array).cloned();
    rules.into_iter().flatten().find_map(|rule| rule.pointer("/tealgate/shadow").cloned())
}

async fn until_compared(site: &Site, id: &str) -> ReleaseView {
    let compares =
        |view: &ReleaseView| view.progress.as_ref().is_some_and(|text| text.starts_with("shadow: compared "));
    site.until(id, compares).await
}

#[tokio::test]
async fn a_version_that_answers_as_the_live_one_passes_and_is_copied_to_no_longer() {
    let site = site(shadow(json!({"compare": {"ignore": ["$.id"]}})), json!({})).await;
    let id = site.start("2").await;
    until_compared(&site, &id).await;
    let rule_then = rule(&site).await.unwrap();
    assert_eq!((&rule_then["to"], &rule_then["share_ppm"]), (&json!("shop-green"), &json!(100_000)));
    assert_eq!(rule_then["ignore"], json!(["$.id"]));
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    assert!(view.gates[0].summary.contains(" 0 different, "), "{:?}", view.gates);
    assert_eq!(
        view.moves.iter().map(|moved| moved.kind.as_str()).take(3).collect::<Vec<_>>(),
        ["share", "copy", "share"]
    );

    // What the users' part of the release began with came after the copies had ended everywhere.
    let copied = site.gateway.shadows()[0].compared;
    assert_eq!(rule(&site).await, None);
    let report = site.controller().report(&id).await.unwrap();
    let found = report.gates[0].shadow.as_ref().unwrap();
    assert_eq!((report.gates[0].verdict, found.different, found.gateways.len()), (Verdict::Pass, 0, 1));
    assert!(found.compared >= 50 && found.compared <= copied && found.noisy == found.compared);
    assert!(report.to_markdown().contains("| body $.now: value | "), "{}", report.to_markdown());
    assert!(
        report
            .to_html()
            .contains("<td><code>body $.now: value</code></td><td><span class=\"badge neutral\">noise")
    );
}

#[tokio::test]
async fn a_version_that_answers_otherwise_is_refused_before_any_user_saw_it() {
    let site = site(shadow(json!({})), json!({})).await;
    let before = site.service().await;
    site.gateway.make_other("2");
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    let why = view.why.unwrap();
    assert!(why.starts_with("gate shadow failed: ") && why.contains("body $.price: number → text"), "{why}");
    assert_eq!(site.gateway.versions(), ["1"], "no user saw it");
    assert_eq!((rule(&site).await, site.service().await), (None, before));
    let report = site.controller().report(&view.release).await.unwrap();
    let lines = &report.gates[0].evidence;
    for text in ["different: body $.price: number → text in ", "noise: body $.now: value in ", ": GET /cart"]
    {
        assert!(lines.iter().any(|line| line.contains(text)), "{text}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_version_that_does_not_answer_is_refused_at_once() {
    let site = site(shadow(json!({"duration_ms": 9_000})), json!({})).await;
    site.gateway.make_mute("2");
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert!(view.why.as_ref().unwrap().contains("copies had no answer ("), "{view:#?}");
    assert_eq!(site.gateway.versions(), ["1"]);
    let test = view.phases.iter().find(|span| span.phase == "test").unwrap();
    assert!(test.ended_at_ms.unwrap() - test.began_at_ms < 8_000, "{test:?}");
}

#[tokio::test]
async fn too_few_requests_are_inconclusive_and_the_policy_says_what_follows() {
    let site = site(shadow(json!({})), json!({"on_inconclusive": "rollback"})).await;
    site.gateway.set_busy(false);
    let view = site.release("2").await;
    assert_eq!(view.outcome, Some(Outcome::RolledBack));
    assert!(view.why.as_ref().unwrap().contains("no live request came"), "{view:#?}");
    assert_eq!(rule(&site).await, None);
}

#[tokio::test]
async fn an_abort_in_the_middle_leaves_no_copies_behind() {
    let site = site(shadow(json!({"duration_ms": 9_000})), json!({})).await;
    let before = site.service().await;
    let id = site.start("2").await;
    until_compared(&site, &id).await;
    assert!(rule(&site).await.is_some());
    site.controller().abort(&id, "not today", &ann()).await.unwrap();
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!((view.outcome, view.progress), (Some(Outcome::Aborted), None));
    assert_eq!(site.service().await, before);
    let overwrote = view.waiting_for.iter().any(|waiting| waiting.what.contains("edit"));
    let report = site.controller().report(&id).await.unwrap();
    assert!(!overwrote && !report.to_markdown().contains("overwrote"), "its own copies are nobody's edit");
}

#[tokio::test]
async fn a_gateway_that_goes_leaves_what_it_had_counted_and_is_named() {
    let site = site(shadow(json!({"duration_ms": 4_000})), json!({})).await;
    let other = FakeGateway::begin(Arc::clone(&site.store), "gw-2");
    wait_for(LIMIT, || async { site.store.reports().await.unwrap().len() == 2 }).await;
    let id = site.start("2").await;
    until_compared(&site, &id).await;
    wait_for(LIMIT, || async { other.shadows().first().is_some_and(|shadow| shadow.compared > 20) }).await;
    other.kill();
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    let report = site.controller().report(&id).await.unwrap();
    let found = report.gates[0].shadow.as_ref().unwrap();
    assert_eq!((found.gateways.len(), found.gone.as_slice()), (2, &["gw-2".to_owned()][..]));
    assert!(report.gates[0].evidence.iter().any(|line| line.starts_with("gw-2 went; ")), "{report:#?}");
}

#[tokio::test]
async fn an_apps_first_release_says_that_there_is_nobody_whose_requests_could_be_copied() {
    let site = Site::new(policy(json!({"gates": shadow(json!({}))}))).await;
    let view = site.release("1").await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    assert!(view.gates.is_empty());
    assert!(
        view.notes.iter().any(|note| note.starts_with("gate shadow does not run: nothing is live yet")),
        "{:?}",
        view.notes
    );
    assert_eq!(site.driver.version_on(Colour::Blue).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_service_of_the_file_is_copied_from_by_its_overlay() {
    let changes = policy(json!({"gates": shadow(json!({}))}));
    let site = Site::with_service(changes, json!({}), Origin::File).await;
    site.release("1").await;
    let id = site.start("2").await;
    until_compared(&site, &id).await;
    let stored = site.store.get(model::resource::Kind::Service, "shop").await.unwrap().unwrap();
    assert!(stored.value.get("plugins").is_none() && rule(&site).await.is_some());
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!((view.outcome, rule(&site).await), (Some(Outcome::Promoted), None));
}
