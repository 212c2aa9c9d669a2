//! A version that is a little worse than the one beside it: the judge finds it where no limit would.

use crate::harness::cli::{release, run};
use crate::harness::client::get;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::kind::RequestKind;
use load::run::Load;
use serde_json::{Value, json};

/// No limit speaks before half of all requests fail.
fn lax_limits() -> Value {
    json!({"max_error_rate": 0.5, "min_requests": 20})
}

/// The shop with version 1 live, and a policy for the next release.
async fn with_version_1(world: &World, next: Value) -> Gate {
    let gate = Gate::start(world).await;
    let first = json!({"steps": [100], "on_inconclusive": "proceed"});
    shop::put(&gate, shop::target(world), policy(first)).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    shop::change(&gate, shop::target(world), policy(next)).await;
    gate
}

#[tokio::test]
async fn a_version_that_fails_one_request_in_twenty_is_taken_back_although_no_limit_is_reached() {
    let world = World::new();
    let steps = json!([{"share": 20, "pause_ms": 60_000}, 100]);
    let next = json!({"limits": lax_limits(), "steps": steps, "guard": null, "alpha": 0.001, "judge": {}});
    let gate = with_version_1(&world, next).await;

    let mut target = shop::target(&world);
    target["process"]["command"].as_array_mut().unwrap().extend([json!("--fail-rate"), json!("0.05")]);
    let spec = world.file("worse.yaml", target.to_string());
    release(&gate, &["start", "shop", "--version", "v2", "--spec", &spec, "--detach"]).await.exits(5);
    shop::until(&gate, "the first step", |view| view["share"] == 20).await;
    // Only now, so that no times of the old version are known before: on a busy machine they say nothing.
    let mix = vec![RequestKind::get("/echo")];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 4) }.start().unwrap();
    let view = shop::until_over(&gate).await;
    let ledger = load.stop().await;

    assert_eq!(view["outcome"], "rolled_back", "{view}");
    assert_eq!((shop::live(&gate).await.as_str(), ledger.tally.lost), ("v1", 0));
    let report = release(&gate, &["report", "shop"]).await.exits(0).json();
    let why = report["why"].as_str().unwrap();
    assert!(why.starts_with("worse than the old version: failures: new version "), "{why}");
    assert!(
        why.contains("the old one 0 of ") && why.contains("better explained by a worse version"),
        "{why}"
    );
    let proven =
        report["evidence"].as_array().unwrap().iter().find(|one| one["finding"]["check"] == "failures");
    let proven = &proven.unwrap()["finding"];
    let figures = &proven["figures"];
    assert_eq!(proven["verdict"], "fail", "{report}");
    assert!(figures["crossing"]["at_ms"].as_i64() > report["started_at_ms"].as_i64(), "{proven}");
    assert!(figures["e_value"].as_f64() >= figures["threshold"].as_f64(), "{proven}");
    let course = report["course"].as_array().unwrap();
    assert!(course.iter().any(|point| point["judge"].as_u64() >= Some(100)), "{course:?}");
    let page = world.path().join("report.html");
    let written = ["release", "report", "shop", "--html", page.to_str().unwrap()];
    run(&gate, &written, None).await.exits(0);
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains(r#"class="proven""#) && html.contains("Evidence: is the new version worse?"));
    let notes = report["plan"]["notes"].to_string();
    assert!(notes.contains("at most once in 1000 releases"), "{notes}");
}

#[tokio::test]
async fn a_good_version_passes_and_the_report_says_what_would_have_been_found() {
    let world = World::new();
    // The step lasts until enough has come to pass, however slow the machine is.
    let steps = json!([{"share": 50, "pause_ms": 100}, 100]);
    let judge = json!({"on_fail": "advise", "on_inconclusive": "pause"});
    let next = json!({"limits": {"max_error_rate": null}, "steps": steps, "guard": null, "judge": judge});
    let gate = with_version_1(&world, next).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until(&gate, "the first step", |view| view["share"] == 50).await;
    // Only now, so that no times of the old version are known before: on a busy machine they say nothing.
    let load =
        Load { mix: vec![RequestKind::get("/echo")], ..Load::closed_loop(gate.gateway(), "shop.example", 2) };
    let load = load.start().unwrap();
    let is_seen = |view: &Value| view["evidence"].to_string().contains("e_value");
    shop::until(&gate, "evidence", is_seen).await;
    let tree = run(&gate, &["release", "status", "shop"], None).await.out;
    assert!(tree.contains("judge: failures") && tree.contains(" of 1250"), "{tree}");
    assert!(tree.contains("judge: times") && tree.contains("not compared: the old version had "), "{tree}");
    shop::until_over(&gate).await;
    load.stop().await;
    let markdown = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    let line = markdown.lines().find(|line| line.contains("judge: pass: failures: new version 0 of "));
    let line = line.unwrap_or_else(|| panic!("the judge is not heard in:\n{markdown}"));
    assert!(line.contains("points more would have been found"), "{line}");
    assert!(
        markdown.contains("judge: pass: the new version got ") && markdown.contains("50 % was ordered"),
        "{markdown}"
    );
    assert!(markdown.contains("| judge | failures | pass | 0 of "), "{markdown}");
    assert!(markdown.contains("before (historical)"), "after the cutover: {markdown}");
    assert!(markdown.contains(" s up to the full cutover"), "with a window that is stated: {markdown}");
}

/// Requests of both versions that the judge has compared.
fn compared(view: &Value) -> u64 {
    let of_judge = |one: &&Value| one["by"] == "judge" && one["finding"]["check"] == "failures";
    let finding = view["evidence"].as_array().into_iter().flatten().find(of_judge);
    let figures = finding.map_or(&Value::Null, |one| &one["finding"]["figures"]);
    ["green", "blue"].iter().filter_map(|colour| figures[colour]["units"].as_u64()).sum()
}

#[tokio::test]
async fn a_controller_goes_on_with_what_the_one_before_it_had_compared() {
    const ASKED_LATER: u64 = 40;
    let world = World::new();
    // The first step lasts until enough has come to pass.
    let steps = json!([{"share": 50, "pause_ms": 100}, {"share": 60, "pause_ms": 600_000}, 100]);
    let judge = json!({"on_fail": "advise", "on_inconclusive": "pause"});
    let next = json!({"limits": {"max_error_rate": null}, "steps": steps, "guard": null, "judge": judge});
    let mut gate = with_version_1(&world, next).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until(&gate, "the first step", |view| view["share"] == 50).await;
    let load =
        Load { mix: vec![RequestKind::get("/echo")], ..Load::closed_loop(gate.gateway(), "shop.example", 2) };
    let load = load.start().unwrap();
    // It is written down once the share has moved.
    let is_watched = |view: &Value| view["waiting_for"].to_string().contains("step 60 %");
    shop::until(&gate, "the second step", is_watched).await;
    load.stop().await;
    gate.crash();
    let gate = Start::new(&world).ready().await;
    for _ in 0..ASKED_LATER {
        assert_eq!(get(gate.gateway(), "/echo").await.status, 200);
    }
    let report = shop::report(&gate).await;
    let written = compared(&report);
    assert!(written > ASKED_LATER, "what was compared when the share moved: {report}");
    let view =
        shop::until(&gate, "a look", |view| !matches!(compared(view), 0) && compared(view) != written).await;
    assert!(compared(&view) > written, "{written} before: {view}");
}
