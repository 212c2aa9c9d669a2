//! Checks of the business look into the JSON of answers, and no answer is held up, cut anew or delayed for it.

use crate::support::{Gate, HANDSHAKE, get, route, settings, upstream, upstream_with};
use gateway::Settings;
use model::resource::Kind;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use telemetry::counts::{Examined, Hindered};
use telemetry::found::Hindrance;
use testkit::clock::within;
use testkit::raw::RawClient;
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::service::{Answer, Service};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// One upstream, and what is asked of its answers.
pub(crate) fn resources(address: SocketAddr, answers: &Value) -> Vec<(Kind, Value)> {
    let rule = json!({"weighted_upstreams": [{"upstream_id": "u"}], "tealgate": {"answers": answers}});
    let split = json!({"traffic-split": {"rules": [rule]}});
    vec![upstream("u", &[address]), route(&json!({"upstream_id": "u", "plugins": split}))]
}

/// An order must have an id.
pub(crate) fn order() -> Value {
    json!({"checks": [{"json": {"pointer": "/order/id"}, "fails_if": "missing"}]})
}

pub(crate) const GOOD: &str = r#"{"order": {"id": 7}}"#;
const BAD: &str = r#"{"error": "sold out"}"#;

pub(crate) fn examined(passed: u64, failed: u64, unexamined: u64) -> Examined {
    Examined { passed, failed, unexamined }
}

/// An answer by length.
fn json_answer(body: &str) -> String {
    whole("200 OK", "Content-Type: application/json\r\n", body)
}

fn whole(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// What the first check says of an answer of these bytes, each piece sent for itself, and the body that the client got.
async fn of(request: &str, pieces: &[&str]) -> (Examined, String) {
    let mut script = vec![Step::read_head()];
    script.extend(pieces.iter().map(|piece| Step::send(piece)));
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::with(settings(), &resources(upstream.address(), &order())).await;
    let answer = gate.ask(request).await;
    let counts = gate.settled().await;
    let said = counts.checks[0];
    // Each answer that was not looked at has a reason.
    let mut hindered = counts.hindered;
    let reasons: u64 = Hindrance::ALL.into_iter().map(|why| *hindered.of(why)).sum();
    assert_eq!(reasons, said.unexamined, "{hindered:?}");
    (said, answer.body)
}

#[tokio::test]
async fn a_field_is_found_however_the_body_is_framed_and_the_client_gets_it_as_it_was() {
    let get = get("/");
    for (body, expected) in [(GOOD, examined(1, 0, 0)), (BAD, examined(0, 1, 0))] {
        let (here, there) = body.split_at(11);
        let whole = json_answer(body);
        let chunks = format!("{:x}\r\n{here}\r\n{:x}\r\n{there}\r\n0\r\n\r\n", here.len(), there.len());
        let (begin, end) = chunks.split_at(14);
        let chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.shop+json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let until_close =
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        assert_eq!(of(&get, &[&whole]).await, (expected, body.to_owned()));
        let cut = whole.len() - 5;
        assert_eq!(of(&get, &[&whole[..cut], &whole[cut..]]).await, (expected, body.to_owned()));
        let (found, passed) = of(&get, &[chunked, begin, end]).await;
        assert!(found == expected && passed.contains(here) && passed.ends_with("0\r\n\r\n"), "{passed:?}");
        let old = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";
        assert_eq!(of(old, &[until_close, here, there]).await, (expected, body.to_owned()));
    }
}

#[tokio::test]
async fn what_is_no_whole_json_that_can_be_read_is_neither_passed_nor_failed() {
    let json = "Content-Type: application/json\r\n";
    let unexamined = examined(0, 0, 1);
    for (status, fields, body) in [
        ("200 OK", "Content-Type: text/html\r\n", BAD),
        ("200 OK", "", BAD),
        ("200 OK", &*format!("{json}Content-Encoding: gzip\r\n"), BAD),
        ("206 Partial Content", json, BAD),
        ("503 Service Unavailable", json, BAD),
        ("200 OK", json, ""),
    ] {
        let answer = whole(status, fields, body);
        assert_eq!(of(&get("/"), &[&answer]).await, (unexamined, body.to_owned()), "{status} {fields}");
    }
    let chunked = format!("HTTP/1.1 200 OK\r\n{json}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(of(&get("/"), &[&chunked]).await.0, unexamined, "it has no body either");
    let head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(of(head, &[&json_answer(BAD)]).await.0, unexamined);
    assert_eq!(of(&get("/"), &[&format!("HTTP/1.1 204 No Content\r\n{json}\r\n")]).await.0, unexamined);
    assert_eq!(
        of(&get("/"), &[&json_answer("<html>")]).await.0,
        examined(0, 1, 0),
        "it says that it is JSON"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_passed_one() {
    let broken = json_answer(&format!("{GOOD}     "));
    let upstream =
        ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(&broken[..broken.len() - 2])]]).await;
    let gate = Gate::with(settings(), &resources(upstream.address(), &order())).await;
    let mut client = RawClient::connect(gate.address()).await;
    client.send(get("/")).await;
    client.read_to_end().await;
    let counts = gate.settled().await;
    assert_eq!((counts.cut_short, counts.checks[0]), (1, examined(0, 0, 1)));
    assert_eq!(counts.hindered, Hindered { failed: 1, ..Hindered::default() });
}

#[tokio::test]
async fn nothing_of_a_body_is_held_back_until_it_can_be_read() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let gate = Gate::with(settings(), &resources(listener.local_addr().unwrap(), &order())).await;
    let mut client = RawClient::connect(gate.address()).await;
    client.send(get("/")).await;
    let mut upstream = within("a connection", listener.accept()).await.unwrap().0;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.write_all(head.as_bytes()).await.unwrap();
    client.read_head().await;
    for piece in GOOD.split_inclusive('"') {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        upstream.write_all(chunk.as_bytes()).await.unwrap();
        assert!(client.read_until(&chunk).await.ends_with(&chunk));
    }
    upstream.write_all(b"0\r\n\r\n").await.unwrap();
    client.read_until("0\r\n\r\n").await;
    assert_eq!(gate.settled().await.checks[0], examined(1, 0, 0));
}

/// How many of two answers, one by length and one in chunks, with so long bodies the first check has looked at, how many were
/// too large, and for how many there was no room.
async fn of_long(settings: Settings, length: usize) -> [u64; 3] {
    let body = format!("{GOOD}{}", " ".repeat(length - GOOD.len()));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (here, there) = body.split_at(length / 2);
    let chunks = format!("{:x}\r\n{here}\r\n{:x}\r\n{there}\r\n0\r\n\r\n", here.len(), there.len());
    let scripts = [json_answer(&body), format!("{head}{chunks}")];
    let scripts = scripts.map(|answer| vec![Step::read_head(), Step::send(&answer)]);
    let upstream = ScriptedUpstream::start(scripts.to_vec()).await;
    let gate = Gate::with(settings, &resources(upstream.address(), &order())).await;
    assert_eq!(gate.ask(get("/")).await.body, body);
    let in_chunks = gate.ask(get("/")).await.body;
    assert_eq!(in_chunks.matches(' ').count(), body.matches(' ').count());
    let counts = gate.settled().await;
    assert_eq!(counts.checks[0].failed, 0);
    [counts.checks[0].passed, counts.hindered.too_large, counts.hindered.busy]
}

#[tokio::test]
async fn bodies_beyond_what_may_be_kept_are_not_examined_and_users_get_them_all_the_same() {
    let longest = || Settings { examined_body_bytes: 60_000, ..settings() };
    assert_eq!(of_long(longest(), 60_000).await, [2, 0, 0]);
    assert_eq!(of_long(longest(), 60_001).await, [0, 2, 0]);
    let memory = || Settings { examined_memory_bytes: 120_000, threads: 2, ..settings() };
    assert_eq!(of_long(memory(), 60_000).await, [2, 0, 0]);
    assert_eq!(of_long(memory(), 60_001).await, [0, 0, 2]);
}

#[tokio::test]
async fn beyond_its_rate_a_thread_looks_into_no_more_bodies() {
    let slow = Settings { examined_bytes_per_s: 1, ..settings() };
    let (length, requests) = (60_000, 20);
    let service = Service::start(move |_| Answer::json(format!("{GOOD}{}", " ".repeat(length)))).await;
    let gate = Gate::with(slow, &resources(service.address(), &order())).await;
    let mut client = gate.client().await;
    for _ in 0..requests {
        assert_eq!(client.ask(get("/")).await.status, 200);
    }
    // The first one took what there is for the next half a day.
    let counts = gate.settled().await;
    assert_eq!((counts.checks[0], counts.hindered.busy), (examined(1, 0, requests - 1), requests - 1));
}

#[tokio::test]
async fn each_check_is_counted_for_itself_headers_and_fields_alike() {
    let service = Service::start(|asked| match asked.target.as_str() {
        "/sold-out" => Answer::json(BAD),
        _ => Answer::json(r#"{"order": {"id": 7, "state": "taken"}, "error": null}"#),
    })
    .await;
    let checks = json!({"checks": [
        {"json": {"pointer": "/error"}, "fails_if": "present"},
        {"header": "content-type", "fails_if": {"not_equals": ["application/json", "text/json"]}},
        {"json": {"pointer": "/order/state"}, "fails_if": {"not_equals": ["taken", "paid"]}},
        {"json": {"pointer": "/order/id"}, "fails_if": {"equals": 7}},
    ]});
    let gate = Gate::with(settings(), &resources(service.address(), &checks)).await;
    for path in ["/", "/", "/sold-out"] {
        assert_eq!(gate.ask(get(path)).await.status, 200);
    }
    let checks = gate.settled().await.checks;
    assert_eq!(checks, [examined(2, 1, 0), examined(3, 0, 0), examined(3, 0, 0), examined(1, 2, 0)]);
}

#[tokio::test]
async fn a_shadow_and_a_check_keep_the_same_answer() {
    let (live, new) =
        (Service::start(|_| Answer::json(GOOD)).await, Service::start(|_| Answer::json(BAD)).await);
    let shadow = crate::shadow::rule(&json!({"max_body_bytes": 10}));
    let mut all = crate::shadow::resources(live.address(), new.address(), &shadow);
    let of_all = all[2].1.pointer_mut("/plugins/traffic-split/rules/1/tealgate").unwrap();
    of_all["answers"] = order();
    let gate = Gate::with(settings(), &all).await;
    assert_eq!(gate.ask(get("/")).await.body, GOOD);
    let report = crate::shadow::settled(&gate).await;
    assert_eq!((report.compared, report.bodies_left_out.len()), (1, 1), "its bound is its own: {report:?}");
    assert_eq!(gate.settled().await.checks[0], examined(1, 0, 0));
    *all[2].1.pointer_mut("/plugins/traffic-split/rules/1/tealgate/shadow/max_body_bytes").unwrap() =
        json!(1_000);
    *all[2].1.pointer_mut("/plugins/traffic-split/rules/1/tealgate/shadow/id").unwrap() = json!("shop-2");
    gate.apply(&all).await;
    assert_eq!(gate.ask(get("/")).await.body, GOOD);
    let report = crate::shadow::settled(&gate).await;
    assert_eq!((report.compared, report.bodies_left_out.len(), report.same), (1, 0, 0), "{report:?}");
    assert_eq!(gate.settled().await.checks[0], examined(2, 0, 0));
}

/// A gateway that gives both versions one half, with checks that the guard compares, and these changes of its rule.
async fn guarded(blue: &Service, green: &Service, directory: &Path, changes: Value) -> Gate {
    let guarded = Settings { guard_dir: Some(directory.join("guards")), ..settings() };
    let mut guard = json!({
        "id": "g", "new": "green", "max_error_ppm": null, "min_requests": 20, "break_ppm": 250_000,
        "false_alarm_one_in": 1_000, "tolerance_percent": 120, "controller_missing": "stay",
        "missing_after_ms": 0, "planned_restart_ms": 600_000, "checks": ["order"],
    });
    guard.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let rule = json!({"weighted_upstreams": [{"upstream_id": "green", "weight": 1}, {"upstream_id": "blue", "weight": 1}],
        "tealgate": {"shuffle": "shop-1", "answers": order(), "guard": guard}});
    let labels = |colour: &str| json!({"labels": {"tealgate.app": "shop", "tealgate.colour": colour}});
    let split = json!({"traffic-split": {"rules": [rule]}});
    let resources = [
        upstream_with("blue", &[blue.address()], &labels("blue")),
        upstream_with("green", &[green.address()], &labels("green")),
        (Kind::Service, json!({"id": "s", "upstream_id": "blue", "plugins": split})),
        route(&json!({"service_id": "s"})),
    ];
    Gate::with(guarded, &resources).await
}

/// Asks until the guard has fired, and then twenty times more, for the old version's answers.
async fn until_gone(gate: &Gate) -> telemetry::report::GuardTrip {
    let state = || gate.gateway.guards().reports().pop().map(|report| report.state);
    let trip = within("the guard", async {
        loop {
            gate.ask(get("/")).await;
            if let Some(telemetry::report::GuardState::Tripped { trip }) = state() {
                return *trip;
            }
        }
    })
    .await;
    for _ in 0..20 {
        assert_eq!(gate.ask(get("/")).await.body, GOOD);
    }
    trip
}

#[tokio::test]
async fn answers_that_say_in_their_json_that_they_are_none_trip_the_guard() {
    let (blue, green) =
        (Service::start(|_| Answer::json(GOOD)).await, Service::start(|_| Answer::json(BAD)).await);
    let directory = tempfile::tempdir().unwrap();
    let checked = json!({"check_false_alarm_one_in": 1_000});
    let trip = until_gone(&guarded(&blue, &green, directory.path(), checked).await).await;
    assert!(trip.evidence[0].contains("check order: "), "{trip:?}");
    assert_eq!((trip.new.failed, trip.old.failed), (trip.new.requests, 0), "{trip:?}");
}

#[tokio::test]
async fn answers_that_can_be_examined_no_more_trip_the_guard_and_it_says_why() {
    // The same bytes, but they do not say that they are JSON.
    let (blue, green) =
        (Service::start(|_| Answer::json(GOOD)).await, Service::start(|_| Answer::ok(GOOD)).await);
    let directory = tempfile::tempdir().unwrap();
    let checked = json!({"check_false_alarm_one_in": 1_000, "unexamined_false_alarm_one_in": 1_000});
    let trip = until_gone(&guarded(&blue, &green, directory.path(), checked).await).await;
    assert!(trip.evidence[0].starts_with("not examined by check order: new version "), "{trip:?}");
    assert!(trip.evidence[1].contains("not JSON "), "{trip:?}");
    assert_eq!((trip.new.failed, trip.old.failed), (trip.new.requests, 0), "{trip:?}");
    assert_eq!(trip.found_in_ms, None, "nothing has failed");
}

#[tokio::test]
async fn an_answer_that_opens_a_stream_says_who_it_is_before_that_ends() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Version: 1\r\n\r\n";
    let script = vec![Step::read_head(), Step::send(switch), Step::ReadToEnd];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let answers = json!({"identity": {"header": "x-version", "versions": {"u": "2"}},
        "checks": [{"header": "x-trace", "fails_if": "missing"}]});
    let mut resources = resources(upstream.address(), &answers);
    resources[1].1["enable_websocket"] = json!(true);
    let gate = Gate::with(settings(), &resources).await;
    let mut client = RawClient::connect(gate.address()).await;
    client.send(HANDSHAKE).await;
    assert!(client.read_head().await.starts_with("HTTP/1.1 101 "));
    let counts = gate.counts();
    assert_eq!((counts.open, counts.origins, counts.checks[0]), (1, [0, 1, 0], examined(0, 1, 0)));
    client.finish().await;
    let counts = gate.settled().await;
    assert_eq!((counts.origins, counts.checks[0]), ([0, 1, 0], examined(0, 1, 0)), "once");
}
