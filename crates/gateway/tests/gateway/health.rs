//! Which nodes get requests while some of them die and come back: passive and active checks, and what they cost.

use crate::support::{Gate, get, route, settings, upstream_with};
use crate::upstreams::tls_server;
use gateway::Settings;
use gateway::table::BudgetRule;
use model::resource::Kind;
use serde_json::{Value, json};
use std::net::SocketAddr;
use telemetry::health::NodeHealth;
use testkit::clock::eventually;
use testkit::upstream::{Behaviour, Upstream};

/// Seconds that no test takes: such a check never comes.
const NEVER: u64 = 100_000;
/// Seconds between two checks. The schema allows whole seconds only; the gateway reads what it is given.
const SOON: f64 = 0.02;

/// An upstream `u` with these checks, and a route to it.
fn resources(nodes: &[SocketAddr], checks: &Value) -> [(Kind, Value); 2] {
    [upstream_with("u", nodes, &json!({"checks": checks})), route(&json!({"upstream_id": "u"}))]
}

/// Passive checks beside active ones that never come.
fn passive(unhealthy: &Value) -> Value {
    let never = json!({"interval": NEVER});
    json!({"active": {"healthy": never, "unhealthy": never}, "passive": {"unhealthy": unhealthy}})
}

/// Active checks that come soon.
fn active(more: &Value) -> Value {
    let mut active = json!({"healthy": {"interval": SOON, "successes": 2},
                            "unhealthy": {"interval": SOON, "tcp_failures": 2, "http_failures": 2, "timeouts": 1}});
    for (key, field) in more.as_object().unwrap() {
        active[key] = field.clone();
    }
    json!({ "active": active })
}

fn nodes(gate: &Gate) -> Vec<NodeHealth> {
    gate.gateway.health().upstreams.into_iter().flat_map(|upstream| upstream.nodes).collect()
}

async fn becomes(gate: &Gate, address: SocketAddr, status: &str) -> NodeHealth {
    let find = || nodes(gate).into_iter().find(|node| node.port == address.port() && node.status == status);
    eventually(status, async || find().is_some()).await;
    find().unwrap()
}

/// How many of `requests` requests in a row each of the upstreams gets; all must be answered with 200.
async fn spread(gate: &Gate, requests: usize, upstreams: &[&Upstream]) -> Vec<usize> {
    let count = || upstreams.iter().map(|upstream| served(upstream)).collect::<Vec<_>>();
    let before = count();
    let mut client = gate.client().await;
    for _ in 0..requests {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
    count().iter().zip(before).map(|(after, before)| after - before).collect()
}

/// Requests of clients, without the checks'.
fn served(upstream: &Upstream) -> usize {
    let is_check = |value: &http::HeaderValue| value == "tealgate-health-check";
    let requests = upstream.requests();
    requests.iter().filter(|request| !request.headers.get("user-agent").is_some_and(is_check)).count()
}

fn checks_of(upstream: &Upstream) -> usize {
    upstream.requests().len() - served(upstream)
}

#[tokio::test]
async fn a_node_that_dies_is_left_out_after_the_threshold_and_no_request_fails() {
    let (dies, stays) = (Upstream::start("dies").await, Upstream::start("stays").await);
    let addresses = [dies.address(), stays.address()];
    let gate = Gate::with(settings(), &resources(&addresses, &passive(&json!({"tcp_failures": 3})))).await;
    assert_eq!(spread(&gate, 10, &[&dies, &stays]).await, [5, 5]);
    drop(dies);
    assert_eq!(spread(&gate, 40, &[&stays]).await, [40]);
    assert_eq!(gate.settled().await.retried, 3, "three requests have found out");
    let node = becomes(&gate, addresses[0], "unhealthy").await;
    assert_eq!((node.tcp_failures, node.why.starts_with("request: ")), (3, true), "{node:?}");
    assert!(node.since_ms > 0);
}

#[tokio::test]
async fn statuses_and_timeouts_of_requests_count_too() {
    let (bad, good) = (Upstream::start("bad").await, Upstream::start("good").await);
    let addresses = [bad.address(), good.address()];
    let limits = json!({"http_failures": 2, "http_statuses": [500], "timeouts": 1});
    let mut all = resources(&addresses, &passive(&limits));
    all[0].1["timeout"] = json!({"connect": 1, "send": 1, "read": 0.1});
    let gate = Gate::with(settings(), &all).await;
    bad.behave(Behaviour::Status(http::StatusCode::INTERNAL_SERVER_ERROR));
    let mut client = gate.client().await;
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(client.ask(get("/")).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 2, "{statuses:?}");
    assert_eq!(becomes(&gate, addresses[0], "unhealthy").await.why, "request: status 500");
    good.behave(Behaviour::Held);
    assert_eq!(client.ask(get("/")).await.status, 500, "the slow one was given up for the one that fails");
    assert_eq!(becomes(&gate, addresses[1], "unhealthy").await.why, "request: not in time");
    good.behave(Behaviour::Echo);
    bad.behave(Behaviour::Echo);
    assert_eq!(spread(&gate, 8, &[&bad, &good]).await, [4, 4], "all unhealthy: all are used");
    let mut next = spread(&gate, 4, &[&bad, &good]).await;
    next.sort_unstable();
    assert_eq!(next, [0, 4], "with its fifth success one of them is healthy, and gets all");
}

#[tokio::test]
async fn active_checks_find_who_is_gone_and_who_is_back_without_a_request() {
    let (dies, stays) = (Upstream::start("dies").await, Upstream::start("stays").await);
    let addresses = [dies.address(), stays.address()];
    let checks = active(&json!({"http_path": "/up", "host": "app.test", "req_headers": ["X-Key: 1"]}));
    let gate = Gate::with(settings(), &resources(&addresses, &checks)).await;
    eventually("checks", async || checks_of(&dies) > 2).await;
    let check = dies.requests()[0].clone();
    assert_eq!(
        (check.target.as_str(), &check.headers["host"], &check.headers["x-key"]),
        ("/up", &http::HeaderValue::from_static("app.test"), &http::HeaderValue::from_static("1"))
    );
    drop(dies);
    let node = becomes(&gate, addresses[0], "unhealthy").await;
    assert!(node.why.starts_with("check: "), "{node:?}");
    assert_eq!(spread(&gate, 10, &[&stays]).await, [10]);
    assert_eq!(gate.settled().await.retried, 0);
    let back = Upstream::start_at("back", addresses[0]).await;
    let node = becomes(&gate, addresses[0], "healthy").await;
    assert_eq!((node.successes, node.why.as_str()), (2, "check: status 200"));
    assert_eq!(spread(&gate, 10, &[&back, &stays]).await, [5, 5]);
}

#[tokio::test]
async fn an_edit_forgets_nothing_and_what_has_no_traffic_is_not_checked() {
    let (dies, stays) = (Upstream::start("dies").await, Upstream::start("stays").await);
    let addresses = [dies.address(), stays.address()];
    let gate = Gate::with(settings(), &resources(&addresses, &active(&json!({})))).await;
    drop(dies);
    becomes(&gate, addresses[0], "unhealthy").await;
    // Weights, checks, everything else may change.
    let mut edited = resources(&addresses, &active(&json!({"http_path": "/other"})));
    edited[0].1["nodes"][0]["weight"] = json!(50);
    edited[0].1["desc"] = json!("edited");
    gate.apply(&edited).await;
    assert_eq!(nodes(&gate)[0].status, "unhealthy");
    assert_eq!(spread(&gate, 10, &[&stays]).await, [10]);
    // A split takes its traffic away: no more checks, and what was known is forgotten.
    let other = Upstream::start("other").await;
    let split = json!({"rules": [{"weighted_upstreams": [
        {"upstream_id": "other", "weight": 1}, {"upstream_id": "u", "weight": 0}]}]});
    let mut without = edited.to_vec();
    without[1] = route(&json!({"upstream_id": "u", "plugins": {"traffic-split": split}}));
    let checked = [other.address(), other.address()];
    without.push(upstream_with("other", &checked, &json!({"checks": active(&json!({}))})));
    gate.apply(&without).await;
    eventually("checks of the other", async || checks_of(&other) > 2).await;
    let before = checks_of(&stays);
    let (so_far, more) = (checks_of(&other), 20);
    eventually("more checks of the other", async || checks_of(&other) > so_far + more).await;
    assert!(checks_of(&stays) <= before + 1, "one may have been under way");
    assert!(nodes(&gate).iter().all(|node| node.port == other.address().port()));
    gate.apply(&edited).await;
    assert_eq!(nodes(&gate)[0].status, "healthy", "what nobody looked at is not known");
}

#[tokio::test]
async fn a_port_that_takes_connections_is_enough_for_tcp_and_silence_is_a_timeout_for_http() {
    // It listens and never accepts: the system takes connections for it.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = Upstream::start("good").await;
    let addresses = [silent.local_addr().unwrap(), good.address()];
    let gate = Gate::with(settings(), &resources(&addresses, &active(&json!({"timeout": 0.1})))).await;
    let node = becomes(&gate, addresses[0], "unhealthy").await;
    assert_eq!((node.why.as_str(), node.last_error.as_str()), ("check: not in time", "not in time"));
    gate.apply(&resources(&addresses, &active(&json!({"type": "tcp"})))).await;
    let node = becomes(&gate, addresses[0], "healthy").await;
    assert_eq!(node.why, "check: connected");
}

#[tokio::test]
async fn an_https_check_looks_at_the_certificate_unless_told_otherwise() {
    let (address, _) = tls_server().await;
    let (other, _) = tls_server().await;
    let all = |verify: bool| {
        let mut all = resources(
            &[address, other],
            &active(&json!({"type": "https", "host": "localhost", "https_verify_certificate": verify})),
        );
        all[0].1["scheme"] = json!("https");
        all
    };
    let gate = Gate::with(settings(), &all(true)).await;
    let node = becomes(&gate, address, "unhealthy").await;
    for why in [&node.why, &node.last_error] {
        assert!(
            why.contains("certificate is of no authority that is trusted") && why.contains("tls_ca_file"),
            "{node:?}"
        );
    }
    gate.apply(&all(false)).await;
    let node = becomes(&gate, address, "healthy").await;
    assert_eq!(node.last_error, "", "it has not failed since");
}

#[tokio::test]
async fn the_only_node_of_an_upstream_is_not_checked() {
    let only = Upstream::start("only").await;
    let gate = Gate::with(settings(), &resources(&[only.address()], &active(&json!({})))).await;
    assert_eq!(gate.ask(get("/")).await.status, 200);
    assert!(nodes(&gate).is_empty());
}

#[tokio::test]
async fn least_conn_counts_what_is_open_however_it_ends() {
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let more = json!({"type": "least_conn"});
    let addresses = [one.address(), two.address()];
    let gate =
        Gate::with(settings(), &[upstream_with("u", &addresses, &more), route(&json!({"upstream_id": "u"}))])
            .await;
    one.behave(Behaviour::Held);
    two.behave(Behaviour::Held);
    let arrived = |upstream: &Upstream| upstream.ids().values().sum::<u64>();
    for round in 1..=3u64 {
        let mut clients = Vec::new();
        for _ in 0..6 {
            let mut client = gate.client().await;
            client.0.send(get("/")).await;
            clients.push(client);
        }
        let all = || arrived(&one) + arrived(&two);
        eventually("all requests", async || all() == 6 * round).await;
        assert_eq!((arrived(&one), arrived(&two)), (3 * round, 3 * round), "each has the same number open");
        if round == 1 {
            // Each of them is answered.
            one.release(3);
            two.release(3);
            for client in &mut clients {
                assert_eq!(client.answer(false).await.status, 200);
            }
        }
        // The clients go; the requests that are still open end.
        drop(clients);
        gate.settled().await;
    }
}

#[tokio::test]
async fn an_outage_is_not_multiplied_by_retries() {
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    one.behave(Behaviour::Hangup);
    two.behave(Behaviour::Hangup);
    let addresses = [one.address(), two.address()];
    let resources = [upstream_with("u", &addresses, &json!({})), route(&json!({"upstream_id": "u"}))];
    let settings = Settings { retry_budget: BudgetRule { percent: 0, min_per_s: 1 }, ..settings() };
    let gate = Gate::with(settings, &resources).await;
    let mut client = gate.client().await;
    for _ in 0..60 {
        assert_eq!(client.ask(get("/")).await.status, 502);
    }
    let tries = one.requests().len() + two.requests().len();
    let refused = gate.gateway.totals().snapshot().retries_refused;
    assert_eq!(tries as u64 + refused, 120, "each request was tried once, and then once more or not");
    assert!(refused > 40, "{refused}");
    // Once one answers, retries are free; what was spent before comes back with the next second.
    two.behave(Behaviour::Echo);
    eventually("a new second", async || {
        client.ask(get("/")).await.status == 200 && client.ask(get("/")).await.status == 200
    })
    .await;
    for _ in 0..40 {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
}
