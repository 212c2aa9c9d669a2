//! A version whose answers are good by their status, and say in a header that they are not, or that they are another's.

use crate::harness::cli::{release, run};
use crate::harness::client;
use crate::harness::gate::Gate;
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::kind::RequestKind;
use load::run::Load;
use serde_json::{Value, json};

/// Version 1 is live; version 2 comes with this policy, says that it is this one, and has half of the users' requests. The
/// view when it is over, and its report.
async fn released(world: &World, next: Value, says: &str) -> (Value, Value) {
    let gate = Gate::start(world).await;
    started(world, &gate, next, says, &[]).await;
    shop::until(&gate, "the first step", |view| view["share"] == 50).await;
    let mix = vec![RequestKind::get("/echo")];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 2) }.start().unwrap();
    let over = over(&gate).await;
    assert_eq!(load.stop().await.tally.lost, 0);
    over
}

/// Version 2 is started with this policy, and with these further arguments.
async fn started(world: &World, gate: &Gate, next: Value, says: &str, arguments: &[&str]) {
    started_beside(world, gate, next, says, [&[], arguments]).await;
}

/// The target of the sample app with further arguments.
fn target_with(world: &World, arguments: &[&str]) -> Value {
    let mut target = shop::target(world);
    let command = target["process"]["command"].as_array_mut().unwrap();
    command.extend(arguments.iter().map(|argument| json!(argument)));
    target
}

/// The same beside a version 1 that has arguments of its own.
async fn started_beside(world: &World, gate: &Gate, next: Value, says: &str, [old, new]: [&[&str]; 2]) {
    let policies = policy(json!({"steps": [100], "on_inconclusive": "proceed"}));
    shop::put(gate, target_with(world, old), policies).await;
    release(gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let mut settings = json!({"steps": [{"share": 50, "pause_ms": 60_000}, 100]});
    settings.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
    shop::change(gate, target_with(world, old), policy(settings)).await;
    let mut target = target_with(world, new);
    let command = target["process"]["command"].as_array_mut().unwrap();
    let place = command.iter().position(|word| word == "--version").unwrap() + 1;
    command[place] = json!(says);
    let spec = world.file("spec.yaml", target.to_string());
    release(gate, &["start", "shop", "--version", "v2", "--spec", &spec, "--detach"]).await.exits(5);
}

/// The view of the release when it is taken back, and its report.
async fn over(gate: &Gate) -> (Value, Value) {
    let view = shop::until_over(gate).await;
    assert_eq!((&view["outcome"], shop::live(gate).await.as_str()), (&json!("rolled_back"), "v1"), "{view}");
    (view, shop::report(gate).await)
}

fn check() -> Value {
    json!([{"name": "order", "header": "X-Version", "fails_if": {"equals": "v2"}}])
}

#[tokio::test]
async fn a_version_whose_answers_fail_a_check_of_the_business_is_found_by_the_judge() {
    let world = World::new();
    let next = json!({"checks": check(), "guard": null, "judge": {}, "limits": {"max_error_rate": null}});
    let (view, report) = released(&world, next, "v2").await;
    let why = view["why"].as_str().unwrap();
    assert!(why.starts_with("worse than the old version: failed check order: new version "), "{why}");
    let evidence = report["evidence"].as_array().unwrap();
    let of = |check: &str| evidence.iter().find(|one| one["finding"]["check"] == check).unwrap();
    assert_eq!(of("failed check order")["finding"]["verdict"], "fail");
    assert_ne!(of("failures")["finding"]["verdict"], "fail", "no status was bad: {report}");
}

#[tokio::test]
async fn a_version_whose_answers_fail_a_check_of_the_business_is_taken_back_by_the_guard() {
    let world = World::new();
    let (view, report) = released(&world, json!({"checks": check()}), "v2").await;
    assert!(view["why"].as_str().unwrap().contains("check order: "), "{view}");
    let green = report["counts"]["rows"].as_array().unwrap().iter().filter(|row| row["answerer"] == "green");
    let failed: u64 = green.clone().map(|row| row["counts"]["checks"][0]["failed"].as_u64().unwrap()).sum();
    let whole: u64 = green.map(|row| row["counts"]["whole"][1].as_u64().unwrap()).sum();
    assert!(failed >= 5 && failed >= whole, "{failed} of {whole}");
}

#[tokio::test]
async fn one_answer_of_another_version_takes_the_release_back() {
    let world = World::new();
    let (view, report) =
        released(&world, json!({"identity": {"header": "x-version", "path": null}, "guard": null}), "v1")
            .await;
    let why = view["why"].as_str().unwrap();
    assert!(
        why.starts_with("answers come from the wrong version: ") && why.contains(" answers of v2 came"),
        "{why}"
    );
    let evidence = report["evidence"].as_array().unwrap();
    let of = |check: &str| evidence.iter().find(|one| one["finding"]["check"] == check);
    assert_eq!(of("identity of v2").unwrap()["finding"]["verdict"], "fail");
    // The release may go back before the old one has answered anybody.
    let old = of("identity of v1");
    assert!(
        old.is_none_or(|old| old["finding"]["verdict"] == "pass"),
        "the old one is what it says: {report}"
    );
}

#[tokio::test]
async fn a_version_whose_good_answers_have_an_error_in_their_json_is_taken_back() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let checks = json!([
        {"name": "has-path", "json": {"pointer": "/path"}, "fails_if": "missing"},
        {"name": "no-error", "json": {"pointer": "/error"}, "fails_if": "present"},
    ]);
    let broken = ["--fail-rate", "1", "--fail-politely"];
    started(&world, &gate, json!({"checks": checks}), "v2", &broken).await;
    shop::until(&gate, "the first step", |view| view["share"] == 50).await;
    let users = async {
        loop {
            assert_eq!(client::get(gate.gateway(), "/orders").await.status, 200);
        }
    };
    let (view, report) = tokio::select! {
        _ = users => panic!("users do not end"),
        over = over(&gate) => over,
    };
    let why = view["why"].as_str().unwrap();
    assert!(why.contains("check has-path: ") || why.contains("check no-error: "), "{view}");
    let rows = report["counts"]["rows"].as_array().unwrap();
    let of = |colour: &str, outcome: &str| -> u64 {
        let rows = rows.iter().filter(|row| row["answerer"] == colour && row["lane"] == "share");
        rows.map(|row| row["counts"]["checks"][1][outcome].as_u64().unwrap()).sum()
    };
    assert!(of("green", "failed") >= 5 && of("blue", "passed") >= 1, "{report}");
    assert_eq!([of("green", "passed"), of("blue", "failed")], [0, 0], "{report}");
    let named = &report["checks"][1];
    assert_eq!((&named["name"], &named["old"]["version"]), (&json!("no-error"), &json!("v1")), "{named}");
    assert_eq!(named["new"]["failed"].as_u64(), Some(of("green", "failed")), "{named}");
    let markdown = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    assert!(markdown.contains("of its answers failed check no-error"), "{markdown}");
    let metrics = client::get(gate.admin_address(), "/metrics").await.text();
    let counted = |check: &str, outcome: &str| {
        let labels = format!("answerer=\"green\",lane=\"share\",check=\"{check}\",outcome=\"{outcome}\"");
        metrics.lines().any(|line| line.contains(&labels) && !line.ends_with(" 0"))
    };
    assert!(counted("no-error", "failed") && !counted("no-error", "passed"), "{metrics}");
}

/// A check of what the answers of `/orders` have while they are JSON, judged in a short first step.
fn of_json(changes: Value) -> Value {
    let checks = json!([{"name": "has-path", "json": {"pointer": "/path"}, "fails_if": "missing"}]);
    let limits = json!({"max_error_rate": 0.5, "min_requests": 20});
    let steps = json!([{"share": 50, "pause_ms": 100}, 100]);
    let mut next = json!({"checks": checks, "limits": limits, "steps": steps, "judge": {}});
    next.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    next
}

#[tokio::test]
async fn a_version_whose_answers_can_be_examined_no_more_is_taken_back() {
    for (changes, said) in [
        (json!({}), ["not examined by check has-path: new version ", "not JSON "]),
        (json!({"guard": null}), ["check has-path: ", "not JSON "]),
    ] {
        let world = World::new();
        let gate = Gate::start(&world).await;
        started(&world, &gate, of_json(changes), "v2", &["--json-as-text"]).await;
        let users = async {
            loop {
                assert_eq!(client::get(gate.gateway(), "/orders").await.status, 200);
            }
        };
        let (view, _) = tokio::select! {
            () = users => panic!("users do not end"),
            over = over(&gate) => over,
        };
        let why = view["why"].as_str().unwrap();
        assert!(said.iter().all(|said| why.contains(said)), "{why}");
    }
}

#[tokio::test]
async fn where_a_check_can_look_at_no_answers_of_either_version_the_new_one_waits_and_does_not_pass() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let as_text: &[&str] = &["--json-as-text"];
    started_beside(&world, &gate, of_json(json!({})), "v2", [as_text, as_text]).await;
    shop::until(&gate, "the first step", |view| view["share"] == 50).await;
    let users = async {
        // Fewer of the old version than tell that nobody asks for JSON.
        for _ in 0..80 {
            assert_eq!(client::get(gate.gateway(), "/orders").await.status, 200);
        }
        std::future::pending::<()>().await;
    };
    let is_examined = |view: &Value| view["waiting_for"].to_string().contains("answers could be examined");
    let view = tokio::select! {
        () = users => panic!("users do not end"),
        view = shop::until(&gate, "a verdict that is missing", is_examined) => view,
    };
    let waiting = view["waiting_for"].to_string();
    assert!(waiting.contains("check has-path: 0 of ") && waiting.contains("(not JSON "), "{waiting}");
    assert_eq!((&view["share"], &view["outcome"]), (&json!(50), &Value::Null), "{view}");
    let tree = run(&gate, &["release", "status", "shop"], None).await.out;
    assert!(tree.contains("check has-path: 0 of ") && tree.contains("too few examined answers"), "{tree}");
    let judged = view["evidence"].to_string();
    assert!(judged.contains("too few examined answers to compare; of the new version 0 of "), "{judged}");
    release(&gate, &["promote", "shop", "--detach"]).await.exits(5);
    shop::until(&gate, "the next step", |view| view["share"] == 100).await;
}

#[tokio::test]
async fn a_version_that_does_not_say_who_it_is_gets_no_user() {
    for (header, says, said) in
        [("x-versoin", "v2", "no header x-versoin"), ("x-version", "v1", "\"v1\" instead of \"v2\"")]
    {
        let world = World::new();
        let gate = Gate::start(&world).await;
        started(&world, &gate, json!({"identity": {"header": header}}), says, &[]).await;
        let (view, report) = over(&gate).await;
        assert!(view["why"].as_str().unwrap().contains("identity"), "{view}");
        assert!(
            report.to_string().contains(&json!(said).to_string().trim_matches('"').to_owned()),
            "{report}"
        );
        let rows = report["counts"]["rows"].as_array().cloned().unwrap_or_default();
        assert!(!rows.iter().any(|row| row["answerer"] == "green" && row["lane"] == "share"), "{report}");
    }
}
