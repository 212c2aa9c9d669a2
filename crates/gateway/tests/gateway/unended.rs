//! A version that begins answers and does not end them is found, and streams are no such thing.

use crate::guard::{Shop, all_go_to, clients, fires, impatient, state};
use crate::support::{Gate, get};
use model::resource::Kind;
use serde_json::{Value, json};
use telemetry::report::{GuardState, Waits};
use testkit::clock::{eventually, within};
use testkit::upstream::Behaviour;

/// Some of the answer comes, and no more.
const STALL: Behaviour = Behaviour::StallAfter(4);

/// The same rule, which also compares whether answers end.
fn watchful(id: &str) -> Value {
    let mut rule = impatient(id);
    rule["unended_false_alarm_one_in"] = json!(10_000);
    rule
}

/// Both versions are asked by HTTP/2.
fn by_http2(mut resources: Vec<(Kind, Value)>) -> Vec<(Kind, Value)> {
    let upstreams = resources.iter_mut().filter(|(kind, _)| *kind == Kind::Upstream);
    upstreams.for_each(|(_, value)| value["scheme"] = json!("grpc"));
    resources
}

fn waits(gate: &Gate) -> [Waits; 2] {
    gate.gateway.guards().reports().pop().unwrap().waits
}

async fn stalls_and_is_gone(gate: &Gate, shop: &Shop) {
    shop.green.behave(STALL);
    let waiting = clients(gate, 20).await;
    let trip = fires(gate, "g").await;
    let words = &trip.evidence[0];
    assert!(["unended", "comparison"].contains(&trip.bound.as_str()), "{trip:?}");
    assert!(words.contains("not ended"), "{words}");
    assert_eq!(trip.found_in_ms, None, "nothing has failed: {trip:?}");
    all_go_to(gate, "blue").await;
    drop(waiting);
    assert_eq!(gate.settled().await.cut_short, 0);
}

#[tokio::test]
async fn a_version_that_sends_half_of_each_answer_is_gone() {
    let shop = Shop::start().await;
    stalls_and_is_gone(&shop.gate(50, watchful("g")).await, &shop).await;
}

#[tokio::test]
async fn a_version_that_sends_half_of_each_answer_by_http2_is_gone() {
    let shop = Shop::start().await;
    let resources = by_http2(shop.resources(50, Some(watchful("g"))));
    stalls_and_is_gone(&Gate::with(shop.settings(), &resources).await, &shop).await;
}

#[tokio::test]
async fn a_version_with_all_of_the_traffic_that_ends_nothing_is_gone() {
    let shop = Shop::start().await;
    let gate = Gate::with(shop.settings(), &shop.resources(0, None)).await;
    all_go_to(&gate, "blue").await;
    all_go_to(&gate, "blue").await;
    shop.green.behave(STALL);
    gate.apply(&shop.resources(100, Some(watchful("g")))).await;
    let _waiting = clients(&gate, 5).await;
    assert_eq!(fires(&gate, "g").await.bound, "unended");
    all_go_to(&gate, "blue").await;
}

#[tokio::test]
async fn answers_of_one_kind_that_do_not_end_are_found_while_those_of_another_one_do() {
    let shop = Shop::start().await;
    let gate = shop.gate(50, watchful("g")).await;
    shop.green.behave(STALL);
    let mut waiting = Vec::new();
    let asking = async {
        while state(&gate, "g") == GuardState::Armed {
            // What has no body has no end that could be late.
            gate.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await;
            if waiting.len() < 400 {
                waiting.extend(clients(&gate, 1).await);
            }
        }
    };
    within("the guard", asking).await;
    let trip = fires(&gate, "g").await;
    assert_eq!(trip.bound, "comparison", "{trip:?}");
    assert!(trip.evidence[0].starts_with("answers not ended 300 ms after they began: new"), "{trip:?}");
    assert!(trip.new.failed > 0 && trip.old.failed == 0, "{trip:?}");
}

#[tokio::test]
async fn clients_that_give_up_before_anybody_is_late_have_seen_no_end() {
    let shop = Shop::start().await;
    let mut rule = watchful("g");
    // The guard would wait for longer than anybody does here.
    rule["hang"] = json!({"requests": 1_000, "after_ms": 1_200});
    let gate = shop.gate(50, rule).await;
    shop.green.behave(STALL);
    let asking = async {
        while state(&gate, "g") == GuardState::Armed {
            let waiting = clients(&gate, 20).await;
            let open = || waits(&gate)[1];
            let has_waited = async || open().unended == 0 || open().unended_ms.is_some_and(|ms| ms > 700);
            eventually("some have waited", has_waited).await;
            drop(waiting);
            eventually("all have gone", async || open().unended == 0).await;
        }
    };
    within("the guard", asking).await;
    let trip = fires(&gate, "g").await;
    assert_eq!((trip.bound.as_str(), trip.old.failed), ("comparison", 0), "{trip:?}");
}

#[tokio::test]
async fn streams_on_both_versions_are_shown_and_nobody_is_blamed_for_them() {
    let [streams, other] = [Shop::start().await, Shop::start().await];
    let gate = streams.gate(50, watchful("g")).await;
    for both in [&streams.blue, &streams.green] {
        both.behave(STALL);
    }
    let mut open = clients(&gate, 40).await;
    let shown = async || {
        let [old, new] = waits(&gate);
        old.unended + new.unended == 40
            && [old, new].iter().all(|one| one.unended >= 3 && one.unended_ms.is_some())
    };
    eventually("all of them", shown).await;
    // Beside them, what both versions do end.
    for both in [&streams.blue, &streams.green] {
        both.behave(Behaviour::Echo);
    }
    for _ in 0..20 {
        gate.ask(get("/")).await;
    }
    for both in [&streams.blue, &streams.green] {
        both.behave(STALL);
    }
    open.extend(clients(&gate, 40).await);
    // Whoever is asked last has stalled for long enough, so these would have.
    let stalls = other.gate(50, watchful("g")).await;
    other.green.behave(STALL);
    let _waiting = clients(&stalls, 20).await;
    fires(&stalls, "g").await;
    assert_eq!(state(&gate, "g"), GuardState::Armed);
}
