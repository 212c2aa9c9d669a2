use crate::support::{ADMIN, Gate, state};
use admin::{AdminState, Dialect, certificate, router, server};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The first bytes of the answer; fewer if the far end resets the connection while it is still being written to.
async fn status_of(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.take(12).read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let gate = Gate::start(Dialect::Apisix).await;
    let start = "GET /status HTTP/1.1\r\nHost: x\r\n";
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    assert_eq!(status_of(gate.address, &format!("{start}{many}\r\n")).await, "HTTP/1.1 431");
    let long = format!("X-Long: {}\r\n", "x".repeat(256 * 1024));
    let refused = status_of(gate.address, &format!("{start}{long}\r\n")).await;
    assert!(["HTTP/1.1 431", ""].contains(&refused.as_str()), "{refused}");
    assert_eq!(status_of(gate.address, &format!("{start}\r\n")).await, "HTTP/1.1 200");
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_for_one() {
    let gate = Gate::start(Dialect::Apisix).await;
    let mut idle = Vec::new();
    for _ in 0..server::MOST_CONNECTIONS {
        idle.push(TcpStream::connect(gate.address).await.unwrap());
    }
    let late = tokio::spawn(status_of(gate.address, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n"));
    // The connection that came before all others is served, so every place is taken by now or will be.
    let first = &mut idle[0];
    first.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert_eq!(late.await.unwrap(), "HTTP/1.1 200", "its place became free");
}

#[tokio::test]
async fn what_is_no_tls_on_the_tls_listener_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let tls = certificate::load_or_create(dir.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let state: AdminState = state();
    let tls = watch::channel(tls).1;
    tokio::spawn(server::serve_tls(listener, router(state, Dialect::Api7), tls, std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "nothing is said in the clear");
    let url = format!("https://localhost:{}/apisix/admin/routes", address.port());
    let mut curl = tokio::process::Command::new("curl");
    let key = format!("X-API-KEY: {ADMIN}");
    curl.args(["-sk", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "-H", &key, &url]);
    assert_eq!(curl.output().await.unwrap().stdout, b"200");
}
