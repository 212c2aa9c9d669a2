//! A share that stays on the old version through the soak: both versions are compared to its end, and then all users have
//! the new one.

use crate::harness::cli::{release, run};
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::kind::RequestKind;
use load::reconcile::reconcile;
use load::run::Load;
use serde_json::{Value, json};
use testkit::clock::eventually;

/// Of so many requests in a row each version gets its share exactly: 4 and 1.
const CYCLE: u64 = 5;
/// Long enough that no soak ends by itself.
const LONG_MS: u32 = 600_000;

/// The shop with version 1 live on one thread, whose counts are as exact as shares can be, and a policy for the next release.
async fn with_version_1(world: &World, next: Value) -> Gate {
    let gate = Start::new(world).with(&["--threads", "1"]).ready().await;
    let first = json!({"steps": [100], "on_inconclusive": "proceed"});
    shop::put(&gate, shop::target(world), policy(first)).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    shop::change(&gate, shop::target(world), policy(next)).await;
    gate
}

fn soak(duration_ms: u32) -> Value {
    json!({"duration_ms": duration_ms, "interval_ms": 200, "hold_back": 20})
}

#[tokio::test]
async fn a_version_that_turns_bad_in_the_soak_is_found_beside_those_who_were_held_back() {
    let world = World::new();
    let next = json!({"steps": [100], "soak": soak(LONG_MS), "guard": null, "judge": {}});
    let gate = with_version_1(&world, next).await;
    let mut target = shop::target(&world);
    let turns_bad = ["--fail-rate", "0.3", "--fail-after", "400"].map(Value::from);
    target["process"]["command"].as_array_mut().unwrap().extend(turns_bad);
    let spec = world.file("worse.yaml", target.to_string());
    release(&gate, &["start", "shop", "--version", "v2", "--spec", &spec, "--detach"]).await.exits(5);
    let view = shop::until_phase(&gate, "soak").await;
    assert_eq!(view["share"], 80, "{view}");

    // Only now, so that no times of the old version are known before: on a busy machine they say nothing.
    let mix = vec![RequestKind::get("/echo")];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 2) }.start().unwrap();
    let view = shop::until_over(&gate).await;
    let ledger = load.stop().await;

    assert_eq!(view["outcome"], "rolled_back", "{view}");
    let why = view["why"].as_str().unwrap();
    assert!(why.starts_with("worse than the old version: failures: new version "), "{why}");
    assert!(why.contains("the old one 0 of ") && !why.contains("historical"), "{why}");
    assert_eq!((shop::live(&gate).await.as_str(), ledger.tally.lost), ("v1", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_split_of_the_soak_is_exact_and_at_its_end_all_users_have_the_new_version() {
    let world = World::new();
    let yes = json!([{"name": "yes", "when": ["soak"], "check": {"approval": {}}}]);
    let next = json!({"steps": [50, 100], "soak": soak(300), "judge": {}, "gates": yes});
    let gate = with_version_1(&world, next).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    let asks = |view: &Value| view["waiting_for"][0]["asks_person"] == true;
    let before = shop::until(&gate, "the end of the soak", asks).await;
    assert_eq!((&before["phase"], &before["share"]), (&json!("soak"), &json!(80)));
    let tree = run(&gate, &["release", "status", "shop"], None).await.out;
    assert!(tree.contains("50 › 80 › 100 %   switched to 80 %"), "the last switch is ahead: {tree}");
    let service = gate.admin().get("/apisix/admin/services/shop").await.json();
    let rules = service["value"]["plugins"]["traffic-split"]["rules"].as_array().unwrap();
    let weights: Vec<_> = rules.last().unwrap()["weighted_upstreams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["weight"])
        .collect();
    assert_eq!(weights, [80, 20]);

    let load = || Load {
        mix: vec![RequestKind::post("/echo/orders", 200)],
        ..Load::closed_loop(gate.gateway(), "shop.example", 2)
    };
    let in_soak = load().start().unwrap();
    eventually("a thousand answers", async || in_soak.progress().answered_total() >= 1_000).await;
    let in_soak = in_soak.stop().await;
    let [old, new] = ["blue", "green"].map(|colour| in_soak.tally.answered[colour]);
    assert!(old + new >= 1_000 && new.abs_diff(4 * old) <= CYCLE, "{new} of {} are 80 %", old + new);

    let over_the_switch = load().start().unwrap();
    eventually("answers", async || over_the_switch.progress().answered_total() >= 100).await;
    release(&gate, &["promote", "shop"]).await;
    let view = shop::until_over(&gate).await;
    assert_eq!((&view["outcome"], shop::live(&gate).await.as_str()), (&json!("promoted"), "v2"));
    let report = shop::report(&gate).await;
    let shares: Vec<_> =
        report["moves"].as_array().unwrap().iter().map(|one| one["share"].as_u64().unwrap()).collect();
    assert_eq!(shares, [0, 50, 80, 100, 100], "the last switch, and the clean-up: {report}");
    let over_the_switch = over_the_switch.stop().await;
    for ledger in [in_soak, over_the_switch] {
        let found = reconcile(&ledger, &shop::backends(&world));
        assert!(found.agrees() && found.duplicated.count == 0 && ledger.tally.lost == 0, "{found:?}");
    }
}

#[tokio::test]
async fn without_a_hold_back_the_old_versions_last_window_is_compared_and_nothing_follows() {
    let world = World::new();
    let yes = json!([{"name": "yes", "when": ["soak"], "check": {"approval": {}}}]);
    let next = json!({"steps": [100], "guard": null, "judge": {}, "gates": yes});
    let gate = with_version_1(&world, next).await;
    let mix = vec![RequestKind::get("/echo")];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 2) }.start().unwrap();
    eventually("answers of the old version", async || load.progress().answered_total() >= 300).await;
    let mut target = shop::target(&world);
    target["process"]["command"].as_array_mut().unwrap().extend([json!("--fail-rate"), json!("0.2")]);
    let spec = world.file("worse.yaml", target.to_string());
    release(&gate, &["start", "shop", "--version", "v2", "--spec", &spec, "--detach"]).await.exits(5);
    let failures = |view: &Value| {
        let of =
            |one: &&Value| one["finding"]["check"] == "failures" && one["finding"]["basis"] == "historical";
        view["evidence"].as_array().unwrap().iter().find(of).map(|one| one["finding"].clone())
    };
    let is_worse = |view: &Value| {
        view["waiting_for"][0]["asks_person"] == true
            && failures(view).is_some_and(|finding| finding["verdict"] == "fail")
    };
    let view = shop::until(&gate, "a version that is worse than before", is_worse).await;
    let words = failures(&view).unwrap()["words"].as_str().unwrap().to_owned();
    assert!(words.contains("the old one before (historical) 0 of "), "{words}");
    assert!(words.contains("; before are ") && words.ends_with(" s up to the full cutover"), "{words}");
    let tree = run(&gate, &["release", "status", "shop"], None).await.out;
    assert!(tree.contains("judge: failures (historical)"), "{tree}");
    let notes = view["notes"].to_string();
    assert!(
        notes.contains("the soak holds none back") && notes.contains("the old version's last 300 s"),
        "{notes}"
    );

    release(&gate, &["promote", "shop"]).await.exits(0);
    load.stop().await;
    assert_eq!(shop::until_over(&gate).await["outcome"], "promoted", "told, and no more");
    let timeline = shop::report(&gate).await["timeline"].to_string();
    assert!(timeline.contains("the old version's last window: before are "), "{timeline}");
}
