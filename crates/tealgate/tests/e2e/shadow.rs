//! Shadow traffic: live requests are copied to a version before any user sees it, and its answers compared.

use crate::clock;
use crate::harness::cli::{Ended, release, run};
use crate::harness::client::try_get_with;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::kind::{Check, RequestKind};
use load::ledger::Ledger;
use load::run::{Handle, Load};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

/// The versions of the sample app name themselves in their answers.
const NAMES: [&str; 3] = ["$.version", "$.colour", "$.instance"];

/// A shadow gate that copies every request, changed in some fields.
fn gates(changes: Value) -> Value {
    let mut shadow = json!({
        "share": 100, "duration_ms": 2_000, "min_requests": 60, "request_timeout_ms": 1_000,
        "compare": {"ignore": NAMES},
    });
    shadow.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!([{"name": "as-before", "timeout_ms": 40_000, "check": {"shadow": shadow}}])
}

/// Version 1 is live, and the next one, with these arguments, has a shadow gate.
async fn with_version_1(world: &World, arguments: &[&str], changes: Value) -> Gate {
    let gate = Gate::start(world).await;
    shop::put(&gate, shop::target(world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let mut target = shop::target(world);
    let command = target["process"]["command"].as_array_mut().unwrap();
    command.extend(arguments.iter().map(|argument| json!(argument)));
    shop::change(&gate, target, policy(json!({"gates": gates(changes)}))).await;
    gate
}

fn users(gate: &Gate) -> Handle {
    let mix = vec![RequestKind::get("/cart").checked(Check::Status)];
    Load { mix, ..Load::open_loop(gate.gateway(), "shop.example", 4, 60.0) }.start().unwrap()
}

/// Nobody noticed anything.
fn assert_users_are_well(seen: &Ledger) {
    assert_eq!(
        (seen.tally.lost, seen.tally.wrong, seen.tally.user_errors_total()),
        (0, 0, 0),
        "{:?}",
        seen.failures
    );
}

/// Only version 1 answered users, nothing of the gate stands in the service, and the release was taken back.
async fn assert_no_user_saw_it(gate: &Gate, seen: &Ledger, started: Ended) {
    assert_users_are_well(seen);
    assert_eq!(seen.tally.answered.keys().collect::<Vec<_>>(), ["blue"]);
    assert_eq!(started.exits(1).json()["outcome"], "rolled_back");
    assert_eq!(shop::live(gate).await, "v1");
    assert_eq!(split(gate).await, Value::Null);
}

/// What decides between the colours now.
async fn split(gate: &Gate) -> Value {
    let service = gate.admin().value("services/shop").await;
    service.pointer("/plugins/traffic-split").cloned().unwrap_or_default()
}

fn compares(view: &Value) -> bool {
    view["progress"].as_str().is_some_and(|text| text.starts_with("as-before: compared "))
}

#[tokio::test]
async fn a_version_that_answers_alike_passes_because_what_only_tells_the_time_is_noise() {
    let world = World::new();
    let gate = with_version_1(&world, &[], json!({})).await;
    let load = users(&gate);
    let start = ["start", "shop", "--version", "v2"];
    let (started, rule) = tokio::join!(release(&gate, &start), async {
        shop::until(&gate, "word of how far the gate is", compares).await;
        split(&gate).await
    });
    started.exits(0);
    assert_users_are_well(&load.stop().await);
    let shadow = rule.pointer("/rules/1/tealgate/shadow").unwrap_or_else(|| panic!("no rule in {rule}"));
    assert_eq!((&shadow["to"], &shadow["share_ppm"]), (&json!("shop-green"), &json!(1_000_000)));
    assert_eq!((split(&gate).await, shop::live(&gate).await.as_str()), (Value::Null, "v2"));

    let report = shop::report(&gate).await;
    let found = &report["gates"][0]["shadow"];
    assert_eq!(
        (&report["gates"][0]["verdict"], &found["different"]),
        (&json!("pass"), &json!(0)),
        "{report}"
    );
    assert!(found["compared"].as_u64() >= Some(60) && found["noisy"] == found["compared"], "{found}");
    let noise = &found["differences"][0];
    assert_eq!((&noise["place"], &noise["noise"]), (&json!("$.served_at_us"), &json!(true)), "{found}");
    // Copies are nobody's requests: the new version's counts begin with the share.
    let moves = report["moves"].as_array().unwrap();
    let began = moves.iter().find(|moved| moved["share"] == 100).unwrap()["revision"].as_u64();
    let mut rows = report["counts"]["rows"].as_array().unwrap().iter();
    assert!(rows.all(|row| row["answerer"] != "green" || row["epoch"].as_u64() >= began), "{report}");
}

#[tokio::test]
async fn a_version_that_answers_a_text_for_a_number_is_refused_before_any_user_saw_it() {
    let world = World::new();
    let gate = with_version_1(&world, &["--numbers-as-text"], json!({"examples": true})).await;
    let load = users(&gate);
    let started = release(&gate, &["start", "shop", "--version", "v2"]).await;
    let seen = load.stop().await;
    let why = started.json()["why"].as_str().unwrap().to_owned();
    assert!(why.starts_with("gate as-before failed: ") && why.contains(" body $.body_"), "{why}");
    assert_no_user_saw_it(&gate, &seen, started).await;

    let report = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    for text in ["$.body_bytes: number → text", "| **differs** | GET /cart (0 → \"0\")", "$.served_at_us"]
    {
        assert!(report.contains(text), "{text}: {report}");
    }
    let page = world.path().join("report.html").display().to_string();
    run(&gate, &["release", "report", "shop", "--html", &page], None).await.exits(0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<code>body $.body_bytes: number → text</code>"), "{page}");
}

#[tokio::test]
async fn a_version_that_hangs_is_refused_and_no_user_waits_for_it() {
    let world = World::new();
    let gate = with_version_1(&world, &["--mute"], json!({"duration_ms": 30_000})).await;
    let load = users(&gate);
    let started = release(&gate, &["start", "shop", "--version", "v2"]).await;
    let seen = load.stop().await;
    let why = started.json()["why"].as_str().unwrap().to_owned();
    assert!(why.contains("copies had no answer (") && why.contains(" timeout"), "{why}");
    assert_no_user_saw_it(&gate, &seen, started).await;
    let slowest = seen.tally.quantile_us(0.99).unwrap();
    assert!(slowest < 1_000_000, "nobody waits for a copy: p99 {slowest} us");
}

#[tokio::test]
async fn a_version_that_dies_is_refused_and_no_user_fails_with_it() {
    let world = World::new();
    let gate = with_version_1(&world, &[], json!({"duration_ms": 30_000})).await;
    let load = users(&gate);
    let start = ["start", "shop", "--version", "v2"];
    let (started, ()) = tokio::join!(release(&gate, &start), async {
        shop::until(&gate, "word of how far the gate is", compares).await;
        // As often as it is started again.
        let is_over = async || {
            shop::processes(&world, "v2").into_iter().for_each(|pid| _ = kill_process(pid, Signal::KILL));
            shop::newest(&gate).await["outcome"] == "rolled_back"
        };
        clock::until("the end of the release", is_over, || gate.log()).await;
    });
    let seen = load.stop().await;
    assert_no_user_saw_it(&gate, &seen, started).await;
}

/// A second gateway on the store of the first: with a data directory of its own, in which only the store is the other's.
async fn second_gateway(world: &World) -> Gate {
    let directory = world.path().join("second");
    std::fs::create_dir(&directory).unwrap();
    for entry in std::fs::read_dir(world.data_dir()).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        let is_of_one = ["lock.gateway", "lock.controller", "running.json"].iter().any(|own| name == *own);
        if entry.path().is_file() && !is_of_one {
            std::os::unix::fs::symlink(entry.path(), directory.join(name)).unwrap();
        }
    }
    Start::elsewhere(world, directory.to_str().unwrap()).role("gateway").staying().ready().await
}

/// Users of a gateway that may be gone: they ask again and again, and take what they get.
fn patient_users(gateway: std::net::SocketAddr) -> tokio::task::JoinHandle<()> {
    let host = [("host", "shop.example")];
    tokio::spawn(async move {
        loop {
            let _ = try_get_with(gateway, "/cart", &host).await;
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test]
async fn two_gateways_copy_and_one_that_is_started_again_meanwhile_is_told_of() {
    let world = World::new();
    let first = Start::new(&world).role("gateway").ready().await;
    let controller = Start::new(&world).role("controller").ready().await;
    let mut second = second_gateway(&world).await;
    shop::put(&controller, shop::target(&world), policy(json!({}))).await;
    release(&controller, &["start", "shop", "--version", "v1"]).await.exits(0);
    let gates = gates(json!({"duration_ms": 3_000, "min_requests": 200}));
    shop::change(&controller, shop::target(&world), policy(json!({"gates": gates}))).await;

    let load = users(&first);
    let others = patient_users(second.gateway());
    let start = ["start", "shop", "--version", "v2"];
    let gone = format!("gateway-{}-", second.pid());
    let (started, ()) = tokio::join!(release(&controller, &start), async {
        shop::until(&controller, "word of how far the gate is", compares).await;
        second.crash();
        let directory = second.data_dir().to_str().unwrap().to_owned();
        second = Start::elsewhere(&world, &directory).role("gateway").where_it_was(&second).ready().await;
    });
    started.exits(0);
    others.abort();
    assert_users_are_well(&load.stop().await);
    assert_eq!((shop::live(&first).await, shop::live(&second).await), ("v2".to_owned(), "v2".to_owned()));

    let report = shop::report(&controller).await;
    let found = &report["gates"][0]["shadow"];
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let copied = names(&found["gateways"]);
    assert!(copied.len() >= 2 && copied.iter().any(|name| name.starts_with(&gone)), "{found}");
    let [went] = names(&found["gone"]).try_into().unwrap_or_else(|_| panic!("{found}"));
    assert!(went.starts_with(&gone), "{found}");
    let count = |name: &str| found[name].as_u64().unwrap();
    assert!(count("compared") >= 200 && count("different") == 0, "{found}");
    assert!(count("sampled") >= count("sent") && count("sent") >= count("compared"), "{found}");
    assert!(names(&report["gaps"]).contains(&went), "{report}");
    assert_eq!(report["ledger"]["lost"], "unknown", "what it counted last is not known: {report}");
}
