//! Draining, closing, stopping.

use crate::support::{Gate, get};
use testkit::raw::RawClient;
use testkit::upstream::{Behaviour, Upstream};

#[tokio::test]
async fn a_drain_lets_open_requests_finish_and_tells_their_clients() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let (mut busy, mut idle) = (gate.client().await, gate.client().await);
    idle.ask(get("/")).await;
    upstream.behave(Behaviour::Held);
    busy.0.send(get("/")).await;
    upstream.arrived(2).await;
    let drain = gate.gateway.drain();
    let work = async {
        testkit::clock::eventually("the closed port", async || {
            tokio::net::TcpStream::connect(gate.address()).await.is_err()
        })
        .await;
        gate.gateway.close_idle();
        assert_eq!(idle.0.read_to_end().await, "", "the idle one is closed");
        upstream.release(1);
        let answer = busy.answer(false).await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        drop(busy);
        drop(idle);
    };
    testkit::clock::within("the drain", async { tokio::join!(drain, work) }).await;
    assert_eq!(gate.settled().await.whole[1], 2);
    assert_eq!(gate.gateway.totals().snapshot().connections_open, 0);
}

#[tokio::test]
async fn an_idle_connection_gets_one_more_answer_while_draining_and_each_drain_is_told() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.ask(get("/")).await;
    let work = async {
        testkit::clock::eventually("the closed port", async || {
            tokio::net::TcpStream::connect(gate.address()).await.is_err()
        })
        .await;
        let answer = client.ask(get("/")).await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        drop(client);
    };
    let all = async { tokio::join!(gate.gateway.drain(), gate.gateway.drain(), work) };
    testkit::clock::within("both drains", all).await;
}

#[tokio::test]
async fn a_request_that_is_open_when_the_gateway_stops_is_cut_short() {
    let upstream = Upstream::start("u").await;
    upstream.behave(Behaviour::Held);
    let gate = Gate::before(upstream.address()).await;
    let mut client = gate.client().await;
    client.0.send(get("/")).await;
    upstream.arrived(1).await;
    let series = std::sync::Arc::clone(gate.gateway.series());
    tokio::task::spawn_blocking(move || gate.gateway.stop()).await.unwrap().unwrap();
    assert_eq!(client.0.read_to_end().await, "");
    let counts = telemetry::series::sum_of(&series.snapshot(), |_| true);
    assert_eq!((counts.received, counts.cut_short, counts.open), (1, 1, 0));
}

#[tokio::test]
async fn a_port_that_someone_listens_on_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = gateway::Settings {
        listen: vec![gateway::Listener::plain(taken.local_addr().unwrap())],
        ..gateway::Settings::default()
    };
    let totals = std::sync::Arc::new(telemetry::totals::Totals::new(1));
    let error = gateway::Gateway::start(settings, None, totals).unwrap_err();
    assert!(matches!(error, gateway::StartError::Listen(_)), "{error}");
}

#[tokio::test]
async fn before_the_first_configuration_clients_wait_and_are_not_told_404() {
    let upstream = Upstream::start("u").await;
    let gate = Gate::start(crate::support::settings());
    let mut early = RawClient::connect(gate.address()).await;
    early.send(get("/")).await;
    let everything = [
        crate::support::upstream("u", &[upstream.address()]),
        crate::support::route(&serde_json::json!({"upstream_id": "u"})),
    ];
    gate.apply(&everything).await;
    upstream.arrived(1).await;
}
