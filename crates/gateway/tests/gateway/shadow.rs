//! Copies go to the new version, answers are compared, and no user is touched by any of it.

use crate::support::{Gate, HANDSHAKE, get, route, settings, upstream, upstream_with, with_body};
use gateway::Settings;
use model::record::Answerer;
use model::resource::Kind;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use telemetry::report::{DifferenceKind, LeftOut, ShadowReport, Skipped, Unanswered};
use testkit::clock::eventually;
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::service::{Answer, Service};
use testkit::upstream::{Behaviour, Upstream};

/// A rule that copies everything it may, and waits for answers for ever.
pub(crate) fn rule(more: &Value) -> Value {
    let mut rule = json!({
        "id": "shop-1", "to": "new", "share_ppm": 1_000_000, "noise_ppm": 0, "max_per_s": 1_000_000,
        "max_in_flight": 100, "max_body_bytes": 65_536, "timeout_ms": 600_000,
    });
    for (key, value) in more.as_object().unwrap() {
        rule[key] = value.clone();
    }
    rule
}

/// The live version has all users; what asks for the preview goes to the new one.
pub(crate) fn resources(live: SocketAddr, new: SocketAddr, shadow: &Value) -> Vec<(Kind, Value)> {
    let labels = |colour: &str| json!({"labels": {"tealgate.app": "shop", "tealgate.colour": colour}});
    vec![
        upstream_with("live", &[live], &labels("blue")),
        upstream_with("new", &[new], &labels("green")),
        split(shadow, 0),
        route(&json!({"service_id": "s", "enable_websocket": true})),
    ]
}

fn split(shadow: &Value, share: u32) -> (Kind, Value) {
    let rules = json!([
        {"match": [{"vars": [["http_x_preview", "==", "yes"]]}],
            "weighted_upstreams": [{"upstream_id": "new", "weight": 1}]},
        {"weighted_upstreams": [{"upstream_id": "new", "weight": share}, {"upstream_id": "live", "weight": 100 - share}],
            "tealgate": {"shadow": shadow}},
    ]);
    (Kind::Service, json!({"id": "s", "upstream_id": "live", "plugins": {"traffic-split": {"rules": rules}}}))
}

pub(crate) async fn gate(live: SocketAddr, new: SocketAddr, more: &Value) -> Gate {
    gate_with(settings(), live, new, more).await
}

async fn gate_with(settings: Settings, live: SocketAddr, new: SocketAddr, more: &Value) -> Gate {
    Gate::with(settings, &resources(live, new, &rule(more))).await
}

async fn json_service(body: &'static str) -> Service {
    Service::start(move |_| Answer::json(body)).await
}

pub(crate) fn report(gate: &Gate) -> ShadowReport {
    gate.gateway.shadows().reports().pop().expect("a shadow")
}

fn skipped(report: &ShadowReport, why: Skipped) -> u64 {
    report.skipped.get(&why).copied().unwrap_or_default()
}

/// The report, once every request that was drawn is accounted for.
pub(crate) async fn settled(gate: &Gate) -> ShadowReport {
    eventually("the end of all copies", async || {
        let report = report(gate);
        report.in_flight == 0 && report.sampled == report.sent + report.skipped.values().sum::<u64>()
    })
    .await;
    let report = report(gate);
    let ended = report.compared + report.dropped + report.unanswered.values().sum::<u64>();
    assert_eq!(report.sent, ended, "each copy ends once: {report:?}");
    report
}

async fn ask_times(gate: &Gate, times: u64) {
    for _ in 0..times {
        assert_eq!(gate.ask(get("/")).await.status, 200);
    }
}

#[tokio::test]
async fn a_copy_is_what_was_forwarded_and_marked_as_nobody_else_can() {
    let (live, new) = (json_service("{}").await, json_service("{ }").await);
    let gate = gate(live.address(), new.address(), &json!({})).await;
    let asked = "GET /a/../b?c=d HTTP/1.1\r\nHost: h\r\nX-Tealgate-Shadow: 1\r\nx_tealgate_shadow: 1\r\nCookie: e=f\r\n\r\n";
    assert_eq!(gate.ask(asked).await.body, "{}");
    let report = settled(&gate).await;
    assert_eq!((report.sampled, report.compared, report.same), (1, 1, 1), "{report:?}");
    let (before, after) = (live.asked(), new.asked());
    let ([before], [after]) = (&before[..], &after[..]) else { panic!("one each") };
    assert_eq!((before.target.as_str(), &before.target), ("/b?c=d", &after.target));
    for name in ["host", "cookie", "x-forwarded-for", "x-forwarded-host", "x-real-ip"] {
        assert_eq!(before.headers.get(name), after.headers.get(name), "{name}");
    }
    assert_eq!(after.headers.get_all("x-tealgate-shadow").iter().collect::<Vec<_>>(), ["1"]);
    for asked in [before, after] {
        assert!(!asked.headers.contains_key("x_tealgate_shadow"));
    }
    assert!(!before.headers.contains_key("x-tealgate-shadow"));
}

#[tokio::test]
async fn what_differs_is_told_in_groups_with_examples() {
    let live = json_service(r#"{"items":[{"id":1,"price":5},{"id":2,"price":6}],"now":1}"#).await;
    let new = Service::start(|asked| match asked.target.as_str() {
        "/broken" => Answer::status(500),
        _ => Answer::json(r#"{"items":[{"id":1,"price":"5"},{"id":2,"price":"6"}],"now":2}"#),
    })
    .await;
    let gate = gate(live.address(), new.address(), &json!({"ignore": ["$.now"]})).await;
    for path in ["/a?secret=1", "/b", "/broken"] {
        assert_eq!(gate.ask(get(path)).await.status, 200);
    }
    let report = settled(&gate).await;
    assert_eq!((report.compared, report.same, report.different_beyond(|_| false)), (3, 0, 3));
    let groups: Vec<_> = report
        .groups
        .iter()
        .map(|group| (group.kind, group.place.as_str(), group.what.as_str(), group.pairs))
        .collect();
    assert!(groups.contains(&(DifferenceKind::Body, "$.items[*].price", "number → text", 2)), "{groups:?}");
    assert!(groups.contains(&(DifferenceKind::Status, "", "200 → 500", 1)), "{groups:?}");
    assert!(groups.contains(&(DifferenceKind::ContentType, "", "application/json → none", 1)), "{groups:?}");
    let prices = report.groups.iter().find(|group| group.place == "$.items[*].price").unwrap();
    let examples: Vec<_> = prices.examples.iter().map(|one| (one.path.as_str(), &one.values)).collect();
    assert_eq!(examples, [("/a", &None), ("/b", &None)], "neither queries nor values");
}

#[tokio::test]
async fn a_new_version_that_hangs_is_waited_for_by_no_user() {
    let live = json_service("{}").await;
    let new = Service::start(|_| Answer::Never).await;
    let gate = gate(live.address(), new.address(), &json!({"max_in_flight": 3})).await;
    // All of these are answered while not one copy is.
    ask_times(&gate, 20).await;
    new.asked_times(3).await;
    eventually("all that was drawn to be counted", async || skipped(&report(&gate), Skipped::InFlight) == 17)
        .await;
    let report = report(&gate);
    assert_eq!((report.sampled, report.sent, report.in_flight, report.compared), (20, 3, 3, 0));
    let counts = gate.settled().await;
    assert_eq!((counts.received, counts.whole_total()), (20, 20));
    gate.gateway.stop().unwrap();
}

#[tokio::test]
async fn a_copy_is_given_up_when_its_time_is_over() {
    let live = json_service("{}").await;
    let new = Service::start(|_| Answer::Never).await;
    let gate = gate(live.address(), new.address(), &json!({"timeout_ms": 1})).await;
    ask_times(&gate, 3).await;
    assert_eq!(settled(&gate).await.unanswered, [(Unanswered::Timeout, 3)].into());
}

#[tokio::test]
async fn a_new_version_that_is_dead_or_talks_nonsense_hurts_nobody() {
    let live = json_service("{}").await;
    let (head, rest) = (Step::read_head, Step::ReadToEnd);
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 4 << 20]].concat();
    let scripts = [
        (vec![head(), Step::Reset], Unanswered::Closed),
        (vec![head()], Unanswered::Closed),
        (vec![head(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")], Unanswered::Closed),
        (vec![head(), Step::send("nonsense\r\n\r\n"), rest.clone()], Unanswered::Malformed),
        (
            vec![head(), Step::send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")],
            Unanswered::Malformed,
        ),
        (
            vec![head(), Step::Send(b"HTTP/1.1 103 Hints\r\n\r\n".repeat(70)), rest.clone()],
            Unanswered::Malformed,
        ),
    ];
    for (script, expected) in scripts {
        let new = ScriptedUpstream::start(vec![script]).await;
        let gate = gate(live.address(), new.address(), &json!({})).await;
        ask_times(&gate, 2).await;
        assert_eq!(settled(&gate).await.unanswered, [(expected, 2)].into());
    }
    let new = ScriptedUpstream::start(vec![vec![head(), Step::Send(endless)]]).await;
    let gate = gate(live.address(), new.address(), &json!({})).await;
    ask_times(&gate, 1).await;
    assert_eq!(settled(&gate).await.bodies_left_out, [(LeftOut::Size, 1)].into());
    let address = new.address();
    drop(new);
    let gate = self::gate(live.address(), address, &json!({})).await;
    ask_times(&gate, 2).await;
    assert_eq!(settled(&gate).await.unanswered, [(Unanswered::Connect, 2)].into());
}

#[tokio::test]
async fn a_copy_is_sent_once_the_user_has_the_answer() {
    let (live, new) = (Upstream::start("live").await, json_service("{}").await);
    live.behave(Behaviour::Held);
    let gate = gate(live.address(), new.address(), &json!({})).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    live.arrived(1).await;
    assert!(new.asked().is_empty(), "the live version is first");
    live.release(1);
    assert_eq!(client.answer(false).await.status, 200);
    assert_eq!(new.asked_times(1).await.len(), 1);
    settled(&gate).await;
}

#[tokio::test]
async fn what_changes_things_is_copied_only_where_that_is_allowed_and_then_once() {
    let (live, new) = (json_service("{}").await, json_service("{}").await);
    let gate = self::gate(live.address(), new.address(), &json!({"noise_ppm": 1_000_000})).await;
    assert_eq!(gate.ask(with_body("POST", "abc")).await.status, 200);
    let report = settled(&gate).await;
    assert_eq!((report.sent, skipped(&report, Skipped::Method), new.asked().len()), (0, 1, 0));
    let allowed = json!({"id": "shop-2", "methods": ["POST"], "noise_ppm": 1_000_000});
    gate.apply(&resources(live.address(), new.address(), &rule(&allowed))).await;
    assert_eq!(gate.ask(with_body("POST", "abcd")).await.status, 200);
    let chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
    assert_eq!(gate.ask(chunked).await.status, 200);
    let large = "f".repeat(40_000);
    let in_chunks = format!("9c40\r\n{large}\r\n0\r\n\r\n");
    assert_eq!(
        gate.ask(format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{in_chunks}"))
            .await
            .status,
        200
    );
    assert_eq!(gate.ask(with_body("POST", &large)).await.status, 200);
    assert_eq!(gate.ask(get("/")).await.status, 200);
    let report = settled(&gate).await;
    assert_eq!((report.sent, report.second_sent, skipped(&report, Skipped::Method)), (4, 0, 1));
    let bodies =
        |service: &Service| service.asked().iter().map(|asked| asked.body.to_vec()).collect::<Vec<_>>();
    let mut copies = bodies(&new);
    copies.sort();
    let large = large.into_bytes();
    assert_eq!(copies, [b"abcd".to_vec(), b"abcde".to_vec(), large.clone(), large]);
    assert_eq!(bodies(&live).len(), 6, "the live version does nothing twice");
}

#[tokio::test]
async fn copies_are_in_no_count_of_users_and_say_nothing_of_health() {
    let live = json_service("{}").await;
    let failing = async || Service::start(|_| Answer::status(500)).await;
    let (new, another) = (failing().await, failing().await);
    let mut resources = resources(live.address(), new.address(), &rule(&json!({"noise_ppm": 1_000_000})));
    // Of several nodes it is looked at how they are.
    resources[1].1["nodes"] = upstream("new", &[new.address(), another.address()]).1["nodes"].clone();
    for (_, upstream) in &mut resources[..2] {
        let never = json!({"interval": 100_000});
        let passive = json!({"unhealthy": {"http_failures": 1, "http_statuses": [500]}});
        upstream["checks"] = json!({"active": {"healthy": never, "unhealthy": never}, "passive": passive});
    }
    let gate = Gate::with(settings(), &resources).await;
    ask_times(&gate, 10).await;
    let report = settled(&gate).await;
    assert_eq!((report.sent, report.second_sent), (10, 10));
    let counts = gate.settled().await;
    assert_eq!((counts.received, counts.whole_total()), (10, 10));
    for series in gate.gateway.series().snapshot() {
        assert!(series.counts.received == 0 || series.key.answerer == Answerer::Blue, "{series:?}");
    }
    assert!(gate.gateway.failures().snapshot().is_empty());
    // The same request as a preview finds the node up, and takes it down: copies have not.
    let preview = "GET / HTTP/1.1\r\nHost: h\r\nX-Preview: yes\r\n\r\n";
    let down = || {
        let upstreams = gate.gateway.health().upstreams;
        let mut nodes = upstreams.iter().flat_map(|upstream| &upstream.nodes);
        nodes.any(|node| node.status == "unhealthy")
    };
    assert!(!down());
    assert_eq!(gate.ask(preview).await.status, 500);
    eventually("the node to be down", async || down()).await;
}

#[tokio::test]
async fn what_the_live_version_also_has_with_itself_is_noise() {
    let served = AtomicU64::new(0);
    let clock = move || served.fetch_add(1, Ordering::SeqCst);
    let live = Service::start(move |_| Answer::json(format!(r#"{{"now":{},"total":3}}"#, clock()))).await;
    let new = json_service(r#"{"now":-1,"total":4}"#).await;
    let gate = gate(live.address(), new.address(), &json!({"noise_ppm": 1_000_000})).await;
    ask_times(&gate, 30).await;
    let report = settled(&gate).await;
    assert_eq!((report.compared, report.second_compared, report.second_different), (30, 30, 30));
    let is_noise = |place: &str| {
        let group = report.groups.iter().find(|group| group.place == place).unwrap();
        let of = |pairs, differing| judge::noise::Differing { pairs, differing };
        judge::noise::is_noise(of(report.second_compared, group.itself), of(report.compared, group.pairs))
    };
    assert!(is_noise("$.now"));
    assert!(!is_noise("$.total"));
    assert_eq!(report.different_beyond(|group| group.place == "$.now"), 30);
    assert_eq!(report.different_beyond(|group| group.place != "other"), 0);
    let marks = |service: &Service| {
        service.asked().iter().filter(|one| !one.header("x-tealgate-shadow").is_empty()).count()
    };
    assert_eq!((marks(&live), marks(&new)), (30, 30));
}

#[tokio::test]
async fn only_what_the_rule_sends_to_the_live_version_is_copied() {
    let (live, new) = (json_service("{}").await, json_service("{}").await);
    let gate = gate(live.address(), new.address(), &json!({})).await;
    let mut resources = resources(live.address(), new.address(), &rule(&json!({})));
    resources[2] = split(&rule(&json!({})), 50);
    gate.apply(&resources).await;
    ask_times(&gate, 40).await;
    assert_eq!(gate.ask("GET / HTTP/1.1\r\nHost: h\r\nX-Preview: yes\r\n\r\n").await.status, 200);
    let report = settled(&gate).await;
    assert_eq!((report.sampled, live.asked().len(), new.asked().len()), (20, 20, 41));
}

#[tokio::test]
async fn about_as_many_are_drawn_as_the_share_says() {
    let (live, new) = (json_service("{}").await, json_service("{}").await);
    let gate = gate(live.address(), new.address(), &json!({"share_ppm": 100_000})).await;
    let mut client = gate.client().await;
    for _ in 0..500 {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
    let report = settled(&gate).await;
    assert!((25..=80).contains(&report.sampled), "{report:?}");
    assert_eq!(report.sampled, report.same);
}

#[tokio::test]
async fn a_second_has_so_many_copies_and_no_more() {
    let (live, new) = (json_service("{}").await, json_service("{}").await);
    let gate = gate(live.address(), new.address(), &json!({"max_per_s": 1})).await;
    eventually("more than one in a second", async || {
        ask_times(&gate, 1).await;
        skipped(&report(&gate), Skipped::Rate) > 0
    })
    .await;
    let report = settled(&gate).await;
    assert_eq!(report.sampled, report.sent + skipped(&report, Skipped::Rate), "{report:?}");
}

#[tokio::test]
async fn bodies_beyond_the_memory_of_all_are_not_kept_and_users_get_them_all_the_same() {
    let body = "x".repeat(50_000);
    let answer = body.clone();
    let live = Service::start(move |_| Answer::ok(answer.clone())).await;
    let new = json_service("{}").await;
    let settings = Settings { shadow_memory_bytes: 10_000, ..settings() };
    let gate = gate_with(settings, live.address(), new.address(), &json!({"methods": ["GET", "POST"]})).await;
    assert_eq!(gate.ask(get("/")).await.body, body);
    assert_eq!(gate.ask(with_body("POST", &body)).await.body, body);
    let report = settled(&gate).await;
    assert_eq!(report.bodies_left_out, [(LeftOut::Memory, 1)].into());
    assert_eq!((report.compared, skipped(&report, Skipped::Memory)), (1, 1), "{report:?}");
    // All of it was given back.
    assert_eq!(gate.ask(with_body("POST", &body[..9_000])).await.body, body);
    assert_eq!(settled(&gate).await.sent, 2);
}

#[tokio::test]
async fn what_is_too_large_is_not_copied_or_its_body_is_not_compared() {
    let live = Service::start(|_| Answer::ok("0123456789")).await;
    let new = Service::start(|_| Answer::ok("012345678")).await;
    let small = json!({"max_body_bytes": 9, "methods": ["GET", "POST"]});
    let gate = gate(live.address(), new.address(), &small).await;
    assert_eq!(gate.ask(get("/")).await.body, "0123456789");
    let post = |framing: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{body}");
    assert_eq!(gate.ask(post("Content-Length: 10", "0123456789")).await.status, 200);
    assert_eq!(
        gate.ask(post("Transfer-Encoding: chunked", "a\r\n0123456789\r\n0\r\n\r\n")).await.status,
        200
    );
    let report = settled(&gate).await;
    assert_eq!((report.sent, report.same, skipped(&report, Skipped::Size)), (1, 1, 2), "{report:?}");
    assert_eq!(report.bodies_left_out, [(LeftOut::Size, 1)].into());
}

#[tokio::test]
async fn what_has_no_whole_answer_or_becomes_a_stream_is_not_copied() {
    let (live, new) = (Upstream::start("live").await, json_service("{}").await);
    let gate = gate(live.address(), new.address(), &json!({})).await;
    live.behave(Behaviour::CutAfter(5));
    gate.ask(get("/?size=100")).await;
    live.behave(Behaviour::Hangup);
    assert_eq!(gate.ask(get("/")).await.status, 502);
    live.behave(Behaviour::Echo);
    assert_eq!(gate.ask(HANDSHAKE).await.status, 200);
    let report = settled(&gate).await;
    assert_eq!(
        (skipped(&report, Skipped::Unfinished), skipped(&report, Skipped::Stream)),
        (2, 1),
        "{report:?}"
    );
    assert!(new.asked().is_empty());
}

#[tokio::test]
async fn a_request_that_is_cut_with_the_gateway_is_accounted_for_too() {
    let (live, new) = (Upstream::start("live").await, json_service("{}").await);
    live.behave(Behaviour::Held);
    let gate = gate(live.address(), new.address(), &json!({})).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    live.arrived(1).await;
    gate.gateway.stop().unwrap();
    let report = settled(&gate).await;
    assert_eq!((report.sampled, skipped(&report, Skipped::Unfinished)), (1, 1), "{report:?}");
}

#[tokio::test]
async fn a_shadow_whose_upstream_is_missing_says_so_and_begins_once_it_is_there() {
    let (live, new) = (json_service("{}").await, json_service("{}").await);
    let mut resources = resources(live.address(), new.address(), &rule(&json!({"to": "later"})));
    let gate = Gate::with(settings(), &resources).await;
    ask_times(&gate, 1).await;
    let refused = report(&gate);
    assert_eq!((refused.sampled, refused.refused.as_deref()), (0, Some("upstream later does not exist")));
    resources.push(upstream("later", &[new.address()]));
    gate.apply(&resources).await;
    ask_times(&gate, 1).await;
    let report = settled(&gate).await;
    assert_eq!((report.sent, report.refused), (1, None));
}

#[tokio::test]
async fn copies_go_over_http2_where_the_new_version_speaks_it() {
    let (live, new) = (Upstream::start("same").await, Upstream::start("same").await);
    let mut resources = resources(live.address(), new.address(), &rule(&json!({"methods": ["GET", "POST"]})));
    resources[1].1["labels"]["tealgate.protocol"] = json!("h2");
    let gate = Gate::with(settings(), &resources).await;
    ask_times(&gate, 3).await;
    assert_eq!(gate.ask(with_body("POST", &"a".repeat(40_000))).await.status, 200);
    let report = settled(&gate).await;
    assert_eq!((report.same, report.groups.len()), (4, 0), "{report:?}");
    let copies = new.requests();
    assert!(copies.iter().all(|copy| copy.headers["x-tealgate-shadow"] == "1" && copy.complete));
    assert_eq!(copies.iter().map(|copy| copy.body_bytes).max(), Some(40_000));
    assert!(copies.iter().all(|copy| !copy.headers.contains_key("host")), "they came by HTTP/2");
}

#[tokio::test]
async fn nothing_is_copied_once_a_table_without_the_rule_runs() {
    let (live, new) = (Upstream::start("live").await, json_service("{}").await);
    live.behave(Behaviour::Held);
    let gate = gate(live.address(), new.address(), &json!({})).await;
    let (mut early, mut late) = (gate.client().await, gate.client().await);
    early.0.send(get("/early")).await;
    live.arrived(1).await;
    // Another table with the rule changes nothing.
    gate.apply(&resources(live.address(), new.address(), &rule(&json!({"max_per_s": 9})))).await;
    live.release(1);
    assert_eq!(early.answer(false).await.status, 200);
    assert_eq!(new.asked_times(1).await[0].target, "/early");
    late.0.send(get("/late")).await;
    live.arrived(2).await;
    let mut without = resources(live.address(), new.address(), &rule(&json!({})));
    without[2] = (Kind::Service, json!({"id": "s", "upstream_id": "live"}));
    gate.apply(&without).await;
    live.release(1);
    assert_eq!(late.answer(false).await.status, 200);
    let report = settled(&gate).await;
    assert_eq!((report.sent, skipped(&report, Skipped::Over)), (1, 1), "{report:?}");
    assert_eq!(new.asked().len(), 1);
}

#[tokio::test]
async fn copies_go_over_tls_where_the_new_version_speaks_it() {
    let live = Service::start(|_| Answer::ok("localhost")).await;
    let (new, _) = crate::upstreams::tls_server().await;
    let mut resources = resources(live.address(), new, &rule(&json!({})));
    let more = json!({"scheme": "https", "nodes": [{"host": "localhost", "port": new.port(), "weight": 1}], "pass_host": "node"});
    resources[1] = upstream_with("new", &[], &more);
    let gate = Gate::with(settings(), &resources).await;
    ask_times(&gate, 3).await;
    let report = settled(&gate).await;
    assert_eq!((report.compared, report.same), (3, 3), "{report:?}");
}

#[tokio::test]
async fn what_differs_between_nodes_of_the_live_version_is_noise_too() {
    let (one, two) = (json_service(r#"{"host":"one"}"#).await, json_service(r#"{"host":"two"}"#).await);
    let new = json_service(r#"{"host":"three"}"#).await;
    let mut resources = resources(one.address(), new.address(), &rule(&json!({"noise_ppm": 1_000_000})));
    resources[0].1["nodes"] = upstream("live", &[one.address(), two.address()]).1["nodes"].clone();
    let gate = Gate::with(settings(), &resources).await;
    ask_times(&gate, 10).await;
    let report = settled(&gate).await;
    let found: Vec<_> =
        report.groups.iter().map(|group| (group.place.as_str(), group.pairs, group.itself)).collect();
    assert_eq!(found, [("$.host", 10, 10)]);
    let of_users = |service: &Service| {
        service.asked().iter().filter(|one| one.header("x-tealgate-shadow").is_empty()).count()
    };
    assert_eq!((of_users(&one), of_users(&two)), (5, 5), "users are spread as ever");
}

#[tokio::test]
async fn counts_go_on_over_changes_of_the_configuration_and_are_told_for_a_while() {
    let (live, new) = (json_service("{}").await, json_service("{}").await);
    let gate = gate(live.address(), new.address(), &json!({})).await;
    ask_times(&gate, 2).await;
    gate.apply(&resources(live.address(), new.address(), &rule(&json!({"share_ppm": 999_999})))).await;
    ask_times(&gate, 2).await;
    assert_eq!(settled(&gate).await.sampled, 4);
    for number in 2..12 {
        let next = rule(&json!({"id": format!("shop-{number}")}));
        gate.apply(&resources(live.address(), new.address(), &next)).await;
    }
    let ids: Vec<_> = gate.gateway.shadows().reports().into_iter().map(|report| report.id).collect();
    assert!(ids.len() <= 7 && ids.last().is_some_and(|id| id == "shop-11"), "{ids:?}");
}
