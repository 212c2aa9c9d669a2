//! Requests over HTTP/2 to an upstream of HTTP/1.1.

use super::super::support::{Gate, route, settings, upstream};
use super::client::{Client, read, request};
use http::HeaderMap;
use serde_json::json;
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::Upstream;

/// An upstream that answers each connection once.
async fn scripted(answer: &str) -> ScriptedUpstream {
    ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(answer), Step::ReadToEnd]]).await
}

#[tokio::test]
async fn many_requests_of_one_connection_are_answered_at_once() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let mut answers = Vec::new();
    for number in 0..50 {
        let asked = request("GET", &format!("/a?size={}", number * 1_000)).header("x-request-id", number);
        answers.push(tokio::spawn(read(client.open(asked, true).await.0)));
    }
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!((answer.status, answer.header("x-colour")), (200, Some("blue")));
        assert!(answer.text().starts_with(&format!("{number} ")), "each gets its own answer");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        assert_eq!(answer.body.len(), number.to_string().len() + 10 + number * 1_000);
    }
    let counts = gate.settled().await;
    assert_eq!((counts.received, counts.whole_total()), (50, 50));
    assert_eq!(gate.gateway.totals().snapshot().connections_accepted, 1);
}

#[tokio::test]
async fn what_is_forwarded_is_a_request_of_http1_in_our_framing() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let plain =
        request("GET", "/a/../b?c").header("cookie", "a=1").header("cookie", "b=2").header("te", "trailers");
    assert_eq!(client.ask(plain).await.status, 200);
    let sized = request("POST", "/").header("content-length", 3).header("x-a", "b");
    assert_eq!(client.ask_with(sized, "abc").await.status, 200);
    assert_eq!(client.ask_with(request("POST", "/"), "abcd").await.status, 200);
    let requests = upstream.requests();
    let [get, sized, unsized_] = &requests[..] else { panic!("three requests") };
    assert_eq!((get.method.as_str(), get.target.as_str()), ("GET", "/b?c"));
    assert_eq!(get.headers["host"], "h");
    assert_eq!(get.headers["cookie"], "a=1; b=2");
    assert_eq!(get.headers["x-forwarded-for"], "127.0.0.1");
    for name in ["te", "content-length", "transfer-encoding", "connection"] {
        assert!(!get.headers.contains_key(name), "{name}");
    }
    assert_eq!(
        (&sized.headers["content-length"], sized.body_bytes, &sized.headers["x-a"]),
        (&"3".parse().unwrap(), 3, &"b".parse().unwrap())
    );
    assert!(!sized.headers.contains_key("transfer-encoding"));
    assert_eq!((unsized_.headers["transfer-encoding"].as_bytes(), unsized_.body_bytes), (&b"chunked"[..], 4));
    assert!(!unsized_.headers.contains_key("content-length"));
}

#[tokio::test]
async fn an_answer_without_content_ends_with_its_head() {
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Some("5")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, Some("7")),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Some("0")),
    ];
    for (method, answer, status, length) in cases {
        let upstream = scripted(answer).await;
        let gate = Gate::before(upstream.address()).await;
        let client = Client::connect(&gate).await;
        let (answer, _) = client.open(request(method, "/"), true).await;
        let (head, body) = testkit::clock::within("an answer", answer).await.unwrap().into_parts();
        assert!(body.is_end_stream(), "{method} {status}");
        assert_eq!(head.status.as_u16(), status);
        assert_eq!(head.headers.get("content-length").map(|value| value.to_str().unwrap()), length);
    }
}

#[tokio::test]
async fn fields_of_the_connection_to_the_upstream_end_at_the_gate() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close, X-Mine\r\nX-Mine: a\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n\
                  Set-Cookie: a\r\nSet-Cookie: b\r\nX-Obs: \u{e9}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let upstream = scripted(answer).await;
    let gate = Gate::before(upstream.address()).await;
    let answer = Client::connect(&gate).await.ask(request("GET", "/")).await;
    assert_eq!(answer.status, 200);
    let names: Vec<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["set-cookie", "x-obs"]);
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a", "b"]);
    assert_eq!(answer.headers["x-obs"].as_bytes(), "\u{e9}".as_bytes());
}

#[tokio::test]
async fn trailers_pass_both_ways_but_for_those_that_must_not() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\
                  Content-Length: 5\r\nHost: x\r\n\r\n";
    let script =
        vec![Step::ReadUntil(b"0\r\nx-sum: 2\r\n\r\n".to_vec()), Step::send(answer), Step::ReadToEnd];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let (answer, mut send) = client.open(request("POST", "/"), false).await;
    send.send_data("abc".into(), false).unwrap();
    let trailers = [("x-sum", "2"), ("content-length", "7"), ("authorization", "x")];
    let trailers: HeaderMap =
        trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    send.send_trailers(trailers).unwrap();
    let answer = read(answer).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ab"));
    let trailers = answer.trailers.unwrap();
    assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &"1".parse().unwrap()));
    let received = String::from_utf8(upstream.received()[0].clone()).unwrap();
    assert!(received.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 2\r\n\r\n"), "{received}");
}

#[tokio::test]
async fn interim_answers_are_passed_on() {
    let answer =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let upstream = scripted(answer).await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let (mut answer, _) = client.open(request("GET", "/"), true).await;
    let interim = std::future::poll_fn(|cx| answer.poll_informational(cx));
    let interim = testkit::clock::within("an interim answer", interim).await.unwrap().unwrap();
    assert_eq!((interim.status().as_u16(), &interim.headers()["link"]), (103, &"</a>".parse().unwrap()));
    assert_eq!(read(answer).await.unwrap().text(), "ok");
}

#[tokio::test]
async fn what_the_gate_refuses_is_answered_like_over_http1() {
    let resources = [
        upstream("u", &["127.0.0.1:1".parse().unwrap()]),
        route(&json!({"uri": "/down", "upstream_id": "u"})),
    ];
    let gate = Gate::with(settings(), &resources).await;
    let client = Client::connect(&gate).await;
    for (method, path, status) in
        [("GET", "/", 404), ("GET", "/down", 502), ("TRACE", "/down", 405), ("GET", "/%zz", 400)]
    {
        let answer = client.ask(request(method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("server"), Some("Tealgate"));
        assert!(answer.text().starts_with("{\"error_msg\":"), "{answer:?}");
        assert!(answer.header("connection").is_none());
    }
    let answer = client.ask(request("HEAD", "/")).await;
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    assert_eq!(gate.settled().await.received, 5);
}
