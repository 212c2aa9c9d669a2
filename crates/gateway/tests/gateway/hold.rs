//! While a share moves, requests wait: in order, within bounds, and nobody gets an error for it.

use crate::support::{Client, Gate, HANDSHAKE, get, route, settings, upstream_with};
use gateway::Settings;
use model::record::Answerer;
use model::resource::Kind;
use serde_json::{Value, json};
use telemetry::counts::Counts;
use telemetry::report::HoldReport;
use telemetry::series::sum_of;
use testkit::clock::{eventually, now, within};
use testkit::upstream::{Behaviour, Upstream};

/// No test waits for this long.
pub(crate) const LONG_MS: u64 = 30_000;

pub(crate) struct Colours {
    pub(crate) blue: Upstream,
    pub(crate) green: Upstream,
}

impl Colours {
    pub(crate) async fn start() -> Colours {
        Colours { blue: Upstream::start("blue").await, green: Upstream::start("green").await }
    }

    /// Blue and green with these weights, and a hold; the app's policy holds writes.
    pub(crate) fn resources(&self, weights: [u32; 2], hold: Option<Value>) -> Vec<(Kind, Value)> {
        let labels = |colour: &str| json!({"labels": {"tealgate.app": "shop", "tealgate.colour": colour}});
        let mut rule = json!({"weighted_upstreams": [
            {"upstream_id": "green", "weight": weights[1]}, {"upstream_id": "blue", "weight": weights[0]}]});
        if let Some(hold) = hold {
            rule["tealgate"] = json!({ "hold": hold });
        }
        let split = json!({ "rules": [rule] });
        vec![
            upstream_with("blue", &[self.blue.address()], &labels("blue")),
            upstream_with("green", &[self.green.address()], &labels("green")),
            (Kind::Service, json!({"id": "s", "upstream_id": "blue", "plugins": {"traffic-split": split}})),
            (
                Kind::App,
                json!({"id": "shop", "service_id": "s", "release": {"hold": {"requests": "writes"}}}),
            ),
            route(&json!({"service_id": "s", "enable_websocket": true})),
        ]
    }

    pub(crate) async fn gate(&self, threads: usize) -> Gate {
        Gate::with(Settings { threads, ..settings() }, &self.resources([1, 0], None)).await
    }
}

pub(crate) fn hold(id: &str, budget_ms: u64, max_requests: u32) -> Value {
    json!({"id": id, "requests": "writes", "budget_ms": budget_ms, "max_requests": max_requests, "max_bytes": 1_000_000_000})
}

fn post(id: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\nContent-Length: 3\r\n\r\nabc")
}

fn report(gate: &Gate) -> HoldReport {
    gate.gateway.holds().reports().pop().expect("a hold")
}

fn open_on(gate: &Gate, answerer: Answerer) -> u64 {
    report(gate).open.iter().find(|(one, _)| *one == answerer).expect("known").1
}

async fn waiting(gate: &Gate, count: u64) {
    eventually("requests that wait", async || report(gate).waiting == count).await;
}

/// Sends requests that come to wait, one after the other.
async fn send_held(gate: &Gate, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 0..count {
        let mut client = gate.client().await;
        client.0.send(post(number)).await;
        waiting(gate, number as u64 + 1).await;
        clients.push(client);
    }
    clients
}

/// What the gate itself has counted for the app: requests that no colour got.
fn of_nobody(gate: &Gate) -> Counts {
    let series = gate.gateway.series().snapshot_of_apps();
    sum_of(&series, |key| key.app == "shop" && key.answerer == Answerer::Gate)
}

async fn colours(clients: Vec<Client>) -> Vec<String> {
    let mut colours = Vec::new();
    for mut client in clients {
        let answer = client.answer(false).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        colours.push(answer.header("x-colour").unwrap().to_owned());
    }
    colours
}

#[tokio::test]
async fn writes_wait_and_go_on_in_their_order_by_the_table_that_holds_then() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", LONG_MS, 100)))).await;
    let clients = send_held(&gate, 8).await;
    assert_eq!(gate.ask(get("/")).await.header("x-colour"), Some("blue"), "reads do not wait");
    // By turn from now on: whose claim comes first goes to green.
    gate.apply(&both.resources([1, 1], None)).await;
    let told = report(&gate);
    assert_eq!((told.over, told.waited, told.waiting), (true, 8, 0), "its account is whole with its end");
    let colours = within("the answers", colours(clients)).await;
    assert_eq!(colours, ["green", "blue"].repeat(4));
    let counts = gate.settled().await;
    assert_eq!((counts.received, counts.failed()), (9, 0));
    let report = report(&gate);
    assert_eq!((report.waited, report.waiting, report.left, report.passed), (8, 0, 0, 0));
    assert!(report.over && !report.lapsed && report.longest_us > 0);
    assert_eq!(report.waits.count(), 8);
}

#[tokio::test]
async fn what_a_request_has_waited_is_no_time_of_the_version_that_answers_it() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", LONG_MS, 100)))).await;
    let began = now();
    let mut clients = send_held(&gate, 1).await;
    for _ in 0..50 {
        assert_eq!(gate.ask(get("/")).await.header("x-colour"), Some("blue"), "others go on meanwhile");
    }
    gate.apply(&both.resources([0, 1], None)).await;
    assert_eq!(clients.remove(0).answer(false).await.header("x-colour"), Some("green"));
    let whole_us = u64::try_from((now() - began).as_micros()).unwrap();
    gate.settled().await;
    let green = sum_of(&gate.gateway.series().snapshot(), |key| key.answerer == Answerer::Green);
    // A sketch is exact to 1/32.
    let latency_us = green.latency.quantile(1.0).expect("one answer") * 31 / 32;
    let waited_us = report(&gate).longest_us;
    assert!(latency_us + waited_us <= whole_us, "{latency_us} + {waited_us} of {whole_us} µs");
}

#[tokio::test]
async fn when_its_budget_is_over_everyone_goes_on_to_where_they_would_have_gone() {
    let both = Colours::start().await;
    let gate = both.gate(2).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", 20, 100)))).await;
    let mut clients = Vec::new();
    for number in 0..6 {
        let mut client = gate.client().await;
        client.0.send(post(number)).await;
        clients.push(client);
    }
    assert_eq!(within("the answers", colours(clients)).await, ["blue"; 6]);
    eventually("the end of the hold", async || report(&gate).over).await;
    assert!(report(&gate).lapsed && !report(&gate).stood_before);
    // Nor does it begin again with a table that still has it.
    let mut resources = both.resources([1, 0], Some(hold("h", LONG_MS, 100)));
    resources.push(route(&json!({"id": "other", "uri": "/other", "service_id": "s"})));
    gate.apply(&resources).await;
    assert_eq!(gate.ask(post(7)).await.header("x-colour"), Some("blue"));
}

#[tokio::test]
async fn beyond_the_bounds_a_request_does_not_wait() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", LONG_MS, 2)))).await;
    let clients = send_held(&gate, 2).await;
    assert_eq!(gate.ask(post(2)).await.header("x-colour"), Some("blue"));
    let mut small = hold("bytes", LONG_MS, 100);
    small["max_bytes"] = json!(1_000);
    gate.apply(&both.resources([1, 0], Some(small))).await;
    assert_eq!(colours(clients).await, ["blue"; 2], "another hold is not theirs");
    assert_eq!(gate.ask(post(3)).await.header("x-colour"), Some("blue"), "a body is more than 1,000 bytes");
    let passed: Vec<u64> = gate.gateway.holds().reports().iter().map(|report| report.passed).collect();
    assert_eq!(passed, [1, 1]);
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_is_noticed() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", LONG_MS, 100)))).await;
    let mut clients = send_held(&gate, 2).await;
    drop(clients.remove(0));
    waiting(&gate, 1).await;
    gate.apply(&both.resources([0, 1], None)).await;
    assert_eq!(colours(clients).await, ["green"]);
    let counts = gate.settled().await;
    assert_eq!((counts.received, counts.client_left, counts.whole[1]), (2, 1, 1));
    assert_eq!((report(&gate).left, report(&gate).waited), (1, 1));
    assert_eq!(of_nobody(&gate).client_left, 1, "the app accounts for it");
    assert!(both.blue.requests().is_empty());
}

#[tokio::test]
async fn whose_whole_time_is_over_while_it_waits_is_told_so_and_goes_nowhere() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    let mut resources = both.resources([1, 0], Some(hold("h", LONG_MS, 100)));
    resources.last_mut().unwrap().1["labels"] = json!({"tealgate.total_timeout_ms": "1"});
    gate.apply(&resources).await;
    assert_eq!(gate.ask(post(0)).await.status, 504);
    let counts = gate.settled().await;
    assert_eq!((counts.received, counts.gate_errors), (1, 1));
    assert_eq!((report(&gate).waiting, report(&gate).waited, report(&gate).left), (0, 0, 1));
    assert_eq!(of_nobody(&gate).gate_errors, 1, "the app accounts for it");
    assert!(both.blue.requests().is_empty() && both.green.requests().is_empty());
}

#[tokio::test]
async fn what_a_hold_waits_for_is_counted_from_before_it_and_its_end_is_told() {
    let both = Colours::start().await;
    let gate = both.gate(2).await;
    both.blue.behave(Behaviour::Held);
    let mut writer = gate.client().await;
    writer.0.send(post(0)).await;
    let mut reader = gate.client().await;
    reader.0.send(get("/")).await;
    both.blue.arrived(2).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", LONG_MS, 100)))).await;
    assert_eq!(open_on(&gate, Answerer::Blue), 1, "the write, and not the read");
    let mut held = send_held(&gate, 1).await;
    assert_eq!(open_on(&gate, Answerer::Blue), 1, "who waits is not under way");
    let told = async {
        while open_on(&gate, Answerer::Blue) > 0 {
            gate.gateway.holds().changed().await;
        }
    };
    both.blue.release(2);
    within("the end of the write", told).await;
    gate.apply(&both.resources([0, 1], None)).await;
    assert_eq!(held.remove(0).answer(false).await.header("x-colour"), Some("green"));
    assert_eq!(writer.answer(false).await.header("x-colour"), Some("blue"));
    assert_eq!(reader.answer(false).await.status, 200);
}

#[tokio::test]
async fn a_hold_that_stood_before_the_gateway_did_holds_nobody() {
    let both = Colours::start().await;
    let resources = both.resources([1, 0], Some(hold("h", LONG_MS, 100)));
    let gate = Gate::with(settings(), &resources).await;
    assert_eq!(gate.ask(post(0)).await.header("x-colour"), Some("blue"));
    assert!(report(&gate).over && report(&gate).lapsed && report(&gate).stood_before);
}

#[tokio::test]
async fn a_route_that_goes_while_a_request_waits_is_not_found() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", LONG_MS, 100)))).await;
    let mut clients = send_held(&gate, 1).await;
    let mut resources = both.resources([1, 0], None);
    resources.pop();
    gate.apply(&resources).await;
    assert_eq!(clients.remove(0).answer(false).await.status, 404);
    gate.settled().await;
}

#[tokio::test]
async fn a_request_for_a_websocket_never_waits() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    let mut all = hold("h", LONG_MS, 100);
    all["requests"] = json!("all");
    gate.apply(&both.resources([1, 0], Some(all))).await;
    assert_eq!(gate.ask(HANDSHAKE).await.status, 200);
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    waiting(&gate, 1).await;
    gate.apply(&both.resources([0, 1], None)).await;
    assert_eq!(client.answer(false).await.header("x-colour"), Some("green"));
}
