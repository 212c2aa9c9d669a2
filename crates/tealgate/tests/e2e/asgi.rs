//! A Python ASGI server (uvicorn) behind the gate, and a browser's `EventSource` before it: what is said piece by piece
//! arrives piece by piece, at once.

use crate::clock;
use crate::harness::client::{self, Connection};
use crate::harness::gate::Gate;
use crate::harness::python::Python;
use crate::harness::websocket::{Frame, WebSocket};
use crate::harness::world::World;
use http::Method;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use testkit::clock::within;
use testkit::raw::RawClient;

async fn before_asgi(world: &World) -> (Python, Gate) {
    let python = Python::asgi();
    let gate = Gate::start(world).await;
    let nodes = json!({python.address().to_string(): 1});
    let route = json!({"uri": "/*", "enable_websocket": true, "upstream": {"nodes": nodes}});
    gate.admin().put("routes/r", &route).await;
    (python, gate)
}

async fn tell(gate: &Gate, what: &Value) {
    let mut connection = within("a connection", Connection::open(gate.gateway())).await.unwrap();
    let answer = within("an answer", connection.send(Method::POST, "/seen", &[], what.to_string())).await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn pieces_of_an_asgi_server_pass_one_by_one_as_it_has_cut_them() {
    let world = World::new();
    let (_python, gate) = before_asgi(&world).await;
    let mut client = RawClient::connect(gate.gateway()).await;
    client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let head = client.read_head().await;
    assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
    for number in 0..5 {
        let piece = format!("piece {number};");
        // The next one is sent only when this one has arrived.
        let chunk = within("a piece", client.read_until(&format!("{piece}\r\n"))).await;
        assert_eq!(chunk.to_ascii_lowercase(), format!("{:x}\r\n{piece}\r\n", piece.len()));
        tell(&gate, &json!(number)).await;
    }
    assert_eq!(client.read_until("0\r\n\r\n").await, "0\r\n\r\n");
    assert_eq!(client::get(gate.gateway(), "/state").await.json(), json!([0, 1, 2, 3, 4]));
}

#[tokio::test]
async fn uploads_and_websockets_reach_an_asgi_server() {
    let world = World::new();
    let (_python, gate) = before_asgi(&world).await;
    let chunks = "4\r\nabcd\r\n".repeat(10_000);
    let head = "POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = RawClient::connect(gate.gateway()).await;
    client.send(format!("{head}{chunks}0\r\n\r\n")).await;
    let answer = client.read_until("40000").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut socket = WebSocket::open(gate.gateway(), "/ws").await;
    for text in ["one", "two"] {
        assert_eq!(socket.ask(text).await, Frame::Text(format!("asgi {text}")));
    }
}

/// A browser without a screen.
struct Chromium(Child);

impl Chromium {
    fn open(world: &World, url: &str) -> Chromium {
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--disable-dev-shm-usage", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", world.path().join("chromium").display())).arg(url);
        command.env("HOME", world.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Chromium(command.spawn().expect("chromium is missing: run scripts/install-tools"))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_browsers_event_source_gets_events_one_by_one_and_connects_again() {
    let world = World::new();
    let (_python, gate) = before_asgi(&world).await;
    let _browser = Chromium::open(&world, &format!("http://{}/", gate.gateway()));
    let seen = async || client::get(gate.gateway(), "/state").await.json();
    let ended = async || seen().await.as_array().is_some_and(|all| all.len() == 4);
    clock::until("the end of the events", ended, || gate.log()).await;
    let expected = json!([
        ["1", 5, "first"],
        ["2", 9, "two\nlines"],
        ["3", 100_000, "grüngrüngrün"],
        ["end", "again after 3"],
    ]);
    assert_eq!(seen().await, expected);
}
