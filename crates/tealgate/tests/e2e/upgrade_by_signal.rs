//! SIGUSR2: the running process starts the binary that stands where its own stood, and systemd follows.

use crate::clock;
use crate::harness::client;
use crate::harness::gate::{Gate, Start, TEALGATE};
use crate::harness::processes::naming;
use crate::harness::sample::Sample;
use crate::harness::world::World;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// What the service manager is told, one line after the other.
struct Manager(UnixDatagram);

impl Manager {
    fn new(path: &Path) -> Manager {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Manager(socket)
    }

    fn hears(&self) -> String {
        let mut bytes = [0; 256];
        let count = tokio::task::block_in_place(|| self.0.recv(&mut bytes)).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }
}

/// Puts another file where a binary stands, as an upgrade does.
fn replace(path: &Path, with: impl FnOnce(&Path)) {
    let new = path.with_extension("new");
    with(&new);
    std::fs::rename(new, path).unwrap();
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_that_stands_there_now_takes_over_and_systemd_follows_it() {
    let world = World::new();
    let sample = Sample::start(&world, "blue");
    let manager = Manager::new(&world.path().join("notify"));
    let program = world.path().join("tealgate");
    std::fs::copy(TEALGATE, &program).unwrap();
    let config = world.config(&json!({
        "upstreams": [{"id": "u", "nodes": sample.node()}],
        "routes": [{"id": "r", "uri": "/*", "upstream_id": "u"}],
    }));
    let start = Start::new(&world)
        .program(program.clone())
        .with(&["--config", &config])
        .variable("NOTIFY_SOCKET", world.path().join("notify").to_str().unwrap());
    let mut gate = start.ready().await;
    assert_eq!(manager.hears(), "READY=1");
    gate.signal(Signal::HUP);
    assert!(manager.hears().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(manager.hears(), "READY=1");

    // What is no Tealgate at all does not take over.
    replace(&program, |new| script(new, "exit 7"));
    gate.signal(Signal::USR2);
    gate.logged("the new process has ended, everything goes on as it was").await;
    assert!(gate.log().contains("exit status: 7"), "{}", gate.log());
    assert_eq!(client::get(gate.gateway(), "/").await.status, 200);

    replace(&program, |new| _ = std::fs::copy(TEALGATE, new).unwrap());
    gate.signal(Signal::USR2);
    let mut told = vec![manager.hears(), manager.hears()];
    // The old one and the new one speak at the same time.
    told.sort();
    let pid: i32 = told[0].strip_prefix("MAINPID=").unwrap_or_else(|| panic!("{told:?}")).parse().unwrap();
    assert_eq!(told[1], "READY=1");
    assert_ne!(u32::try_from(pid).unwrap(), gate.pid());
    assert_eq!(gate.end().await.code(), Some(0), "{}", gate.log());
    let running = std::fs::read(world.data_dir().join("running.json")).unwrap();
    let running: Value = serde_json::from_slice(&running).unwrap();
    assert_eq!(running["pid"], pid);
    assert_eq!(client::get(gate.gateway(), "/").await.status, 200);
    let new = Pid::from_raw(pid).unwrap();
    kill_process(new, Signal::TERM).unwrap();
    assert_eq!(manager.hears(), "STOPPING=1");
    let gone = async || !world.data_dir().join("running.json").exists();
    clock::until("the end of the new one", gone, || gate.log()).await;
}

/// Has a gate start something that hangs in the place of its binary, and gives what that one's command line begins with.
async fn hangs(gate: &Gate, program: &Path) -> String {
    replace(program, |new| script(new, "kill -STOP $$"));
    gate.signal(Signal::USR2);
    let line = format!("/bin/sh\0{}\0", program.display());
    clock::until("the process that hangs", async || naming(&line).len() == 1, || gate.log()).await;
    line
}

#[tokio::test]
async fn a_new_process_that_hangs_is_ended_with_the_old_one_and_when_another_one_has_taken_over() {
    let world = World::new();
    let programs = ["one", "two"].map(|name| world.path().join(name));
    let [one, two] = &programs;
    for program in &programs {
        std::fs::copy(TEALGATE, program).unwrap();
    }
    let mut first = Start::new(&world).program(one.clone()).ready().await;
    let hanging = hangs(&first, one).await;
    let mut second = Start::new(&world).program(two.clone()).with(&["--takeover"]).ready().await;
    assert_eq!(first.end().await.code(), Some(0), "{}", first.log());
    assert!(naming(&hanging).is_empty(), "{}", first.log());
    assert!(first.log().contains("has not, and is ended"), "{}", first.log());

    let hanging = hangs(&second, two).await;
    second.signal(Signal::TERM);
    assert_eq!(second.end().await.code(), Some(0), "{}", second.log());
    assert!(naming(&hanging).is_empty(), "{}", second.log());
}
