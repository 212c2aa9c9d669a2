//! Controllers that die at any moment, and others that take over; gateways that go, and machines that were rebooted.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;

use fakes::{FakeGateway, Site, ann, policy, until, wait_for};
use model::colour::Colour;
use model::resource::Origin;
use release::controller::{Controller, StartRequest};
use release::journal::read;
use release::machine::Outcome;
use release::report::Lost;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

const LIMIT: Duration = Duration::from_secs(40);

/// A controller in a runtime of its own, which can be killed without a word.
struct Mortal {
    runtime: Option<Runtime>,
    controller: Controller,
    _shutdown: watch::Sender<bool>,
}

impl Mortal {
    fn begin(site: &Site, instance: &str) -> Mortal {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (shutdown, stopped) = watch::channel(false);
        let controller = {
            let _inside = runtime.enter();
            site.controller_named(instance, stopped)
        };
        Mortal { runtime: Some(runtime), controller, _shutdown: shutdown }
    }

    /// As `kill -9`: whatever it was doing stops in the middle, and nothing of it is done later.
    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waited for in another thread: a runtime must not be waited for inside of one.
            std::thread::spawn(move || runtime.shutdown_timeout(LIMIT)).join().unwrap();
        }
    }

    async fn start(&self, version: &str) -> String {
        wait_for(LIMIT, || async { self.controller.holder().await.unwrap().is_some() }).await;
        let request =
            StartRequest { app: "shop".to_owned(), version: version.to_owned(), ..StartRequest::default() };
        self.controller.start(request, &ann()).await.unwrap()
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What becomes of version 2.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Good,
    /// The limits find it.
    Bad,
    /// Only the guard in the gateway does, whether or not a controller lives then.
    Guarded,
}

/// Releases version 2 and kills the controller once its journal has `entries` entries. Answers whether it came so far.
async fn release_with_a_death(entries: usize, fate: Fate, hold: &str) -> bool {
    let bad = fate != Fate::Good;
    let limits = if fate == Fate::Guarded { json!({"max_error_rate": null}) } else { json!({}) };
    let changes = json!({
        "limits": limits,
        "hold": {"requests": hold, "tries": 5},
        "steps": [20, 100],
        "gates": [{"name": "tests", "check": {"command": {"command": ["t"]}}}],
        "keep_failed_ms": 100,
    });
    let site = Site::without_controller(policy(changes), json!({}), Origin::Api).await;
    let mut first = Mortal::begin(&site, "c-1");
    let id = first.start("1").await;
    until(&first.controller, &id, |view| view.ended_at_ms.is_some()).await;
    if bad {
        site.gateway.make_bad("2");
    }
    if fate == Fate::Guarded {
        site.gateway.guard();
    }
    let id = first.start("2").await;
    let length = async || site.store.journal(&id).await.unwrap().len();
    let ended = async || first.controller.get(&id).await.is_ok_and(|view| view.ended_at_ms.is_some());
    wait_for(LIMIT, || async { length().await >= entries || ended().await }).await;
    let came_so_far = length().await >= entries;
    first.kill();

    let second = Mortal::begin(&site, "c-2");
    let view = until(&second.controller, &id, |view| view.ended_at_ms.is_some()).await;
    let (outcome, live, version) = match bad {
        true => (Outcome::RolledBack, Colour::Blue, "1"),
        false => (Outcome::Promoted, Colour::Green, "2"),
    };
    assert_eq!(view.outcome, Some(outcome), "killed after {entries} entries: {view:#?}");
    if fate == Fate::Guarded {
        assert!(view.why.as_ref().unwrap().contains("the guard has fired"), "{view:#?}");
        assert_eq!(view.guards.len(), 1, "told once: {view:#?}");
    }
    let expected = json!({"id": "shop", "upstream_id": format!("shop-{live}")});
    assert_eq!(site.service().await, expected, "killed after {entries} entries");
    assert_eq!(site.driver.version_on(live).as_deref(), Some(version));
    assert_eq!(site.driver.version_on(live.other()), None, "nothing is left behind");
    let stop_of_live = format!("stop {live} {version}");
    assert!(!site.driver.calls.lock().unwrap().contains(&stop_of_live), "the live one is never stopped");
    read(&site.store.journal(&id).await.unwrap()).expect("a whole journal");
    came_so_far
}

/// A few at a time: each has a gateway that must not starve.
async fn deaths(fate: Fate, hold: &'static str) {
    let places = Arc::new(tokio::sync::Semaphore::new(4));
    let mut releases = tokio::task::JoinSet::new();
    for entries in 1..=32 {
        let places = Arc::clone(&places);
        releases.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            release_with_a_death(entries, fate, hold).await
        });
    }
    let came = releases.join_all().await;
    assert!(came.iter().filter(|came| **came).count() > 15, "most deaths were in the middle: {came:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_release_survives_the_death_of_its_controller_after_any_entry() {
    deaths(Fate::Good, "none").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_release_goes_back_although_its_controller_dies_after_any_entry() {
    deaths(Fate::Bad, "none").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_a_guard_takes_back_survives_the_death_of_its_controller_after_any_entry() {
    deaths(Fate::Guarded, "none").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_with_requests_waiting_survives_the_death_of_its_controller_after_any_entry() {
    deaths(Fate::Good, "writes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_stands_by_takes_wishes_and_acts_only_when_it_holds_the_lease() {
    let site = Site::without_controller(policy(json!({})), json!({}), Origin::Api).await;
    let mut first = Mortal::begin(&site, "c-1");
    wait_for(LIMIT, || async { first.controller.holder().await.unwrap().is_some() }).await;
    let second = Mortal::begin(&site, "c-2");
    let id = second.start("1").await;
    let view = until(&second.controller, &id, |view| view.ended_at_ms.is_some()).await;
    assert_eq!(view.outcome, Some(Outcome::Promoted));
    assert_eq!(second.controller.holder().await.unwrap().as_deref(), Some("c-1"));
    first.kill();
    wait_for(LIMIT, || async { second.controller.holder().await.unwrap().as_deref() == Some("c-2") }).await;
}

#[tokio::test]
async fn a_controller_that_is_told_to_stop_gives_the_lease_back() {
    let site = Site::without_controller(policy(json!({})), json!({}), Origin::Api).await;
    let (shutdown, stopped) = watch::channel(false);
    let controller = site.controller_named("c-1", stopped);
    wait_for(LIMIT, || async { controller.holder().await.unwrap().is_some() }).await;
    shutdown.send_replace(true);
    controller.stopped().await;
    assert_eq!(site.store.lease(release::lease::LEASE).await.unwrap(), None);
}

#[tokio::test]
async fn after_a_reboot_the_live_environment_runs_before_the_controller_is_ready() {
    let site = Site::without_controller(policy(json!({})), json!({}), Origin::Api).await;
    let mut first = Mortal::begin(&site, "c-1");
    let id = first.start("1").await;
    until(&first.controller, &id, |view| view.ended_at_ms.is_some()).await;
    first.kill();
    site.driver.lose_everything();
    let second = Mortal::begin(&site, "c-2");
    let mut ready = second.controller.ready();
    tokio::time::timeout(LIMIT, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
    assert_eq!(site.driver.version_on(Colour::Blue).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_gateway_that_goes_during_a_release_is_a_gap_and_never_nothing_lost() {
    let site = Site::new(policy(json!({"soak": {"duration_ms": 4_000}}))).await;
    site.release("1").await;
    let other = FakeGateway::begin(Arc::clone(&site.store), "gw-2");
    wait_for(LIMIT, || async { site.store.reports().await.unwrap().len() == 2 }).await;
    let id = site.start("2").await;
    site.until(&id, |view| view.phase == "soak").await;
    other.kill();
    let view = site.until(&id, |view| view.outcome.is_some() && !view.in_flight).await;
    assert_eq!((view.outcome, view.gaps), (Some(Outcome::Promoted), vec!["gw-2".to_owned()]));
    let report = site.controller().report(&id).await.unwrap();
    assert_eq!(report.ledger.lost, Lost::Unknown);
    assert_eq!(serde_json::to_value(&report).unwrap()["ledger"]["lost"], "unknown");
    assert!(report.to_markdown().contains("gateway gw-2 went"));
}
