//! The scripted upstream and the raw client do what they say.

use testkit::raw::RawClient;
use testkit::scripted::{ScriptedUpstream, Step};

#[tokio::test]
async fn each_connection_plays_its_script_and_what_came_is_kept() {
    let scripts = vec![
        vec![Step::read_head(), Step::send("first\r\n\r\n"), Step::read_head(), Step::send("second")],
        vec![Step::ReadToEnd, Step::send("all read")],
    ];
    let mut upstream = ScriptedUpstream::start(scripts).await;
    let mut client = RawClient::connect(upstream.address()).await;
    client.send("a\r\n\r\nb\r\n\r\n").await;
    assert_eq!(client.read_head().await, "first\r\n\r\n");
    assert_eq!(client.read_exactly(3).await, b"sec");
    assert_eq!(client.read_to_end().await, "ond");
    assert_eq!(RawClient::exchange(upstream.address(), "c").await, "all read");
    upstream.finished(2).await;
    assert_eq!(upstream.received(), [b"a\r\n\r\nb\r\n\r\n".to_vec(), b"c".to_vec()]);
}

#[tokio::test]
async fn a_reset_ends_the_connection() {
    let upstream = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::Reset]]).await;
    assert_eq!(RawClient::exchange(upstream.address(), "a\r\n\r\n").await, "");
}

#[test]
fn a_manual_clock_moves_only_by_hand() {
    let clock = testkit::clock::ManualClock::at(1_000);
    let other = clock.clone();
    clock.advance(500);
    other.advance(-100);
    assert_eq!((clock.now_ms(), other.now_ms()), (1_400, 1_400));
}

#[test]
fn a_free_port_can_be_bound() {
    std::net::TcpListener::bind(("127.0.0.1", testkit::free_port())).unwrap();
}
