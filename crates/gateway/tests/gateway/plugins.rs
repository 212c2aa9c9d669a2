//! What a plugin may do, and in which order plugins run (APISIX §3.3, §3.4). The plugins here exist for these tests.

use crate::support::{Gate, HANDSHAKE, get, route, settings, upstream};
use gateway::Settings;
use gateway::plugin::{Answer, AnswerContext, Build, Context, Flow, Phase, Plugin, PluginKind};
use model::plugin::{AuthInfo, PluginInfo};
use model::record::RequestRecord;
use model::resource::Kind;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::Upstream;

fn anything() -> Value {
    json!({"type": "object"})
}

fn right(_: &Value) -> Result<(), String> {
    Ok(())
}

const AUTH: AuthInfo = AuthInfo { schema: anything, key: "key", sealed: &[] };

static KINDS: &[PluginKind] = &[
    PluginKind {
        info: PluginInfo::new("who", 30, anything, right).authenticating(AUTH),
        compile: Some(|_, _| Ok(Box::new(Who))),
    },
    PluginKind {
        info: PluginInfo::new("one", 20, anything, right),
        compile: Some(|conf, _| trace("one", conf)),
    },
    PluginKind {
        info: PluginInfo::new("two", 10, anything, right),
        compile: Some(|conf, _| trace("two", conf)),
    },
    PluginKind {
        info: PluginInfo::new("heads", 5, anything, right),
        compile: Some(|_, _| Ok(Box::new(Heads))),
    },
    PluginKind { info: PluginInfo::new("ledger", 1, anything, right), compile: Some(ledger) },
];

/// The consumer is whose key the header `key` holds.
struct Who;

impl Plugin for Who {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite]
    }

    fn rewrite<'r>(&'r self, request: &mut Context<'_, 'r>) -> Flow {
        if let Some(identity) = request.header("key").and_then(|key| request.consumers().by_key("who", key)) {
            request.set_identity(identity);
        }
        Flow::Continue
    }
}

/// Says in a header of the upstream's request when it ran; ends the request in `ends`.
struct Trace {
    name: &'static str,
    mark: String,
    ends: Option<String>,
}

fn trace(name: &'static str, conf: &Value) -> Result<Box<dyn Plugin>, String> {
    let text = |key: &str| conf.get(key).and_then(Value::as_str).map(str::to_owned);
    let mark = text("mark").unwrap_or_default();
    Ok(Box::new(Trace { name, mark, ends: text("ends") }))
}

impl Trace {
    fn run<'r>(&'r self, phase: &str, request: &mut Context<'_, 'r>) -> Flow {
        let consumer = request.identity().map_or("-", |identity| identity.consumer.username());
        let mark = format!("{}{} {phase} {consumer}", self.name, self.mark);
        if let Some(forward) = request.forward() {
            forward.add("X-Trace", mark);
        }
        if self.ends.as_deref() == Some(phase) {
            return Flow::Answer(Arc::new(Answer::text(418, "enough").with_header("X-By", self.name)));
        }
        Flow::Continue
    }
}

impl Plugin for Trace {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite, Phase::Access]
    }

    fn rewrite<'r>(&'r self, request: &mut Context<'_, 'r>) -> Flow {
        self.run("rewrite", request)
    }

    fn access<'r>(&'r self, request: &mut Context<'_, 'r>) -> Flow {
        self.run("access", request)
    }
}

/// Changes heads in every way that there is, also in those that it may not.
struct Heads;

impl Plugin for Heads {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite, Phase::Answer]
    }

    fn rewrite<'r>(&'r self, request: &mut Context<'_, 'r>) -> Flow {
        request.forward_query(Some("rewritten=1".to_owned()));
        if let Some(forward) = request.forward() {
            forward.set("X-Set", "new");
            forward.remove("X-Gone");
            forward.set_if_absent("X-Kept", "ours");
            forward.set_if_absent("X-Absent", 7);
            forward.add("X-More", "second");
            forward.set("X-Last", "first");
            forward.set("x-last", "last");
            for (name, value) in [
                ("Content-Length", "3"),
                ("Transfer-Encoding", "chunked"),
                ("Connection", "close"),
                ("Host", "elsewhere"),
                ("X Bad", "name"),
                ("X-Smuggled", "a\r\nX-Injected: b"),
            ] {
                forward.set(name, value);
            }
        }
        if let Some(answer) = request.answer() {
            answer.set("X-Early", "early");
            answer.set("X-Both", "early");
        }
        Flow::Continue
    }

    fn answer(&self, answer: &mut AnswerContext<'_, '_>) {
        let by = if answer.is_of_upstream() { "upstream" } else { "gate" };
        let colour = answer.header("x-colour").map(|colour| String::from_utf8_lossy(colour).into_owned());
        let said = format!("{} {by} {}", answer.status(), colour.unwrap_or_default());
        answer.set("X-Said", said.trim_end().to_owned());
        answer.set("X-Both", "late");
        answer.edits().remove("X-Colour");
    }
}

/// Remembers what it was told after requests; shared by all instances of a gateway.
struct Ledger(Arc<Entries>);

#[derive(Default)]
struct Entries {
    lines: Mutex<Vec<String>>,
    instances: AtomicU64,
}

fn ledger(_: &Value, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
    let entries = build.shared(Entries::default);
    entries.instances.fetch_add(1, Ordering::SeqCst);
    Ok(Box::new(Ledger(entries)))
}

impl Plugin for Ledger {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Answer, Phase::Log]
    }

    fn answer(&self, answer: &mut AnswerContext<'_, '_>) {
        let lines = self.0.lines.lock().unwrap().join(", ");
        let instances = self.0.instances.load(Ordering::SeqCst);
        answer.set("X-Ledger", format!("{instances} instances: {lines}").trim_end().to_owned());
    }

    fn log(&self, record: &RequestRecord<'_>) {
        let line = format!("{} {} {}", record.status, record.path, record.consumer);
        self.0.lines.lock().unwrap().push(line.trim_end().to_owned());
    }
}

async fn gate(resources: &[(Kind, Value)]) -> Gate {
    Gate::with(Settings { plugins: KINDS, ..settings() }, resources).await
}

fn consumer(plugins: &Value) -> (Kind, Value) {
    (Kind::Consumer, json!({"id": "jack", "username": "jack", "plugins": plugins}))
}

fn traces(server: &Upstream) -> Vec<String> {
    let request = server.requests().pop().unwrap();
    request.headers.get_all("x-trace").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn phases_come_one_after_the_other_and_priorities_order_within_each() {
    let server = Upstream::start("a").await;
    let plugins = json!({"two": {}, "one": {}, "who": {}});
    let resources =
        [upstream("u", &[server.address()]), route(&json!({"upstream_id": "u", "plugins": plugins}))];
    let gate = gate(&resources).await;
    assert_eq!(gate.ask(get("/")).await.status, 200);
    assert_eq!(traces(&server), ["one rewrite -", "two rewrite -", "one access -", "two access -"]);
    let plugins = json!({"one": {"_meta": {"priority": -5}}, "two": {}});
    gate.apply(&[resources[0].clone(), route(&json!({"upstream_id": "u", "plugins": plugins}))]).await;
    assert_eq!(gate.ask(get("/")).await.status, 200);
    assert_eq!(traces(&server), ["two rewrite -", "one rewrite -", "two access -", "one access -"]);
}

#[tokio::test]
async fn a_consumer_beats_the_route_and_the_route_its_service() {
    let server = Upstream::start("a").await;
    let of = |place: &str| json!({"mark": format!(" of {place}")});
    let service = json!({"id": "s", "upstream_id": "u", "plugins": {"one": of("service"), "two": of("service"), "who": {}}});
    let mut resources = vec![
        upstream("u", &[server.address()]),
        (Kind::Service, service),
        route(&json!({"service_id": "s", "plugins": {"one": of("route")}})),
    ];
    let gate = gate(&resources).await;
    let ask = async || gate.ask("GET / HTTP/1.1\r\nHost: h\r\nKey: k\r\n\r\n").await.status;
    assert_eq!(ask().await, 200);
    let route_and_service = [
        "one of route rewrite -",
        "two of service rewrite -",
        "one of route access -",
        "two of service access -",
    ];
    assert_eq!(traces(&server), route_and_service);
    resources.push(consumer(&json!({"who": {"key": "k"}, "two": of("consumer")})));
    gate.apply(&resources).await;
    assert_eq!(ask().await, 200);
    // What the route has is rewritten by as the route says: the consumer was not known yet.
    let with_consumer = [
        "one of route rewrite jack",
        "two of service rewrite jack",
        "one of route access jack",
        "two of consumer access jack",
    ];
    assert_eq!(traces(&server), with_consumer);
    // What only the consumer has is rewritten by once it is known.
    resources[1].1["plugins"] = json!({"who": {}});
    gate.apply(&resources).await;
    assert_eq!(ask().await, 200);
    let new = [
        "one of route rewrite jack",
        "two of consumer rewrite jack",
        "one of route access jack",
        "two of consumer access jack",
    ];
    assert_eq!(traces(&server), new);
    // One that is switched off further up switches off those further down.
    resources[3] = consumer(&json!({"who": {"key": "k"}, "one": {"_meta": {"disable": true}}}));
    gate.apply(&resources).await;
    assert_eq!(ask().await, 200);
    assert_eq!(traces(&server), ["one of route rewrite jack"]);
}

#[tokio::test]
async fn a_plugin_that_answers_ends_the_request_there() {
    let server = Upstream::start("a").await;
    for (plugins, by) in [
        (json!({"one": {"ends": "rewrite"}, "two": {"ends": "rewrite"}}), "one"),
        (json!({"one": {"ends": "access"}, "two": {"ends": "rewrite"}}), "two"),
    ] {
        let resources =
            [upstream("u", &[server.address()]), route(&json!({"upstream_id": "u", "plugins": plugins}))];
        let gate = gate(&resources).await;
        let answer = gate.ask(get("/")).await;
        assert_eq!((answer.status, answer.body.as_str(), answer.header("x-by")), (418, "enough", Some(by)));
        let counts = gate.settled().await;
        assert_eq!((counts.received, counts.gate_errors), (1, 0), "it is no upstream's");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_closes_the_connection() {
    let resources = [route(&json!({"plugins": {"one": {"ends": "access"}}}))];
    let gate = gate(&resources).await;
    let mut client = gate.client().await;
    let answer = client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("connection")), (418, Some("close")));
    let mut client = gate.client().await;
    for _ in 0..2 {
        assert_eq!(client.ask(get("/")).await.status, 418, "the connection stays");
    }
}

#[tokio::test]
async fn heads_are_changed_where_they_may_be() {
    let server = Upstream::start("a").await;
    let resources = [
        upstream("u", &[server.address()]),
        route(&json!({"upstream_id": "u", "plugins": {"heads": {}}})),
        (
            Kind::Route,
            json!({"id": "nowhere", "uri": "/nowhere", "upstream_id": "gone", "plugins": {"heads": {}}}),
        ),
    ];
    let gate = gate(&resources).await;
    let fields = "X-Set: old\r\nX-SET: older\r\nX-Gone: 1\r\nX-Kept: theirs\r\nX-More: first\r\n";
    let answer = gate.ask(format!("GET /p?a=1 HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).await;
    assert_eq!(answer.status, 200);
    let request = server.requests().pop().unwrap();
    let values = |name: &str| -> Vec<String> {
        request.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(request.target, "/p?rewritten=1");
    for (name, expected) in [
        ("x-set", &["new"][..]),
        ("x-gone", &[]),
        ("x-kept", &["theirs"]),
        ("x-absent", &["7"]),
        ("x-more", &["first", "second"]),
        ("x-last", &["last"]),
        ("host", &["h"]),
        ("content-length", &[]),
        ("transfer-encoding", &[]),
        ("connection", &[]),
        ("x-smuggled", &[]),
        ("x-injected", &[]),
    ] {
        assert_eq!(values(name), expected, "{name}");
    }
    for (name, expected) in [
        ("x-early", Some("early")),
        ("x-both", Some("late")),
        ("x-said", Some("200 upstream a")),
        ("x-colour", None),
    ] {
        assert_eq!(answer.header(name), expected, "{name}");
    }
    let answer = gate.ask(get("/nowhere")).await;
    assert_eq!(
        (answer.status, answer.header("x-said"), answer.header("x-early")),
        (502, Some("502 gate"), Some("early"))
    );
}

#[tokio::test]
async fn after_a_request_its_record_is_told_and_instances_share_what_they_want() {
    let server = Upstream::start("a").await;
    let with_ledger = |id: &str, uri: &str| {
        (Kind::Route, json!({"id": id, "uri": uri, "upstream_id": "u", "plugins": {"ledger": {}, "who": {}}}))
    };
    let resources = [
        upstream("u", &[server.address()]),
        with_ledger("one", "/one"),
        with_ledger("two", "/two"),
        consumer(&json!({"who": {"key": "k"}})),
    ];
    let gate = gate(&resources).await;
    let mut client = gate.client().await;
    let answer = client.ask("GET /one HTTP/1.1\r\nHost: h\r\nKey: k\r\n\r\n").await;
    assert_eq!(answer.header("x-ledger"), Some("2 instances:"));
    let answer = client.ask(get("/two")).await;
    assert_eq!(answer.header("x-ledger"), Some("2 instances: 200 /one jack"));
    gate.apply(&resources).await;
    let answer = client.ask(get("/two")).await;
    assert_eq!(answer.header("x-ledger"), Some("4 instances: 200 /one jack, 200 /two"));
}

#[tokio::test]
async fn requests_that_no_plugin_is_for_are_as_they_were() {
    let server = Upstream::start("a").await;
    let plugins = json!({"one": {"_meta": {"filter": [["arg_x", "==", "1"]]}}});
    let resources =
        [upstream("u", &[server.address()]), route(&json!({"upstream_id": "u", "plugins": plugins}))];
    let gate = gate(&resources).await;
    assert_eq!(gate.ask(get("/?x=2")).await.status, 200);
    assert_eq!(traces(&server), [""; 0]);
    assert_eq!(gate.ask(get("/?x=1")).await.status, 200);
    assert_eq!(traces(&server), ["one rewrite -", "one access -"]);
}

#[tokio::test]
async fn an_answer_that_switches_protocols_is_changed_as_any_other() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Colour: blue\r\n\r\n";
    let script = vec![Step::read_head(), Step::send(switch), Step::read_head()];
    let server = ScriptedUpstream::start(vec![script]).await;
    let more = json!({"upstream_id": "u", "enable_websocket": true, "plugins": {"heads": {}}});
    let gate = gate(&[upstream("u", &[server.address()]), route(&more)]).await;
    let mut client = gate.client().await;
    client.0.send(HANDSHAKE).await;
    let head = client.0.read_head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for line in [
        "X-Early: early",
        "X-Both: late",
        "X-Said: 101 upstream blue",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ] {
        assert_eq!(head.lines().filter(|other| *other == line).count(), 1, "{line} in {head}");
    }
    assert!(!head.contains("X-Colour"), "{head}");
}
