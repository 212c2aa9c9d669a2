//! What sounds like a version that hangs and is none: nobody is blamed for it.
//!
//! That long enough has been waited is known without a clock: another app of the same gateway, under the same rule, hangs
//! later, and its guard has fired.

use super::site::LONG_MS;
use crate::clock;
use crate::harness::cli::release;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{app, policy};
use crate::harness::websocket::{Frame, WebSocket, echo};
use crate::harness::world::World;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::raw::RawClient;
use testkit::upstream::{Behaviour, Upstream};

/// Requests without an answer that are silence, and after how long.
const REQUESTS: usize = 3;
const AFTER_MS: u64 = 300;
/// So many that each version is asked for more than that.
const CLIENTS: usize = 20;

/// An answer that has begun, and of which no more comes.
const STREAM: Behaviour = Behaviour::StallAfter(4);

/// One gateway with one thread, so that the shares of few requests are exact, and with many apps.
struct Site {
    gate: Gate,
    _world: World,
}

/// An app of two recording upstreams.
struct Shop {
    id: &'static str,
    blue: Upstream,
    green: Upstream,
}

/// A policy with these steps, a guard that waits as long as it says above, and these changes.
fn impatient(steps: Value, changes: Value) -> Value {
    let mut next = policy(json!({
        "steps": steps,
        "guard": {"hang": {"requests": REQUESTS, "after_ms": AFTER_MS}},
        "soak": {"duration_ms": LONG_MS},
    }));
    next.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    next
}

fn half() -> Value {
    impatient(json!([{"share": 50, "pause_ms": LONG_MS}, 100]), json!({}))
}

fn target(blue: SocketAddr, green: SocketAddr) -> Value {
    let nodes = |address: SocketAddr| json!({"nodes": {address.to_string(): 1}});
    json!({"upstream": {"blue": nodes(blue), "green": nodes(green), "readiness": {"interval_ms": 50}}})
}

impl Site {
    async fn start() -> Site {
        let world = World::new();
        let gate = Start::new(&world).with(&["--threads", "1"]).ready().await;
        Site { gate, _world: world }
    }

    /// An app whose version 1 is live on Blue; its next release is to have this policy.
    async fn app(&self, id: &str, uris: Value, target: Value, next: Value) {
        let admin = self.gate.admin();
        admin.put(&format!("services/{id}"), &json!({"name": id})).await;
        let route = json!({"uris": uris, "service_id": id, "enable_websocket": true});
        admin.put(&format!("routes/{id}"), &route).await;
        let write = async |policy| {
            let mut app = app(target.clone(), policy);
            app["service_id"] = json!(id);
            admin.put_app(id, &app).await;
        };
        write(policy(json!({}))).await;
        release(&self.gate, &["start", id, "--version", "v1"]).await.exits(0);
        write(next).await;
    }

    /// An app of recording upstreams, at the path of its own name.
    async fn shop(&self, id: &'static str, next: Value) -> Shop {
        let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
        self.app(id, json!([format!("/{id}")]), target(blue.address(), green.address()), next).await;
        Shop { id, blue, green }
    }

    async fn view(&self, id: &str) -> Value {
        let list = self.gate.admin().get(&format!("/tealgate/v1/apps/{id}/releases?limit=1")).await.json();
        list["list"][0].clone()
    }

    /// Waits until the newest release of an app is as wanted.
    async fn until(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut view = Value::Null;
        let seen = async || {
            view = self.view(id).await;
            wanted(&view)
        };
        clock::until(what, seen, || self.gate.log()).await;
        view
    }

    /// Version 2 gets this share.
    async fn gives(&self, id: &str, share: u64) {
        release(&self.gate, &["start", id, "--version", "v2", "--detach"]).await.exits(5);
        let moved = |view: &Value| {
            let moves = view["moves"].as_array().unwrap();
            view["share"] == share && moves.iter().all(|one| !one["took_ms"].is_null())
        };
        self.until(id, "the share of version 2", moved).await;
    }

    /// Requests that nobody waits for, one on each connection.
    async fn ask(&self, path: &str, number: usize) -> Vec<RawClient> {
        let gateway: SocketAddr = self.gate.gateway();
        let mut clients = Vec::new();
        for _ in 0..number {
            let mut client = RawClient::connect(gateway).await;
            client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
            clients.push(client);
        }
        clients
    }

    fn has_fired(&self, id: &str) -> bool {
        let log = self.gate.log();
        let of = format!("service=\"{id}\"");
        log.lines().any(|line| line.contains("the guard has fired") && line.contains(&of))
    }

    /// Waits from now on as long as silence takes, and longer: version 2 of one more app is asked, and hangs.
    async fn another_hangs(&self, id: &'static str) {
        self.another(id, Behaviour::Held, &["bound=\"hang\""]).await;
    }

    /// The same with one that begins answers and does not end them.
    async fn another_stalls(&self, id: &'static str) {
        self.another(id, STREAM, &["bound=\"unended\"", "bound=\"comparison\""]).await;
    }

    async fn another(&self, id: &'static str, behaviour: Behaviour, bounds: &[&str]) {
        let shop = self.shop(id, half()).await;
        self.gives(id, 50).await;
        shop.green.behave(behaviour);
        let _waiting = self.ask(&format!("/{id}"), CLIENTS).await;
        clock::until("the guard", async || self.has_fired(id), || self.gate.log()).await;
        let log = self.gate.log();
        let line =
            log.lines().find(|line| line.contains("the guard has fired") && line.contains(id)).unwrap();
        assert!(bounds.iter().any(|bound| line.contains(bound)), "{line}");
    }

    /// Nobody has taken the release back.
    async fn goes_on(&self, id: &str, share: u64) {
        let view = self.view(id).await;
        assert!(!self.has_fired(id), "{}", self.gate.log());
        assert_eq!((&view["version"], &view["share"]), (&json!("v2"), &json!(share)), "{view}");
        assert!(view["outcome"].is_null() && view["why"].is_null(), "{view}");
    }
}

impl Shop {
    async fn asks(&self, site: &Site, number: usize) -> Vec<RawClient> {
        site.ask(&format!("/{}", self.id), number).await
    }
}

async fn answered(mut client: RawClient) {
    let head = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

async fn all_are_answered(clients: Vec<RawClient>) {
    for client in clients {
        answered(client).await;
    }
}

#[tokio::test]
async fn a_version_that_serves_only_web_sockets_has_answered_with_their_opening() {
    let site = Site::start().await;
    let [blue, green] = [echo("blue").await, echo("green").await];
    site.app("sockets", json!(["/ws", "/"]), target(blue, green), impatient(json!([100]), json!({}))).await;
    // So many quick answers that a few requests without one would stand out.
    all_are_answered(site.ask("/", 20 * REQUESTS).await).await;
    site.gives("sockets", 100).await;
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS {
        sockets.push(WebSocket::open(site.gate.gateway(), "/ws").await);
    }
    site.another_hangs("other").await;
    site.goes_on("sockets", 100).await;
    for socket in &mut sockets {
        assert_eq!(socket.ask("still here").await, Frame::Text("still here".to_owned()));
    }
}

#[tokio::test]
async fn where_all_requests_wait_for_long_by_their_nature_waiting_is_no_silence() {
    let site = Site::start().await;
    let polls = site.shop("polls", impatient(json!([100]), json!({}))).await;
    polls.blue.behave(Behaviour::Held);
    let before = polls.asks(&site, 20 * REQUESTS).await;
    polls.blue.arrived(20 * REQUESTS as u64).await;
    site.another_hangs("first").await;
    polls.blue.release(20 * REQUESTS);
    all_are_answered(before).await;
    site.gives("polls", 100).await;
    polls.green.behave(Behaviour::Held);
    let waiting = polls.asks(&site, CLIENTS).await;
    polls.green.arrived(CLIENTS as u64).await;
    site.another_hangs("second").await;
    site.goes_on("polls", 100).await;
    polls.green.release(CLIENTS);
    all_are_answered(waiting).await;
}

#[tokio::test]
async fn a_version_that_hangs_as_the_old_one_does_is_not_blamed_and_its_release_goes_on() {
    let site = Site::start().await;
    let gates = json!([{"name": "yes", "when": ["each_step"], "check": {"approval": {}}}]);
    let next = impatient(json!([50, 100]), json!({"gates": gates, "soak": {"duration_ms": 100}}));
    let shop = site.shop("shop", next).await;
    site.gives("shop", 50).await;
    [&shop.blue, &shop.green].into_iter().for_each(|both| both.behave(Behaviour::Held));
    let waiting = shop.asks(&site, CLIENTS).await;
    let asked = || [&shop.blue, &shop.green].map(|one| one.requests().len());
    clock::until("all", async || asked().iter().sum::<usize>() == CLIENTS, || format!("{:?}", asked())).await;
    assert!(asked().iter().all(|asked| *asked > REQUESTS), "{:?}", asked());
    site.another_hangs("other").await;
    site.goes_on("shop", 50).await;
    // Who speaks first is not left to chance here; what it is worth says `judge::silence`.
    let mut waiting: FuturesUnordered<_> = waiting.into_iter().map(answered).collect();
    for (one, asked) in [&shop.green, &shop.blue].into_iter().zip(asked().into_iter().rev()) {
        one.behave(Behaviour::Echo);
        one.release(asked);
        for _ in 0..asked {
            waiting.next().await.unwrap();
        }
    }
    for share in [50, 100] {
        let asks = |view: &Value| view["share"] == share && view["waiting_for"][0]["asks_person"] == true;
        site.until("shop", "the question", asks).await;
        release(&site.gate, &["promote", "shop", "--detach"]).await;
    }
    let over = site.until("shop", "the end", |view| !view["outcome"].is_null()).await;
    assert_eq!(over["outcome"], "promoted", "{over}");
}

#[tokio::test]
async fn streams_on_both_versions_are_shown_and_no_reason_to_go_back() {
    let site = Site::start().await;
    let events = site.shop("events", half()).await;
    site.gives("events", 50).await;
    let both = [&events.blue, &events.green];
    let mut open = Vec::new();
    for _ in 0..3 {
        both.iter().for_each(|one| one.behave(STREAM));
        open.extend(events.asks(&site, CLIENTS).await);
        let begun = |view: &Value| {
            let colours = view["colours"].as_array().unwrap();
            let unended: Vec<u64> =
                colours.iter().map(|colour| colour["unended"].as_u64().unwrap()).collect();
            unended.iter().sum::<u64>() == open.len() as u64
                && colours.iter().all(|colour| colour["unended_ms"].is_u64())
                && unended.iter().all(|unended| *unended > REQUESTS as u64)
        };
        site.until("events", "all that is open", begun).await;
        // Beside them, short answers, that both versions end.
        both.iter().for_each(|one| one.behave(Behaviour::Echo));
        all_are_answered(events.asks(&site, CLIENTS).await).await;
    }
    site.another_stalls("other").await;
    site.goes_on("events", 50).await;
}
