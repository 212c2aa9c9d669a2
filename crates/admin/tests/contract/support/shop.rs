//! An app whose two environments run, with a real controller, behind the release API. A gateway is stood in for by a
//! task that reports every revision as applied; traffic through a real one is the end-to-end tests' business.

use crate::support::client::{self, Answer};
use crate::support::{ADMIN, Gate, state, upstream};
use admin::Dialect;
use release::controller::{Controller, Drivers, Settings, standard_gates};
use release::target::process::ProcessDriver;
use release::target::upstream::UpstreamDriver;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Report, Store};
use testkit::clock::eventually;
use tokio::sync::watch;

pub(crate) struct Shop {
    pub(crate) gate: Gate,
    _environments: [testkit::upstream::Upstream; 2],
    _dir: tempfile::TempDir,
    _stop: watch::Sender<bool>,
}

impl Shop {
    /// An app `shop` whose releases wait for an approval by somebody else than who started them.
    pub(crate) async fn open() -> Shop {
        let environments = [
            testkit::upstream::Upstream::start("blue").await,
            testkit::upstream::Upstream::start("green").await,
        ];
        let dir = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let mut state = state();
        tokio::spawn(report_everything(Arc::clone(&state.store)));
        let drivers = Drivers {
            process: Arc::new(ProcessDriver::new(dir.path().to_owned(), vec!["true".to_owned()])),
            upstream: Arc::new(UpstreamDriver::new()),
        };
        let settings = Settings::new("test".to_owned(), dir.path().to_owned(), dir.path().to_owned());
        let store = Arc::clone(&state.store);
        state.controller =
            Some(Arc::new(Controller::new(store, drivers, standard_gates(), settings, stopped)));
        let gate = Gate::start_with(state, Dialect::Apisix).await;
        gate.call("PUT", "/services/shop", json!({"upstream": upstream()})).await.has_status(201);
        let [blue, green] = &environments;
        let nodes = |at: std::net::SocketAddr| json!({"nodes": {at.to_string(): 1}});
        let readiness = json!({"interval_ms": 20, "successes": 1, "of": 1});
        let target =
            json!({"blue": nodes(blue.address()), "green": nodes(green.address()), "readiness": readiness});
        let policy = json!({
            "gates": [{"name": "go", "check": {"approval": {}}}],
            "soak": {"duration_ms": 20, "interval_ms": 10},
            "limits": {"max_error_rate": null},
            // What stands in for a gateway arms none.
            "guard": null,
            "drain_timeout_ms": 50,
            "permissions": {"self_approval": false},
        });
        let app = json!({"service_id": "shop", "target": {"upstream": target}, "release": policy});
        let shop = Shop { gate, _environments: environments, _dir: dir, _stop: stop };
        shop.call(ADMIN, "PUT", "", app).await.has_status(201);
        shop
    }

    /// A call below the app.
    pub(crate) async fn call(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("/tealgate/v1/apps/shop{path}");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        client::send(self.gate.address, method, &path, &[("X-API-KEY", key)], body).await
    }

    /// Starts a release; it is tried until the controller holds its lease.
    pub(crate) async fn start(&self, key: &str, version: &str) -> String {
        let mut id = None;
        eventually("a release", async || {
            let answer = self.call(key, "POST", "/releases", json!({"version": version})).await;
            if answer.status == 201 {
                id = Some(answer.json()["release"].as_str().unwrap().to_owned());
            } else {
                assert_eq!(answer.status, 503, "{}", answer.text);
            }
            id.is_some()
        })
        .await;
        id.unwrap()
    }

    /// Waits until a release fits; gives it.
    pub(crate) async fn release_that(&self, id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        eventually(what, async || {
            last =
                self.call(ADMIN, "GET", &format!("/releases/{id}"), Value::Null).await.has_status(200).json();
            fits(&last)
        })
        .await;
        last
    }

    /// Waits until a release asks a person.
    pub(crate) async fn release_that_asks(&self, id: &str) -> Value {
        self.release_that(id, "a question", |release| {
            release["waiting_for"].as_array().unwrap().iter().any(|waiting| waiting["asks_person"] == true)
        })
        .await
    }
}

async fn report_everything(store: Arc<dyn Store>) {
    let mut revisions = store.watch();
    loop {
        let applied = Some(*revisions.borrow_and_update());
        let (instance, role) = ("gate".to_owned(), "gateway".to_owned());
        let report = Report { instance, role, applied, at_ms: 9_000_000_000_000, detail: json!({}) };
        if store.report(report).await.is_err() || revisions.changed().await.is_err() {
            return;
        }
    }
}
