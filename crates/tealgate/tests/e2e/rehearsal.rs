//! A rehearsal under load: there and back with the real switch, and no user on the new version. Then the release.

use crate::harness::cli::{release, run};
use crate::harness::client;
use crate::harness::gate::Gate;
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::kind::{Check, RequestKind};
use load::run::Load;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

fn required() -> Value {
    let smoke = json!({"smoke": {"requests": [{"path": "/who"}]}});
    policy(json!({
        "steps": [10, 100], "rehearsal": {"required": true, "watch_ms": 100},
        "gates": [{"name": "smoke", "when": ["before_shift", "each_step"], "check": smoke}],
    }))
}

#[tokio::test]
async fn under_load_it_goes_there_and_back_without_a_user_and_then_the_version_may_be_released() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    shop::put(&gate, shop::target(&world), required()).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let refused = run(&gate, &["release", "start", "shop", "--version", "v2"], None).await.exits(3);
    assert!(refused.err.contains("no rehearsal of version v2 has gone well"), "{refused:?}");
    assert!(refused.err.contains("tealgate release rehearse shop --version v2"), "{refused:?}");

    let mix = vec![RequestKind::get("/cart").checked(Check::Status)];
    let users = Load { mix, ..Load::open_loop(gate.gateway(), "shop.example", 4, 200.0) }.start().unwrap();
    let rehearsed = run(&gate, &["release", "rehearse", "shop", "--version", "v2"], None).await.exits(0);
    for text in ["shop: v2 was rehearsed", "the way back ", "that went to the new version: 0 of "] {
        assert!(rehearsed.out.contains(text), "{text}: {rehearsed:?}");
    }
    let seen = users.stop().await;
    assert_eq!((seen.tally.lost, seen.tally.user_errors_total()), (0, 0), "{:?}", seen.failures);
    assert_eq!(seen.tally.answered.keys().collect::<Vec<_>>(), ["blue"]);

    let view = shop::newest(&gate).await;
    assert_eq!((&view["outcome"], &view["why"]), (&json!("rehearsed"), &Value::Null), "{view}");
    let rehearsal = &view["rehearsal"];
    assert_eq!(rehearsal["users_on_new"], 0, "{view}");
    assert!(rehearsal["users"].as_u64() > Some(0) && rehearsal["back_ms"].is_u64(), "{view}");
    assert_eq!(rehearsal["steps_ms"].as_array().map(Vec::len), Some(2), "{view}");
    let service = gate.admin().get("/apisix/admin/services/shop").await.json();
    assert_eq!(service.pointer("/value/plugins/traffic-split"), None, "{service}");
    assert_eq!(shop::live(&gate).await, "v1");
    assert!(shop::processes(&world, "v2").is_empty(), "nothing is left of it");
    let report = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    assert!(report.contains("**Rehearsal:** the way there took "), "{report}");
    assert!(report.contains("smoke (step 2): pass"), "{report}");

    release(&gate, &["start", "shop", "--version", "v2"]).await.exits(0);
    assert_eq!(client::get(gate.gateway(), "/who").await.header("x-version"), "v2");
}

#[tokio::test]
async fn one_that_fails_ends_with_1_and_one_that_waits_can_be_aborted() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let gate_of = |check: Value| json!({"gates": [{"name": "tests", "check": check}]});
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);

    let no = policy(gate_of(json!({"command": {"command": ["false"]}})));
    shop::change(&gate, shop::target(&world), no).await;
    let failed = run(&gate, &["release", "rehearse", "shop", "--version", "v2"], None).await.exits(1);
    assert!(failed.out.contains("the rehearsal of v2 failed"), "{failed:?}");

    let slow = policy(gate_of(json!({"command": {"command": ["sleep", "600"]}})));
    shop::change(&gate, shop::target(&world), slow).await;
    release(&gate, &["rehearse", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until_phase(&gate, "test").await;
    release(&gate, &["abort", "shop"]).await.exits(0);
    let view = shop::until_over(&gate).await;
    assert_eq!(
        (&view["outcome"], &view["rehearsal"]["users_on_new"]),
        (&json!("aborted"), &json!(0)),
        "{view}"
    );
    assert_eq!(shop::live(&gate).await, "v1");
}

/// What is asked of version 2 when it is released; the words in which it is refused.
async fn refused(gate: &Gate) -> String {
    let started = run(gate, &["release", "start", "shop", "--version", "v2"], None).await.exits(3);
    assert!(started.err.contains("tealgate release rehearse shop --version v2"), "{started:?}");
    assert_eq!(shop::live(gate).await, "v1");
    started.err
}

#[tokio::test]
async fn where_one_is_required_only_one_that_went_well_with_the_same_and_not_long_ago_will_do() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let rehearse = ["release", "rehearse", "shop", "--version", "v2"];
    let required = |within_ms: u64, command: &str| {
        let check = json!({"command": {"command": [command]}});
        policy(json!({
            "steps": [50, 100], "rehearsal": {"required": true, "within_ms": within_ms, "watch_ms": 0},
            "gates": [{"name": "tests", "check": check}],
        }))
    };
    const DAY_MS: u64 = 86_400_000;
    // Without a way back there is nothing to rehearse.
    shop::put(&gate, shop::target(&world), required(DAY_MS, "true")).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);

    shop::change(&gate, shop::target(&world), required(DAY_MS, "false")).await;
    run(&gate, &rehearse, None).await.exits(1);
    let words = refused(&gate).await;
    assert!(words.contains("no rehearsal of version v2 has gone well"), "{words}");

    shop::change(&gate, shop::target(&world), required(DAY_MS, "true")).await;
    run(&gate, &rehearse, None).await.exits(0);
    let id = shop::newest(&gate).await["release"].as_str().unwrap().to_owned();
    let mut other = shop::target(&world);
    other["process"]["stop_timeout_ms"] = json!(4_000);
    shop::change(&gate, other, required(DAY_MS, "true")).await;
    let words = refused(&gate).await;
    assert!(
        words.contains(&format!("{id} has rehearsed version v2 with another target, policy or steps")),
        "{words}"
    );

    shop::change(&gate, shop::target(&world), required(1, "true")).await;
    let words = refused(&gate).await;
    assert!(words.contains(&format!("{id} has rehearsed version v2 ")), "{words}");
    assert!(words.contains(" ms ago, of which 1 are allowed"), "{words}");

    shop::change(&gate, shop::target(&world), required(DAY_MS, "true")).await;
    release(&gate, &["start", "shop", "--version", "v2"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v2");
}

#[tokio::test]
async fn a_version_that_exits_once_while_it_is_watched_has_failed_its_rehearsal() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let watched = policy(json!({"rehearsal": {"watch_ms": 600_000}}));
    shop::put(&gate, shop::target(&world), watched).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    release(&gate, &["rehearse", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until_phase(&gate, "soak").await;
    kill_process(shop::processes(&world, "v2")[0], Signal::KILL).unwrap();
    let view = shop::until_over(&gate).await;
    assert_eq!(view["outcome"], "rolled_back", "{view}");
    let why = "the new version does not live: instance 0 of green exited by itself: was ended by signal 9";
    assert_eq!((&view["why"], &view["rehearsal"]["users_on_new"]), (&json!(why), &json!(0)));
    assert_eq!(shop::live(&gate).await, "v1");
}

/// Its processes are ready, and no gate looks: only the rehearsal itself asks.
#[tokio::test]
async fn a_version_that_answers_nothing_but_errors_fails_its_rehearsal_though_no_gate_looks() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let required = policy(json!({"gates": [], "rehearsal": {"required": true, "watch_ms": 0}}));
    shop::put(&gate, shop::target(&world), required).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let spec = world.file("broken spec.json", shop::broken_target(&world).to_string());
    let of = |verb: &'static str| ["release", verb, "shop", "--version", "v2", "--spec", &spec];
    let refused = run(&gate, &of("start"), None).await.exits(3);
    let command = format!("`tealgate release rehearse shop --version v2 --spec '{spec}'`");
    assert!(refused.err.contains(&command), "{refused:?}");

    let failed = run(&gate, &of("rehearse"), None).await.exits(1);
    assert!(failed.out.contains("GET /: the new version failed "), "{failed:?}");
    let view = shop::newest(&gate).await;
    assert_eq!((&view["outcome"], shop::live(&gate).await.as_str()), (&json!("rolled_back"), "v1"), "{view}");
    let report = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    assert!(report.contains("begins putting everything back as it was"), "{report}");
    let id = view["release"].as_str().unwrap();
    assert!(!report.contains(&format!("{id}/")), "no internal name: {report}");
}
