//! Request bodies on their way to the upstream.

use crate::support::{Gate, get, with_body};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn chunks_and_their_trailers_are_written_anew() {
    let script = vec![Step::ReadUntil(b"X-Sum: 5\r\n\r\n".to_vec()), Step::send(OK), Step::ReadToEnd];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let request = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n\
                   2;a=b\r\nab\r\n03\r\ncde\r\n0\r\nX-Sum: 5\r\nAuthorization: no\r\n\r\n";
    assert_eq!(gate.ask(request).await.body, "ok");
    let received = String::from_utf8(upstream.received().remove(0)).unwrap();
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.matches("Transfer-Encoding: chunked").count(), 1);
    assert_eq!(body, "2\r\nab\r\n3\r\ncde\r\n0\r\nX-Sum: 5\r\n\r\n");
    assert_eq!(gate.settled().await.request_bytes, 5);
}

#[tokio::test]
async fn a_large_body_arrives_whole_by_length_and_by_chunks() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    let body = "0123456789abcdef".repeat(64 * 1024);
    assert_eq!(client.ask(with_body("POST", &body)).await.status, 200);
    let mut chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for chunk in body.as_bytes().chunks(10_007) {
        chunked += &format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap());
    }
    assert_eq!(client.ask(chunked + "0\r\n\r\n").await.status, 200);
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.complete && request.body_bytes == body.len() as u64));
    assert_eq!(requests[0].body_crc32, requests[1].body_crc32);
    assert_eq!(client.ask(get("/")).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_from_the_upstream() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    let head = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(client.ask(head).await.status, 100);
    assert_eq!(client.ask("hello").await.status, 200);
    assert_eq!(upstream.requests()[0].body_bytes, 5);
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_body_ends_the_connection() {
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";
    let script = vec![Step::read_head(), Step::send(refusal), Step::ReadToEnd];
    let mut upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    let answer = client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nsome").await;
    assert_eq!((answer.status, answer.body.as_str()), (413, "big"));
    client.0.send(vec![b'x'; 1_000]).await;
    assert_eq!(client.0.read_to_end().await, "");
    upstream.finished(1).await;
    assert_eq!(gate.settled().await.whole[3], 1);
}

#[tokio::test]
async fn a_refused_request_with_a_body_that_was_not_read_ends_the_connection() {
    let gate = Gate::with(crate::support::settings(), &[]).await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(get("/")).await.status, 404);
    assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await.status, 404);
    let answer = client.ask(with_body("POST", "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    assert_eq!(client.0.read_to_end().await, "");
    assert_eq!(gate.settled().await.received, 3);
}
