//! Every way in which an answer can end, to clients of both versions.

use crate::support::{Answer, Gate, get};
use testkit::scripted::{ScriptedUpstream, Step};

/// Asks for `/` with `request`; the upstream answers with these bytes and closes.
async fn answered(request: &str, answer: &str) -> (Answer, String) {
    let script = vec![Step::read_head(), Step::send(answer)];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    let answer = client.ask(request).await;
    // What follows shows that nothing was sent beyond the answer.
    let rest = match answer.header("connection") {
        Some("close") => client.0.read_to_end().await,
        _ => {
            client.0.send("GET\r\n\r\n").await;
            client.0.read_head().await
        }
    };
    assert_eq!(gate.counts().whole_total(), 1);
    (answer, rest)
}

const BAD: &str = "HTTP/1.1 400";

#[tokio::test]
async fn a_length_is_passed_on() {
    let (answer, rest) =
        answered(&get("/"), "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nX: y\r\n\r\nabc").await;
    assert!(answer.head.starts_with("HTTP/1.1 200 Fine\r\n"));
    assert_eq!((answer.body.as_str(), answer.header("x")), ("abc", Some("y")));
    assert!(rest.starts_with(BAD));
}

#[tokio::test]
async fn head_204_and_304_have_no_body_whatever_they_announce() {
    let head = get("/").replace("GET", "HEAD");
    for (request, answer, length) in [
        (&head, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Some("7")),
        (&head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        (&get("/"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Some("9")),
        (&get("/"), "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None),
    ] {
        let (answer, rest) = answered(request, answer).await;
        assert_eq!((answer.header("content-length"), answer.header("transfer-encoding")), (length, None));
        assert!(rest.starts_with(BAD), "{rest}");
    }
}

#[tokio::test]
async fn chunks_and_their_trailers_are_passed_on() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                   2;ext=1\r\nab\r\n3\r\ncde\r\n0\r\nX-Sum: 5\r\nContent-Length: 9\r\n\r\n";
    let script = vec![Step::read_head(), Step::send(chunked)];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    let head = client.0.read_head().await;
    assert!(head.contains("Transfer-Encoding: chunked") && head.contains("Trailer: X-Sum"), "{head}");
    let body = client.0.read_until("X-Sum: 5\r\n\r\n").await;
    assert_eq!(body, "2\r\nab\r\n3\r\ncde\r\n0\r\nX-Sum: 5\r\n\r\n");
    assert_eq!(gate.settled().await.response_bytes, 5);
}

#[tokio::test]
async fn an_answer_until_close_is_chunked_for_http_1_1_and_closed_for_http_1_0() {
    let answer = "HTTP/1.1 200 OK\r\n\r\nabc";
    let (new, rest) = answered(&get("/"), answer).await;
    assert_eq!(new.body, "3\r\nabc\r\n0\r\n\r\n");
    assert!(rest.starts_with(BAD));
    let (old, rest) = answered("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", answer).await;
    assert_eq!((old.body.as_str(), old.header("connection"), rest.as_str()), ("abc", Some("close"), ""));
}

#[tokio::test]
async fn http_1_0_gets_the_content_of_chunks() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n";
    let (answer, rest) = answered("GET / HTTP/1.0\r\n\r\n", chunked).await;
    assert_eq!((answer.body.as_str(), answer.header("transfer-encoding"), rest.as_str()), ("abc", None, ""));
}

#[tokio::test]
async fn interim_answers_are_passed_on_to_http_1_1_alone() {
    let both = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let script = vec![Step::read_head(), Step::send(both)];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    let hints = client.ask(get("/")).await;
    assert_eq!((hints.status, hints.header("link")), (103, Some("</a>")));
    assert_eq!(client.answer(false).await.body, "x");
    assert_eq!(gate.ask("GET / HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn interim_answers_without_end_are_a_502() {
    let script = vec![Step::read_head(), Step::send(&"HTTP/1.1 102 Processing\r\n\r\n".repeat(100))];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let answer = gate.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.status, answer.body.contains("more interim answers")), (502, true), "{}", answer.body);
    gate.settled().await;
    assert_eq!(gate.gateway.totals().snapshot().gate_answers.get("too_many_interim"), Some(&1));
}

#[tokio::test]
async fn as_many_interim_answers_as_may_be_are_passed_on() {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(64);
    let whole = format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    let upstream = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(&whole)]]).await;
    let gate = Gate::before(upstream.address()).await;
    assert_eq!(gate.ask("GET / HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn an_answer_whose_head_is_beyond_its_bounds_is_a_502_that_says_so() {
    let large = format!("X: {}\r\n", "x".repeat(40 << 10));
    for (number, fields) in [large, "X: y\r\n".repeat(200)].into_iter().enumerate() {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
        let script = vec![Step::read_head(), Step::send(&head), Step::ReadToEnd];
        let upstream = ScriptedUpstream::start(vec![script]).await;
        let gate = Gate::before(upstream.address()).await;
        let answer = gate.ask(get("/")).await;
        assert_eq!((answer.status, answer.body.contains("larger than the limit")), (502, true), "{number}");
        gate.settled().await;
        assert_eq!(gate.gateway.totals().snapshot().gate_answers.get("answer_head_too_large"), Some(&1));
    }
}

#[tokio::test]
async fn what_is_no_http_answer_is_a_502_and_the_connection_is_not_used_again() {
    for bad in [
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let script = vec![Step::read_head(), Step::send(bad), Step::ReadToEnd];
        let mut upstream = ScriptedUpstream::start(vec![script]).await;
        let gate = Gate::before(upstream.address()).await;
        let answer = gate.ask(get("/")).await;
        assert_eq!(answer.status, 502, "{bad}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        upstream.finished(1).await;
        assert_eq!(gate.settled().await.gate_errors, 1);
    }
}
