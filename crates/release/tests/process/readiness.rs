//! When an instance counts as ready, and when it does not.

use crate::world::{World, get, script, spec, target};
use model::target::Probe;
use release::target::{EnvironmentDriver, InstanceState};
use std::net::TcpListener;

#[tokio::test]
async fn a_stranger_on_the_port_is_not_ready() {
    let world = World::new();
    let mut spec = script("exec sleep 1000");
    // Nobody is to take the port between reserving and binding it, so it is one that this test chose.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    target(&mut spec).ports = Some([port, port]);
    world.driver.provision(&spec).await.unwrap();
    world.until(&spec, |status| status.detail.contains("nothing listens on port")).await;
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let status = world.until(&spec, |status| status.detail.contains("a stranger listens on port")).await;
    assert_eq!(status.instances[0].state, InstanceState::Starting);
    assert_eq!((status.ready, status.instances[0].port), (false, port));
    drop(stranger);
    world.driver.stop(&spec).await.unwrap();
}

#[tokio::test]
async fn a_listener_of_a_child_of_the_instance_is_the_instances_own() {
    let world = World::new();
    let mut spec = spec();
    let shell = ["/bin/sh", "-c", "\"$@\"; exit 1", "sh"].map(str::to_owned);
    target(&mut spec).command.splice(0..0, shell);
    let status = world.up(&spec).await;
    assert_eq!(get(&status, 0, "/").await, "v1-blue-0");
    world.driver.stop(&spec).await.unwrap();
}

#[tokio::test]
async fn an_instance_that_answers_badly_is_unready_until_it_answers_well_again() {
    let world = World::new();
    let status = world.up(&spec()).await;
    get(&status, 0, "/break").await;
    let broken = world.until(&spec(), |status| !status.ready).await;
    assert_eq!(broken.instances[0].state, InstanceState::Unready);
    assert_eq!(broken.instances[0].detail, "GET /ready answered 503");
    assert_eq!(broken.instances[0].pid, status.instances[0].pid, "it is not restarted for that");
    get(&status, 0, "/mend").await;
    world.until(&spec(), |status| status.ready).await;
    world.driver.stop(&spec()).await.unwrap();
}

#[tokio::test]
async fn a_tcp_probe_and_a_command_probe_make_ready_too() {
    let world = World::new();
    let mut spec = spec();
    target(&mut spec).readiness.probe = Probe::Tcp {};
    let status = world.up(&spec).await;
    assert_eq!(status.instances[0].detail, "accepts connections");
    let script = "test \"$0\" = {port} && test \"$WORD\" = heard";
    let command = ["/bin/sh", "-c", script, "{port}"].map(str::to_owned).to_vec();
    target(&mut spec).readiness.probe = Probe::Command { command };
    world.driver.provision(&spec).await.unwrap();
    world.until(&spec, |status| status.detail.contains("/bin/sh exited with status 1")).await;
    world.driver.stop(&spec).await.unwrap();
    let word = model::target::EnvValue::Text("heard".to_owned());
    target(&mut spec).env.insert("WORD".to_owned(), word);
    let status = world.up(&spec).await;
    assert_eq!(status.instances[0].detail, "/bin/sh exited with status 0");
    world.driver.stop(&spec).await.unwrap();
}

#[tokio::test]
async fn an_instance_that_listens_everywhere_is_reached_over_loopback() {
    let world = World::new();
    let mut spec = spec();
    target(&mut spec).address = "0.0.0.0".to_owned();
    let status = world.up(&spec).await;
    assert_eq!(status.instances[0].host, "127.0.0.1");
    assert_eq!(get(&status, 0, "/").await, "v1-blue-0");
    world.driver.stop(&spec).await.unwrap();
}
