//! Another version, another number of instances, another rule.

use crate::world::{World, get, pid, runs, spec, target};
use model::colour::Colour;
use release::target::EnvironmentDriver;

#[tokio::test]
async fn another_version_replaces_the_one_before_and_a_late_stop_of_that_is_harmless() {
    let world = World::new();
    let (first, mut second) = (spec(), spec());
    second.version = "v2".to_owned();
    let before = world.up(&first).await;
    let after = world.up(&second).await;
    assert!(!runs(pid(&before, 0)));
    assert_eq!(get(&after, 0, "/").await, "v2-blue-0");
    let first_now = world.driver.observe(&first).await;
    assert_eq!((first_now.ready, first_now.detail.as_str()), (false, "version v2 runs here, not v1"));
    world.driver.stop(&first).await.unwrap();
    world.driver.scale(&first, 0).await.unwrap();
    assert!(runs(pid(&after, 0)));
    world.driver.stop(&second).await.unwrap();
}

#[tokio::test]
async fn a_version_that_an_earlier_tealgate_left_is_replaced() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    let mut second = spec();
    second.version = "v2".to_owned();
    let after = world.up(&second).await;
    assert!(!runs(pid(&before, 0)));
    assert_eq!(get(&after, 0, "/").await, "v2-blue-0");
    world.driver.stop(&second).await.unwrap();
}

#[tokio::test]
async fn the_colours_do_not_touch_each_other() {
    let world = World::new();
    let (blue, mut green) = (spec(), spec());
    green.colour = Colour::Green;
    green.version = "v2".to_owned();
    let blue_status = world.up(&blue).await;
    let green_status = world.up(&green).await;
    world.driver.stop(&green).await.unwrap();
    assert!(!runs(pid(&green_status, 0)));
    assert_eq!(get(&blue_status, 0, "/").await, "v1-blue-0");
    world.driver.stop(&blue).await.unwrap();
}

#[tokio::test]
async fn provisioning_twice_at_once_starts_once() {
    let world = World::new();
    let mut spec = spec();
    target(&mut spec).instances = 2;
    let (one, two) = tokio::join!(world.driver.provision(&spec), world.driver.provision(&spec));
    one.unwrap();
    two.unwrap();
    let before = world.until(&spec, |status| status.ready).await;
    world.driver.provision(&spec).await.unwrap();
    let after = world.driver.observe(&spec).await;
    assert_eq!(after, before);
    world.driver.stop(&spec).await.unwrap();
}

#[tokio::test]
async fn scaling_keeps_the_first_instances_and_provisioning_brings_the_others_back() {
    let world = World::new();
    let mut spec = spec();
    target(&mut spec).instances = 3;
    let before = world.up(&spec).await;
    world.driver.scale(&spec, 1).await.unwrap();
    let scaled = world.driver.observe(&spec).await;
    assert_eq!((scaled.ready, scaled.instances.len()), (true, 1));
    assert_eq!(pid(&scaled, 0), pid(&before, 0));
    assert!(!runs(pid(&before, 1)) && !runs(pid(&before, 2)));
    let after = world.up(&spec).await;
    assert_eq!((after.instances.len(), pid(&after, 0)), (3, pid(&before, 0)));
    world.driver.stop(&spec).await.unwrap();
}

#[tokio::test]
async fn another_readiness_rule_or_release_keeps_the_process() {
    let world = World::new();
    let mut spec = spec();
    let before = world.up(&spec).await;
    target(&mut spec).readiness.of = 7;
    spec.release = "r2".to_owned();
    let after = world.up(&spec).await;
    assert_eq!(pid(&after, 0), pid(&before, 0));
    target(&mut spec).instances = 2;
    let after = world.up(&spec).await;
    assert_eq!((after.instances.len(), pid(&after, 0)), (2, pid(&before, 0)));
    world.driver.stop(&spec).await.unwrap();
}
