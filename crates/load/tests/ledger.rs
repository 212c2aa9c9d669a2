//! The ledger catches what goes wrong: each test runs the client against a server, right or wrong, and reads the
//! account.

#![allow(clippy::unwrap_used, reason = "tests only: a surprise must stop the test")]

use http::{Method, StatusCode};
use load::connection::Protocol;
use load::kind::{Check, RequestKind};
use load::ledger::{FailureKind, Ledger};
use load::reconcile::{BackendCounts, Reconciled, reconcile};
use load::run::{Handle, Load, StartError};
use std::sync::Arc;
use std::time::Duration;
use testkit::clock::{eventually, within};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};

fn load(upstream: &Upstream) -> Load {
    Load::closed_loop(upstream.address(), "shop.example", 2)
}

fn every_kind() -> Vec<RequestKind> {
    vec![
        RequestKind::get("/small"),
        RequestKind::post("/orders", 1_000),
        RequestKind::chunked("/upload", 5, 3_000),
        RequestKind::download("/file", 300_000),
        RequestKind::slow("/slow", 3, 10, Duration::from_millis(1)),
        RequestKind::post("/item", 10).method(Method::PUT),
    ]
}

/// Runs until so many requests have ended in any way, and closes the account.
async fn after(load: Load, requests: u64) -> Ledger {
    let handle = load.start().unwrap();
    ended(&handle, requests).await;
    within("the end", handle.stop()).await
}

async fn ended(handle: &Handle, requests: u64) {
    eventually("progress", async || {
        let tally = handle.progress();
        tally.answered_total() + tally.lost >= requests
    })
    .await;
}

fn compared(ledger: &Ledger, upstreams: &[(&str, &Upstream)]) -> Reconciled {
    let mut counts = BackendCounts::new();
    for (name, upstream) in upstreams {
        counts.add_dump(name, "").unwrap();
        upstream.ids().iter().for_each(|(id, &times)| counts.add(name, id, times));
    }
    reconcile(ledger, &counts)
}

#[tokio::test]
async fn every_request_of_every_kind_is_answered_and_both_sides_agree() {
    for protocol in [Protocol::Http1, Protocol::Http2 { streams: 4 }] {
        all_answered(protocol).await;
    }
}

async fn all_answered(protocol: Protocol) {
    let upstream = Upstream::start("blue").await;
    let ledger = after(Load { mix: every_kind(), protocol, ..load(&upstream) }, 60).await;
    assert_eq!(ledger.failures, []);
    assert_eq!((ledger.tally.lost, ledger.tally.open()), (0, 0));
    assert_eq!(ledger.tally.answered, [("blue".to_owned(), ledger.tally.sent)].into());
    assert_eq!(ledger.tally.latency["blue"].count(), ledger.tally.sent);
    let found = compared(&ledger, &[("blue", &upstream)]);
    assert_eq!(found.received["blue"], ledger.tally.sent);
    assert_eq!((found.agrees(), found.duplicated.count, found.repeated.count), (true, 0, 0));
    let chunked: Vec<_> = upstream.requests().into_iter().filter(|got| got.target == "/upload").collect();
    assert!(!chunked.is_empty() && chunked.iter().all(|got| got.body_bytes == 15_000));
    let in_chunks = chunked.iter().all(|got| got.headers.contains_key("transfer-encoding"));
    assert_eq!(in_chunks, protocol == Protocol::Http1);
    let slow: Vec<_> = upstream.requests().into_iter().filter(|got| got.target == "/slow").collect();
    assert!(!slow.is_empty() && slow.iter().all(|got| got.headers["content-length"] == "30"));
}

#[tokio::test]
async fn connections_are_kept_alive() {
    let upstream = Upstream::start("blue").await;
    after(Load { mix: every_kind(), ..load(&upstream) }, 60).await;
    assert!(upstream.requests().iter().all(|got| got.connection < 2));
}

#[tokio::test]
async fn an_answer_that_is_cut_is_lost_although_its_status_was_good() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::CutAfter(5));
    let ledger = after(load(&upstream), 3).await;
    assert_eq!((ledger.tally.lost, ledger.tally.wrong), (ledger.tally.sent, 0));
    assert!(ledger.failures.iter().all(|failure| failure.kind == FailureKind::Lost));
    assert!(ledger.failures[0].what.contains("ended after 5 bytes"), "{}", ledger.failures[0].what);
    assert_eq!(compared(&ledger, &[("blue", &upstream)]).unanswered.count, ledger.tally.lost);
}

#[tokio::test]
async fn a_request_without_an_answer_is_lost() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Hangup);
    let ledger = after(Load { mix: vec![RequestKind::post("/", 10)], ..load(&upstream) }, 3).await;
    assert_eq!(ledger.tally.lost, ledger.tally.sent);
    assert_eq!(compared(&ledger, &[("blue", &upstream)]).duplicated.count, 0, "the client does not retry");
}

#[tokio::test]
async fn an_answer_to_someone_else_is_wrong_and_lost() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Lie);
    let ledger = after(load(&upstream), 3).await;
    assert_eq!((ledger.tally.wrong, ledger.tally.lost), (ledger.tally.sent, ledger.tally.sent));
    assert_eq!(ledger.failures[0].kind, FailureKind::Wrong);
    assert!(ledger.failures[0].what.contains("someone-else"), "{}", ledger.failures[0].what);
}

#[tokio::test]
async fn an_answer_of_the_wrong_size_is_wrong() {
    let upstream = Upstream::start("blue").await;
    let longer = RequestKind::download("/file", 10).checked(Check::Echo { size: 9 });
    let ledger = after(Load { mix: vec![longer], ..load(&upstream) }, 2).await;
    assert_eq!(ledger.tally.wrong, ledger.tally.sent);
}

#[tokio::test]
async fn an_error_status_is_a_users_error_and_an_answer() {
    let upstream = Upstream::start("green").await;
    upstream.behave(Behaviour::Status(StatusCode::SERVICE_UNAVAILABLE));
    let ledger = after(load(&upstream), 3).await;
    assert_eq!((ledger.tally.lost, ledger.tally.user_errors["green"]), (0, ledger.tally.sent));
    assert_eq!(ledger.failures[0].answerer, "green");
    assert_eq!(ledger.failures[0].what, "503 Service Unavailable to GET /");
}

#[tokio::test]
async fn failures_are_placed_in_time() {
    let upstream = Upstream::start("green").await;
    upstream.behave(Behaviour::Status(StatusCode::INTERNAL_SERVER_ERROR));
    let ledger = after(load(&upstream), 3).await;
    let first = ledger.failures.iter().map(|failure| failure.sent_ms).min().unwrap();
    let last = ledger.failures.iter().map(|failure| failure.ended_ms).max().unwrap();
    assert_eq!(ledger.failures_outside(first, last), 0);
    assert_eq!(ledger.failures_outside(last + 1, last + 2), ledger.failures_total);
    assert_eq!(ledger.failures_outside(first - 2, first - 1), ledger.failures_total);
}

#[tokio::test]
async fn an_answer_that_names_no_upstream_is_the_gates() {
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let gate = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(answer)]]).await;
    let ledger = after(Load::closed_loop(gate.address(), "h", 1), 3).await;
    assert_eq!(ledger.tally.answered, [("gate".to_owned(), ledger.tally.sent)].into());
    assert_eq!(ledger.tally.user_errors_total(), ledger.tally.sent);
}

#[tokio::test]
async fn a_gate_that_sends_everything_twice_is_found_out() {
    let upstream = Upstream::start("blue").await;
    let gate = doubling::start(upstream.address()).await;
    let mix = vec![RequestKind::get("/"), RequestKind::post("/", 10)];
    let ledger = after(Load { mix, ..Load::closed_loop(gate, "h", 1) }, 10).await;
    assert_eq!(ledger.tally.lost, 0, "{:?}", ledger.failures);
    let found = compared(&ledger, &[("blue", &upstream)]);
    assert_eq!(found.duplicated.count, ledger.tally.sent / 2);
    assert_eq!(found.repeated.count, ledger.tally.sent.div_ceil(2));
}

#[tokio::test]
async fn an_answer_in_another_backends_name_is_found_out() {
    let (blue, green) = (Upstream::start("green").await, Upstream::start("green").await);
    let ledger = after(load(&blue), 3).await;
    let found = compared(&ledger, &[("blue", &blue), ("green", &green)]);
    assert_eq!((found.crossed.count, found.unseen.count), (ledger.tally.sent, ledger.tally.sent));
    assert!(!found.agrees());
}

#[tokio::test]
async fn nobody_there_is_lost_and_not_silent() {
    let address = ([127, 0, 0, 1], testkit::free_port()).into();
    let ledger = after(Load::closed_loop(address, "h", 1), 2).await;
    assert_eq!(ledger.tally.lost, ledger.tally.sent);
    assert!(ledger.failures[0].what.starts_with("could not connect to 127.0.0.1:"));
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_account_is_closed() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let handle = load(&upstream).start().unwrap();
    upstream.arrived(2).await;
    assert_eq!(handle.progress().open(), 2);
    let stop = tokio::spawn(handle.stop());
    upstream.release(2);
    let ledger = within("the end", stop).await.unwrap();
    assert_eq!((ledger.tally.sent, ledger.tally.answered_total()), (2, 2));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_lost_at_its_limit() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let ledger = after(Load { timeout: Duration::from_millis(30), ..load(&upstream) }, 2).await;
    assert_eq!(ledger.tally.lost, ledger.tally.sent);
    assert_eq!(ledger.failures[0].what, "no whole answer within 30ms");
}

#[tokio::test]
async fn the_bound_on_requests_ends_the_run() {
    let upstream = Upstream::start("blue").await;
    let handle = Load { max_requests: 7, ..load(&upstream) }.start().unwrap();
    ended(&handle, 7).await;
    assert_eq!(within("the end", handle.stop()).await.tally.sent, 7);
    assert_eq!(upstream.requests().len(), 7);
}

#[tokio::test]
async fn an_open_loop_counts_time_from_the_moment_a_request_was_due() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Status(StatusCode::IM_A_TEAPOT));
    // A million per second over one connection: nearly all of them are late, the last by about the whole run.
    let ledger = after(Load::open_loop(upstream.address(), "h", 1, 1e6), 500).await;
    let begin_ms = ledger.failures.first().unwrap().sent_ms;
    let end_ms = ledger.failures.last().unwrap().ended_ms;
    let late_us = (end_ms - begin_ms - 1).max(0) as u64 * 1_000;
    let last_due_us = ledger.tally.sent;
    let slowest_us = ledger.tally.quantile_us(1.0).unwrap();
    assert!(slowest_us * 33 / 32 + last_due_us >= late_us, "{slowest_us} µs of {late_us} µs");
}

#[tokio::test]
async fn an_open_loop_says_how_far_it_fell_behind() {
    let upstream = Upstream::start("blue").await;
    upstream.behave(Behaviour::Held);
    let handle = Load::open_loop(upstream.address(), "h", 1, 1e6).start().unwrap();
    upstream.arrived(1).await;
    upstream.behave(Behaviour::Echo);
    let stop = tokio::spawn(handle.stop());
    upstream.release(1);
    let ledger = within("the end", stop).await.unwrap();
    assert!(ledger.tally.sent <= 2, "{}", ledger.tally.sent);
    assert!(ledger.behind > 0);
}

#[tokio::test]
async fn an_open_loop_sends_no_faster_than_its_rate() {
    let upstream = Upstream::start("blue").await;
    let handle = Load::open_loop(upstream.address(), "h", 4, 0.001).start().unwrap();
    ended(&handle, 1).await;
    let ledger = within("the end", handle.stop()).await;
    assert_eq!((ledger.tally.sent, ledger.behind), (1, 0));
}

#[tokio::test]
async fn a_check_of_ones_own_is_asked() {
    let upstream = Upstream::start("blue").await;
    let check = Check::Custom(Arc::new(|asked, answer| {
        if answer.start.starts_with(asked.id.as_bytes()) { Err("as expected".to_owned()) } else { Ok(()) }
    }));
    let ledger = after(Load { mix: vec![RequestKind::get("/").checked(check)], ..load(&upstream) }, 2).await;
    assert_eq!(ledger.failures[0].what, "as expected");
}

#[tokio::test]
async fn the_difference_of_two_tallies_is_what_came_between() {
    let upstream = Upstream::start("blue").await;
    let handle = load(&upstream).start().unwrap();
    ended(&handle, 5).await;
    let before = handle.progress();
    ended(&handle, before.sent + 5).await;
    let ledger = within("the end", handle.stop()).await;
    let since = ledger.tally.minus(&before);
    assert_eq!(since.answered["blue"], ledger.tally.sent - before.answered["blue"]);
    assert_eq!(since.latency["blue"].count(), since.answered["blue"]);
}

#[tokio::test]
async fn a_ledger_in_json_has_its_counts_at_the_top() {
    let upstream = Upstream::start("blue").await;
    let ledger = after(load(&upstream), 2).await;
    let json = serde_json::to_value(&ledger).unwrap();
    assert_eq!(json["sent"], ledger.tally.sent);
    assert_eq!(json["answered"]["blue"], ledger.tally.sent);
    assert_eq!(json["lost"], 0);
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let load = || Load::closed_loop(([127, 0, 0, 1], 1).into(), "h", 1);
    let refused = |load: Load| load.start().unwrap_err();
    assert!(matches!(refused(Load { mix: vec![], ..load() }), StartError::EmptyMix));
    assert!(matches!(refused(Load { connections: 0, ..load() }), StartError::Connections(0)));
    assert!(matches!(
        refused(Load { mix: vec![RequestKind::get("no slash\n")], ..load() }),
        StartError::Request { .. }
    ));
    assert!(matches!(refused(Load { host: "a\nb".to_owned(), ..load() }), StartError::Request { .. }));
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let open = Load::open_loop(([127, 0, 0, 1], 1).into(), "h", 1, rate);
        assert!(matches!(open.start().unwrap_err(), StartError::Rate(_)), "{rate}");
    }
}

/// A gate that sends every request to its upstream twice and passes on the second answer.
mod doubling {
    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::{BodyExt, Full};
    use hyper::body::Incoming;
    use hyper::client::conn::http1::handshake;
    use hyper_util::rt::TokioIo;
    use std::net::SocketAddr;
    use tokio::net::{TcpListener, TcpStream};

    pub(crate) async fn start(upstream: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper::service::service_fn(move |request| twice(request, upstream));
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        address
    }

    async fn twice(
        request: Request<Incoming>,
        upstream: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        once(Request::from_parts(head.clone(), Full::new(body.clone())), upstream).await?;
        once(Request::from_parts(head, Full::new(body)), upstream).await
    }

    async fn once(
        request: Request<Full<Bytes>>,
        upstream: SocketAddr,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let stream = TcpStream::connect(upstream).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, Full::new(body.collect().await?.to_bytes())))
    }
}
