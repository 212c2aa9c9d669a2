//! What of the header fields goes on, and what is added.

use crate::support::{Gate, get, route, settings, upstream, upstream_with};
use serde_json::{Value, json};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Received, Upstream};

async fn received(request: &str) -> Received {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    assert_eq!(gate.ask(request).await.status, 200);
    upstream.requests().remove(0)
}

fn value<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    assert!(received.headers.get_all(name).iter().count() <= 1, "{name} more than once");
    received.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn hop_by_hop_fields_and_what_connection_names_end_here() {
    let request = received(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
         Upgrade: h2c\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nX-Yours: 2\r\nX_under: 3\r\n\r\n",
    )
    .await;
    for gone in
        ["connection", "x-mine", "keep-alive", "te", "upgrade", "proxy-connection", "proxy-authorization"]
    {
        assert_eq!(value(&request, gone), None, "{gone}");
    }
    assert_eq!((value(&request, "x-yours"), value(&request, "x_under")), (Some("2"), Some("3")));
}

#[tokio::test]
async fn the_upstream_learns_who_asked_and_cannot_be_told_otherwise() {
    let request = received(
        "GET / HTTP/1.1\r\nHost: Shop:81\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n\
         X-Forwarded-Host: evil\r\nX-Forwarded-Port: 6\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\r\n",
    )
    .await;
    assert_eq!(value(&request, "x-real-ip"), Some("127.0.0.1"));
    assert_eq!(value(&request, "x-forwarded-for"), Some("1.1.1.1, 2.2.2.2, 127.0.0.1"));
    assert_eq!(value(&request, "x-forwarded-proto"), Some("http"));
    assert_eq!(value(&request, "x-forwarded-host"), Some("Shop:81"));
    assert_ne!(value(&request, "x-forwarded-port"), Some("6"));
    assert_eq!(value(&request, "forwarded"), None);
    assert_eq!(value(&request, "host"), Some("Shop:81"));
}

#[tokio::test]
async fn what_an_app_behind_cgi_would_take_for_ours_does_not_get_there() {
    let request = received(
        "GET / HTTP/1.1\r\nHost: h\r\nX_Forwarded_For: 6.6.6.6\r\nx_forwarded-proto: https\r\nX_Real_IP: 6.6.6.6\r\n\
         X-Forwarded_Host: evil\r\nX_Forwarded_Port: 6\r\nX_Forwarded_Fox: 7\r\n\r\n",
    )
    .await;
    assert_eq!(value(&request, "x-forwarded-for"), Some("127.0.0.1"));
    let told = request
        .headers
        .values()
        .filter(|value| matches!(value.as_bytes(), b"6.6.6.6" | b"https" | b"evil" | b"6"));
    assert_eq!(told.count(), 0, "{:?}", request.headers);
    assert_eq!(value(&request, "x_forwarded_fox"), Some("7"));
}

#[tokio::test]
async fn hop_by_hop_fields_of_an_answer_end_here() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\n\
                  Keep-Alive: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n";
    let upstream = ScriptedUpstream::start(vec![vec![Step::read_head(), Step::send(answer)]]).await;
    let answer = Gate::before(upstream.address()).await.ask(get("/")).await;
    let gone = ["connection", "x-mine", "keep-alive"].map(|name| answer.header(name).is_some());
    assert_eq!(gone, [false; 3], "{}", answer.head);
    assert!(answer.head.contains("Set-Cookie: a\r\nSet-Cookie: b\r\n"));
}

/// What `Host` says for an upstream at `localhost` with these fields, by id and written inside a rule.
async fn host(more: &Value) -> (String, String) {
    let server = Upstream::start("u").await;
    let port = server.address().port();
    let nodes = json!([{"host": "localhost", "port": port, "weight": 1}]);
    let mut inline = json!({"nodes": nodes});
    for (key, field) in more.as_object().unwrap() {
        inline[key] = field.clone();
    }
    let mut by_id = inline.clone();
    by_id["id"] = json!("u");
    let split = json!({"rules": [{"weighted_upstreams": [{"upstream": inline}]}]});
    let resources = [
        (model::resource::Kind::Upstream, by_id),
        route(&json!({"upstream_id": "u"})),
        route(
            &json!({"id": "inline", "uri": "/inline", "upstream_id": "u", "plugins": {"traffic-split": split}}),
        ),
    ];
    let gate = Gate::with(settings(), &resources).await;
    for path in ["/", "/inline"] {
        assert_eq!(gate.ask(get(path)).await.status, 200);
    }
    let hosts = server
        .requests()
        .iter()
        .map(|request| value(request, "host").unwrap().to_owned())
        .collect::<Vec<_>>();
    (hosts[0].replace(&port.to_string(), "PORT"), hosts[1].replace(&port.to_string(), "PORT"))
}

#[tokio::test]
async fn host_is_the_clients_the_nodes_or_a_fixed_one() {
    let both = |by_id: &str, inline: &str| (by_id.to_owned(), inline.to_owned());
    assert_eq!(host(&json!({})).await, both("h", "h"));
    assert_eq!(host(&json!({"pass_host": "rewrite", "upstream_host": "x.y"})).await, both("x.y", "x.y"));
    // Written inside a rule, APISIX leaves the port of an http node out.
    assert_eq!(host(&json!({"pass_host": "node"})).await, both("localhost:PORT", "localhost"));
}

#[tokio::test]
async fn a_client_that_names_no_host_gets_the_nodes() {
    let server = Upstream::start("u").await;
    let gate = Gate::before(server.address()).await;
    assert_eq!(gate.ask("GET / HTTP/1.0\r\n\r\n").await.status, 200);
    let request = server.requests().remove(0);
    assert_eq!(value(&request, "host"), Some(server.address().to_string().as_str()));
    assert_eq!(value(&request, "x-forwarded-host"), None);
}

#[tokio::test]
async fn an_inline_upstream_takes_over_no_scheme_that_is_not_http() {
    let server = Upstream::start("u").await;
    let inline = upstream_with("x", &[server.address()], &json!({"scheme": "tcp"})).1;
    let split = json!({"rules": [{"weighted_upstreams": [{"upstream": inline}]}]});
    let resources = [
        upstream_with("u", &[server.address()], &json!({"scheme": "tcp"})),
        upstream("v", &[server.address()]),
        route(&json!({"upstream_id": "u"})),
        route(
            &json!({"id": "inline", "uri": "/inline", "upstream_id": "v", "plugins": {"traffic-split": split}}),
        ),
    ];
    let gate = Gate::with(settings(), &resources).await;
    assert_eq!((gate.ask(get("/")).await.status, gate.ask(get("/inline")).await.status), (502, 200));
}
