//! The path that is matched is the path that is forwarded.

use crate::support::{Gate, get, route, settings, upstream};
use serde_json::json;
use testkit::upstream::Upstream;

#[tokio::test]
async fn no_spelling_matches_one_route_and_reaches_another() {
    let (open, closed) = (Upstream::start("open").await, Upstream::start("closed").await);
    let resources = [
        upstream("open", &[open.address()]),
        upstream("closed", &[closed.address()]),
        route(&json!({"upstream_id": "open"})),
        route(&json!({"id": "admin", "uri": "/admin/*", "upstream_id": "closed"})),
    ];
    let gate = Gate::with(settings(), &resources).await;
    for (sent, colour, forwarded) in [
        ("/x/../admin/y", "closed", "/admin/y"),
        ("/x/%2e%2e/admin/y", "closed", "/admin/y"),
        ("/x/%2E./admin/y", "closed", "/admin/y"),
        ("//admin///y", "closed", "/admin/y"),
        ("/admin%2Fy", "closed", "/admin/y"),
        ("/%61dmin/y?q=%2e%2e", "closed", "/admin/y?q=%2e%2e"),
        ("/admin/%2e%2e/y", "open", "/y"),
        ("/admin/..%2fy", "open", "/y"),
        ("/Admin/y", "open", "/Admin/y"),
        ("/%2561dmin/y", "open", "/%2561dmin/y"),
        ("/caf%C3%A9%20x", "open", "/caf%C3%A9%20x"),
        ("/%3Fa=b%23", "open", "/%3Fa=b%23"),
    ] {
        let answer = gate.ask(get(sent)).await;
        assert_eq!((answer.status, answer.header("x-colour")), (200, Some(colour)), "{sent}");
        let server = if colour == "open" { &open } else { &closed };
        assert_eq!(server.requests().last().unwrap().target, forwarded, "{sent}");
    }
}

#[tokio::test]
async fn a_path_without_a_normal_form_is_refused_and_counted() {
    let server = Upstream::start("u").await;
    let gate = Gate::before(server.address()).await;
    let mut client = gate.client().await;
    for path in ["/..", "/a/%2e%2e/..", "/%00", "/%zz", "/%2"] {
        assert_eq!(client.ask(get(path)).await.status, 400, "{path}");
    }
    assert_eq!(client.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").await.status, 400);
    assert_eq!(client.ask("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n").await.status, 405);
    assert_eq!(client.ask("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n").await.status, 405);
    assert_eq!(server.requests().len(), 0);
    assert_eq!(gate.settled().await.whole[3], 8);
}

#[tokio::test]
async fn a_host_is_compared_without_case_port_or_a_last_dot() {
    let server = Upstream::start("u").await;
    let resources =
        [upstream("u", &[server.address()]), route(&json!({"host": "shop.example", "upstream_id": "u"}))];
    let gate = Gate::with(settings(), &resources).await;
    for host in ["shop.example", "SHOP.Example:9080", "shop.example."] {
        assert_eq!(gate.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.status, 200, "{host}");
    }
    assert_eq!(gate.ask(get("/")).await.status, 404);
}

#[tokio::test]
async fn an_absolute_form_is_reduced_to_its_path() {
    let server = Upstream::start("u").await;
    let gate = Gate::before(server.address()).await;
    assert_eq!(gate.ask("GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n").await.status, 200);
    assert_eq!(server.requests()[0].target, "/a?b");
}
