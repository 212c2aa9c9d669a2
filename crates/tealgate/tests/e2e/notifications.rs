//! Who is told of a release: real receivers, the signature as another program computes it, crashes, TLS.

use crate::harness::cli::{release, run};
use crate::harness::gate::{Gate, Start};
use crate::harness::nginx::Nginx;
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use serde_json::{Value, json};
use std::process::Command;
use testkit::service::{Answer, Asked, Service};

const SECRET: &str = "a-key-from-the-environment";

async fn put(gate: &Gate, world: &World, receivers: Value) {
    shop::put(gate, shop::target(world), policy(json!({ "notifications": receivers }))).await;
}

fn events(asked: &[Asked]) -> Vec<String> {
    let body = |asked: &Asked| serde_json::from_slice::<Value>(&asked.body).unwrap();
    asked.iter().map(|asked| body(asked)["event"].as_str().unwrap().to_owned()).collect()
}

/// What Python's library makes of it.
fn signature(asked: &Asked) -> String {
    let program = "import base64,hashlib,hmac,sys\n\
        key,signed=sys.argv[1].encode(),sys.argv[2].encode()\n\
        print('v1,'+base64.b64encode(hmac.new(key,signed,hashlib.sha256).digest()).decode())";
    let (id, at) = (asked.header("webhook-id"), asked.header("webhook-timestamp"));
    let signed = format!("{id}.{at}.{}", std::str::from_utf8(&asked.body).unwrap());
    let output = Command::new("python3").args(["-c", program, SECRET, &signed]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn receivers_are_told_of_a_release_and_nothing_is_lost_when_the_controller_dies() {
    let world = World::new();
    let ci = Service::start(|_| Answer::status(200)).await;
    let flaky = Service::start(|_| Answer::status(500)).await;
    let mut gate = Start::new(&world).variable("HOOK_KEY", SECRET).ready().await;
    let receivers = json!([
        {"name": "ci", "url": ci.url("/hook"), "secret": {"from_env": "HOOK_KEY"}},
        {"name": "flaky", "url": flaky.url("/hook"), "events": ["started", "done"]},
    ]);
    put(&gate, &world, receivers).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let told = ci.asked_times(3).await;
    assert_eq!(events(&told), ["started", "shifted", "done"]);
    assert!(told.iter().all(|asked| asked.header("webhook-signature") == signature(asked)));

    // One receiver has taken nothing yet. It is seen, and the next controller tells it.
    let trouble = |view: &Value| view["notifications"][1]["trouble"].is_string();
    let view = shop::until(&gate, "the trouble", trouble).await;
    assert_eq!(view["notifications"][1]["waiting"], 2, "{view}");
    let status = run(&gate, &["release", "status", "shop"], None).await.exits(0).out;
    assert!(status.contains("flaky at http://127.0.0.1:") && status.contains("answered 500"), "{status}");
    gate.crash();
    let before = flaky.asked().len();
    flaky.answer(|_| Answer::status(200));
    let gate = Start::new(&world).variable("HOOK_KEY", SECRET).ready().await;
    let all_told = |view: &Value| view["notifications"][1]["waiting"] == 0;
    shop::until(&gate, "the rest to be told", all_told).await;
    assert_eq!(events(&flaky.asked()[before..]), ["started", "done"]);
    assert_eq!(ci.asked().len(), 3, "who was told is not told again");
    let report = run(&gate, &["release", "report", "shop"], None).await.exits(0).out;
    assert!(report.contains("flaky at http://127.0.0.1:") && report.contains("2 delivered"), "{report}");
    assert!(!(gate.log() + &report + &view.to_string()).contains(SECRET));
}

#[tokio::test]
async fn over_tls_the_receiver_must_be_who_it_says() {
    let world = World::new();
    let nginx = Nginx::with_tls(&world, "receiver", "").await;
    let authority = world.path().join("receiver/cert.pem").display().to_string();
    let gate = Start::new(&world).variable("SSL_CERT_FILE", &authority).ready().await;
    let port = nginx.address().port();
    let receiver = |name: &str, host: &str| {
        let url = format!("https://{host}:{port}/headers");
        json!({"name": name, "url": url, "events": ["done"], "give_up_after_ms": 0})
    };
    put(&gate, &world, json!([receiver("right", "localhost"), receiver("wrong", "127.0.0.1")])).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let told = |view: &Value| {
        let count = |place: usize, what: &str| view["notifications"][place][what] == 1;
        count(0, "delivered") && count(1, "given_up")
    };
    let view = shop::until(&gate, "the notices to be told or given up", told).await;
    let why = view["notifications"][1]["unsent"][0]["why"].as_str().unwrap().to_owned();
    assert!(why.starts_with(&format!("no TLS with https://127.0.0.1:{port}")), "{why}");
}
