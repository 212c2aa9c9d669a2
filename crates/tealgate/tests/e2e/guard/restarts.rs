//! It has fired, and its processes are started again: neither of them brings Green back.

use super::FAILURES;
use super::site::{Site, Users, fill_disk};
use crate::clock;
use crate::harness::client::try_get;
use crate::harness::gate::Start;
use crate::harness::shop;
use rustix::process::Signal;
use testkit::upstream::Behaviour;

/// Files grow up to what the store maps of its index (32 KiB, in blocks of 512 bytes), and no more.
const FULL: &str = "ulimit -S -f 64";

/// Green is healthy again, so that only the latch keeps users from it; and nobody gets there, from the first request on.
async fn nobody_is_on_green(site: &Site, what: &str) {
    let users = Users::of(site.address);
    users.on_blue(what).await;
    assert!(users.seen().iter().all(|(colour, _)| colour == "blue"), "{what}: from the first request on");
    assert_eq!(users.end().await, 0);
}

#[tokio::test]
async fn of_the_gateway_while_the_controller_is_dead() {
    let mut site = Site::in_soak().await;
    site.controller.crash();
    site.breaks("controller killed").await;
    site.colours.bad.behave(Behaviour::Echo);
    site.gateway.crash();
    site.gateway = Start::new(&site.world).role("gateway").where_it_was(&site.gateway).ready().await;
    nobody_is_on_green(&site, "after the restart of the gateway").await;
    site.controller = Start::new(&site.world).role("controller").ready().await;
    site.is_rolled_back(FAILURES).await;
}

#[tokio::test]
async fn of_both_that_died_at_once_before_the_controller_had_heard_of_it() {
    let mut site = Site::in_soak().await;
    site.controller.signal(Signal::STOP);
    site.breaks("controller stopped").await;
    let fired_in = site.gateway.pid();
    let (code, why) = site.again("controller", "").refused().await;
    let holder = format!("pid {}", site.controller.pid());
    assert!(code == Some(3) && why.contains(&holder), "two controllers on one store: {code:?} {why}");
    site.colours.bad.behave(Behaviour::Echo);
    site.crash();
    // The store still gives Green everything, and there is no gateway to say that it does not hold.
    site.controller = site.again("controller", "").ready().await;
    site.gateway = site.again("gateway", "").launched();
    let answers =
        async || try_get(site.address, "/").await.is_some_and(|one| one.header("x-colour") == "blue");
    clock::until("a gateway that sends to Blue", answers, || site.gateway.log()).await;
    nobody_is_on_green(&site, "after the restart of both").await;
    site.is_rolled_back(FAILURES).await;
    let report = shop::report(&site.controller).await;
    let moved = report["moves"].as_array().unwrap().iter().find(|moved| moved["kind"] == "guard").unwrap();
    let by = format!("guard of gateway gateway-{fired_in}-");
    assert!(
        moved["by"].as_str().unwrap().starts_with(&by),
        "it names who fired, not who holds the latch: {moved}"
    );
    site.crash();
    site.gateway = site.again("gateway", "").ready().await;
    site.controller = site.again("controller", "").ready().await;
    nobody_is_on_green(&site, "after the restart of both, when it is over").await;
}

#[tokio::test]
async fn of_both_while_the_disk_is_full() {
    let mut site = Site::in_soak().await;
    [&site.gateway, &site.controller].into_iter().for_each(|gate| fill_disk(gate, true));
    site.controller.signal(Signal::STOP);
    site.breaks("disk full").await;
    site.colours.bad.behave(Behaviour::Echo);
    site.crash();
    site.gateway = site.again("gateway", FULL).ready().await;
    nobody_is_on_green(&site, "after the restart of the gateway").await;
    site.controller = site.again("controller", FULL).up().await;
    site.controller.logged("cannot write to it").await;
    nobody_is_on_green(&site, "after the restart of both").await;
    [&site.gateway, &site.controller].into_iter().for_each(|gate| fill_disk(gate, false));
    let log = || String::from("a controller that can write again is not ready");
    clock::until("a ready controller", async || site.controller.answers().await, log).await;
    site.is_rolled_back(FAILURES).await;
}
