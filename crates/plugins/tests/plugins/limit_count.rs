use crate::support::{Answer, Gate, consumer, route};
use model::resource::Kind;
use serde_json::{Value, json};
use testkit::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, block, frame, pseudo};

/// A limit per minute: no test takes as long.
fn limit(count: u64) -> Value {
    json!({"count": count, "time_window": 60})
}

fn with(mut conf: Value, more: &Value) -> Value {
    for (key, field) in more.as_object().unwrap() {
        conf[key] = field.clone();
    }
    conf
}

async fn gate(conf: Value) -> Gate {
    Gate::with(&[route(&json!({"limit-count": conf}))]).await
}

/// How many of so many requests pass.
async fn passing(gate: &Gate, requests: usize, path: &str, headers: &[(&str, &str)]) -> usize {
    let mut passed = 0;
    for _ in 0..requests {
        passed += usize::from(gate.get(path, headers).await.status == 200);
    }
    passed
}

fn quota(answer: &Answer) -> [Option<String>; 2] {
    ["x-ratelimit-limit", "x-ratelimit-remaining"].map(|name| answer.header(name))
}

#[tokio::test]
async fn so_many_requests_pass_and_the_answer_says_how_many_are_left() {
    let gate = gate(limit(2)).await;
    for (status, remaining) in [(200, "1"), (200, "0"), (503, "0"), (503, "0")] {
        let answer = gate.get("/", &[]).await;
        assert_eq!(answer.status, status);
        assert_eq!(quota(&answer), [Some("2".to_owned()), Some(remaining.to_owned())]);
        let reset: u64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
        assert!((1..=60).contains(&reset), "{reset}");
        assert_eq!(answer.body.is_empty(), status == 503);
    }
    assert_eq!(gate.upstream.requests().len(), 2);
}

#[tokio::test]
async fn the_refusal_is_as_it_is_configured() {
    let more =
        json!({"rejected_code": 429, "rejected_msg": "slow \"down\"", "show_limit_quota_header": false});
    let gate = gate(with(limit(1), &more)).await;
    let answer = gate.get("/", &[]).await;
    assert_eq!((answer.status, quota(&answer)), (200, [None, None]));
    let answer = gate.get("/", &[]).await;
    assert_eq!((answer.status, quota(&answer)), (429, [None, None]));
    assert_eq!(answer.body, "{\"error_msg\":\"slow \\\"down\\\"\"}\n");
}

#[tokio::test]
async fn a_call_of_grpc_is_told_that_the_quota_is_used_up() {
    let gate = gate(limit(1)).await;
    let mut client = Frames::connect(gate.gateway.listening()[0].address).await;
    for stream in [1, 3] {
        let call = [&pseudo("POST")[..], &[("content-type", "application/grpc")]].concat();
        client.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&call))).await;
        assert_eq!(client.next_of(HEADERS).await.unwrap().stream, stream);
    }
    let refused = gate.logged(2).await.remove(1);
    assert_eq!((&refused["status"], &refused["grpc_status"]), (&json!(200), &json!(8)), "RESOURCE_EXHAUSTED");
}

#[tokio::test]
async fn the_gates_quota_replaces_that_of_the_upstream() {
    // The upstream of the tests echoes no headers: an answer of the gate itself stands in for one.
    let gate = Gate::with(&[(
        Kind::Route,
        json!({"id": "r", "uri": "/*", "upstream_id": "gone", "plugins": {"limit-count": limit(5)}}),
    )])
    .await;
    let answer = gate.get("/", &[]).await;
    assert_eq!((answer.status, quota(&answer)), (502, [Some("5".to_owned()), Some("4".to_owned())]));
}

#[tokio::test]
async fn keys_are_told_apart_as_configured() {
    let a_twice_b = async |conf: Value| {
        let gate = gate(with(limit(1), &conf)).await;
        let mut passed = Vec::new();
        for (path, headers) in [
            ("/?u=a", &[("x-user", "a")][..]),
            ("/?u=a", &[("x-user", "a")][..]),
            ("/?u=b", &[("x-user", "b")][..]),
            ("/", &[][..]),
            ("/", &[][..]),
        ] {
            passed.push(passing(&gate, 1, path, headers).await);
        }
        passed
    };
    // What has no key is told apart by its address, which is the same for all here.
    assert_eq!(a_twice_b(json!({"key": "http_x_user"})).await, [1, 0, 1, 1, 0]);
    assert_eq!(
        a_twice_b(json!({"key": "$http_x_user-$arg_u", "key_type": "var_combination"})).await,
        [1, 0, 1, 1, 0]
    );
    assert_eq!(a_twice_b(json!({"key": "x", "key_type": "constant"})).await, [1, 0, 0, 0, 0]);
    assert_eq!(a_twice_b(json!({})).await, [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn an_unrelated_change_resets_nothing_and_one_of_the_limit_begins_anew() {
    let gate = gate(limit(2)).await;
    assert_eq!(passing(&gate, 3, "/", &[]).await, 2);
    let (kind, mut changed) =
        route(&json!({"limit-count": limit(2), "key-auth": {"_meta": {"disable": true}}}));
    changed["desc"] = json!("another one");
    gate.apply(&[(kind, changed)]).await;
    assert_eq!(passing(&gate, 1, "/", &[]).await, 0, "the order of fields does not matter either");
    gate.apply(&[route(&json!({"limit-count": {"time_window": 60, "count": 2}}))]).await;
    assert_eq!(passing(&gate, 1, "/", &[]).await, 0);
    gate.apply(&[route(&json!({"limit-count": limit(3)}))]).await;
    assert_eq!(passing(&gate, 4, "/", &[]).await, 3);
}

#[tokio::test]
async fn exactly_as_many_pass_over_all_threads_and_connections() {
    let gate = Gate::on_threads(3, &[route(&json!({"limit-count": limit(50)}))]).await;
    let one = async || {
        let mut client = gate.client().await;
        let mut passed = 0;
        for _ in 0..15 {
            passed += usize::from(client.get("/", &[]).await.status == 200);
        }
        passed
    };
    let (a, b, c, d, e, f) = tokio::join!(one(), one(), one(), one(), one(), one());
    assert_eq!(a + b + c + d + e + f, 50);
}

#[tokio::test]
async fn routes_of_a_service_share_its_limit_and_groups_share_theirs() {
    let service =
        (Kind::Service, json!({"id": "s", "upstream_id": "u", "plugins": {"limit-count": limit(2)}}));
    let of_service = |id: &str| (Kind::Route, json!({"id": id, "uri": format!("/{id}"), "service_id": "s"}));
    let grouped = |id: &str, count: u64| {
        let plugins = json!({"limit-count": with(limit(count), &json!({"group": "g"}))});
        (Kind::Route, json!({"id": id, "uri": format!("/{id}"), "upstream_id": "u", "plugins": plugins}))
    };
    let own = |id: &str| {
        (
            Kind::Route,
            json!({"id": id, "uri": format!("/{id}"), "service_id": "s", "plugins": {"limit-count": limit(2)}}),
        )
    };
    let gate = Gate::with(&[
        service,
        of_service("a"),
        of_service("b"),
        own("c"),
        grouped("d", 2),
        grouped("e", 2),
        grouped("f", 3),
    ])
    .await;
    let passed = async |path: &str| passing(&gate, 3, path, &[]).await;
    assert_eq!([passed("/a").await, passed("/b").await], [2, 0], "one for the service");
    assert_eq!(passed("/c").await, 2, "the route's own");
    assert_eq!([passed("/d").await, passed("/e").await], [2, 0], "one for the group");
    assert_eq!(passed("/f").await, 3, "a group with other limits counts for itself");
}

#[tokio::test]
async fn a_consumers_limit_takes_the_place_of_the_routes() {
    let auth = |key: &str, more: Value| with(json!({"key-auth": {"key": key}}), &more);
    let gate = Gate::with(&[
        route(&json!({"key-auth": {}, "limit-count": with(limit(2), &json!({"key": "consumer_name"}))})),
        consumer("gold", &auth("k-gold", json!({"limit-count": limit(5)}))),
        consumer("free", &auth("k-free", json!({}))),
        consumer("any", &auth("k-any", json!({"limit-count": {"_meta": {"disable": true}}}))),
    ])
    .await;
    for (key, passed) in [("k-gold", 5), ("k-free", 2), ("k-any", 7)] {
        assert_eq!(passing(&gate, 7, "/", &[("apikey", key)]).await, passed, "{key}");
    }
}

#[tokio::test]
async fn a_consumers_limit_holds_on_every_route_with_authentication() {
    let plain = |id: &str, plugins: Value| {
        (Kind::Route, json!({"id": id, "uri": format!("/{id}"), "upstream_id": "u", "plugins": plugins}))
    };
    let jack = consumer("jack", &json!({"key-auth": {"key": "k"}, "limit-count": limit(2)}));
    let gate = Gate::with(&[
        plain("a", json!({"key-auth": {}})),
        plain("b", json!({"key-auth": {}})),
        plain("c", json!({})),
        jack,
    ])
    .await;
    let passed = async |path: &str| passing(&gate, 3, path, &[("apikey", "k")]).await;
    assert_eq!([passed("/a").await, passed("/b").await, passed("/c").await], [2, 0, 3]);
}

#[tokio::test]
async fn numbers_may_come_from_the_request() {
    let conf = json!({"count": "$http_x_count", "time_window": "${arg_window}"});
    let strict = gate(conf.clone()).await;
    assert_eq!(passing(&strict, 4, "/?window=60", &[("x-count", "3")]).await, 3);
    for (path, count) in [("/", "3"), ("/?window=60", "x"), ("/?window=60", "0"), ("/?window=-1", "3")] {
        let answer = strict.get(path, &[("x-count", count)]).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (500, "{\"error_msg\":\"failed to limit count\"}\n")
        );
    }
    let lenient = gate(with(conf, &json!({"allow_degradation": true}))).await;
    assert_eq!(passing(&lenient, 3, "/", &[]).await, 3);
}

#[tokio::test]
async fn each_rule_of_a_list_counts_by_a_key_of_its_own() {
    let rule = |count: u64, key: &str| json!({"count": count, "time_window": 60, "key": key});
    let named = with(rule(3, "$remote_addr"), &json!({"header_prefix": "Address"}));
    let gate = gate(json!({"rules": [rule(1, "${http_x_user}"), named, rule(1, "$http_never")]})).await;
    let answer = gate.get("/", &[("x-user", "a")]).await;
    assert_eq!((answer.status, answer.header("x-1-ratelimit-remaining").as_deref()), (200, Some("0")));
    assert_eq!(answer.header("x-address-ratelimit-remaining").as_deref(), Some("2"));
    assert_eq!(answer.header("x-3-ratelimit-limit"), None, "a rule without a key says nothing");
    assert_eq!(gate.get("/", &[("x-user", "a")]).await.status, 503);
    assert_eq!(passing(&gate, 3, "/", &[("x-user", "b")]).await, 1);
    assert_eq!(passing(&gate, 3, "/", &[]).await, 1, "three of the address, whoever it is");
}

#[tokio::test]
async fn meta_switches_filters_and_rewords() {
    let meta = |meta: Value| with(limit(1), &json!({"_meta": meta}));
    let off = gate(meta(json!({"disable": true}))).await;
    assert_eq!(passing(&off, 3, "/", &[]).await, 3);
    let filtered = gate(meta(json!({"filter": [["arg_limited", "==", "1"]]}))).await;
    assert_eq!(passing(&filtered, 3, "/", &[]).await, 3);
    assert_eq!(passing(&filtered, 3, "/?limited=1", &[]).await, 1);
    for (response, body, content_type) in [
        (json!({"why": "because"}), "{\"why\":\"because\"}\n", "application/json"),
        (json!("because"), "because", "text/plain; charset=utf-8"),
    ] {
        let reworded = gate(meta(json!({"error_response": response}))).await;
        assert_eq!(passing(&reworded, 1, "/", &[]).await, 1);
        let answer = reworded.get("/", &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (503, body));
        assert_eq!(answer.header("content-type").as_deref(), Some(content_type));
        assert_eq!(quota(&answer)[1].as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn a_priority_can_put_a_limit_before_the_authentication_only_within_its_phase() {
    let early = with(limit(1), &json!({"_meta": {"priority": 9_000}}));
    let gate = Gate::with(&[route(&json!({"key-auth": {}, "limit-count": early}))]).await;
    // Authentication runs in an earlier phase (APISIX §3.3): who fails there is not counted.
    assert_eq!(gate.get("/", &[]).await.status, 401);
    assert_eq!(gate.get("/", &[]).await.status, 401);
}

#[tokio::test]
async fn a_configuration_that_cannot_run_refuses_its_requests_and_says_so() {
    let gate = gate(limit(1)).await;
    let applied =
        gate.apply(&[route(&json!({"limit-count": with(limit(1), &json!({"policy": "redis"}))}))]).await;
    assert_eq!(applied.problems.len(), 1, "{:?}", applied.problems);
    assert!(applied.problems[0].what.contains("limit-count") && applied.problems[0].what.contains("redis"));
    let answer = gate.get("/", &[]).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (500, "{\"error_msg\":\"plugin [limit-count] cannot run\"}\n")
    );
    let applied = gate.apply(&[route(&json!({"nonsense": {}}))]).await;
    assert_eq!(applied.problems.len(), 1);
    assert_eq!(gate.get("/", &[]).await.status, 500);
    let applied = gate.apply(&[route(&json!({"nonsense": {"_meta": {"disable": true}}}))]).await;
    assert_eq!((applied.problems.len(), gate.get("/", &[]).await.status), (0, 200));
}
