//! Processes outlive Tealgate and are found again: the right ones only.

use crate::world::{World, get, kill, pid, runs, script, spec, target, until_gone};
use model::colour::Colour;
use release::target::process::INSTANCE_ID;
use release::target::{EnvironmentDriver, InstanceState};
use serde_json::json;
use std::process::{Child, Command};

#[tokio::test]
async fn a_process_survives_and_is_adopted() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    let between = world.driver.observe(&spec()).await;
    assert_eq!((between.ready, between.instances[0].state), (false, InstanceState::Starting));
    assert_eq!(between.instances[0].detail, "runs, but is not supervised yet");
    let after = world.up(&spec()).await;
    assert_eq!(after.instances[0].pid, before.instances[0].pid);
    assert_eq!(after.instances[0].port, before.instances[0].port);
    assert_eq!(after.instances[0].restarts, 0);
    world.driver.stop(&spec()).await.unwrap();
    assert!(!runs(pid(&before, 0)));
}

#[tokio::test]
async fn the_exit_of_an_adopted_process_is_noticed() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    world.up(&spec()).await;
    kill(pid(&before, 0));
    let after = world.until(&spec(), |status| status.ready && status.instances[0].restarts == 1).await;
    assert_ne!(pid(&after, 0), pid(&before, 0));
    assert_eq!(after.instances[0].port, before.instances[0].port);
    world.driver.stop(&spec()).await.unwrap();
}

#[tokio::test]
async fn a_later_tealgate_stops_what_an_earlier_one_started() {
    let mut world = World::new();
    let mut spec = spec();
    target(&mut spec).instances = 2;
    let status = world.up(&spec).await;
    world.restart();
    world.driver.stop(&spec).await.unwrap();
    assert!(!runs(pid(&status, 0)) && !runs(pid(&status, 1)));
    assert!(!world.record_path(Colour::Blue, 0).exists());
}

#[tokio::test]
async fn what_carries_the_id_of_a_start_that_was_not_recorded_is_ended_before_the_next_one() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    world.change_record(Colour::Blue, 0, |record| record["process"] = json!(null));
    let after = world.up(&spec()).await;
    assert!(!runs(pid(&before, 0)));
    assert_ne!(pid(&after, 0), pid(&before, 0));
    assert_eq!((after.instances[0].port, after.instances[0].restarts), (before.instances[0].port, 0));
    world.driver.stop(&spec()).await.unwrap();
}

#[tokio::test]
async fn a_process_that_has_overwritten_its_environment_is_adopted() {
    let mut world = World::new();
    let mut spec = spec();
    // As nginx and others do to set their title; pid, start time and boot identify it all the same.
    target(&mut spec).command.splice(0..0, ["env", "-i"].map(str::to_owned));
    let before = world.up(&spec).await;
    world.restart();
    let after = world.up(&spec).await;
    assert_eq!(after.instances[0].pid, before.instances[0].pid);
    world.driver.stop(&spec).await.unwrap();
    assert!(!runs(pid(&before, 0)));
}

#[tokio::test]
async fn another_process_with_the_same_pid_is_neither_adopted_nor_harmed() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    kill(pid(&before, 0));
    until_gone(pid(&before, 0)).await;
    let stranger = Stranger::start("");
    world.change_record(Colour::Blue, 0, |record| record["process"]["pid"] = json!(stranger.pid()));
    let after = world.up(&spec()).await;
    assert_ne!(pid(&after, 0), stranger.pid());
    assert_eq!(after.instances[0].port, before.instances[0].port);
    world.driver.stop(&spec()).await.unwrap();
    assert!(runs(stranger.pid()));
}

#[tokio::test]
async fn a_process_that_names_another_instance_is_not_adopted() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    kill(pid(&before, 0));
    until_gone(pid(&before, 0)).await;
    let stranger = Stranger::start("another-instance");
    world.change_record(Colour::Blue, 0, |record| {
        record["process"]["pid"] = json!(stranger.pid());
        record["process"]["start_time"] = json!(stranger.start_time());
    });
    let after = world.up(&spec()).await;
    assert_ne!(pid(&after, 0), stranger.pid());
    world.driver.stop(&spec()).await.unwrap();
    assert!(runs(stranger.pid()));
}

#[tokio::test]
async fn after_a_reboot_instances_are_started_anew_on_their_ports() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    kill(pid(&before, 0));
    until_gone(pid(&before, 0)).await;
    world.change_record(Colour::Blue, 0, |record| record["process"]["boot_id"] = json!("an earlier boot"));
    let after = world.up(&spec()).await;
    assert_ne!(pid(&after, 0), pid(&before, 0));
    assert_eq!(after.instances[0].port, before.instances[0].port);
    world.driver.stop(&spec()).await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_costs_a_new_process_and_nothing_else() {
    let mut world = World::new();
    let before = world.up(&spec()).await;
    world.restart();
    std::fs::write(world.record_path(Colour::Blue, 0), "{").unwrap();
    let after = world.up(&spec()).await;
    assert_ne!(after.instances[0].port, before.instances[0].port);
    assert_eq!(get(&after, 0, "/").await, "v1-blue-0");
    world.driver.stop(&spec()).await.unwrap();
    kill(pid(&before, 0));
}

#[tokio::test]
async fn what_a_dead_leader_left_behind_while_nobody_watched_is_ended() {
    let mut world = World::new();
    let spec = script("sleep 1000 & echo child $!; wait");
    world.driver.provision(&spec).await.unwrap();
    let before = world.until(&spec, |status| status.instances[0].pid.is_some()).await;
    let child = world.logged(&spec, "child ").await.parse().unwrap();
    world.restart();
    kill(pid(&before, 0));
    until_gone(pid(&before, 0)).await;
    assert!(runs(child));
    world.driver.stop(&spec).await.unwrap();
    assert!(!runs(child));
}

/// A process that is none of the driver's.
struct Stranger(Child);

impl Stranger {
    fn start(instance: &str) -> Stranger {
        let stranger =
            Stranger(Command::new("sleep").arg("1000").env(INSTANCE_ID, instance).spawn().unwrap());
        // A moment after `exec` the environment of a process is still empty: it would look like one that was overwritten.
        let environ = format!("/proc/{}/environ", stranger.pid());
        while std::fs::read(&environ).unwrap().is_empty() {
            std::thread::yield_now();
        }
        stranger
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn start_time(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
