//! The recording upstream does what it says.

use http::StatusCode;
use testkit::raw::RawClient;
use testkit::upstream::{Behaviour, Upstream};

const GET: &str = "GET /x?size=30 HTTP/1.1\r\nHost: h\r\nX-Request-Id: run-1\r\nConnection: close\r\n\r\n";
const POST: &str = "POST /p HTTP/1.1\r\nHost: h\r\nX-Request-Id: run-2\r\nContent-Length: 5\r\n\
    Connection: close\r\n\r\nhello";

#[tokio::test]
async fn an_answer_names_the_request_and_the_upstream() {
    let upstream = Upstream::start("blue").await;
    let answer = RawClient::exchange(upstream.address(), GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-colour: blue\r\n") && answer.contains("x-request-id: run-1\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nrun-1 00000000\nabcdefghijklmnopqrstuvwxyzabcd"), "{answer}");
}

#[tokio::test]
async fn what_came_is_kept_and_counted_by_id() {
    let upstream = Upstream::start("blue").await;
    for _ in 0..2 {
        RawClient::exchange(upstream.address(), POST).await;
    }
    RawClient::exchange(upstream.address(), GET).await;
    let requests = upstream.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[0].method.as_str(), requests[0].target.as_str()), ("POST", "/p"));
    assert_eq!(
        (requests[0].body_bytes, requests[0].body_crc32, requests[0].complete),
        (5, 0x3610_a686, true)
    );
    assert_ne!(requests[0].connection, requests[1].connection);
    assert_eq!(upstream.ids()["run-2"], 2);
    let dump = RawClient::exchange(upstream.address(), "GET /__ids HTTP/1.0\r\n\r\n").await;
    assert!(dump.ends_with("\r\n\r\nrun-1 1\nrun-2 2\n"), "{dump}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_complete() {
    let upstream = Upstream::start("blue").await;
    RawClient::exchange(upstream.address(), POST.trim_end_matches("llo")).await;
    testkit::clock::eventually("the record", async || upstream.requests().len() == 1).await;
    assert!(!upstream.requests()[0].complete);
}

#[tokio::test]
async fn it_misbehaves_as_told() {
    let upstream = Upstream::start("blue").await;
    let answer = async |behaviour| {
        upstream.behave(behaviour);
        RawClient::exchange(upstream.address(), GET).await
    };
    assert!(answer(Behaviour::Status(StatusCode::BAD_GATEWAY)).await.starts_with("HTTP/1.1 502 "));
    assert_eq!(answer(Behaviour::Hangup).await, "");
    assert!(answer(Behaviour::Lie).await.contains("\r\n\r\nsomeone-else 00000000\n"));
    let cut = answer(Behaviour::CutAfter(3)).await;
    assert!(cut.contains("content-length: 45\r\n") && cut.ends_with("\r\n\r\nrun"), "{cut}");
}

#[tokio::test]
async fn a_held_request_is_answered_when_it_is_released() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let mut client = RawClient::connect(upstream.address()).await;
    client.send(GET).await;
    upstream.arrived(1).await;
    upstream.release(1);
    assert!(client.read_to_end().await.starts_with("HTTP/1.1 200 OK\r\n"));
}
