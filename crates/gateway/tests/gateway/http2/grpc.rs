//! Calls of gRPC that cannot go on end with a status in their trailers: their clients look for nothing else.

use super::super::hold::{Colours, LONG_MS, hold};
use super::super::support::{Gate, route, settings, upstream, upstream_with};
use super::client::{Answer, Client, read, read_content, request};
use h2::Reason;
use http::request::Builder;
use serde_json::json;
use testkit::clock::{now, within};
use testkit::http2::{Http2Upstream, Rules};
use testkit::scripted::{ScriptedUpstream, Step};

fn call(path: &str) -> Builder {
    request("POST", path).header("content-type", "application/grpc").header("te", "trailers")
}

/// The status in the trailers.
fn status(answer: &Answer) -> (&str, &str) {
    let value = |name: &str| answer.trailers.as_ref().unwrap()[name].to_str().unwrap();
    (value("grpc-status"), value("grpc-message"))
}

#[tokio::test]
async fn what_the_gate_refuses_is_a_status_in_the_head() {
    let resources = [
        upstream("u", &["127.0.0.1:1".parse().unwrap()]),
        route(&json!({"uri": "/down", "upstream_id": "u"})),
    ];
    let gate = Gate::with(settings(), &resources).await;
    let client = Client::connect(&gate).await;
    for (path, status, message) in
        [("/a.B/C", "12", "404 Route Not Found"), ("/down", "14", "cannot connect to the upstream")]
    {
        let answer = client.ask_with(call(path), vec![0; 5]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc")));
        assert_eq!(
            (answer.header("grpc-status"), answer.header("grpc-message")),
            (Some(status), Some(message))
        );
        assert!(answer.body.is_empty() && answer.trailers.is_none(), "all of it is in the head");
    }
}

#[tokio::test]
async fn a_call_whose_upstream_breaks_it_off_ends_with_unavailable() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let nodes = upstream_with("u", &[upstream.address()], &json!({"scheme": "grpc"}));
    let gate = Gate::with(settings(), &[nodes, route(&json!({"upstream_id": "u"}))]).await;
    let client = Client::connect(&gate).await;
    let (answer, _send) = client.open(call("/cut/2"), false).await;
    let (head, mut body) = within("a head", answer).await.unwrap().into_parts();
    assert_eq!(within("content", body.data()).await.unwrap().unwrap(), "some");
    upstream.release(1);
    let content = read_content(&mut body).await.unwrap();
    let trailers = within("trailers", body.trailers()).await.unwrap();
    let answer = Answer { status: head.status.as_u16(), headers: head.headers, body: content, trailers };
    assert_eq!(status(&answer), ("14", "upstream broke its answer off"));
    assert_eq!(gate.settled().await.cut_short, 1, "it is no whole answer");
}

#[tokio::test]
async fn a_call_whose_upstream_connection_breaks_ends_with_unavailable() {
    let pieces = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n";
    let script = vec![Step::read_head(), Step::send(pieces)];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(call("/"), true).await;
    let answer = read(answer).await.unwrap();
    assert_eq!((answer.text().as_str(), status(&answer).0), ("some", "14"));
    assert_eq!(gate.settled().await.cut_short, 1);
}

#[tokio::test]
async fn a_deadline_holds_while_a_call_waits_for_a_share_to_move() {
    let both = Colours::start().await;
    let gate = both.gate(1).await;
    gate.apply(&both.resources([1, 0], Some(hold("h", LONG_MS, 100)))).await;
    let client = Client::connect(&gate).await;
    let answer = client.ask_with(call("/").header("grpc-timeout", "1m"), vec![0; 5]).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("4")));
    assert!(both.blue.requests().is_empty() && both.green.requests().is_empty());
}

#[tokio::test]
async fn a_call_that_its_client_resets_when_its_time_is_over_has_failed() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let nodes = upstream_with("u", &[upstream.address()], &json!({"scheme": "grpc"}));
    let gate = Gate::with(settings(), &[nodes, route(&json!({"upstream_id": "u"}))]).await;
    let client = Client::connect(&gate).await;
    let calls =
        [("/held", "1m", 1, 0), ("/opened", "1m", 2, 0), ("/held", "1H", 2, 1), ("/opened", "1H", 2, 2)];
    for (number, (path, timeout, failed, left)) in calls.into_iter().enumerate() {
        let (answer, mut send) = client.open(call(path).header("grpc-timeout", timeout), false).await;
        upstream.saw("the call", |all| all.len() > number).await;
        // For the gate it has begun before this. It looks at its deadlines every tenth of a second; the client is before it.
        let seen = now();
        while seen.elapsed().as_millis() < 5 {
            assert_eq!(client.ask(request("TRACE", "/")).await.status, 405);
        }
        send.send_reset(Reason::CANCEL);
        drop(answer);
        let counts = gate.settled().await;
        assert_eq!((counts.failed(), counts.client_left), (failed, left), "{path} {timeout}");
    }
}

#[tokio::test]
async fn what_an_upstream_refuses_twice_was_reset_by_it() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let nodes = upstream_with("u", &[upstream.address()], &json!({"scheme": "grpc"}));
    let gate = Gate::with(settings(), &[nodes, route(&json!({"upstream_id": "u"}))]).await;
    let client = Client::connect(&gate).await;
    let answer = client.ask(call("/refuse/2")).await;
    let message = "upstream reset the stream before it answered";
    assert_eq!((answer.header("grpc-status"), answer.header("grpc-message")), (Some("14"), Some(message)));
    assert_eq!(upstream.seen().len(), 2);
    gate.settled().await;
    let told = gate.gateway.totals().snapshot().gate_answers;
    assert_eq!((told.get("upstream_stream_reset"), told.get("upstream_closed")), (Some(&1), None));
}

#[tokio::test]
async fn the_rest_of_a_call_that_was_ended_early_is_no_answer_to_another() {
    let pieces = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n";
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother";
    let scripts = vec![
        vec![Step::read_head(), Step::send(pieces), Step::ReadToEnd],
        vec![Step::read_head(), Step::send(whole), Step::ReadToEnd],
    ];
    let mut upstream = ScriptedUpstream::start(scripts).await;
    let gate = Gate::before(upstream.address()).await;
    let client = Client::connect(&gate).await;
    let (answer, _) = client.open(call("/").header("grpc-timeout", "100m"), true).await;
    let answer = read(answer).await.unwrap();
    assert_eq!((answer.text().as_str(), status(&answer)), ("some", ("4", "deadline exceeded")));
    upstream.finished(1).await;
    assert_eq!(client.ask(request("GET", "/")).await.text(), "other");
}

#[tokio::test]
async fn a_call_that_the_upstream_fails_is_a_failure_of_it_under_a_status_of_200() {
    let in_trailers = |status: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\n";
        format!("{head}{status}\r\n")
    };
    let in_head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\ngrpc-status: 13\r\n\r\n";
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n";
    let cases = [
        (in_trailers("grpc-status: 0\r\n"), 0),
        (in_trailers("grpc-status: 5\r\n"), 0),
        (in_trailers("grpc-status: 13\r\n"), 1),
        (in_trailers("grpc-status: x\r\n"), 1),
        (in_trailers(""), 1),
        (in_head.to_owned(), 1),
        (html.to_owned(), 0),
    ];
    for (answer, failed) in cases {
        let script = vec![Step::read_head(), Step::send(&answer), Step::ReadToEnd];
        let upstream = ScriptedUpstream::start(vec![script]).await;
        let gate = Gate::before(upstream.address()).await;
        let client = Client::connect(&gate).await;
        assert_eq!(client.ask(call("/")).await.status, 200);
        let counts = gate.settled().await;
        assert_eq!((counts.requests(), counts.failed()), (1, failed), "{answer}");
    }
}
