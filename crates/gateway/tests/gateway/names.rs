//! Nodes that are names: what a resolver costs that does not answer, and who gets the requests of a name with several addresses.

use crate::support::{Answer, Client, Gate, get, route, settings};
use gateway::{Addresses, NameSource};
use model::resource::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use testkit::clock::{eventually, within};
use testkit::http2::{Http2Upstream, Rules};
use testkit::upstream::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Names whose answers are set by hand: 127.0.0.N for each; none: an error.
#[derive(Debug, Default)]
struct Zone {
    names: Mutex<BTreeMap<&'static str, Vec<u8>>>,
    asked: AtomicUsize,
}

/// The name that nobody answers for.
const SILENT: &str = "silent.test";

impl Zone {
    fn with(name: &'static str, last: &[u8]) -> Arc<Zone> {
        let zone = Arc::new(Zone::default());
        zone.set(name, last);
        zone
    }

    fn set(&self, name: &'static str, last: &[u8]) {
        self.names.lock().unwrap().insert(name, last.to_vec());
    }
}

impl NameSource for Zone {
    fn ask(&self, host: String) -> Addresses {
        self.asked.fetch_add(1, SeqCst);
        if host == SILENT {
            return Box::pin(std::future::pending());
        }
        let last = self.names.lock().unwrap().get(host.as_str()).cloned().unwrap_or_default();
        Box::pin(std::future::ready(Ok(last.into_iter().map(local).collect())))
    }
}

fn local(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

async fn gate(zone: &Arc<Zone>, nodes: &[(&str, u16)], more: &Value) -> Gate {
    let node = |(host, port): &(&str, u16)| json!({"host": host, "port": port, "weight": 1});
    let nodes: Vec<_> = nodes.iter().map(node).collect();
    let mut upstream = json!({"id": "u", "nodes": nodes});
    for (key, field) in more.as_object().unwrap() {
        upstream[key] = field.clone();
    }
    let settings =
        gateway::Settings { names: Arc::clone(zone) as Arc<dyn NameSource>, dns_valid_ms: 1, ..settings() };
    Gate::with(settings, &[(Kind::Upstream, upstream), route(&json!({"upstream_id": "u"}))]).await
}

/// Listeners on 127.0.0.N, all at the same port.
async fn listeners(last: &[u8]) -> (u16, Vec<TcpListener>) {
    loop {
        let (mut port, mut listeners) = (0, Vec::new());
        for last in last {
            // The port of the first may be taken at another address.
            let Ok(listener) = TcpListener::bind((local(*last), port)).await else { break };
            port = listener.local_addr().unwrap().port();
            listeners.push(listener);
        }
        if listeners.len() == last.len() {
            return (port, listeners);
        }
    }
}

/// A server on 127.0.0.N, for each N the same port, that answers with its address.
async fn servers(last: &[u8]) -> u16 {
    let (port, listeners) = within("a port", listeners(last)).await;
    for listener in listeners {
        tokio::spawn(async move {
            while let Ok((socket, at)) = listener.accept().await.map(|(s, _)| (s, listener.local_addr())) {
                tokio::spawn(answer(socket, at.unwrap()));
            }
        });
    }
    port
}

async fn answer(mut socket: TcpStream, at: SocketAddr) {
    let mut head = Vec::new();
    while let Ok(byte) = socket.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            let body = at.ip().to_string();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            socket.write_all(answer.as_bytes()).await.unwrap();
            head.clear();
        }
    }
}

/// Who answered so many requests, one after the other.
async fn answered(client: &mut Client, requests: usize) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for _ in 0..requests {
        *counted.entry(client.ask(get("/")).await.body).or_default() += 1;
    }
    counted
}

async fn statuses(client: &mut Client, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        let Answer { status, .. } = client.ask(get("/")).await;
        statuses.push(status);
    }
    statuses
}

#[tokio::test]
async fn a_name_that_nobody_answers_for_holds_up_nobody_while_another_node_is_there() {
    let (zone, good) = (Arc::new(Zone::default()), Upstream::start("good").await);
    let more = json!({"timeout": {"connect": 0.2, "send": 6, "read": 6}});
    let gate = gate(&zone, &[(SILENT, 80), ("127.0.0.1", good.address().port())], &more).await;
    let mut client = gate.client().await;
    let asked = within("all answers", statuses(&mut client, 50));
    assert_eq!(asked.await, [200; 50]);
    assert_eq!(zone.asked.load(SeqCst), 1, "the requests share one question");
}

#[tokio::test]
async fn a_node_whose_name_cannot_be_resolved_is_passed_over_without_a_try() {
    let (zone, good) = (Arc::new(Zone::default()), Upstream::start("good").await);
    let nodes = [("none.test", good.address().port()), ("127.0.0.1", good.address().port())];
    let gate = gate(&zone, &nodes, &json!({"retries": 0})).await;
    let mut client = gate.client().await;
    let first = statuses(&mut client, 2).await;
    assert!(first.contains(&502), "one of them had to find out: {first:?}");
    assert_eq!(statuses(&mut client, 20).await, [200; 20]);
    // It gets requests again when its name is known, which is asked for beside the requests.
    zone.set("none.test", &[1]);
    gate.apply(&[
        (Kind::Upstream, json!({"id": "u", "nodes": {format!("none.test:{}", good.address().port()): 1}})),
        route(&json!({"upstream_id": "u"})),
    ])
    .await;
    eventually("the name", async || gate.ask(get("/")).await.status == 200).await;
}

#[tokio::test]
async fn a_name_that_comes_to_have_more_addresses_sends_its_requests_there() {
    let (zone, port) = (Zone::with("s.test", &[1]), servers(&[1, 2, 3]).await);
    let gate = gate(&zone, &[("s.test", port)], &json!({})).await;
    let mut client = gate.client().await;
    assert_eq!(answered(&mut client, 9).await, BTreeMap::from([("127.0.0.1".to_owned(), 9)]));
    zone.set("s.test", &[1, 2, 3]);
    eventually("the new addresses", async || answered(&mut client, 3).await.len() == 3).await;
    let even = [1, 2, 3].map(|last| (local(last).to_string(), 10));
    assert_eq!(answered(&mut client, 30).await, BTreeMap::from(even));
    zone.set("s.test", &[3]);
    eventually("the addresses that are left", async || answered(&mut client, 3).await.len() == 1).await;
    assert_eq!(answered(&mut client, 9).await, BTreeMap::from([("127.0.0.3".to_owned(), 9)]));
}

#[tokio::test]
async fn a_dead_address_of_a_name_fails_no_request() {
    let (zone, port) = (Zone::with("s.test", &[1, 2, 9]), servers(&[1, 2]).await);
    let gate = gate(&zone, &[("s.test", port)], &json!({})).await;
    let mut client = gate.client().await;
    assert_eq!(statuses(&mut client, 12).await, [200; 12]);
    let even = [1, 2].map(|last| (local(last).to_string(), 6));
    assert_eq!(answered(&mut client, 12).await, BTreeMap::from(even));
}

/// Passes connections on to a server; counts them.
fn relay(listener: TcpListener, to: SocketAddr) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                // How it ends is no matter here.
                let _ = copy_bidirectional(&mut socket, &mut server).await;
            });
        }
    });
    count
}

#[tokio::test]
async fn streams_take_the_addresses_of_a_name_in_turn_on_a_connection_to_each() {
    let server = Http2Upstream::start(Rules::default()).await;
    let (port, listeners) = within("a port", listeners(&[1, 2])).await;
    let listeners: [TcpListener; 2] = listeners.try_into().unwrap();
    let [one, two] = listeners.map(|listener| relay(listener, server.address()));
    let zone = Zone::with("s.test", &[1]);
    let h2 = json!({"labels": {"tealgate.protocol": "h2"}});
    let gate = gate(&zone, &[("s.test", port)], &h2).await;
    let mut client = gate.client().await;
    assert_eq!(statuses(&mut client, 4).await, [200; 4]);
    zone.set("s.test", &[1, 2]);
    eventually("the second address", async || {
        statuses(&mut client, 1).await == [200] && two.load(SeqCst) == 1
    })
    .await;
    assert_eq!(statuses(&mut client, 8).await, [200; 8]);
    assert_eq!((one.load(SeqCst), two.load(SeqCst)), (1, 1));
}
