//! Clients that hold on to what others need: too slow, too many, too busy. Each is told or cut, and others do not notice.

use crate::support::{Gate, get, route, settings, upstream};
use gateway::{Settings, Trust};
use model::cidr::Cidr;
use serde_json::json;
use std::net::SocketAddr;
use testkit::clock::{eventually, within};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

async fn gate(settings: Settings, address: SocketAddr) -> Gate {
    Gate::with(settings, &[upstream("u", &[address]), route(&json!({"upstream_id": "u"}))]).await
}

/// More than anyone can send, over two ticks.
fn fast_clients_only() -> Settings {
    Settings { min_rate_bytes_per_s: 1 << 40, min_rate_window_ms: 200, ..settings() }
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_a_408() {
    let server = Upstream::start("u").await;
    let gate = gate(fast_clients_only(), server.address()).await;
    let mut other = gate.client().await;
    assert_eq!(other.ask(get("/")).await.status, 200);
    let stream = TcpStream::connect(gate.address()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickle = async move {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n";
        writing.write_all(head.as_bytes()).await.unwrap();
        // Ends when the gate has closed the connection.
        while writing.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let answer = async move {
        let mut answer = Vec::new();
        // A reset after the answer is no matter.
        let _ = reading.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (answer, ()) = within("the answer", async { tokio::join!(answer, trickle) }).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("Connection: close"), "{answer}");
    assert_eq!(other.ask(get("/")).await.status, 200, "others do not notice");
    assert_eq!(gate.settled().await.gate_errors, 0, "not the upstream's doing");
}

#[tokio::test]
async fn an_answer_that_is_taken_byte_by_byte_is_cut() {
    let size = 64_000_000;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    let small = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let scripts = vec![
        vec![Step::read_head(), Step::send(&head), Step::Send(vec![b'x'; size])],
        vec![Step::read_head(), Step::send(small)],
    ];
    let server = ScriptedUpstream::start(scripts).await;
    let gate = gate(fast_clients_only(), server.address()).await;
    // A small window, so that little waits in it: the gate sees each byte that is taken.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = socket.connect(gate.address()).await.unwrap();
    slow.write_all(get("/").as_bytes()).await.unwrap();
    let mut taken = 0;
    let mut space = [0];
    let reading = async {
        while slow.read(&mut space).await.is_ok_and(|count| count > 0) {
            taken += 1;
            if taken % 1_000 == 0 && gate.counts().client_left == 1 {
                break;
            }
        }
    };
    within("the cut", reading).await;
    assert!(taken < size, "{taken}");
    assert_eq!(gate.ask(get("/")).await.body, "ok", "others do not notice");
}

#[tokio::test]
async fn a_client_that_waits_for_a_slow_upstream_is_not_too_slow() {
    let server = Upstream::start("u").await;
    let gate = gate(fast_clients_only(), server.address()).await;
    server.behave(Behaviour::Held);
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    server.arrived(1).await;
    // Others' requests end by a tick of the same clock: several windows pass.
    for _ in 0..3 {
        let mut idle = gate.client().await;
        idle.0.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n").await;
        idle.0.finish().await;
        idle.0.read_to_end().await;
    }
    server.release(1);
    assert_eq!(client.answer(false).await.status, 200);
}

#[tokio::test]
async fn more_connections_of_an_address_than_it_may_have_are_a_503() {
    let server = Upstream::start("u").await;
    let most = |most| Settings { max_connections_per_address: most, ..settings() };
    let gate_of_two = gate(most(2), server.address()).await;
    let (mut one, mut two) = (gate_of_two.client().await, gate_of_two.client().await);
    assert_eq!((one.ask(get("/")).await.status, two.ask(get("/")).await.status), (200, 200));
    let answer = gate_of_two.ask(get("/")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!((one.ask(get("/")).await.status, two.ask(get("/")).await.status), (200, 200));
    drop(one);
    eventually("a free place", async || gate_of_two.ask(get("/")).await.status == 200).await;
    let mut trusting = most(1);
    trusting.trust = Trust { addresses: vec![Cidr::parse("127.0.0.1").unwrap()], ..Trust::default() };
    let gate_behind_proxy = gate(trusting, server.address()).await;
    let (mut one, mut two) = (gate_behind_proxy.client().await, gate_behind_proxy.client().await);
    assert_eq!(
        (one.ask(get("/")).await.status, two.ask(get("/")).await.status),
        (200, 200),
        "a trusted proxy"
    );
}

#[tokio::test]
async fn more_requests_at_a_time_than_there_may_be_are_a_503_and_the_connection_goes_on() {
    let server = Upstream::start("u").await;
    let gate = gate(Settings { max_requests: 2, ..settings() }, server.address()).await;
    server.behave(Behaviour::Held);
    let (mut one, mut two, mut three) = (gate.client().await, gate.client().await, gate.client().await);
    one.0.send(get("/")).await;
    two.0.send(get("/")).await;
    server.arrived(2).await;
    let answer = three.ask(get("/")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.header("connection"), None);
    server.release(2);
    assert_eq!((one.answer(false).await.status, two.answer(false).await.status), (200, 200));
    server.behave(Behaviour::Echo);
    assert_eq!(three.ask(get("/")).await.status, 200);
    let counts = gate.settled().await;
    assert_eq!((counts.whole[1], counts.whole[4], counts.received), (3, 1, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_pipelines_without_end_does_not_starve_others() {
    let server = Upstream::start("u").await;
    let more = json!({"upstream_id": "u", "uri": "/u"});
    let gate = Gate::with(settings(), &[upstream("u", &[server.address()]), route(&more)]).await;
    let busy = TcpStream::connect(gate.address()).await.unwrap();
    let (mut reading, mut writing) = busy.into_split();
    // Answered by the gate itself: nothing of an upstream is ever waited for.
    let many = get("/none").repeat(1_000);
    let writes = tokio::spawn(async move { while writing.write_all(many.as_bytes()).await.is_ok() {} });
    let reads = tokio::spawn(async move {
        let mut space = vec![0; 64 * 1024];
        while reading.read(&mut space).await.is_ok_and(|count| count > 0) {}
    });
    eventually("many answers", async || gate.counts().received > 1_000).await;
    let mut other = gate.client().await;
    let before = gate.counts().received;
    let asking = async {
        for _ in 0..200 {
            assert_eq!(other.ask(get("/u")).await.status, 200);
        }
    };
    within("the others' answers", asking).await;
    let meanwhile = gate.counts().received - before;
    assert!(meanwhile > 1_000, "the busy one went on: {meanwhile}");
    writes.abort();
    reads.abort();
}
