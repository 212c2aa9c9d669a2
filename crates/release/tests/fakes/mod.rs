//! A store in memory, drivers and gates that do what the test says, and a gateway that splits and counts as the real
//! one does, by arithmetic instead of sockets.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

mod driver;
mod gateway;
mod mortal;

pub(crate) use driver::FakeDriver;
pub(crate) use gateway::FakeGateway;
pub(crate) use mortal::{Blow, Mortal, Notes, Place, Wish, kind_of, simulated};

use async_trait::async_trait;
use model::policy::{Check, Role};
use model::resource::{Kind, Origin};
use release::controller::{Actor, Controller, Drivers, Settings, StartRequest};
use release::gate::{GateContext, GateOutcome, GateRunner, Verdict};
use release::target::EnvironmentDriver;
use release::view::ReleaseView;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Expect, MemoryStore, Store, Write};
use tokio::sync::watch;
use tokio::time::timeout;

/// Nothing in these tests takes longer.
const LIMIT: Duration = Duration::from_secs(40);

/// Verdicts of gates, in the order in which they are asked; then all pass.
#[derive(Default)]
pub(crate) struct FakeGates {
    pub(crate) verdicts: Mutex<VecDeque<Verdict>>,
    failing: Mutex<bool>,
    pub(crate) asked: Mutex<Vec<GateContext>>,
}

impl FakeGates {
    /// From now on none passes.
    pub(crate) fn fail_always(&self) {
        *self.failing.lock().unwrap() = true;
    }
}

struct FakeGate(Arc<FakeGates>);

#[async_trait]
impl GateRunner for FakeGate {
    async fn run(&self, context: &GateContext) -> GateOutcome {
        self.0.asked.lock().unwrap().push(context.clone());
        let verdict = self.0.verdicts.lock().unwrap().pop_front();
        let usual = if *self.0.failing.lock().unwrap() { Verdict::Fail } else { Verdict::Pass };
        // A gate that is given nobody to ask finds nothing good.
        let verdict = verdict.unwrap_or(if context.instances.is_empty() { Verdict::Fail } else { usual });
        GateOutcome {
            verdict,
            summary: format!("said {verdict:?}"),
            evidence: vec!["GET / 200".to_owned()],
            did_harm: false,
            shadow: None,
        }
    }
}

/// One app in a world of its own.
pub(crate) struct Site {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) driver: Arc<FakeDriver>,
    pub(crate) gates: Arc<FakeGates>,
    pub(crate) gateway: FakeGateway,
    pub(crate) controller: Option<Controller>,
    pub(crate) notes: Arc<Notes>,
    shutdown: watch::Sender<bool>,
    data_dir: tempfile::TempDir,
}

/// Times that suit a test; `changes` are merged over them.
pub(crate) fn policy(changes: Value) -> Value {
    let mut policy = json!({
        "steps": [100],
        "step_pause_ms": 50,
        "soak": {"duration_ms": 100, "interval_ms": 40},
        "limits": {"max_error_rate": 0.05, "min_requests": 5},
        "drain_timeout_ms": 200,
        "keep_failed_ms": 60_000,
    });
    for (key, value) in changes.as_object().unwrap() {
        policy[key] = value.clone();
    }
    policy
}

impl Site {
    /// App and service `shop` with this release policy, a gateway with traffic, and a controller.
    pub(crate) async fn new(policy: Value) -> Site {
        Site::with_service(policy, json!({}), Origin::Api).await
    }

    pub(crate) async fn with_service(policy: Value, service: Value, origin: Origin) -> Site {
        Site::without_controller(policy, service, origin).await.with_controller()
    }

    pub(crate) async fn without_controller(policy: Value, service: Value, origin: Origin) -> Site {
        let readiness = json!({"deadline_ms": 5_000});
        let target = json!({"process": {"command": ["shop", "--port", "{port}"], "readiness": readiness}});
        Site::with_target(target, policy, service, origin).await
    }

    pub(crate) async fn with_target(target: Value, policy: Value, service: Value, origin: Origin) -> Site {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let app = json!({"service_id": "shop", "target": target, "release": policy});
        let put = |kind, id: &str, value, origin| Write::Put {
            kind,
            id: Some(id.to_owned()),
            value,
            origin,
            expect: Expect::Absent,
        };
        let writes = vec![
            put(Kind::Service, "shop", service, origin),
            put(Kind::Route, "all", json!({"uri": "/*", "service_id": "shop", "host": "shop.test"}), origin),
            put(Kind::App, "shop", app, origin),
        ];
        store.commit(writes, None).await.unwrap();
        let gateway = FakeGateway::begin(Arc::clone(&store), "gw-1");
        Site {
            store,
            driver: Arc::default(),
            gates: Arc::default(),
            gateway,
            controller: None,
            notes: Arc::default(),
            shutdown: watch::Sender::new(false),
            data_dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Another controller on the same store; must be called inside the runtime that is to run it.
    pub(crate) fn controller_named(&self, instance: &str, shutdown: watch::Receiver<bool>) -> Controller {
        let (store, driver) = (Arc::clone(&self.store), Arc::clone(&self.driver));
        self.controller_of(store, driver, self.settings_of(instance), shutdown)
    }

    fn settings_of(&self, instance: &str) -> Settings {
        Settings {
            lease_ttl_ms: 300,
            live_within_ms: 2_000,
            ..Settings::new(instance.to_owned(), self.data_dir.path().to_owned(), PathBuf::from("/"))
        }
    }

    fn controller_of(
        &self,
        store: Arc<dyn Store>,
        driver: Arc<dyn EnvironmentDriver>,
        settings: Settings,
        shutdown: watch::Receiver<bool>,
    ) -> Controller {
        let gates = Arc::clone(&self.gates);
        let runner = move |check: &Check| -> Option<Box<dyn GateRunner>> {
            match check {
                Check::Approval {} => None,
                // It sees only what the gateways report, and here they are fakes.
                Check::Shadow(_) => release::gate::runner(check),
                _ => Some(Box::new(FakeGate(Arc::clone(&gates)))),
            }
        };
        let drivers = Drivers { process: Arc::clone(&driver), upstream: driver };
        Controller::new(store, drivers, Arc::new(runner), settings, shutdown)
    }

    /// Gives the site a controller of its own.
    pub(crate) fn with_controller(mut self) -> Site {
        self.controller = Some(self.controller_named("c-1", self.shutdown.subscribe()));
        self
    }

    pub(crate) fn controller(&self) -> &Controller {
        self.controller.as_ref().unwrap()
    }

    pub(crate) async fn start(&self, version: &str) -> String {
        let request =
            StartRequest { app: "shop".to_owned(), version: version.to_owned(), ..StartRequest::default() };
        let controller = self.controller();
        // The first moments of a controller have no lease yet.
        wait_for(LIMIT, || async { controller.holder().await.unwrap().is_some() }).await;
        controller.start(request, &ann()).await.unwrap()
    }

    /// Starts a release and waits until it is decided.
    pub(crate) async fn release(&self, version: &str) -> ReleaseView {
        let id = self.start(version).await;
        self.until(&id, |view| view.outcome.is_some() && !view.in_flight).await
    }

    /// Waits until a release looks as it should.
    pub(crate) async fn until(&self, id: &str, done: impl Fn(&ReleaseView) -> bool) -> ReleaseView {
        until(self.controller(), id, done).await
    }

    /// The service as the gateway sees it.
    pub(crate) async fn service(&self) -> Value {
        self.gateway.service().await
    }
}

pub(crate) async fn until(
    controller: &Controller,
    id: &str,
    done: impl Fn(&ReleaseView) -> bool,
) -> ReleaseView {
    let mut last = None;
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            ticks.tick().await;
            let view = controller.get(id).await;
            if let Ok(view) = &view
                && done(view)
            {
                return view.clone();
            }
            last = Some(view);
        }
    };
    match timeout(LIMIT, waiting).await {
        Ok(view) => view,
        Err(_) => panic!("it did not come to that: {last:#?}"),
    }
}

/// Polls a condition, bounded.
pub(crate) async fn wait_for<F: Future<Output = bool>>(limit: Duration, condition: impl Fn() -> F) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !condition().await {
            ticks.tick().await;
        }
    };
    timeout(limit, waiting).await.expect("the condition holds in time");
}

pub(crate) fn ann() -> Actor {
    Actor::new("ann", Role::Admin)
}
