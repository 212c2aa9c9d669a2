//! `traffic-split` as APISIX has it (APISIX §2.2 to §2.4).

use crate::support::{Gate, get, route, settings, upstream};
use serde_json::{Value, json};
use testkit::upstream::Upstream;

/// A gate before `a`, `b` and the default `d`, with these rules.
struct Split {
    gate: Gate,
    _upstreams: [Upstream; 3],
}

async fn split(rules: &Value) -> Split {
    let upstreams = [Upstream::start("a").await, Upstream::start("b").await, Upstream::start("d").await];
    let resources = [
        upstream("a", &[upstreams[0].address()]),
        upstream("b", &[upstreams[1].address()]),
        upstream("d", &[upstreams[2].address()]),
        route(&json!({"upstream_id": "d", "plugins": {"traffic-split": {"rules": rules}}})),
    ];
    Split { gate: Gate::with(settings(), &resources).await, _upstreams: upstreams }
}

impl Split {
    /// Who answers these many requests for a path: how often `a`, `b`, `d`.
    async fn answers(&self, path: &str, requests: usize) -> [usize; 3] {
        let mut client = self.gate.client().await;
        let mut counts = [0; 3];
        for _ in 0..requests {
            let answer = client.ask(get(path)).await;
            let by =
                answer.header("x-colour").unwrap_or_else(|| panic!("{}: {}", answer.status, answer.body));
            counts[["a", "b", "d"].iter().position(|name| *name == by).unwrap()] += 1;
        }
        counts
    }
}

#[tokio::test]
async fn counts_are_exact_over_whole_cycles() {
    for (a, b) in [(2, 1), (1, 99), (60, 40), (7, 3)] {
        let rules = json!([{"weighted_upstreams": [{"upstream_id": "a", "weight": a}, {"upstream_id": "b", "weight": b}]}]);
        assert_eq!(split(&rules).await.answers("/", 2 * (a + b)).await, [2 * a, 2 * b, 0]);
    }
}

#[tokio::test]
async fn a_weight_without_upstream_is_the_default() {
    let rules = json!([{"weighted_upstreams": [{"upstream_id": "a", "weight": 1}, {"weight": 3}]}]);
    assert_eq!(split(&rules).await.answers("/", 8).await, [2, 0, 6]);
    let rules = json!([{}]);
    assert_eq!(split(&rules).await.answers("/", 2).await, [0, 0, 2], "a rule without upstreams");
}

#[tokio::test]
async fn a_weight_of_zero_is_never_chosen_beside_another() {
    let rules = json!([{"weighted_upstreams": [{"upstream_id": "a", "weight": 100}, {"upstream_id": "b", "weight": 0}]}]);
    assert_eq!(split(&rules).await.answers("/", 10).await, [10, 0, 0]);
    let rules = json!([{"weighted_upstreams": [{"upstream_id": "a", "weight": 100}, {"weight": 0}]}]);
    assert_eq!(split(&rules).await.answers("/", 10).await, [10, 0, 0]);
}

#[tokio::test]
async fn weights_that_are_all_zero_take_turns_and_a_single_one_takes_all() {
    let rules = json!([{"weighted_upstreams": [{"upstream_id": "a", "weight": 0}, {"upstream_id": "b", "weight": 0}]}]);
    assert_eq!(split(&rules).await.answers("/", 10).await, [5, 5, 0]);
    let rules = json!([{"weighted_upstreams": [{"upstream_id": "a", "weight": 0}]}]);
    assert_eq!(split(&rules).await.answers("/", 3).await, [3, 0, 0]);
}

#[tokio::test]
async fn a_repeated_id_counts_once_with_its_last_weight() {
    let rules = json!([{"weighted_upstreams": [
        {"upstream_id": "a", "weight": 9}, {"upstream_id": "b", "weight": 1}, {"upstream_id": "a", "weight": 1}]}]);
    assert_eq!(split(&rules).await.answers("/", 10).await, [5, 5, 0]);
}

#[tokio::test]
async fn conditions_are_joined_by_and_within_a_match_and_by_or_between() {
    let rules = json!([{
        "match": [
            {"vars": [["arg_x", "==", "1"], ["arg_y", "==", "1"]]},
            {"vars": [["arg_z", "==", "1"]]}],
        "weighted_upstreams": [{"upstream_id": "a"}]}]);
    let split = split(&rules).await;
    for (path, expected) in [
        ("/?x=1&y=1", [1, 0, 0]),
        ("/?z=1", [1, 0, 0]),
        ("/?x=1", [0, 0, 1]),
        ("/?x=1&y=2", [0, 0, 1]),
        ("/", [0, 0, 1]),
    ] {
        assert_eq!(split.answers(path, 1).await, expected, "{path}");
    }
}

#[tokio::test]
async fn the_first_rule_that_passes_decides() {
    let rules = json!([
        {"match": [{"vars": [["http_x_env", "==", "a"]]}], "weighted_upstreams": [{"upstream_id": "a"}]},
        {"match": [{"vars": [["arg_b", "==", "1"]]}], "weighted_upstreams": [{"upstream_id": "b"}]}]);
    let split = split(&rules).await;
    assert_eq!(split.answers("/?b=1", 1).await, [0, 1, 0]);
    let answer = split.gate.ask("GET /?b=1 HTTP/1.1\r\nHost: h\r\nX-Env: a\r\n\r\n").await;
    assert_eq!(answer.header("x-colour"), Some("a"));
}

#[tokio::test]
async fn an_empty_match_leaves_the_verdict_of_the_rule_before() {
    let first = json!([{"match": [], "weighted_upstreams": [{"upstream_id": "a"}]}]);
    assert_eq!(split(&first).await.answers("/", 1).await, [1, 0, 0]);
    let second = json!([
        {"match": [{"vars": [["arg_x", "==", "1"]]}], "weighted_upstreams": [{"upstream_id": "a"}]},
        {"match": [], "weighted_upstreams": [{"upstream_id": "b"}]}]);
    assert_eq!(split(&second).await.answers("/", 1).await, [0, 0, 1]);
}

#[tokio::test]
async fn a_missing_upstream_is_a_500_even_with_weight_zero_in_each_rule_that_is_reached() {
    let gone = json!({"upstream_id": "gone", "weight": 0});
    let rules = json!([
        {"match": [{"vars": [["arg_a", "==", "1"]]}], "weighted_upstreams": [{"upstream_id": "a"}]},
        {"match": [{"vars": [["arg_b", "==", "1"]]}], "weighted_upstreams": [{"upstream_id": "b"}, gone]}]);
    let split = split(&rules).await;
    assert_eq!(split.answers("/?a=1", 1).await, [1, 0, 0], "not reached");
    let answer = split.gate.ask(get("/")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body, "failed to fetch upstream info by upstream id: gone");
    assert_eq!(split.gate.settled().await.gate_errors, 1, "of the gate, in nobody's name");
}

#[tokio::test]
async fn a_default_that_leads_nowhere_says_why() {
    let rules = json!([{"weighted_upstreams": [{"weight": 1}]}]);
    let plugins = json!({"traffic-split": {"rules": rules}});
    for (route_fields, status) in [
        (json!({"plugins": plugins}), 503),
        (json!({"upstream_id": "gone", "plugins": plugins}), 502),
        (json!({"service_id": "gone", "plugins": plugins}), 404),
        (json!({"upstream": {"nodes": []}}), 503),
    ] {
        let gate = Gate::with(settings(), &[route(&route_fields)]).await;
        assert_eq!(gate.ask(get("/")).await.status, status, "{route_fields}");
        assert_eq!(gate.settled().await.whole_total(), 1);
    }
}

#[tokio::test]
async fn a_disabled_split_does_nothing() {
    let server = Upstream::start("d").await;
    let rules = json!([{"weighted_upstreams": [{"upstream_id": "gone"}]}]);
    let plugins = json!({"traffic-split": {"rules": rules, "_meta": {"disable": true}}});
    let resources =
        [upstream("d", &[server.address()]), route(&json!({"upstream_id": "d", "plugins": plugins}))];
    assert_eq!(Gate::with(settings(), &resources).await.ask(get("/")).await.status, 200);
}
