//! Wrong bytes and wrong calls at a running server: each gets its status and a text, and the server serves on.

use crate::clock;
use crate::harness::client;
use crate::harness::gate::Gate;
use crate::harness::nginx::Nginx;
use crate::harness::world::World;
use http::Method;
use serde_json::json;
use testkit::raw::RawClient;

/// A request that is wrong, and the status that it must get; 0: the connection is closed without an answer.
const MALFORMED: &[(&str, u16)] = &[
    ("GARBAGE\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST /id HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ("GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\r\n\r\n", 400),
];

async fn serving(world: &World) -> (Nginx, Gate) {
    let nginx = Nginx::start(world, "blue").await;
    let gate = Gate::start(world).await;
    let route = json!({"uri": "/*", "upstream": {"type": "roundrobin", "nodes": nginx.node()}});
    gate.admin().put("routes/r", &route).await;
    (nginx, gate)
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn malformed_requests_get_their_status_and_the_next_client_is_served() {
    let world = World::new();
    let (nginx, gate) = serving(&world).await;
    let before = client::get(gate.gateway(), "/id").await;
    assert_eq!(before.status, 200);
    let mut wrong = Vec::new();
    for (request, status) in MALFORMED {
        let mut client = RawClient::connect(gate.gateway()).await;
        client.send(request).await;
        let answer = client.read_head().await;
        if status_of(&answer) != *status {
            wrong.push(format!("{request:?} got {answer:?}, not {status}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(client::get(gate.gateway(), "/id").await.status, 200);
    // Two good ones, and the bad chunk, whose head was good.
    assert!(nginx.ids().lines().count() <= 3, "nothing malformed was passed on:\n{}", nginx.ids());
}

#[tokio::test]
async fn clients_that_leave_in_the_middle_cost_nothing() {
    let world = World::new();
    let (_nginx, gate) = serving(&world).await;
    let heads = [
        "GET /id HT",
        "POST /id HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this",
        "POST /id HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "PUT /files/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this",
    ];
    for _ in 0..20 {
        for head in heads {
            let mut client = RawClient::connect(gate.gateway()).await;
            client.send(head).await;
        }
    }
    assert_eq!(client::get(gate.gateway(), "/id").await.status, 200);
    let open = async || {
        let metrics = client::get(gate.admin_address(), "/metrics").await.text();
        metrics.lines().any(|line| line == "tealgate_connections_open 0")
    };
    clock::until("no open connection", open, || gate.log()).await;
}

#[tokio::test]
async fn wrong_admin_calls_are_answered_and_change_nothing() {
    let world = World::new();
    let (_nginx, gate) = serving(&world).await;
    let admin = gate.admin();
    let before = admin.value("routes/r").await;
    let large = "x".repeat(2 << 20);
    let deep = "[".repeat(200_000);
    let table: &[(Method, &str, &str, u16)] = &[
        (Method::PUT, "/apisix/admin/routes/r", "{", 400),
        (Method::PUT, "/apisix/admin/routes/r", "", 400),
        (Method::PUT, "/apisix/admin/routes/r", "[1, 2", 400),
        (Method::PUT, "/apisix/admin/routes/r", "{\"uri\": 5}", 400),
        (Method::PUT, "/apisix/admin/routes/r", "{\"uri\": \"/\", \"colour\": 1}", 400),
        (Method::PUT, "/apisix/admin/routes/r", "{\"uri\": \"/\", \"service_id\": \"none\"}", 400),
        (Method::PUT, "/apisix/admin/routes/r", "{\"uri\": \"/\", \"plugins\": {\"none\": {}}}", 400),
        (Method::PUT, "/apisix/admin/routes/r", &large, 400),
        (Method::PUT, "/apisix/admin/routes/r", &deep, 400),
        (Method::PUT, "/apisix/admin/routes/%ff", "{\"uri\": \"/\"}", 400),
        (Method::PATCH, "/apisix/admin/routes/r", "{\"priority\": \"high\"}", 400),
        (Method::PATCH, "/apisix/admin/routes/none", "{}", 404),
        (Method::DELETE, "/apisix/admin/routes/none", "", 404),
        (Method::GET, "/apisix/admin/unknown", "", 404),
        (Method::PUT, "/tealgate/v1/apps/shop", "{\"service_id\": 5}", 400),
        (Method::PUT, "/tealgate/v1/apps/shop", "{\"service_id\": \"s\", \"target\": {\"moon\": {}}}", 400),
        (Method::POST, "/tealgate/v1/apps/none/releases", "{\"version\": \"v1\"}", 404),
    ];
    for (method, path, body, status) in table {
        let answer = admin.call(method.clone(), path, *body).await;
        let body: String = body.chars().take(60).collect();
        assert_eq!(answer.status, *status, "{method} {path} {body}: {}", answer.text());
        assert!(!answer.body.is_empty(), "{method} {path} {body}: says nothing");
    }
    assert_eq!(admin.value("routes/r").await, before);
    assert_eq!(client::get(gate.gateway(), "/id").await.status, 200);
}
