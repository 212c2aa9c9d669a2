//! The connections that copies go out on: which are shared, which are new, and what becomes of dead ones.

use crate::shadow::{resources, rule, settled};
use crate::support::{Gate, get, settings, with_body};
use serde_json::{Value, json};
use std::net::SocketAddr;
use telemetry::report::Unanswered;
use testkit::http2::{Http2Upstream, Rules};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::service::{Answer, Service};

/// A gate whose new version speaks HTTP/2.
async fn gate(live: &Service, new: SocketAddr, more: &Value) -> Gate {
    let mut resources = resources(live.address(), new, &rule(more));
    resources[1].1["labels"]["tealgate.protocol"] = json!("h2");
    Gate::with(settings(), &resources).await
}

async fn live() -> Service {
    Service::start(|_| Answer::json("{}")).await
}

fn post(path: &str) -> String {
    with_body("POST", "x").replacen("POST /", &format!("POST {path}"), 1)
}

/// On which connection each copy came.
fn connections(new: &Http2Upstream) -> Vec<usize> {
    new.seen().iter().map(|seen| seen.connection).collect()
}

#[tokio::test]
async fn no_copy_follows_another_on_a_connection_of_http2_that_answers_nothing() {
    let (live, new) = (live().await, Http2Upstream::start(Rules::default()).await);
    let gate = gate(&live, new.address(), &json!({"timeout_ms": 50})).await;
    let mut asked = 0;
    // Where the machine is busy a copy's time may be over before it is sent.
    while new.seen().len() < 2 && asked < 100 {
        assert_eq!(gate.ask(get("/held")).await.status, 200);
        asked += 1;
        assert_eq!(settled(&gate).await.unanswered, [(Unanswered::Timeout, asked)].into());
    }
    let connections = connections(&new);
    assert!(connections.len() == 2 && connections[0] != connections[1], "{connections:?}");
}

#[tokio::test]
async fn what_is_not_safe_goes_out_on_a_new_connection_of_http2_and_what_is_safe_on_a_shared_one() {
    let (live, new) = (live().await, Http2Upstream::start(Rules::default()).await);
    let gate = gate(&live, new.address(), &json!({"methods": ["GET", "POST"]})).await;
    for request in [get("/echo"), post("/echo"), post("/echo"), get("/echo")] {
        assert_eq!(gate.ask(request).await.status, 200);
        settled(&gate).await;
    }
    assert_eq!(connections(&new), [0, 1, 2, 0]);
}

#[tokio::test]
async fn what_a_shared_connection_of_http2_refuses_is_sent_once_more_if_it_is_safe() {
    let (live, new) = (live().await, Http2Upstream::start(Rules::default()).await);
    let gate = gate(&live, new.address(), &json!({"methods": ["GET", "POST"]})).await;
    for path in ["/echo", "/refuse/1"] {
        assert_eq!(gate.ask(get(path)).await.status, 200);
        let report = settled(&gate).await;
        assert_eq!(report.compared, report.sent, "{report:?}");
    }
    assert_eq!(connections(&new), [0, 0, 1]);
    assert_eq!(gate.ask(post("/refuse/3")).await.status, 200);
    assert_eq!(settled(&gate).await.unanswered, [(Unanswered::Closed, 1)].into());
    assert_eq!(new.seen().len(), 4, "what changes things is sent once");
}

#[tokio::test]
async fn a_kept_connection_that_is_dead_costs_no_answer_and_one_that_breaks_an_answer_off_does() {
    let (head, ok) = (Step::read_head, || Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
    let answer_until = |end: &str| vec![head(), ok(), head(), Step::send(end)];
    let scripts = vec![
        answer_until("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"),
        answer_until("HTTP/1.1 200 O"),
        answer_until(""),
        vec![head(), ok()],
    ];
    let (live, new) = (live().await, ScriptedUpstream::start(scripts).await);
    let gate = Gate::with(settings(), &resources(live.address(), new.address(), &rule(&json!({})))).await;
    for (copies, unanswered) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)] {
        assert_eq!(gate.ask(get("/")).await.status, 200);
        let report = settled(&gate).await;
        let closed = report.unanswered.get(&Unanswered::Closed).copied().unwrap_or_default();
        assert_eq!((report.sent, closed, report.compared), (copies, unanswered, copies - unanswered));
    }
    assert_eq!(new.received().len(), 4);
}
