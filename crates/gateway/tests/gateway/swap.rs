//! Tables are swapped under load: nothing is lost, and no claim comes late.

use crate::support::{Client, Gate, get, route, settings, upstream_with};
use gateway::Settings;
use model::resource::{Kind, Origin, Resource};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use telemetry::series::sum_of;
use testkit::raw::RawClient;
use testkit::upstream::Upstream;

const SWITCHES: u64 = 200;
const CLIENTS: usize = 8;

fn colours(blue: &Upstream, green: &Upstream, weights: (u32, u32)) -> Vec<(Kind, Value)> {
    let labels = |colour: &str| json!({"labels": {"tealgate.app": "shop", "tealgate.colour": colour}});
    let split = json!({"rules": [{"weighted_upstreams": [
        {"upstream_id": "blue", "weight": weights.0}, {"upstream_id": "green", "weight": weights.1}]}]});
    vec![
        upstream_with("blue", &[blue.address()], &labels("blue")),
        upstream_with("green", &[green.address()], &labels("green")),
        (Kind::Service, json!({"id": "s", "upstream_id": "blue", "plugins": {"traffic-split": split}})),
        route(&json!({"service_id": "s"})),
    ]
}

/// Sends one request after the other until told to stop; gives how many each colour answered.
async fn closed_loop(mut client: Client, stop: Arc<AtomicBool>) -> BTreeMap<String, u64> {
    let mut answered = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = client.ask("PUT /?size=100 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        *answered.entry(answer.header("x-colour").unwrap().to_owned()).or_default() += 1;
    }
    answered
}

/// Requests received by epoch.
fn by_epoch(gate: &Gate) -> BTreeMap<u64, u64> {
    let mut epochs = BTreeMap::new();
    for series in gate.gateway.series().snapshot() {
        *epochs.entry(series.key.epoch).or_default() += series.counts.received;
    }
    epochs
}

#[tokio::test]
async fn two_hundred_switches_under_load_lose_nothing_and_no_claim_comes_late() {
    let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
    let gate = Gate::with(Settings { threads: 2, ..settings() }, &colours(&blue, &green, (1, 0))).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(tokio::spawn(closed_loop(gate.client().await, Arc::clone(&stop))));
    }
    for switch in 0..SWITCHES {
        let weights = if switch % 2 == 0 { (0, 1) } else { (1, 0) };
        let revision = gate.apply(&colours(&blue, &green, weights)).await.revision;
        let applied = by_epoch(&gate);
        assert!(applied.keys().all(|epoch| *epoch <= revision));
        // Some requests later, no older epoch has grown.
        let received = || gate.gateway.totals().snapshot().requests_received;
        let goal = received() + 2 * CLIENTS as u64;
        testkit::clock::eventually("more requests", async || received() >= goal).await;
        // Epochs beyond the registry's bound become one of epoch 0, oldest first: compare what still stands alone.
        let later = by_epoch(&gate);
        for (epoch, count) in applied.range(1..revision) {
            assert!(
                later.get(epoch).is_none_or(|later| later == count),
                "epoch {epoch} grew after {revision}"
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut answered: BTreeMap<String, u64> = BTreeMap::new();
    for client in clients {
        for (colour, count) in client.await.unwrap() {
            *answered.entry(colour).or_default() += count;
        }
    }
    let counts = gate.settled().await;
    let sent: u64 = answered.values().sum();
    assert_eq!((counts.received, counts.whole[1], counts.failed()), (sent, sent, 0));
    let received = |upstream: &Upstream| upstream.ids().values().sum::<u64>();
    assert_eq!(received(&blue), answered["blue"]);
    assert_eq!(received(&green), answered["green"]);
    let of = |colour| sum_of(&gate.gateway.series().snapshot(), |key| key.answerer == colour).received;
    assert_eq!(of(model::record::Answerer::Blue), answered["blue"]);
    assert_eq!(of(model::record::Answerer::Green), answered["green"]);
}

#[tokio::test]
async fn after_a_switch_idle_connections_to_the_colour_that_was_left_are_closed() {
    use testkit::scripted::{ScriptedUpstream, Step};
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut blue =
        ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(answer), Step::ReadToEnd]]).await;
    let green = Upstream::start("green").await;
    let resources = |id: &str| {
        [
            crate::support::upstream("blue", &[blue.address()]),
            crate::support::upstream("green", &[green.address()]),
            route(&json!({"upstream_id": id})),
        ]
    };
    let (before, after) = (resources("blue"), resources("green"));
    let gate = Gate::with(settings(), &before).await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(get("/")).await.status, 200);
    gate.apply(&after).await;
    blue.finished(1).await;
    assert_eq!(client.ask(get("/")).await.header("x-colour"), Some("green"));
}

#[tokio::test]
async fn a_request_that_was_claimed_before_a_switch_finishes_where_it_began() {
    let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
    blue.behave(testkit::upstream::Behaviour::Held);
    let gate = Gate::with(settings(), &colours(&blue, &green, (1, 0))).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    blue.arrived(1).await;
    gate.apply(&colours(&blue, &green, (0, 1))).await;
    assert_eq!(gate.ask(get("/")).await.header("x-colour"), Some("green"));
    blue.release(1);
    assert_eq!(client.answer(false).await.header("x-colour"), Some("blue"));
    assert_eq!(client.ask(get("/")).await.header("x-colour"), Some("green"));
}

#[tokio::test]
async fn edits_that_do_not_concern_an_upstream_keep_its_connections_and_the_epoch() {
    let server = Upstream::start("u").await;
    let resources = |name: &str| {
        let inline = json!({"nodes": {server.address().to_string(): 1}});
        let split = json!({"rules": [{"weighted_upstreams": [{"upstream": inline}]}]});
        [(
            Kind::Route,
            json!({"id": "r", "name": name, "uri": "/*", "upstream": inline, "plugins": {"traffic-split": split}}),
        )]
    };
    let gate = Gate::with(settings(), &resources("one")).await;
    let mut client = gate.client().await;
    client.ask(get("/")).await;
    gate.apply(&resources("two")).await;
    client.ask(get("/")).await;
    assert!(server.requests().iter().all(|request| request.connection == 0));
    assert_eq!(by_epoch(&gate).get(&1), Some(&2));
}

#[tokio::test]
async fn what_a_release_owns_of_a_service_lies_over_it() {
    let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
    let mut resources = colours(&blue, &green, (1, 0));
    let overlay = json!({"id": "s", "app": "shop", "base": {}, "owned": {"upstream_id": "green"}});
    resources.push((Kind::Overlay, overlay));
    let gate = Gate::with(settings(), &resources).await;
    assert_eq!(gate.ask(get("/")).await.header("x-colour"), Some("green"));
    resources.pop();
    resources.push((Kind::Overlay, json!({"id": "s", "app": "shop"})));
    let problems = gate.apply(&resources).await.problems;
    assert_eq!((problems.len(), problems[0].kind), (1, Kind::Overlay));
}

#[tokio::test]
async fn what_cannot_be_run_is_reported_and_the_rest_runs() {
    let server = Upstream::start("u").await;
    let resources = [
        crate::support::upstream("u", &[server.address()]),
        (Kind::Upstream, json!({"id": "v", "type": "magic", "nodes": {"a:1": 1, "b:1": 1}})),
        (Kind::Upstream, json!({"id": "w", "scheme": "kafka", "nodes": {"a:1": 1}})),
        route(&json!({"upstream_id": "u"})),
        route(&json!({"id": "lua", "uri": "/lua", "filter_func": "function(vars) return true end"})),
        route(&json!({"id": "addr", "uri": "/addr", "remote_addrs": ["10.0.0.0/99"], "upstream_id": "u"})),
        route(&json!({"id": "off", "uri": "/off", "status": 0})),
        route(&json!({"id": "v", "uri": "/v", "upstream_id": "v"})),
    ];
    let gate = Gate::start(settings());
    let problems = gate.apply(&resources).await.problems;
    let ids: Vec<_> = problems.iter().map(|problem| problem.id.as_str()).collect();
    assert_eq!(ids, ["addr", "lua", "v", "w"], "by kind and id");
    assert_eq!(gate.apply(&resources).await.problems, problems, "said of each table");
    assert_eq!(gate.ask(get("/")).await.status, 200);
    assert_eq!(gate.ask(get("/v")).await.status, 500);
}

#[tokio::test]
async fn a_table_of_many_routes_is_applied_while_requests_go_on() {
    let server = Upstream::start("u").await;
    let mut resources = vec![crate::support::upstream("u", &[server.address()])];
    for number in 0..2_000 {
        resources.push(route(
            &json!({"id": format!("r{number}"), "uri": format!("/{number}/*"), "upstream_id": "u"}),
        ));
    }
    let shared: Vec<_> = resources
        .iter()
        .map(|(kind, value)| {
            Arc::new(Resource {
                kind: *kind,
                id: value["id"].as_str().unwrap().to_owned(),
                value: Arc::new(value.clone()),
                origin: Origin::Api,
                created: 1,
                modified: 1,
            })
        })
        .collect();
    let gate = Gate::start(settings());
    for revision in 1..4 {
        gate.gateway.apply(revision, shared.clone()).await.unwrap();
        let mut client = Client(RawClient::connect(gate.address()).await);
        assert_eq!(client.ask(get("/1999/x")).await.status, 200);
        assert_eq!(client.ask(get("/2000/x")).await.status, 404);
    }
    assert_eq!(by_epoch(&gate).get(&1), Some(&3), "an unchanged route keeps its epoch");
}
