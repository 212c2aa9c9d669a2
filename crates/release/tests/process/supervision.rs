//! Starting, restarting, stopping.

use crate::world::{World, as_pid, deaf_to_sigterm, get, kill, pid, runs, script, spec, target};
use model::colour::Colour;
use model::target::Restart;
use release::target::process::INSTANCE_ID;
use release::target::{EnvironmentDriver, InstanceState};
use std::collections::BTreeSet;

#[tokio::test]
async fn instances_become_ready_on_ports_of_their_own_and_stop_without_a_trace() {
    let world = World::new();
    let mut spec = spec();
    spec.colour = Colour::Green;
    target(&mut spec).instances = 3;
    let status = world.up(&spec).await;
    let ports: BTreeSet<u16> = status.instances.iter().map(|instance| instance.port).collect();
    assert_eq!((status.instances.len(), ports.len()), (3, 3));
    for number in 0..3 {
        assert_eq!(get(&status, number, "/").await, format!("v1-green-{number}"));
        let log = world.directory.path().join(format!("logs/shop-green-{number}.log"));
        assert!(std::fs::read_to_string(log).unwrap().contains(&format!("v1-green-{number} begins")));
    }
    world.driver.stop(&spec).await.unwrap();
    assert!(status.instances.iter().all(|instance| !runs(instance.pid.unwrap())));
    assert!(!world.record_path(Colour::Green, 0).exists());
    let status = world.driver.observe(&spec).await;
    assert_eq!(
        (status.ready, status.instances.len(), status.detail.as_str()),
        (false, 0, "no instance runs")
    );
    world.driver.stop(&spec).await.expect("stopping what is stopped is no error");
}

#[tokio::test]
async fn a_process_has_a_session_of_its_own() {
    let world = World::new();
    let status = world.up(&spec()).await;
    let leader = as_pid(pid(&status, 0));
    assert_eq!(rustix::process::getsid(Some(leader)).unwrap(), leader);
    world.driver.stop(&spec()).await.unwrap();
}

#[tokio::test]
async fn an_instance_that_exits_is_started_again_on_its_port() {
    let world = World::new();
    let before = world.up(&spec()).await;
    get(&before, 0, "/exit").await;
    let after = world.until(&spec(), |status| status.ready && status.instances[0].restarts == 1).await;
    assert_ne!(pid(&before, 0), pid(&after, 0));
    assert_eq!(before.instances[0].port, after.instances[0].port);
    kill(pid(&after, 0));
    world.until(&spec(), |status| status.ready && status.instances[0].restarts == 2).await;
    world.driver.stop(&spec()).await.unwrap();
}

#[tokio::test]
async fn the_port_of_an_instance_that_waits_for_its_restart_is_nobody_elses() {
    let world = World::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut blue = script("exit 1");
    target(&mut blue).ports = Some([port, port]);
    target(&mut blue).restart =
        Restart { backoff_min_ms: 3_600_000, backoff_max_ms: 3_600_000, ..Restart::default() };
    world.driver.provision(&blue).await.unwrap();
    world.until(&blue, |status| status.instances[0].state == InstanceState::Exited).await;
    let mut green = spec();
    green.colour = Colour::Green;
    target(&mut green).ports = Some([port, port]);
    world.driver.provision(&green).await.unwrap();
    let text = format!("no port: no port from {port} to {port} is free");
    world.until(&green, |status| status.detail.contains(&text)).await;
    world.driver.stop(&blue).await.unwrap();
    world.until(&green, |status| status.ready).await;
    world.driver.stop(&green).await.unwrap();
}

#[tokio::test]
async fn a_crash_loop_backs_off_and_says_how_the_process_ended() {
    let world = World::new();
    let spec = script("echo it begins; exit 3");
    world.driver.provision(&spec).await.unwrap();
    let status = world
        .until(&spec, |status| {
            let instance = &status.instances[0];
            instance.restarts >= 4 && instance.state == InstanceState::Exited
        })
        .await;
    assert_eq!(status.instances[0].detail, "exited with status 3; is started again in 40 ms");
    assert_eq!(status.instances[0].pid, None);
    assert!(!status.ready && status.detail.starts_with("0: exited with status 3"), "{}", status.detail);
    assert_eq!(status.crash_loop(Colour::Blue), None, "it never was ready: that has a deadline of its own");
    let lines = world.driver.last_log_lines(&spec, 100).await;
    assert!(lines.iter().filter(|line| *line == "it begins").count() >= 4, "{lines:?}");
    assert_eq!(world.driver.last_log_lines(&spec, 1).await, ["it begins"]);
    world.driver.stop(&spec).await.unwrap();
    assert!(!world.record_path(Colour::Blue, 0).exists());
}

#[tokio::test]
async fn an_instance_that_was_ready_and_exits_again_and_again_says_so_and_others_do_not() {
    let world = World::new();
    let before = world.up(&spec()).await;
    for restarts in 1..=3 {
        assert_eq!(world.driver.observe(&spec()).await.crash_loop(Colour::Blue), None);
        kill(pid(&world.until(&spec(), |status| status.ready).await, 0));
        world.until(&spec(), |status| status.instances[0].restarts == restarts).await;
    }
    let after = world.driver.observe(&spec()).await.crash_loop(Colour::Blue).unwrap();
    assert!(after.starts_with("instance 0 of blue exited 3 times within "), "{after}");
    assert!(after.ends_with("; last: was ended by signal 9"), "{after}");
    assert!(before.crash_loop(Colour::Blue).is_none());
    world.driver.stop(&spec()).await.unwrap();
}

#[tokio::test]
async fn what_an_exited_process_leaves_behind_is_ended_before_the_restart() {
    let world = World::new();
    // `set -m` gives the child a process group of its own; the session stays the same.
    let spec = script("set -m; sleep 1000 & echo child $!; exit 1");
    world.driver.provision(&spec).await.unwrap();
    world.until(&spec, |status| status.instances[0].restarts >= 1).await;
    world.driver.stop(&spec).await.unwrap();
    let lines = world.driver.last_log_lines(&spec, 100).await;
    let children: Vec<u32> =
        lines.iter().filter_map(|line| line.strip_prefix("child ")?.parse().ok()).collect();
    assert!(!children.is_empty());
    for child in children {
        assert!(!runs(child));
    }
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_after_the_limit_with_all_its_children() {
    let world = World::new();
    let mut spec = script("trap '' TERM; set -m; sleep 1000 & echo child $!; while :; do wait; done");
    target(&mut spec).stop_timeout_ms = 100;
    world.driver.provision(&spec).await.unwrap();
    let status = world.until(&spec, |status| status.instances[0].pid.is_some()).await;
    let child = world.logged(&spec, "child ").await.parse().unwrap();
    world.driver.stop(&spec).await.unwrap();
    assert!(!runs(pid(&status, 0)) && !runs(child));
}

#[tokio::test]
async fn an_app_that_ignores_sigterm_does_not_stop_before_the_limit() {
    let world = World::new();
    let mut spec = deaf_to_sigterm();
    target(&mut spec).stop_timeout_ms = 60_000;
    let status = world.up(&spec).await;
    let stopping = tokio::time::timeout(std::time::Duration::from_millis(200), world.driver.stop(&spec));
    assert!(stopping.await.is_err(), "it was stopped before its limit");
    assert!(runs(pid(&status, 0)));
    kill(pid(&status, 0));
    world.driver.stop(&spec).await.unwrap();
}

#[tokio::test]
async fn the_environment_is_empty_but_for_what_is_listed_and_the_directory_is_the_one_named() {
    let world = World::new();
    let mut spec = spec();
    spec.base_dir = world.directory.path().to_str().unwrap().to_owned();
    std::fs::create_dir(world.directory.path().join("work-0")).unwrap();
    target(&mut spec).working_dir = Some("work-{instance}".to_owned());
    let text = model::target::EnvValue::Text("{colour}:{port}".to_owned());
    target(&mut spec).env.insert("LISTED".to_owned(), text);
    let status = world.up(&spec).await;
    let env = get(&status, 0, "/env").await;
    let mut lines: Vec<&str> = env.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], format!("LISTED=blue:{}", status.instances[0].port));
    assert!(lines[1].starts_with(&format!("{INSTANCE_ID}=shop-blue-0-r1-")), "{}", lines[1]);
    let directory = world.directory.path().canonicalize().unwrap().join("work-0");
    assert_eq!(get(&status, 0, "/cwd").await, directory.to_str().unwrap());
    world.driver.stop(&spec).await.unwrap();
}
