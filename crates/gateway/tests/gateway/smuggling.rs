//! Requests that two parsers could read differently: nothing of them reaches an upstream.

use crate::support::{Gate, get};
use testkit::raw::RawClient;
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::Upstream;

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn ambiguous_requests_are_refused_and_their_connection_closed() {
    let upstream = ScriptedUpstream::start(vec![vec![Step::ReadToEnd]]).await;
    let gate = Gate::before(upstream.address()).await;
    for (class, status, head) in [
        (
            "CL.TE",
            400,
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "TE.CL",
            400,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n",
        ),
        (
            "TE.TE",
            400,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        ),
        ("TE spelled", 400, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        (
            "TE and another",
            501,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        ("TE space", 400, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("TE in 1.0", 400, "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("two CL", 400, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n"),
        ("signed CL", 400, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n"),
        ("obs-fold", 400, "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n"),
        ("bare LF", 400, "GET / HTTP/1.1\nHost: h\n\n"),
        ("bare LF in a field", 400, "GET / HTTP/1.1\r\nHost: h\r\nX: y\nContent-Length: 9\r\n\r\n"),
        ("bare CR", 400, "GET / HTTP/1.1\r\nHost: h\r\nX: y\rContent-Length: 9\r\n\r\n"),
        ("NUL", 400, "GET / HTTP/1.1\r\nHost: h\r\nX: y\0\r\n\r\n"),
        ("two hosts", 400, "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"),
        ("host differs", 400, "GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n"),
        (
            "Connection: Content-Length",
            400,
            "POST / HTTP/1.1\r\nHost: h\r\nConnection: content-length\r\nContent-Length: 9\r\n\r\n",
        ),
        ("0.9", 400, "GET /\r\n\r\n"),
        ("chunk size", 400, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x4\r\n"),
        (
            "chunk overflow",
            400,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        ),
        (
            "chunk without CRLF",
            400,
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxGET",
        ),
    ] {
        let mut client = gate.client().await.0;
        client.send(format!("{head}{SMUGGLED}")).await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{class}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{class}: one answer and the end: {answer}");
    }
    let received = String::from_utf8(upstream.received().concat()).unwrap();
    assert!(!received.contains("smuggled"), "{received}");
}

#[tokio::test]
async fn a_request_inside_a_body_stays_a_body() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let head = format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", SMUGGLED.len());
        assert_eq!(client.ask(head + SMUGGLED).await.status, 200, "{method}");
    }
    assert_eq!(client.ask(get("/next")).await.status, 200);
    let targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/", "/", "/", "/", "/next"]);
    assert!(upstream.requests()[..4].iter().all(|request| request.body_bytes == SMUGGLED.len() as u64));
}

#[tokio::test]
async fn what_follows_an_unread_body_is_not_taken_for_a_request() {
    let gate = Gate::with(crate::support::settings(), &[]).await;
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", SMUGGLED.len());
    let answer = RawClient::exchange(gate.address(), head + SMUGGLED).await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
}
