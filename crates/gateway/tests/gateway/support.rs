//! A gateway on a free port, and a client that reads whole answers.

use gateway::{Applied, Gateway, Listener, Settings};
use model::resource::{Kind, Origin, Resource};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use telemetry::counts::Counts;
use telemetry::series::sum_of;
use telemetry::totals::Totals;
use testkit::clock::eventually;
use testkit::raw::RawClient;

/// A running gateway.
pub(crate) struct Gate {
    pub(crate) gateway: Gateway,
    revision: AtomicU64,
}

/// Settings of one thread on a free port.
pub(crate) fn settings() -> Settings {
    Settings { listen: vec![Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0)))], ..Settings::default() }
}

pub(crate) fn upstream(id: &str, addresses: &[SocketAddr]) -> (Kind, Value) {
    let nodes: Vec<_> = addresses
        .iter()
        .map(|address| json!({"host": address.ip().to_string(), "port": address.port(), "weight": 1}))
        .collect();
    (Kind::Upstream, json!({"id": id, "nodes": nodes}))
}

/// An upstream with further fields.
pub(crate) fn upstream_with(id: &str, addresses: &[SocketAddr], more: &Value) -> (Kind, Value) {
    let (kind, mut value) = upstream(id, addresses);
    for (key, field) in more.as_object().unwrap() {
        value[key] = field.clone();
    }
    (kind, value)
}

/// A route for all paths.
pub(crate) fn route(more: &Value) -> (Kind, Value) {
    let mut value = json!({"id": "r", "uri": "/*"});
    for (key, field) in more.as_object().unwrap() {
        value[key] = field.clone();
    }
    (Kind::Route, value)
}

impl Gate {
    /// Starts one without configuration.
    pub(crate) fn start(settings: Settings) -> Gate {
        let totals = Arc::new(Totals::new(settings.threads));
        Gate::of(Gateway::start(settings, None, totals).unwrap())
    }

    pub(crate) fn of(gateway: Gateway) -> Gate {
        Gate { gateway, revision: AtomicU64::new(0) }
    }

    /// Starts one that sends everything to one upstream.
    pub(crate) async fn before(address: SocketAddr) -> Gate {
        Gate::with(settings(), &[upstream("u", &[address]), route(&json!({"upstream_id": "u"}))]).await
    }

    pub(crate) async fn with(settings: Settings, resources: &[(Kind, Value)]) -> Gate {
        let gate = Gate::start(settings);
        gate.apply(resources).await;
        gate
    }

    /// Applies a configuration at the next revision, at which all of it counts as modified.
    pub(crate) async fn apply(&self, resources: &[(Kind, Value)]) -> Applied {
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        let resource = |(kind, value): &(Kind, Value)| {
            Arc::new(Resource {
                kind: *kind,
                id: value["id"].as_str().unwrap().to_owned(),
                value: Arc::new(value.clone()),
                origin: Origin::Api,
                created: 1,
                modified: revision,
            })
        };
        let resources: Vec<_> = resources.iter().map(resource).collect();
        testkit::clock::within("an apply", self.gateway.apply(revision, resources)).await.unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.listening()[0].address
    }

    pub(crate) async fn client(&self) -> Client {
        Client(RawClient::connect(self.address()).await)
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        self.client().await.ask(request).await
    }

    /// All counts, once no request is open.
    pub(crate) async fn settled(&self) -> Counts {
        eventually("the end of all requests", async || self.counts().open == 0).await;
        let counts = self.counts();
        assert_eq!(counts.received, counts.ended(), "each request ends once");
        let totals = self.gateway.totals().snapshot();
        assert_eq!(totals.requests_received, counts.received, "each head reaches a series");
        counts
    }

    pub(crate) fn counts(&self) -> Counts {
        sum_of(&self.gateway.series().snapshot(), |_| true)
    }
}

/// A client's connection.
pub(crate) struct Client(pub(crate) RawClient);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        let is_head = request.as_ref().starts_with(b"HEAD ");
        self.0.send(request).await;
        self.answer(is_head).await
    }

    /// Reads an answer: by length, to the end of chunks, or up to the close.
    pub(crate) async fn answer(&mut self, is_head: bool) -> Answer {
        let head = self.0.read_head().await;
        let status: u16 = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        answer.body = match length {
            _ if is_head || matches!(status, 0 | 100..=199 | 204 | 304) => String::new(),
            Some(length) => String::from_utf8_lossy(&self.0.read_exactly(length).await).into_owned(),
            None if answer.header("transfer-encoding").is_some() => self.0.read_until("0\r\n\r\n").await,
            None => self.0.read_to_end().await,
        };
        answer
    }
}

impl Answer {
    /// The first value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A request for a WebSocket, as far as the empty line.
pub(crate) const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A GET that keeps the connection.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// A request with a body by length.
pub(crate) fn with_body(method: &str, body: &str) -> String {
    format!(
        "{method} / HTTP/1.1\r\nHost: h\r\nX-Request-Id: {method}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
