//! The cutover as users see it: they keep their colour, their writes wait for a moment and never fail, their connections
//! stay, and a stream is closed at its time and not before.

use crate::clock;
use crate::harness::cli::release;
use crate::harness::client::{Answer, Connection};
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::websocket::{Frame, WebSocket, echo};
use crate::harness::world::World;
use http::Method;
use load::kind::RequestKind;
use load::reconcile::reconcile;
use load::run::Load;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use testkit::clock::{eventually, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const USERS: usize = 40;

/// What someone with a cookie jar sees: the versions in order, and how often cookies were set.
#[derive(Default)]
struct Seen {
    versions: Vec<String>,
    cookies: usize,
}

/// Asks again and again until told to stop, with the cookie that was set last.
async fn user(gateway: SocketAddr, stop: Arc<AtomicBool>, rounds: Arc<AtomicUsize>) -> Seen {
    let mut connection = Connection::open(gateway).await.unwrap();
    let mut jar = String::new();
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let headers = [("cookie", jar.as_str())];
        let headers = if jar.is_empty() { &[][..] } else { &headers[..] };
        let sent = within("an answer", connection.send(Method::GET, "/who", headers, "")).await;
        let answer: Answer = sent.unwrap();
        assert_eq!(answer.status, 200);
        if !answer.header("set-cookie").is_empty() {
            jar = answer.header("set-cookie").split(';').next().unwrap().to_owned();
            seen.cookies += 1;
        }
        seen.versions.push(answer.header("x-version").to_owned());
        rounds.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_keep_their_colour_and_writes_wait_while_the_share_moves() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let cutover = json!({
        "steps": [10, 50, 100],
        "step_pause_ms": 700,
        "sticky": {"by": "cookie"},
        "hold": {"requests": "writes", "budget_ms": 5_000},
        "soak": {"duration_ms": 60_000},
    });
    shop::change(&gate, shop::target(&world), policy(cutover)).await;
    let mix = vec![RequestKind::post("/echo/orders", 500)];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 4) }.start().unwrap();
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let start = |_| tokio::spawn(user(gate.gateway(), Arc::clone(&stop), Arc::clone(&rounds)));
    let users: Vec<_> = (0..USERS).map(start).collect();
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until_phase(&gate, "soak").await;
    let more = rounds.load(Ordering::Relaxed) + 3 * USERS;
    eventually("everyone on the new version", async || rounds.load(Ordering::Relaxed) >= more).await;
    release(&gate, &["rollback", "shop"]).await.exits(0);
    assert_eq!(shop::live(&gate).await, "v1", "all are back");
    let more = rounds.load(Ordering::Relaxed) + 3 * USERS;
    eventually("everyone on the old version", async || rounds.load(Ordering::Relaxed) >= more).await;
    stop.store(true, Ordering::Relaxed);
    let mut at_first_share = 0;
    for user in users {
        let Seen { mut versions, cookies } = user.await.unwrap();
        assert!(cookies <= 1, "a cookie that was set is kept: {cookies}");
        versions.dedup();
        assert_eq!(versions, ["v1", "v2", "v1"], "there, once, and back");
        at_first_share += cookies;
    }
    assert_eq!(at_first_share, USERS, "everyone asked while both had a share");
    let ledger = load.stop().await;
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
    let found = reconcile(&ledger, &shop::backends(&world));
    assert!(found.agrees() && found.duplicated.count == 0, "{found:?}");
    let report = shop::report(&gate).await;
    let holds = report["holds"].as_array().unwrap();
    assert_eq!(holds.len(), 3, "one for each step: {holds:?}");
    assert!(holds.iter().all(|hold| hold["in_time"] == true && hold["passed"] == 0), "{holds:?}");
    for hold in holds {
        let of = |name: &str| hold[name].as_f64().unwrap_or(0.0);
        println!(
            "{} of {} writes waited: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
            hold["waited"],
            ledger.tally.sent,
            of("p50_ms"),
            of("p99_ms"),
            of("longest_ms")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_never_ends_keeps_the_share_where_it_is_and_nobody_gets_an_error() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let hold = json!({"hold": {"requests": "writes", "budget_ms": 200, "tries": 2}});
    shop::change(&gate, shop::target(&world), policy(hold)).await;
    // A write whose body does not come to its end.
    let mut endless = TcpStream::connect(gate.gateway()).await.unwrap();
    endless.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    let mix = vec![RequestKind::post("/echo/orders", 500)];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 2) }.start().unwrap();
    eventually("some writes", async || load.progress().answered_total() > 20).await;
    let ended = release(&gate, &["start", "shop", "--version", "v2"]).await.exits(1);
    assert!(ended.out.contains("with requests waiting, tried 2 times"), "{ended:?}");
    assert_eq!(shop::live(&gate).await, "v1");
    let ledger = load.stop().await;
    assert_eq!((ledger.tally.lost, ledger.failures_total), (0, 0), "{:?}", ledger.failures);
    assert_eq!(ledger.tally.answered.keys().collect::<Vec<_>>(), ["blue"], "nobody has seen the new version");
    let report = shop::report(&gate).await;
    println!("waited in vain: {}", report["holds"]);
    assert!(report["holds"].as_array().unwrap().iter().all(|hold| hold["in_time"] == false));
}

/// Opens connections and WebSockets, switches, and sees all of them afterwards.
async fn outlive_a_switch(idle: usize, streams: usize, drain_ms: u64) {
    let world = World::new();
    let (blue, green) = (echo("blue").await, echo("green").await);
    let gate = Start::new(&world).ready().await;
    let nodes = |address: SocketAddr| json!({"nodes": {address.to_string(): 1}});
    let target =
        json!({"upstream": {"blue": nodes(blue), "green": nodes(green), "readiness": {"interval_ms": 50}}});
    let times =
        |soak_ms: u64| policy(json!({"drain_timeout_ms": drain_ms, "soak": {"duration_ms": soak_ms}}));
    shop::put(&gate, target.clone(), times(100)).await;
    gate.admin()
        .put("routes/shop", &json!({"uri": "/*", "service_id": "shop", "enable_websocket": true}))
        .await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    shop::change(&gate, target, times(600_000)).await;
    let mut connections = Vec::new();
    for _ in 0..idle {
        connections.push(TcpStream::connect(gate.gateway()).await.unwrap());
    }
    let mut sockets = Vec::new();
    for _ in 0..streams {
        sockets.push(WebSocket::open(gate.gateway(), "/ws").await);
    }
    for socket in &mut sockets {
        assert_eq!(socket.ask("hello").await, Frame::Text("hello".to_owned()));
    }
    // The drain times of the streams begin after this.
    let before = clock::now();
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    let view = shop::until_phase(&gate, "soak").await;
    let took = view["moves"].as_array().unwrap().iter().rev().find_map(|one| one["took_ms"].as_u64());
    let shown =
        shop::until(&gate, "the open streams", |view| open_streams(view, "blue") == streams as u64).await;
    assert_eq!(open_streams(&shown, "green"), 0);
    let mut on_green = 0;
    // Some at a time: each needs a connection to the upstream, too.
    for some in connections.chunks_mut(50) {
        for connection in &mut *some {
            connection.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        }
        for connection in some {
            let mut answer = vec![0; 256];
            let read = within("an answer", connection.read(&mut answer)).await.unwrap();
            on_green += usize::from(String::from_utf8_lossy(&answer[..read]).contains("X-Colour: green"));
        }
    }
    assert_eq!(on_green, idle, "no idle connection was cut, and all are on the new version");
    let mut ends: Vec<Duration> = Vec::new();
    let waits = sockets.into_iter().map(|mut socket| {
        tokio::spawn(async move {
            (tokio::time::timeout(Duration::from_secs(120), socket.next()).await, clock::now())
        })
    });
    for wait in waits.collect::<Vec<_>>() {
        let (frame, at) = wait.await.unwrap();
        assert_eq!(frame.unwrap(), Frame::Close(1012));
        ends.push(at - before);
    }
    ends.sort_unstable();
    let (first, last) = (ends[0], ends[ends.len() - 1]);
    assert!(first >= Duration::from_millis(drain_ms / 2), "the first was closed before its time: {first:?}");
    println!(
        "{idle} idle connections and {streams} WebSockets over a switch that took {took:?} ms: the streams were closed \
         {first:?} to {last:?} after it was asked for (drain time {drain_ms} ms)"
    );
}

fn open_streams(view: &Value, colour: &str) -> u64 {
    let colours = view["colours"].as_array().into_iter().flatten();
    colours.filter(|one| one["colour"] == colour).filter_map(|one| one["streams"].as_u64()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_and_open_websockets_outlive_a_switch() {
    outlive_a_switch(200, 100, 3_000).await;
}

/// Needs 21,000 file descriptors in each process (`ulimit -n`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the same with the full numbers: minutes, and many file descriptors"]
async fn ten_thousand_idle_connections_and_five_thousand_websockets_outlive_a_switch() {
    outlive_a_switch(10_000, 5_000, 20_000).await;
}
