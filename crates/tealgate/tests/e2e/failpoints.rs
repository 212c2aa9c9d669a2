//! The controller dies at every point of a release, one after the other, and is started again each time: the release
//! ends as it would have. Its processes, its store and its gateway are real, and the gateway's users notice nothing.

use crate::clock;
use crate::harness::cli::{release, run};
use crate::harness::client::try_get_with;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::kind::RequestKind;
use load::reconcile::{BackendCounts, reconcile};
use load::run::Load;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use testkit::upstream::{Behaviour, Upstream};

/// A gateway that lives on beside a controller that does not.
struct Site {
    world: World,
    gateway: Gate,
}

/// What came of a release whose controller died everywhere.
struct Ended {
    controller: Gate,
    view: Value,
    /// Where it died, in order.
    points: Vec<String>,
}

impl Site {
    /// Version 1 is live, and version 2 is to have this policy.
    async fn new(world: World, before: Value, target: Value, changes: Value) -> Site {
        let gateway = Start::new(&world).role("gateway").ready().await;
        let mut controller = Start::new(&world).role("controller").ready().await;
        shop::put(&controller, before, policy(json!({}))).await;
        release(&controller, &["start", "shop", "--version", "v1"]).await.exits(0);
        shop::change(&controller, target, policy(changes)).await;
        controller.crash();
        Site { world, gateway }
    }

    fn file(&self) -> PathBuf {
        self.world.path().join("points")
    }

    fn controller(&self) -> Gate {
        let file = self.file().display().to_string();
        Start::new(&self.world).role("controller").variable("TEALGATE_FAILPOINTS", &file).launched()
    }

    /// Releases version 2, with a death at each point on its way.
    async fn release(&self) -> Ended {
        let (mut controller, mut deaths, mut view) = (self.controller(), 0, Value::Null);
        let over = async || {
            if let Some(status) = controller.ended() {
                assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{}", controller.log());
                deaths += 1;
                controller = self.controller();
            }
            if !controller.answers().await {
                return false;
            }
            match newest(&controller).await {
                Some(known) if known["version"] == "v2" => view = known,
                // Whether it was heard, the next look says.
                Some(_) => {
                    drop(release(&controller, &["start", "shop", "--version", "v2", "--detach"]).await)
                }
                None => {}
            }
            !view["ended_at_ms"].is_null()
        };
        clock::patiently("the end of the release", over, || self.gateway.log()).await;
        let points: Vec<String> =
            std::fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(points.len(), deaths, "one death at each point: {points:#?}");
        println!("{deaths} deaths");
        Ended { controller, view, points }
    }
}

impl Ended {
    fn passed(&self, points: &[&str]) {
        for point in points {
            let passed = self.points.iter().any(|one| one.starts_with(point));
            assert!(passed, "it did not die {point}: {:#?}", self.points);
        }
    }

    /// The service says who is live, and nothing else of the release is left.
    async fn leaves(&self, colour: &str, outcome: &str) {
        assert_eq!(self.view["outcome"], outcome, "{}", self.view);
        let service = self.controller.admin().value("services/shop").await;
        assert_eq!(service["upstream_id"], format!("shop-{colour}"), "{service}");
        assert_eq!(service.pointer("/plugins/traffic-split"), None, "{service}");
        run(&self.controller, &["release", "report", "shop"], None).await.exits(0);
    }
}

/// The newest release as the API shows it; `None`: the controller is gone.
async fn newest(controller: &Gate) -> Option<Value> {
    let path = "/tealgate/v1/apps/shop/releases?limit=1";
    let key = controller.key();
    let answer = try_get_with(controller.admin_address(), path, &[("x-api-key", &key)]).await?;
    let list: Value = serde_json::from_slice(&answer.body).ok()?;
    list["list"].get(0).cloned()
}

#[tokio::test]
async fn a_release_of_processes_comes_through_and_loses_no_request() {
    let world = World::new();
    let target = shop::target(&world);
    let changes = json!({
        "steps": [{"share": 50, "pause_ms": 50}, 100],
        "hold": {"requests": "writes", "tries": 5},
        "gates": [{"name": "true", "check": {"command": {"command": ["true"]}}}],
        "soak": {"duration_ms": 50, "interval_ms": 50},
        "drain_timeout_ms": 200,
    });
    let site = Site::new(world, target.clone(), target, changes).await;
    let mix = vec![RequestKind::get("/echo"), RequestKind::post("/echo/orders", 500)];
    let load = Load { mix, ..Load::closed_loop(site.gateway.gateway(), "shop.example", 1) }.start().unwrap();
    let ended = site.release().await;
    let ledger = load.stop().await;

    ended.leaves("green", "promoted").await;
    ended.passed(&[
        "before entry requested",
        "after entry planned",
        "before action provision",
        "after action run_gate",
        "after write share-0-hold",
        "before write share-100",
        "after action clean_up",
        "before action stop_old",
        "after action stop_old",
        "before process spawn shop/green/0 of ",
        "before process mark shop/green/0 of ",
        "after process ready shop/green/0 of ",
        "before process terminate shop/blue/0 of ",
        "before process forget shop/blue/0 of ",
    ]);
    assert_eq!(shop::live(&site.gateway).await, "v2");
    assert_eq!(shop::processes(&site.world, "v1"), [], "version 1 was stopped");
    assert_eq!(shop::processes(&site.world, "v2").len(), 1, "version 2 was started once");
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
    let found = reconcile(&ledger, &shop::backends(&site.world));
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
}

#[tokio::test]
async fn a_bad_release_of_upstreams_is_taken_back() {
    let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
    let target = json!({"upstream": {
        "blue": {"nodes": {blue.address().to_string(): 1}},
        "green": {"nodes": {green.address().to_string(): 1}},
        "readiness": {"interval_ms": 50},
    }});
    let changes = json!({
        "steps": [{"share": 50, "pause_ms": 60_000}, 100],
        "limits": {"max_error_rate": 0.05, "min_requests": 5},
        "drain_timeout_ms": 200,
    });
    let site = Site::new(World::new(), target.clone(), target, changes).await;
    green.behave(Behaviour::Status(500.try_into().unwrap()));
    let load = Load {
        mix: vec![RequestKind::get("/")],
        ..Load::closed_loop(site.gateway.gateway(), "shop.example", 1)
    };
    let load = load.start().unwrap();
    let ended = site.release().await;
    load.stop().await;

    ended.leaves("blue", "rolled_back").await;
    ended.passed(&[
        "before write share-50",
        "after write share-50",
        "before action restore",
        "before write before-image",
        "after write before-image",
        "after action stop_new",
    ]);
}

#[tokio::test]
async fn a_release_that_holds_some_users_back_comes_through_and_none_of_them_is_lost() {
    let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
    let target = json!({"upstream": {
        "blue": {"nodes": {blue.address().to_string(): 1}},
        "green": {"nodes": {green.address().to_string(): 1}},
        "readiness": {"interval_ms": 50},
    }});
    let changes = json!({
        "steps": [50, 100],
        "step_pause_ms": 50,
        "soak": {"duration_ms": 200, "interval_ms": 50, "hold_back": 20},
        "hold": {"requests": "writes", "tries": 5},
        "drain_timeout_ms": 200,
    });
    let site = Site::new(World::new(), target.clone(), target, changes).await;
    let mix = vec![RequestKind::get("/"), RequestKind::post("/orders", 500)];
    let load = Load { mix, ..Load::closed_loop(site.gateway.gateway(), "shop.example", 1) }.start().unwrap();
    let ended = site.release().await;
    let ledger = load.stop().await;

    ended.leaves("green", "promoted").await;
    ended.passed(&[
        "after write share-0-hold",
        "before write share-50",
        "after write share-50-hold",
        "before write share-80 ",
        "after write share-80 ",
        "before write share-80-hold",
        "after write share-80-hold",
        "after write share-100",
        "before action clean_up",
    ]);
    let shares = ended.view["moves"].as_array().unwrap().iter().map(|one| one["share"].as_u64().unwrap());
    let mut shares: Vec<u64> = shares.collect();
    shares.dedup();
    assert_eq!(shares, [0, 50, 80, 100], "there once, with some held back to the end of the soak");
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
    let mut backends = BackendCounts::new();
    for (colour, upstream) in [("blue", &blue), ("green", &green)] {
        upstream.ids().into_iter().for_each(|(id, count)| backends.add(colour, &id, count));
    }
    let found = reconcile(&ledger, &backends);
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
}
