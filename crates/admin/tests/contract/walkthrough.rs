//! API7's blue-green walkthrough, control-plane half: its curl calls as printed, against the TLS listener. Only the
//! port differs (7443 there, a free one here) and the key.

use crate::support::{ADMIN, state};
use admin::{AdminState, Dialect, certificate, router, server};
use model::resource::Kind;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::net::TcpListener;
use tokio::sync::watch;

const BLUE_SERVICE: &str = include_str!("walkthrough_calls/1-blue-service.sh");
const ROUTE: &str = include_str!("walkthrough_calls/2-route.sh");
const SWITCH: &str = include_str!("walkthrough_calls/3-switch.sh");
const ROLLBACK: &str = include_str!("walkthrough_calls/4-rollback.sh");
const CONDITIONAL: &str = include_str!("walkthrough_calls/5-conditional.json");

struct Listener {
    port: u16,
    state: AdminState,
    _dir: tempfile::TempDir,
}

async fn listener() -> Listener {
    let dir = tempfile::tempdir().unwrap();
    let tls = certificate::load_or_create(dir.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let state = state();
    let router = router(state.clone(), Dialect::Api7);
    tokio::spawn(server::serve_tls(listener, router, watch::channel(tls).1, std::future::pending()));
    Listener { port, state, _dir: dir }
}

impl Listener {
    /// Runs one of the page's calls in a shell; gives what curl printed.
    async fn run(&self, call: &str) -> Value {
        assert!(call.contains("https://localhost:7443/"), "not a call of the page");
        let call = call.replace("https://localhost:7443/", &format!("https://localhost:{}/", self.port));
        let mut shell = tokio::process::Command::new("sh");
        shell.arg("-c").arg(&call).env("API_KEY", ADMIN).stdin(Stdio::null()).kill_on_drop(true);
        let output = shell.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn stored(&self, kind: Kind, id: &str) -> Value {
        let resource = self.state.store.get(kind, id).await.unwrap().unwrap();
        resource.value.as_ref().clone()
    }

    async fn split_weights(&self) -> Vec<Value> {
        let route = self.stored(Kind::Route, "blue-green-route").await;
        let choices = &route["plugins"]["traffic-split"]["rules"][0]["weighted_upstreams"];
        choices.as_array().unwrap().iter().map(|choice| choice["weight"].clone()).collect()
    }
}

#[tokio::test]
async fn every_call_of_the_page_works_as_printed() {
    let gate = listener().await;

    let service = gate.run(BLUE_SERVICE).await;
    assert_eq!(service["value"]["id"], "blue-green-service", "{service}");
    let route = gate.run(ROUTE).await;
    assert_eq!(route["value"]["paths"], json!(["/headers"]), "{route}");
    assert_eq!(gate.stored(Kind::Route, "blue-green-route").await["uris"], json!(["/headers"]));

    let switched = gate.run(SWITCH).await;
    let green =
        &switched["value"]["plugins"]["traffic-split"]["rules"][0]["weighted_upstreams"][0]["upstream"];
    assert_eq!(green["nodes"][0]["host"], "httpbin.org", "{switched}");
    assert_eq!((&green["scheme"], &green["pass_host"]), (&json!("https"), &json!("node")));
    assert!(switched["warning_msg"].as_str().unwrap().contains("taken from the service's upstream"));
    assert_eq!(gate.split_weights().await, [100, 0]);

    gate.run(ROLLBACK).await;
    assert_eq!(gate.split_weights().await, [0, 100]);

    // The clean-up: the route without the plugin, the service with Green's nodes.
    gate.run(ROUTE).await;
    assert!(gate.stored(Kind::Route, "blue-green-route").await.get("plugins").is_none());
    let service = gate.run(&BLUE_SERVICE.replace("mock.api7.ai", "httpbin.org")).await;
    assert_eq!(service["value"]["upstream"]["nodes"][0]["host"], "httpbin.org");
}

#[tokio::test]
async fn the_conditional_switch_of_the_page_is_accepted_as_printed() {
    let gate = listener().await;
    gate.run(BLUE_SERVICE).await;
    let conditional =
        format!("\"service_id\": \"blue-green-service\",\n\"plugins\": {{\"traffic-split\": {CONDITIONAL}}}");
    let call = ROUTE.replace("\"service_id\": \"blue-green-service\"", &conditional);
    let answer = gate.run(&call).await;
    let expected: Value = serde_json::from_str(CONDITIONAL).unwrap();
    assert_eq!(answer["value"]["plugins"]["traffic-split"], expected, "{answer}");
    assert!(answer.get("warning_msg").is_none(), "nothing was left out");
}

#[tokio::test]
async fn a_shutdown_lets_the_request_in_flight_end_and_then_returns() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(server::serve(listener, router(state(), Dialect::Apisix), async {
        let _ = stopped.await;
    }));
    let answer = crate::support::client::send(address, "GET", "/status", &[], Vec::new()).await;
    assert_eq!(answer.status, 200);
    stop.send(()).unwrap();
    server.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
