//! What is no handshake, what never ends, and what comes too often.

use super::client::Manner;
use super::issuer::Authority;
use super::{World, tls_settings};
use gateway::Settings;
use testkit::raw::RawClient;

#[tokio::test]
async fn what_is_no_handshake_ends_and_others_do_not_notice() {
    let authority = Authority::new("root");
    let world = World::new(&[authority.server(&["a.test"]).ssl("a", &["a.test"])]).await;
    let mut open = Manner::trusting(&authority).connect(&world, "a.test").await.unwrap();
    let record_of_nothing = [22, 3, 1, 0, 0].repeat(100);
    let endless_hello = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 16_384]].concat();
    for garbage in [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_vec(),
        vec![0; 5_000],
        record_of_nothing,
        endless_hello,
        b"\x16\x03\x01".to_vec(),
    ] {
        let answer = RawClient::exchange(world.gate.address(), &garbage).await;
        assert!(!answer.contains("HTTP/"), "{answer}");
        assert_eq!(open.ask("a.test", "/").await.unwrap().status, 200);
    }
    testkit::clock::eventually("their counts", async || {
        world.gate.gateway.totals().snapshot().handshake_failures.values().sum::<u64>() == 5
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_ended() {
    let authority = Authority::new("root");
    let settings = Settings { handshake_timeout_ms: 1, ..tls_settings() };
    let world = World::with(settings, &[authority.server(&["a.test"]).ssl("a", &["a.test"])]).await;
    let mut slow = RawClient::connect(world.gate.address()).await;
    slow.send([22, 3, 1]).await;
    assert_eq!(slow.read_to_end().await, "");
    testkit::clock::eventually("its count", async || {
        world.gate.gateway.totals().snapshot().handshake_failures == [("timeout".to_owned(), 1)].into()
    })
    .await;
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_from_a_handshake() {
    let authority = Authority::new("root");
    let settings = Settings { max_handshakes: 2, handshake_timeout_ms: 600_000, ..tls_settings() };
    let world = World::with(settings, &[authority.server(&["a.test"]).ssl("a", &["a.test"])]).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(RawClient::connect(world.gate.address()).await);
    }
    let mut open = Manner::trusting(&authority).connect(&world, "a.test").await.unwrap();
    assert_eq!(open.ask("a.test", "/").await.unwrap().status, 200);
    assert_eq!(world.gate.gateway.totals().snapshot().connections_open, 21);
}

/// So many connections that have begun a hello and do not go on.
async fn begin_hellos(world: &World, count: usize) -> Vec<RawClient> {
    let open = || world.gate.gateway.totals().snapshot().connections_open;
    let before = open();
    let mut begun = Vec::new();
    for _ in 0..count {
        let mut half = RawClient::connect(world.gate.address()).await;
        half.send([22, 3, 1]).await;
        begun.push(half);
    }
    testkit::clock::eventually("their connections", async || open() == before + count as u64).await;
    begun
}

#[tokio::test]
async fn clients_that_stop_in_their_hello_make_room_one_by_one() {
    let authority = Authority::new("root");
    let settings = Settings { max_handshakes: 3, handshake_timeout_ms: 10_000, ..tls_settings() };
    let world = World::with(settings, &[authority.server(&["a.test"]).ssl("a", &["a.test"])]).await;
    let _begun = begin_hellos(&world, 3).await;
    let client = Manner::trusting(&authority);
    let mut open = None;
    testkit::clock::eventually("a place", async || {
        open = client.connect(&world, "a.test").await.ok();
        open.is_some()
    })
    .await;
    assert_eq!(open.unwrap().ask("a.test", "/").await.unwrap().status, 200);
    testkit::clock::eventually("the end of one of them", async || {
        world.gate.gateway.totals().snapshot().connections_open == 2
    })
    .await;
}

#[tokio::test]
async fn one_handshake_too_many_is_closed_and_open_connections_are_served() {
    let authority = Authority::new("root");
    let settings = Settings { max_handshakes: 2, handshake_timeout_ms: 600_000, ..tls_settings() };
    let world = World::with(settings, &[authority.server(&["a.test"]).ssl("a", &["a.test"])]).await;
    let client = Manner::trusting(&authority);
    let mut open = client.connect(&world, "a.test").await.unwrap();
    let waiting = begin_hellos(&world, 2).await;
    testkit::clock::eventually("the end of what is too much", async || {
        client.connect(&world, "a.test").await.is_err()
    })
    .await;
    assert_eq!(open.ask("a.test", "/").await.unwrap().status, 200);
    drop(waiting);
    testkit::clock::eventually("the end of the half ones", async || {
        world.gate.gateway.totals().snapshot().connections_open == 1
    })
    .await;
    assert!(client.connect(&world, "a.test").await.is_ok());
}

#[tokio::test]
async fn a_cut_answer_is_not_ended_as_if_it_were_whole() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let authority = Authority::new("root");
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = upstream.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1_000]).await;
        let _ =
            socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    });
    let gate = crate::support::Gate::start(tls_settings());
    let ssl = authority.server(&["a.test"]).ssl("a", &["a.test"]);
    let route = crate::support::route(&serde_json::json!({"upstream_id": "u"}));
    gate.apply(&[crate::support::upstream("u", &[address]), route, (model::resource::Kind::Ssl, ssl)]).await;
    let world = World { gate, upstream: testkit::upstream::Upstream::start("unused").await };
    let mut client = Manner::trusting(&authority).connect(&world, "a.test").await.unwrap();
    // To HTTP/1.0 the end of the connection is the end of the body: only TLS can say that it was cut.
    client.0.write_all(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = client.0.read_to_end(&mut answer).await;
    assert!(String::from_utf8_lossy(&answer).ends_with("hello"), "{answer:?}");
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}
