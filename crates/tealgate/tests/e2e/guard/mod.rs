//! Half of what Green answers turns bad under load, and the gateway takes it back by itself: with a controller, without
//! one, with one that hangs, with a store that is locked, with a disk that is full. It does not forget it either.

mod restarts;
mod silence;
mod site;

use crate::clock;
use crate::harness::cli::run;
use crate::harness::gate::Start;
use crate::harness::shop;
use rustix::process::Signal;
use serde_json::{Value, json};
use site::{SETTLED, Site, TOO_MANY, Users, fails, fill_disk};

/// What is said of a version whose requests fail: whichever bound was crossed first, a rate or the comparison.
const FAILURES: &[&str] = &["requests failed", "failures: new version"];

#[tokio::test]
async fn in_the_shift_beside_a_living_controller() {
    let site = Site::in_shift(json!({})).await;
    let users = Users::of(site.address);
    users.more(SETTLED).await;
    fails(&site.colours.bad);
    users.on_blue("with a controller").await;
    assert!((1..TOO_MANY).contains(&users.end().await));
    site.is_rolled_back(FAILURES).await;
    let shown = ["report", "shop", "--format", "html"];
    let page = run(&site.controller, &[&["release"][..], &shown].concat(), None).await.exits(0).out;
    let (_, told) = page.split_once("The guard: what a gateway took back by itself").unwrap();
    let words = told.split_once("</li>").unwrap().0;
    assert!(FAILURES.iter().any(|failures| words.contains(failures)), "{words}");
    assert!(words.contains(" ms after the first failure; all threads had swapped "), "{words}");
}

#[tokio::test]
async fn in_the_shift_while_the_controller_is_stopped() {
    let site = Site::in_shift(json!({})).await;
    site.controller.signal(Signal::STOP);
    site.breaks("controller stopped").await;
    site.controller.signal(Signal::CONT);
    site.is_rolled_back(FAILURES).await;
}

#[tokio::test]
async fn in_the_soak_while_the_store_is_locked_by_someone_else() {
    let site = Site::in_soak().await;
    let lock = |name: &str| {
        let store = rusqlite::Connection::open(site.world.data_dir().join(name)).unwrap();
        store.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        store.execute_batch("BEGIN EXCLUSIVE").unwrap();
        store
    };
    let locks = ["state.db", "live.db"].map(lock);
    site.breaks("store locked").await;
    drop(locks);
    site.is_rolled_back(FAILURES).await;
}

#[tokio::test]
async fn in_the_soak_while_the_disk_is_full() {
    let site = Site::in_soak().await;
    for gate in [&site.gateway, &site.controller] {
        fill_disk(gate, true);
    }
    let route = r#"{"uri": "/x", "service_id": "shop"}"#;
    let written = site.controller.admin().call(http::Method::PUT, "/apisix/admin/routes/x", route).await;
    assert!(written.status >= 500, "nothing can be written any more: {written:?}");
    site.breaks("disk full").await;
    for gate in [&site.gateway, &site.controller] {
        fill_disk(gate, false);
    }
    site.is_rolled_back(FAILURES).await;
}

#[tokio::test]
async fn nothing_is_taken_back_when_blue_fails_alike() {
    let site = Site::in_shift(json!({})).await;
    let users = Users::of(site.address);
    users.more(SETTLED).await;
    for upstream in [&site.colours.blue, &site.colours.good, &site.colours.bad] {
        fails(upstream);
    }
    users.more(10 * SETTLED).await;
    assert_eq!(site.latched(), None);
    assert!(
        users.seen().iter().rev().take(SETTLED).any(|(colour, _)| colour == "green"),
        "Green keeps its share"
    );
    let view = shop::newest(&site.controller).await;
    assert_eq!((&view["share"], &view["outcome"]), (&json!(50), &Value::Null), "{view}");
}

#[tokio::test]
async fn in_the_shift_a_controller_that_stays_away_is_reason_enough() {
    let missing = json!({"guard": {"controller_missing": {"after_ms": 0}}});
    let mut site = Site::in_shift(missing).await;
    site.controller.crash();
    let users = Users::of(site.address);
    users.on_blue("without a controller").await;
    assert_eq!(users.end().await, 0, "nothing was wrong with it");
    let evidence = || site.gateway.log();
    clock::until("the latch", async || site.latched().is_some(), evidence).await;
    assert_eq!(site.latched().unwrap()["bound"], "controller");
    site.controller = Start::new(&site.world).role("controller").ready().await;
    site.is_rolled_back(&["no controller"]).await;
}

#[tokio::test]
async fn a_version_that_hangs_in_the_shift_is_gone_in_seconds() {
    let site = Site::in_shift(json!({})).await;
    site.hangs("in the shift").await;
    site.is_rolled_back(&["have no answer"]).await;
}

#[tokio::test]
async fn a_version_that_hangs_with_all_of_the_traffic_and_a_dead_controller_is_gone_as_well() {
    let mut site = Site::in_soak().await;
    site.controller.crash();
    site.hangs("controller killed").await;
    site.controller = Start::new(&site.world).role("controller").ready().await;
    site.is_rolled_back(&["have no answer"]).await;
}

#[tokio::test]
async fn a_version_that_sends_half_of_each_answer_is_gone_in_seconds() {
    let site = Site::in_shift(json!({})).await;
    site.stalls("in the shift").await;
    site.is_rolled_back(&["not ended"]).await;
}

#[tokio::test]
async fn a_version_that_sends_half_of_each_answer_with_all_of_the_traffic_and_a_dead_controller_is_gone_as_well()
 {
    let mut site = Site::in_soak().await;
    site.controller.crash();
    site.stalls("controller killed").await;
    site.controller = Start::new(&site.world).role("controller").ready().await;
    site.is_rolled_back(&["not ended"]).await;
}

#[tokio::test]
async fn in_a_rehearsal_without_a_controller_it_ends_and_no_user_was_moved() {
    let missing = json!({"guard": {"controller_missing": {"after_ms": 0}}});
    let mut site = Site::in_rehearsal(missing).await;
    let users = Users::of(site.address);
    site.controller.crash();
    let evidence = || site.gateway.log();
    clock::until("the latch", async || site.latched().is_some(), evidence).await;
    assert_eq!(site.latched().unwrap()["bound"], "controller");
    site.controller = Start::new(&site.world).role("controller").ready().await;
    site.is_rolled_back(&["no controller"]).await;
    assert!(users.seen().iter().all(|(colour, status)| colour == "blue" && *status == 200));
    assert_eq!(users.end().await, 0);
    let view = shop::newest(&site.controller).await;
    assert_eq!(view["rehearsal"]["users_on_new"], 0, "{view}");
}
