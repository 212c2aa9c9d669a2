//! A takeover that does not come off: the running process goes on as if nothing had happened, and says so.

use crate::clock;
use crate::harness::admin::Admin;
use crate::harness::cli::release;
use crate::harness::client;
use crate::harness::gate::{Gate, Start};
use crate::harness::sample::Sample;
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::JoinHandle;

fn successor(world: &World) -> Start {
    Start::new(world).with(&["--takeover"])
}

/// The running one serves, and one that is right can take over from it.
async fn goes_on(world: &World, mut gate: Gate) -> Gate {
    gate.logged("not taken over, everything goes on as it was").await;
    assert_eq!(client::get(gate.gateway(), "/after").await.status, 200, "{}", gate.log());
    gate.admin().put("upstreams/after", &json!({"nodes": {"127.0.0.1:1": 1}})).await;
    let next = successor(world).ready().await;
    assert_eq!(gate.end().await.code(), Some(0));
    next
}

async fn with_route(world: &World) -> (Sample, Gate) {
    let sample = Sample::start(world, "blue");
    let gate = Gate::start(world).await;
    let admin: Admin = gate.admin();
    admin.put("routes/r", &json!({"uri": "/*", "upstream": {"nodes": sample.node()}})).await;
    (sample, gate)
}

#[tokio::test]
async fn a_wrong_configuration_is_told_and_never_asks_to_take_over() {
    let world = World::new();
    let (_sample, mut gate) = with_route(&world).await;
    let config = world.file("wrong.yaml", "threads: none\n");
    let (code, stderr) = successor(&world).with(&["--config", &config]).refused().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("wrong.yaml:1:"), "{stderr}");
    let next = successor(&world).ready().await;
    assert_eq!(gate.end().await.code(), Some(0));
    assert_eq!(client::get(next.gateway(), "/").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_started_is_told_by_both() {
    let world = World::new();
    let (_sample, gate) = with_route(&world).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stderr) = successor(&world).with(&["--listen", &address]).refused().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
    gate.logged(&format!("cannot listen on {address}")).await;
    goes_on(&world, gate).await;
}

#[tokio::test]
async fn a_file_in_conflict_with_what_others_own_is_told_by_both() {
    let world = World::new();
    let (sample, gate) = with_route(&world).await;
    let config = world.config(&json!({
        "routes": [{"id": "r", "uri": "/other", "upstream": {"nodes": sample.node()}}],
    }));
    let (code, stderr) = successor(&world).with(&["--config", &config]).refused().await;
    assert_eq!(code, Some(2), "{stderr}");
    goes_on(&world, gate).await;
}

/// One that speaks the protocol by hand, so that it can die at any point.
struct ByHand(OwnedFd);

impl ByHand {
    fn connect(gate: &Gate) -> ByHand {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        let path = gate.data_dir().join("takeover.all");
        rustix::net::connect(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        ByHand(socket)
    }

    fn say(&self, message: &Value) {
        rustix::net::send(&self.0, message.to_string().as_bytes(), SendFlags::empty()).unwrap();
    }

    fn hear(&self) -> (Value, Vec<OwnedFd>) {
        let mut bytes = [0; 4_096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let got = rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::empty()).unwrap();
        let rights = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights.collect::<Vec<_>>()),
            _ => None,
        });
        let rights = rights.flatten().collect();
        (serde_json::from_slice(&bytes[..got.bytes]).unwrap(), rights)
    }

    /// Takes the estate; gives the sockets of the gateway.
    fn inherit(&self) -> Vec<OwnedFd> {
        self.say(&json!({"hello": {"protocol": 2, "version": "by hand"}}));
        let mut sockets = Vec::new();
        loop {
            let (message, rights) = self.hear();
            if message["sockets"]["purpose"] == "gateway" {
                sockets.extend(rights);
            }
            if message.get("estate").is_some() {
                return sockets;
            }
        }
    }
}

#[tokio::test]
async fn one_that_dies_before_it_is_ready_changes_nothing() {
    let world = World::new();
    let (_sample, gate) = with_route(&world).await;
    let new = ByHand::connect(&gate);
    assert_eq!(new.inherit().len(), 2, "one socket for each thread");
    drop(new);
    goes_on(&world, gate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_after_the_old_one_stood_down_gives_everything_back() {
    let world = World::new();
    let (_sample, gate) = with_route(&world).await;
    let new = ByHand::connect(&gate);
    let _sockets = new.inherit();
    new.say(&json!("ready"));
    assert_eq!(new.hear().0, json!("yours"));
    assert_eq!(client::get(gate.gateway(), "/meanwhile").await.status, 200, "the old one still accepts");
    drop((new, _sockets));
    gate.logged("not taken over, everything goes on as it was").await;
    // The Admin API and the controller are there again.
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let next = goes_on(&world, gate).await;
    release(&next, &["start", "shop", "--version", "v2"]).await.exits(0);
}

#[tokio::test]
async fn of_an_old_one_that_is_killed_while_it_drains_only_its_own_requests_are_lost() {
    let world = World::new();
    let (sample, mut gate) = with_route(&world).await;
    let gateway = gate.gateway();
    let slow = tokio::spawn(async move { client::try_get(gateway, "/work?slow_ms=20000").await });
    clock::until("the request", async || !sample.ids().is_empty(), || gate.log()).await;
    let mut next = successor(&world).ready().await;
    gate.crash();
    assert!(slow.await.unwrap().is_none());
    assert_eq!(client::get(gateway, "/").await.status, 200);
    assert_eq!(Start::new(&world).refused().await.0, Some(3), "the lock is the new one's");
    next.crash();
    let alone = successor(&world).ready().await;
    assert_eq!(client::get(alone.gateway(), "/").await.status, 200, "with nobody left, it just starts");
}

/// A running process by hand, which changes its mind at the last moment.
fn one_that_refuses_at_last(data_dir: &Path) -> JoinHandle<Vec<Value>> {
    let lock = store::lock(data_dir, "all").unwrap();
    let path = data_dir.join("takeover.all");
    let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    std::thread::spawn(move || {
        let new = ByHand(rustix::net::accept(&listener).unwrap());
        let mut heard = vec![new.hear().0["hello"]["protocol"].clone()];
        let files: Vec<_> = lock.files().iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&files)));
        let parts = [IoSlice::new(b"\"lock\"")];
        rustix::net::sendmsg(&new.0, &parts, &mut ancillary, SendFlags::empty()).unwrap();
        new.say(&json!({"estate": {"ready": true}}));
        heard.push(new.hear().0);
        new.say(&json!("yours"));
        heard.push(new.hear().0);
        new.say(&json!({"refused": {"why": "changed its mind"}}));
        heard
    })
}

async fn status(gate: &Gate, resource: &str) -> u16 {
    let path = format!("/apisix/admin/{resource}");
    gate.admin().call(http::Method::GET, &path, "").await.status
}

#[tokio::test]
async fn one_that_is_refused_at_last_has_changed_nothing() {
    let world = World::new();
    let sample = Sample::start(&world, "blue");
    let mut gate = Gate::start(&world).await;
    gate.admin().put("upstreams/old", &json!({"nodes": sample.node()})).await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.end().await.code(), Some(0));
    let old = one_that_refuses_at_last(gate.data_dir());
    let config = world.config(&json!({
        "routes": [{"id": "new", "uri": "/*", "upstream": {"nodes": sample.node()}}],
    }));
    let (code, stderr) = successor(&world).with(&["--config", &config]).refused().await;
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("changed its mind"), "{stderr}");
    assert_eq!(old.join().unwrap(), [json!(2), json!("ready"), json!("serving")]);
    let gate = Gate::start(&world).await;
    assert_eq!(status(&gate, "upstreams/old").await, 200);
    assert_eq!(status(&gate, "routes/new").await, 404, "the file was not written into the store");
}

#[tokio::test]
async fn the_file_of_one_that_takes_over_is_in_force_afterwards() {
    let world = World::new();
    let (sample, mut gate) = with_route(&world).await;
    let config = world.config(&json!({
        "routes": [{"id": "new", "uri": "/new", "upstream": {"nodes": sample.node()}}],
    }));
    let next = successor(&world).with(&["--config", &config]).ready().await;
    assert_eq!(gate.end().await.code(), Some(0));
    assert_eq!(status(&next, "routes/new").await, 200, "{}", next.log());
}
