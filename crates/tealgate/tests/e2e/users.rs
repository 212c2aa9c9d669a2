//! Users who keep their version count once each: one busy user for whom everything fails takes no release back, and several
//! do.

use crate::clock;
use crate::harness::cli::release;
use crate::harness::client::Connection;
use crate::harness::gate::Gate;
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use serde_json::{Value, json};
use testkit::upstream::{Behaviour, Upstream};

async fn ask(connection: &mut Connection, user: u32) -> (String, u16) {
    let name = format!("user-{user}");
    let answer = connection.send(http::Method::GET, "/", &[("x-user", name.as_str())], "").await.unwrap();
    (answer.header("x-colour").to_owned(), answer.status)
}

#[tokio::test]
async fn one_busy_user_takes_no_release_back_and_several_do() {
    let world = World::new();
    let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
    let node = |of: &Upstream| json!({"nodes": {of.address().to_string(): 1}});
    let target =
        json!({"upstream": {"blue": node(&blue), "green": node(&green), "readiness": {"interval_ms": 50}}});
    let gate = Gate::start(&world).await;
    shop::put(&gate, target.clone(), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let next = json!({
        "steps": [{"share": 20, "pause_ms": 600_000}, 100], "sticky": {"by": "header", "name": "X-User"}, "judge": {},
        "limits": {"max_error_rate": 0.05, "min_requests": 20},
    });
    shop::change(&gate, target, policy(next)).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    let moved = |view: &Value| {
        view["share"] == 20 && view["moves"].as_array().unwrap().iter().all(|one| !one["took_ms"].is_null())
    };
    let view = shop::until(&gate, "the first step", moved).await;
    assert!(view["notes"].to_string().contains("each of them counts once"), "{view}");

    let mut connection = Connection::open(gate.gateway()).await.unwrap();
    let (mut on_green, mut on_blue) = (Vec::new(), Vec::new());
    for user in 0..60 {
        let (colour, _) = ask(&mut connection, user).await;
        if colour == "green" { on_green.push(user) } else { on_blue.push(user) }
    }
    assert!(on_green.len() >= 4, "{on_green:?}");
    green.behave(Behaviour::Status(500.try_into().unwrap()));
    for _ in 0..100 {
        assert_eq!(ask(&mut connection, on_green[0]).await, ("green".to_owned(), 500));
        ask(&mut connection, on_blue[0]).await;
    }
    // What a hundred failures of one user are: one, of the users who came.
    let one_failure = |view: &Value| {
        let mut evidence = view["evidence"].as_array().unwrap().iter().map(|one| &one["finding"]);
        view["colours"][1]["errors"].as_u64() >= Some(100)
            && evidence.any(|one| one["words"].to_string().contains(" users "))
    };
    let view = shop::until(&gate, "the failures of one user", one_failure).await;
    assert_eq!((&view["outcome"], &view["share"]), (&Value::Null, &json!(20)), "{view}");

    let everyone = async || {
        for user in on_green.iter().chain(&on_blue) {
            ask(&mut connection, *user).await;
        }
        !shop::newest(&gate).await["outcome"].is_null()
    };
    clock::until("the end of the release", everyone, || gate.log()).await;
    let view = shop::until_over(&gate).await;
    assert_eq!(view["outcome"], "rolled_back", "{view}");
    let report = shop::report(&gate).await;
    assert!(!report["guards"].as_array().unwrap().is_empty(), "{report}");
}
