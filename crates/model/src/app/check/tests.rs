//! Every rule broken once.

use crate::app::{App, app_schema};
use crate::field::parse;
use serde_json::{Value, json};

fn app(target: Value, release: Value) -> App {
    parse(json!({"id": "shop", "service_id": "shop", "target": target, "release": release})).unwrap()
}

fn process(more: Value) -> Value {
    let mut process = json!({"command": ["shop", "--port={port}"]});
    process.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"process": process})
}

fn errors(target: Value, release: Value) -> Vec<(String, String)> {
    app(target, release).check().into_iter().map(|error| (error.pointer, error.text)).collect()
}

/// The one error that a process target has.
fn process_error(more: Value) -> (String, String) {
    let mut errors = errors(process(more.clone()), json!({}));
    assert_eq!(errors.len(), 1, "{more}: {errors:?}");
    errors.remove(0)
}

/// The place of the one error that a policy has.
fn policy_error(release: Value) -> String {
    let mut errors = errors(process(json!({})), release.clone());
    assert_eq!(errors.len(), 1, "{release}: {errors:?}");
    errors.remove(0).0
}

#[test]
fn the_shortest_app_is_right() {
    assert_eq!(errors(process(json!({})), json!({})), []);
}

#[test]
fn a_full_app_is_right() {
    let target = process(json!({
        "env": {"VERSION": "{version}", "KEY": {"from_env": "SHOP_KEY"}, "TOKEN": {"from_file": "/run/token"}},
        "working_dir": "/srv/{version}", "instances": 3, "address": "::1", "ports": [8000, 8005],
        "readiness": {"probe": {"http": {"path": "/ready"}}, "successes": 3, "of": 3},
        "upstream": {"scheme": "http", "retries": 1, "labels": {"team": "a"}},
    }));
    let release = json!({
        "steps": [1, {"share": 50, "pause_ms": 1000}, 100],
        "gates": [
            {"name": "smoke", "check": {"smoke": {"requests": [
                {"path": "/", "headers": {"Accept": "*/*"}, "expect": {"statuses": [200], "json": {"/version": "2", "": {}}}},
            ]}}},
            {"name": "tests", "when": ["each_step"], "check": {"command": {"command": ["./test"], "env": {"A": "{b}"}}}},
            {"name": "yes", "check": {"approval": {}}},
        ],
        "decommission": {"reduce": {"instances": 1}},
    });
    assert_eq!(errors(target, release), []);
}

#[test]
fn all_errors_come_at_once() {
    let mut app = app(process(json!({"instances": 0, "address": "here"})), json!({"steps": []}));
    app.id = "a b".to_owned();
    app.service_id = String::new();
    let pointers: Vec<_> = app.check().into_iter().map(|error| error.pointer).collect();
    let expected =
        ["/id", "/service_id", "/target/process/instances", "/target/process/address", "/release/steps"];
    assert_eq!(pointers, expected);
}

#[test]
fn an_id_leaves_room_for_its_colours() {
    let mut app = app(process(json!({})), json!({}));
    app.id = "x".repeat(58);
    assert_eq!(app.check(), []);
    app.id.push('x');
    assert_eq!(app.check().len(), 1);
}

#[test]
fn commands_and_placeholders_are_checked() {
    for (more, pointer) in [
        (json!({"command": []}), "command"),
        (json!({"command": [""]}), "command"),
        (json!({"command": ["x", "{prot}"]}), "command/1"),
        (json!({"command": ["x", "a\u{0}b"]}), "command/1"),
        (json!({"env": {"A": "{"}}), "env/A"),
        (json!({"env": {"A=B": "x"}}), "env/A=B"),
        (json!({"env": {"A": {"from_env": ""}}}), "env/A/from_env"),
        (json!({"env": {"A": {"from_file": ""}}}), "env/A/from_file"),
        (json!({"working_dir": "/srv/{}"}), "working_dir"),
    ] {
        assert_eq!(process_error(more).0, format!("/target/process/{pointer}"));
    }
    let text = process_error(json!({"command": ["x", "{prot}"]})).1;
    assert!(text.starts_with("unknown placeholder {prot}: known are {port}"), "{text}");
}

#[test]
fn addresses_and_ports_are_checked() {
    assert_eq!(process_error(json!({"address": "0.0.0.0"})).0, "/target/process/address");
    assert_eq!(process_error(json!({"ports": [0, 9]})).0, "/target/process/ports/0");
    assert_eq!(process_error(json!({"ports": [9, 8]})).1, "the first port must not exceed the last");
    let (_, text) = process_error(json!({"ports": [8000, 8002], "instances": 2}));
    assert_eq!(text, "both environments together need 4 ports, the range has 3");
}

#[test]
fn readiness_and_durations_are_bounded() {
    for (more, pointer) in [
        (json!({"readiness": {"successes": 4, "of": 3}}), "readiness/successes"),
        (json!({"readiness": {"successes": 0}}), "readiness/successes"),
        (json!({"readiness": {"of": 101}}), "readiness/of"),
        (json!({"readiness": {"interval_ms": 0}}), "readiness/interval_ms"),
        (json!({"readiness": {"deadline_ms": 2_592_000_001_u64}}), "readiness/deadline_ms"),
        (json!({"readiness": {"probe": {"http": {"path": "ready"}}}}), "readiness/probe/http/path"),
        (
            json!({"readiness": {"probe": {"http": {"path": "/", "statuses": [99]}}}}),
            "readiness/probe/http/statuses/0",
        ),
        (
            json!({"readiness": {"probe": {"command": {"command": ["x", "{y}"]}}}}),
            "readiness/probe/command/command/1",
        ),
        (json!({"stop_timeout_ms": 2_592_000_001_u64}), "stop_timeout_ms"),
        (json!({"restart": {"backoff_min_ms": 2, "backoff_max_ms": 1}}), "restart"),
        (json!({"restart": {"crash_loop": {"exits": 0}}}), "restart/crash_loop/exits"),
        (json!({"restart": {"crash_loop": {"within_ms": 0}}}), "restart/crash_loop/within_ms"),
    ] {
        assert_eq!(process_error(more).0, format!("/target/process/{pointer}"));
    }
}

#[test]
fn settings_of_the_upstreams_are_apisix_upstreams_without_nodes() {
    for (settings, pointer, text) in [
        (json!(3), "", "must be an APISIX upstream without nodes"),
        (json!({"nodes": {}}), "/nodes", "is set by Tealgate"),
        (
            json!({"retries": -1}),
            "/retries",
            "property \"retries\" validation failed: expected -1 to be at least 0",
        ),
        (json!({"type": "chash"}), "", "missing key"),
        (
            json!({"labels": {"tealgate.app": "x"}}),
            "/labels/tealgate.app",
            "labels that begin with tealgate. are set by Tealgate",
        ),
    ] {
        let error = process_error(json!({"upstream": settings}));
        assert_eq!(error, (format!("/target/process/upstream{pointer}"), text.to_owned()));
    }
}

#[test]
fn health_checks_and_labels_that_are_anyones_stand_in_a_target() {
    let settings = json!({
        "checks": {"active": {"http_path": "/up"}},
        "labels": {"tealgate.slow_start_ms": "1000", "tealgate.protocol": "h2", "team": "shop"},
    });
    let target = json!({"process": {"command": ["shop"], "upstream": settings}});
    assert_eq!(errors(target, json!({})), []);
}

#[test]
fn upstream_targets_are_two_environments() {
    let two =
        |blue: Value, green: Value| errors(json!({"upstream": {"blue": blue, "green": green}}), json!({}));
    let (blue, green) = (json!({"nodes": {"a:80": 1}}), json!({"nodes": {"b:80": 1}}));
    assert_eq!(two(blue.clone(), green.clone()), []);
    let same = two(blue.clone(), blue.clone());
    assert_eq!(same[0].1, "blue and green have the same nodes: they must be two environments");
    assert_eq!(
        two(blue.clone(), json!({"nodes": {"b:0": 1}}))[0],
        ("/target/upstream/green/nodes/b:0".to_owned(), "invalid port 0".to_owned())
    );
    assert_eq!(two(json!({"nodes": {}}), green.clone())[0].1, "must have nodes");
    assert_eq!(two(blue.clone(), json!({"nodes": {"b:80": 1}, "id": 1}))[0].0, "/target/upstream/green/id");
    let reduce = json!({"decommission": {"reduce": {"instances": 1}}});
    let target = json!({"upstream": {"blue": blue, "green": green}});
    assert_eq!(errors(target, reduce)[0].0, "/release/decommission/reduce");
}

#[test]
fn steps_increase_and_end_in_100() {
    for (steps, pointer) in [
        (json!([]), "/release/steps"),
        (json!([10]), "/release/steps"),
        (json!([50, 50, 100]), "/release/steps/1"),
        (json!([0, 100]), "/release/steps/0"),
        (json!([{"share": 1, "pause_ms": 2_592_000_001_u64}, 100]), "/release/steps/0/pause_ms"),
    ] {
        assert_eq!(policy_error(json!({"steps": steps})), pointer);
    }
    assert_eq!(errors(process(json!({})), json!({"steps": [100, 101]})).len(), 2);
}

#[test]
fn gates_are_named_once_and_complete() {
    let approval = json!({"approval": {}});
    let gates = |gates: Value| policy_error(json!({"gates": gates}));
    assert_eq!(
        gates(json!([{"name": "a", "check": approval}, {"name": "a", "check": approval}])),
        "/release/gates/1/name"
    );
    assert_eq!(gates(json!([{"name": "a/b", "check": approval}])), "/release/gates/0/name");
    assert_eq!(gates(json!([{"name": "a", "when": [], "check": approval}])), "/release/gates/0/when");
    assert_eq!(
        gates(json!([{"name": "a", "timeout_ms": 0, "check": approval}])),
        "/release/gates/0/timeout_ms"
    );
    let smoke = |request: Value| gates(json!([{"name": "a", "check": {"smoke": {"requests": [request]}}}]));
    let at = "/release/gates/0/check/smoke/requests";
    assert_eq!(gates(json!([{"name": "a", "check": {"smoke": {"requests": []}}}])), at);
    for (request, pointer) in [
        (json!({"path": "x"}), "path"),
        (json!({"path": "/a b"}), "path"),
        (json!({"path": "/", "method": "G T"}), "method"),
        (json!({"path": "/", "headers": {"a b": ""}}), "headers/a b"),
        (json!({"path": "/", "headers": {"a": "x\ny"}}), "headers/a"),
        (json!({"path": "/", "expect": {"statuses": [600]}}), "expect/statuses/0"),
        (json!({"path": "/", "expect": {"json": {"version": 1}}}), "expect/json/version"),
        (json!({"path": "/", "expect": {"json": {"/~2": 1}}}), "expect/json/~1~02"),
    ] {
        assert_eq!(smoke(request), format!("{at}/0/{pointer}"));
    }
    let command = gates(json!([{"name": "a", "check": {"command": {"command": []}}}]));
    assert_eq!(command, "/release/gates/0/check/command/command");
}

#[test]
fn a_load_gate_is_bounded_and_sends_nothing_that_may_do_harm_unasked() {
    let gate = |change: Value| {
        let mut load = json!({"rate_per_second": 100, "requests": [{"path": "/"}]});
        load.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"name": "load", "check": {"load": load}})
    };
    let all = |change: Value| errors(process(json!({})), json!({"gates": [gate(change)]}));
    assert_eq!(all(json!({})), []);
    let post = json!([{"path": "/", "method": "POST", "headers": {"Authorization": {"from_env": "KEY"}}}]);
    assert_eq!(all(json!({"requests": post, "unsafe_methods": ["POST"]})), []);
    assert_eq!(all(json!({"requests": [], "requests_file": "mix.json"})), []);
    let recorded = |replay: Value| json!({"requests": [], "replay": replay});
    assert_eq!(all(recorded(json!({"access_log": "a.log", "headers": {"Cookie": {"from_env": "C"}}}))), []);
    for (change, field) in [
        (json!({"live_rate_per_second": 101}), "live_rate_per_second"),
        (json!({"live_rate_per_second": 0}), "live_rate_per_second"),
        (json!({"duration_ms": 3_600_001}), "timeout_ms"),
        (json!({"warm_up_ms": 0}), "warm_up_ms"),
        (json!({"connections": 2_001}), "connections"),
        (json!({"request_timeout_ms": 0}), "request_timeout_ms"),
        (json!({"max_answer_bytes": 0}), "max_answer_bytes"),
        (json!({"min_answers": 3_001}), "min_answers"),
        (json!({"max_error_rate": 1.5}), "max_error_rate"),
        (json!({"max_slowdown": 0.9}), "max_slowdown"),
        (json!({"max_p99_ms": 0}), "max_p99_ms"),
        (json!({"max_lag_ms": 0}), "max_lag_ms"),
        (json!({"alpha": 0.0}), "alpha"),
        (json!({"requests": []}), "requests"),
        (json!({"replay": {"access_log": "a.log"}}), "replay"),
        (recorded(json!({"access_log": ""})), "replay/access_log"),
        (recorded(json!({"access_log": "a.log", "newest_bytes": 65_535})), "replay/newest_bytes"),
        (recorded(json!({"access_log": "a.log", "max_requests": 10_001})), "replay/max_requests"),
        (recorded(json!({"access_log": "a.log", "headers": {"Host": "a"}})), "replay/headers/Host"),
        (json!({"requests": post}), "requests/0/method"),
        (json!({"unsafe_methods": ["CONNECT"]}), "unsafe_methods/0"),
        (json!({"requests": [{"path": "x"}]}), "requests/0/path"),
        (json!({"requests": [{"path": "/", "weight": 0}]}), "requests/0/weight"),
        (json!({"requests": [{"path": "/", "headers": {"Host": "a"}}]}), "requests/0/headers/Host"),
        (json!({"requests": [{"path": "/", "headers": {"A": "x\ny"}}]}), "requests/0/headers/A"),
    ] {
        let found = all(change.clone());
        let of_gate = "/release/gates/0/";
        let of_load = format!("{of_gate}check/load/{field}");
        let named = |at: &str| at == of_load || at == format!("{of_gate}{field}");
        assert!(found.iter().any(|(at, _)| named(at)), "{change}: {found:?}");
    }
    assert!(!all(json!({"rate_per_second": 10_001})).is_empty());
    let mut late = gate(json!({}));
    late["when"] = json!(["before_shift", "soak"]);
    assert_eq!(policy_error(json!({"gates": [late]})), "/release/gates/0/when");
    let mut short = gate(json!({}));
    short["timeout_ms"] = json!(43_000);
    assert_eq!(policy_error(json!({"gates": [short]})), "/release/gates/0/timeout_ms");
}

#[test]
fn the_rest_of_the_policy_is_bounded() {
    for (release, pointer) in [
        (json!({"preview": {"header": ""}}), "preview/header"),
        (json!({"preview": {"cookie": "a;b"}}), "preview/cookie"),
        (json!({"preview": {"addresses": ["::1", "x"]}}), "preview/addresses/1"),
        (json!({"limits": {"max_error_rate": 1.5}}), "limits/max_error_rate"),
        (json!({"checks": [{"name": "a", "header": "a b", "fails_if": "missing"}]}), "checks/0/header"),
        (json!({"checks": [{"name": "", "header": "a", "fails_if": "missing"}]}), "checks/0/name"),
        (
            json!({"checks": [{"name": "a", "header": "a", "fails_if": {"equals": " x"}}]}),
            "checks/0/fails_if",
        ),
        (
            json!({"checks": vec![json!({"name": "a", "header": "a", "fails_if": "missing"}); 2]}),
            "checks/1/name",
        ),
        (json!({"checks": [{"name": "a", "fails_if": "missing"}]}), "checks/0"),
        (
            json!({"checks": [{"name": "a", "header": "a", "json": {"pointer": "/a"}, "fails_if": "missing"}]}),
            "checks/0",
        ),
        (
            json!({"checks": [{"name": "a", "json": {"pointer": "a"}, "fails_if": "missing"}]}),
            "checks/0/json/pointer",
        ),
        (
            json!({"checks": [{"name": "a", "json": {"pointer": "/a"}, "fails_if": {"equals": []}}]}),
            "checks/0/fails_if",
        ),
        (json!({"identity": {"header": ""}}), "identity/header"),
        (json!({"identity": {"header": "x:y"}}), "identity/header"),
        (json!({"identity": {"header": "x", "path": "who"}}), "identity/path"),
        (json!({"alpha": 0}), "alpha"),
        (json!({"alpha": 0.6}), "alpha"),
        (json!({"judge": {"tolerance": 0.5}}), "judge/tolerance"),
        (json!({"judge": {"historical": {"window_ms": 300_001}}}), "judge/historical/window_ms"),
        (json!({"judge": {"historical": {"tolerance": 0.9}}}), "judge/historical/tolerance"),
        (json!({"guard": {"hang": {"requests": 0}}}), "guard/hang/requests"),
        (json!({"guard": {"hang": {"after_ms": 0}}}), "guard/hang/after_ms"),
        (json!({"limits": {"max_p99_ms": 0}}), "limits/max_p99_ms"),
        (json!({"limits": {"min_requests": 0}}), "limits/min_requests"),
        (
            json!({"rehearsal": {"requests": [{"path": "/", "method": "POST"}]}}),
            "rehearsal/requests/0/method",
        ),
        (json!({"rehearsal": {"requests": [{"path": "x"}]}}), "rehearsal/requests/0/path"),
        (json!({"soak": {"interval_ms": 0}}), "soak/interval_ms"),
        (json!({"soak": {"hold_back": 51}}), "soak/hold_back"),
        (json!({"soak": {"hold_back": 10}, "steps": [90, 100]}), "soak/hold_back"),
        (json!({"soak": {"duration_ms": 2_592_000_001_u64}}), "soak/duration_ms"),
        (json!({"drain_timeout_ms": 2_592_000_001_u64}), "drain_timeout_ms"),
        (json!({"apply_timeout_ms": 0}), "apply_timeout_ms"),
        (json!({"rehearsal": {"within_ms": 0}}), "rehearsal/within_ms"),
        (json!({"decommission": {"reduce": {"instances": 2}}}), "decommission/reduce/instances"),
        (json!({"permissions": {"start": "viewer"}}), "permissions/start"),
    ] {
        assert_eq!(policy_error(release), format!("/release/{pointer}"));
    }
}

#[test]
fn the_generated_schema_knows_the_fields() {
    let schema = app_schema();
    assert_eq!(schema["properties"]["service_id"]["type"], "string");
    assert!(schema.to_string().contains("Traffic shares of the new version"), "documentation is part of it");
}

#[test]
fn a_receiver_has_an_address_and_slack_messages_are_not_signed() {
    let receivers = |receivers: Value| json!({ "notifications": receivers });
    let right = receivers(json!([
        {"name": "ci", "url": "https://ci.example/hook?job=1", "secret": {"from_env": "KEY"}, "events": ["done"]},
        {"name": "slack", "url": {"from_file": "slack-url"}, "format": "slack", "give_up_after_ms": 0},
    ]));
    assert_eq!(errors(process(json!({})), right), []);
    let one = |more: Value| {
        let mut receiver = json!({"name": "ci", "url": "http://ci.example"});
        receiver.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        policy_error(json!({"notifications": [receiver]}))
    };
    for (more, place) in [
        (json!({"name": "a b"}), "/name"),
        (json!({"url": "ci.example"}), "/url"),
        (json!({"url": {"from_env": ""}}), "/url/from_env"),
        (json!({"secret": {"from_file": ""}}), "/secret/from_file"),
        (json!({"format": "slack", "secret": {"from_env": "K"}}), "/secret"),
        (json!({"timeout_ms": 0}), "/timeout_ms"),
        (json!({"timeout_ms": 60_001}), "/timeout_ms"),
        (json!({"give_up_after_ms": 2_592_000_001u64}), "/give_up_after_ms"),
    ] {
        assert_eq!(one(more), format!("/release/notifications/0{place}"));
    }
    let twice = json!([{"name": "a", "url": "http://a"}, {"name": "a", "url": "http://b"}]);
    assert_eq!(policy_error(receivers(twice)), "/release/notifications/1/name");
}

#[test]
fn the_url_of_a_receiver_is_shown_up_to_its_host() {
    let release =
        json!({"notifications": [{"name": "slack", "url": "https://hooks.slack.com/services/T/s3cret"}]});
    let app = app(process(json!({})), release);
    assert!(!format!("{app:?}").contains("s3cret"));
    let masked = serde_json::to_value(app.release.notifications[0].masked()).unwrap();
    assert_eq!(masked["url"], "https://hooks.slack.com");
}

#[test]
fn a_metric_has_bounds_and_fits_into_its_gate() {
    let gate = |changes: Value, source: Value| {
        let mut metric = json!({"source": source, "at_most": 0.01});
        metric.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({"gates": [{"name": "m", "check": {"metric": metric}, "timeout_ms": 60_000}]})
    };
    let prometheus = |changes: Value| {
        let mut source = json!({"url": "http://prometheus:9090", "query": "errors{version=\"${version}\"}"});
        source.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({ "prometheus": source })
    };
    let json_source = |url: &str, pointer: &str| json!({"http_json": {"url": url, "pointer": pointer}});
    let command = |argument: &str| json!({"command": {"command": ["measure", argument]}});
    let right = gate(
        json!({"at_least": -1.5, "count": 7, "interval_ms": 9_999, "failure_limit": 2}),
        prometheus(json!({
            "range_ms": 60_000, "headers": {"Authorization": {"from_env": "TOKEN"}},
        })),
    );
    assert_eq!(errors(process(json!({})), right), []);
    assert_eq!(
        errors(process(json!({})), gate(json!({}), json_source("https://m/${version}?c=${colour}", "/a/b"))),
        []
    );
    assert_eq!(errors(process(json!({})), gate(json!({}), command("${HOME}"))), []);
    let at = "/release/gates/0/check/metric";
    for (policy, place) in [
        (gate(json!({"at_most": null}), prometheus(json!({}))), ""),
        (gate(json!({"at_least": 1}), prometheus(json!({}))), "/at_least"),
        (gate(json!({"count": 0}), prometheus(json!({}))), "/count"),
        (gate(json!({"count": 8}), prometheus(json!({}))), "/count"),
        (gate(json!({"failure_limit": 1}), prometheus(json!({}))), "/failure_limit"),
        (gate(json!({"inconclusive_limit": 1}), prometheus(json!({}))), "/inconclusive_limit"),
        (gate(json!({"query_timeout_ms": 0}), prometheus(json!({}))), "/query_timeout_ms"),
        (gate(json!({}), prometheus(json!({"url": "prometheus:9090"}))), "/source/prometheus/url"),
        (gate(json!({}), prometheus(json!({"query": "up{v=\"${verison}\"}"}))), "/source/prometheus/query"),
        (
            gate(json!({}), prometheus(json!({"range_ms": 60_000, "step_ms": 10}))),
            "/source/prometheus/step_ms",
        ),
        (gate(json!({}), prometheus(json!({"headers": {"a b": "c"}}))), "/source/prometheus/headers/a b"),
        (gate(json!({}), json_source("http://m/", "a")), "/source/http_json/pointer"),
        (gate(json!({}), json_source("http://${host}/", "/a")), "/source/http_json/url"),
        (gate(json!({}), command("\0")), "/source/command/command/1"),
    ] {
        let found = errors(process(json!({})), policy);
        assert!(found.iter().any(|(pointer, _)| *pointer == format!("{at}{place}")), "{place}: {found:?}");
    }
    let approval = json!({"gates": [{"name": "m", "check": {"approval": {}}, "on_fail": "advise"}]});
    assert_eq!(policy_error(approval), "/release/gates/0/on_fail");
}

#[test]
fn a_shadow_gate_has_defaults_that_are_right_and_copies_nothing_unsafe_unasked() {
    let gate = |changes: Value| json!({"name": "shadow", "check": {"shadow": changes}});
    let of = |gate: Value| errors(process(json!({})), json!({ "gates": [gate] }));
    assert_eq!(of(gate(json!({}))), []);
    let whole = json!({
        "share": 0.5, "unsafe_methods": ["POST"], "noise_share": 0, "max_different_rate": 0,
        "compare": {"headers": ["ETag"], "ignore": ["$.updated_at", "$.items[*].id"]},
    });
    assert_eq!(of(gate(whole)), []);
    let refused = of(gate(json!({"methods": ["GET", "POST"]})));
    assert_eq!(refused[0].0, "/release/gates/0/check/shadow/methods/1");
    assert!(refused[0].1.contains("put it into unsafe_methods"), "{refused:?}");
    for (wrong, place) in [
        (json!({"share": 0}), "share"),
        (json!({"share": 101}), "share"),
        (json!({"noise_share": -1}), "noise_share"),
        (json!({"duration_ms": 999}), "duration_ms"),
        (json!({"min_requests": 0}), "min_requests"),
        (json!({"max_different_rate": 1.5}), "max_different_rate"),
        (json!({"max_no_answer_rate": -0.1}), "max_no_answer_rate"),
        (json!({"methods": []}), "methods"),
        (json!({"unsafe_methods": ["CONNECT"]}), "unsafe_methods/0"),
        (json!({"max_in_flight": 0}), "max_in_flight"),
        (json!({"max_per_second": 0}), "max_per_second"),
        (json!({"request_timeout_ms": 60_001}), "request_timeout_ms"),
        (json!({"compare": {"headers": ["a b"]}}), "compare/headers/0"),
        // What the gateway would refuse in the midst of a release is refused before it.
        (json!({"compare": {"headers": ["x".repeat(129)]}}), "compare/headers/0"),
        (json!({"unsafe_methods": ["X".repeat(129)]}), "unsafe_methods/0"),
        (json!({"compare": {"ignore": ["updated_at"]}}), "compare/ignore/0"),
    ] {
        let found = of(gate(wrong));
        let place = format!("/release/gates/0/check/shadow/{place}");
        assert!(found.iter().any(|(pointer, _)| *pointer == place), "{place}: {found:?}");
    }
    let changed = |name: &str, value: Value| {
        let mut gate = gate(json!({}));
        gate[name] = value;
        of(gate)[0].0.clone()
    };
    assert_eq!(changed("when", json!(["soak"])), "/release/gates/0/when");
    assert_eq!(changed("timeout_ms", json!(30_000)), "/release/gates/0/timeout_ms");
}
