//! A gateway with the plugins before one upstream that records.

use gateway::telemetry::access_log::AccessLog;
use gateway::telemetry::totals::Totals;
use gateway::{Applied, Gateway, Listener, Settings};
use model::resource::{Kind, Origin, Resource};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use testkit::raw::RawClient;
use testkit::upstream::{Received, Upstream};

/// A running gateway and what stands behind it.
pub(crate) struct Gate {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    revision: AtomicU64,
    directory: TempDir,
    _log: AccessLog,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Gate {
    /// One with this configuration; the upstream `u` is added.
    pub(crate) async fn with(resources: &[(Kind, Value)]) -> Gate {
        Gate::on_threads(1, resources).await
    }

    pub(crate) async fn on_threads(threads: usize, resources: &[(Kind, Value)]) -> Gate {
        let upstream = Upstream::start("u").await;
        let settings = Settings {
            listen: vec![Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0)))],
            threads,
            plugins: plugins::KINDS,
            ..Settings::default()
        };
        let totals = Arc::new(Totals::new(threads));
        let directory = tempfile::tempdir().unwrap();
        let log = AccessLog::start(&directory.path().join("access.log"), Arc::clone(&totals)).unwrap();
        let gateway = Gateway::start(settings, Some(&log), totals).unwrap();
        let gate = Gate { gateway, upstream, revision: AtomicU64::new(0), directory, _log: log };
        assert_eq!(gate.apply(resources).await.problems, []);
        gate
    }

    /// Applies a configuration at the next revision. What was given a `modified` keeps it; the rest is new.
    pub(crate) async fn apply(&self, resources: &[(Kind, Value)]) -> Applied {
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        let address = self.upstream.address();
        let upstream = (Kind::Upstream, json!({"id": "u", "nodes": {address.to_string(): 1}, "modified": 1}));
        let resource = |(kind, value): &(Kind, Value)| {
            let mut value = value.clone();
            let modified = value.as_object_mut().unwrap().shift_remove("modified");
            Arc::new(Resource {
                kind: *kind,
                id: value["id"].as_str().unwrap().to_owned(),
                value: Arc::new(value),
                origin: Origin::Api,
                created: 1,
                modified: modified.map_or(revision, |modified| modified.as_u64().unwrap()),
            })
        };
        let resources: Vec<_> = std::iter::once(&upstream).chain(resources).map(resource).collect();
        testkit::clock::within("an apply", self.gateway.apply(revision, resources)).await.unwrap()
    }

    /// Asks on a connection of its own.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.client().await.get(path, headers).await
    }

    pub(crate) async fn client(&self) -> Client {
        Client(RawClient::connect(self.gateway.listening()[0].address).await)
    }

    /// The lines of the access log, once there are so many.
    pub(crate) async fn logged(&self, lines: usize) -> Vec<Value> {
        let path = self.directory.path().join("access.log");
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        testkit::clock::eventually("the lines of the log", async || read().lines().count() >= lines).await;
        read().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The last request that the upstream got.
    pub(crate) fn last_request(&self) -> Request {
        let received = self.upstream.requests().pop().expect("a request");
        Request { target: received.target.clone(), received }
    }
}

/// A request as the upstream got it.
pub(crate) struct Request {
    pub(crate) target: String,
    received: Received,
}

impl Request {
    /// The values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.received.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// A connection of a client.
pub(crate) struct Client(RawClient);

impl Client {
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.0.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n")).await;
        let head = self.0.read_head().await;
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.body = String::from_utf8_lossy(&self.0.read_exactly(length).await).into_owned();
        answer
    }
}

impl Answer {
    /// The values of a header, joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        let values: Vec<_> =
            pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// A route for all paths with these plugins.
pub(crate) fn route(plugins: &Value) -> (Kind, Value) {
    (Kind::Route, json!({"id": "r", "uri": "/*", "upstream_id": "u", "plugins": plugins}))
}

pub(crate) fn consumer(username: &str, plugins: &Value) -> (Kind, Value) {
    (Kind::Consumer, json!({"id": username, "username": username, "plugins": plugins}))
}

pub(crate) fn credential(username: &str, id: &str, plugins: &Value) -> (Kind, Value) {
    (Kind::Credential, json!({"id": format!("{username}/{id}"), "plugins": plugins}))
}
