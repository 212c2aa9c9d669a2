use crate::support::shop::Shop;
use crate::support::{ADMIN, OPERATOR, VIEWER, upstream};
use admin::{Dialect, router, server};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::clock::within;
use tokio::net::{TcpListener, TcpStream};

/// An open event stream.
struct Stream {
    body: Incoming,
    text: String,
}

struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Stream {
    async fn open(shop: &Shop, query: &str, last_id: Option<&str>) -> Stream {
        Stream::open_at(shop.gate.address, query, last_id).await
    }

    async fn open_at(address: SocketAddr, query: &str, last_id: Option<&str>) -> Stream {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .uri(format!("/tealgate/v1/events{query}"))
            .header("host", "x")
            .header("x-api-key", VIEWER);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { body: response.into_body(), text: String::new() }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.text.clone().split_once("\n\n") {
                rest.clone_into(&mut self.text);
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                let data = serde_json::from_str(&field("data")).unwrap();
                return Event { id: field("id"), name: field("event"), data };
            }
            let frame = within("an event", self.body.frame()).await.unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }

    async fn next_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await;
            if event.data["kind"] == kind {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn a_watcher_sees_what_happens_and_goes_on_where_it_was() {
    let shop = Shop::open().await;
    let mut stream = Stream::open(&shop, "", None).await;
    let id = shop.start(OPERATOR, "2").await;
    let requested = stream.next().await;
    assert_eq!((requested.name.as_str(), &requested.data["kind"]), ("release", &json!("requested")));
    assert_eq!((&requested.data["release"], &requested.data["actor"]), (&json!(id), &json!("operator")));
    let planned = stream.next_of("planned").await;
    shop.release_that_asks(&id).await;
    shop.call(ADMIN, "POST", &format!("/releases/{id}/abort"), json!({"reason": "x"})).await.has_status(200);
    let commanded = stream.next_of("commanded").await;
    drop(stream);

    let mut resumed = Stream::open(&shop, "", Some(&planned.id)).await;
    let next = resumed.next().await;
    assert_ne!(next.data["kind"], "planned", "what was seen is not sent again");
    let again = if next.data["kind"] == "commanded" { next } else { resumed.next_of("commanded").await };
    assert_eq!((again.id, again.data), (commanded.id, commanded.data));

    for (query, last_id) in [("?since=0", None), ("", Some("another-run.7"))] {
        let first = Stream::open(&shop, query, last_id).await.next().await;
        assert_eq!(first.id, requested.id, "all that is kept");
    }
}

#[tokio::test]
async fn a_watcher_of_one_app_sees_only_that_one() {
    let shop = Shop::open().await;
    let mut app = shop.call(ADMIN, "GET", "", Value::Null).await.json()["value"].clone();
    (app["id"], app["service_id"]) = (json!("other"), json!("other"));
    shop.gate.call("PUT", "/services/other", json!({"upstream": upstream()})).await.has_status(201);
    let key = [("X-API-KEY", ADMIN)];
    shop.gate.send("PUT", "/tealgate/v1/apps/other", &key, app).await.has_status(201);
    let mut stream = Stream::open(&shop, "?app=other", None).await;
    shop.start(OPERATOR, "2").await;
    shop.gate
        .send("POST", "/tealgate/v1/apps/other/releases", &key, json!({"version": "7"}))
        .await
        .has_status(201);
    let first = stream.next().await;
    assert_eq!((&first.data["app"], &first.data["version"]), (&json!("other"), &json!("7")));
}

#[tokio::test]
async fn there_are_places_for_64_streams() {
    let shop = Shop::open().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(Stream::open(&shop, "", None).await);
    }
    let refused =
        shop.gate.send("GET", "/tealgate/v1/events", &[("X-API-KEY", ADMIN)], ()).await.has_status(503);
    assert_eq!(refused.json()["error_msg"], "there are 64 event streams already");
    streams.clear();
    testkit::clock::eventually("a free place", async || {
        // A refusal has a length, a stream has none.
        let stream = TcpStream::connect(shop.gate.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request =
            Request::builder().uri("/tealgate/v1/events").header("host", "x").header("x-api-key", VIEWER);
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        response.status() == 200
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_ends_the_streams_and_does_not_wait_for_them() {
    let shop = Shop::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let router = router(shop.gate.state.clone(), Dialect::Apisix);
    let server = tokio::spawn(server::serve(listener, router, async {
        let _ = stopped.await;
    }));
    let mut stream = Stream::open_at(address, "", None).await;
    stop.send(()).unwrap();
    let rest = within("the end of the stream", stream.body.frame()).await;
    assert!(rest.is_none(), "ended in good order: {rest:?}");
    within("the end of the server", server).await.unwrap();
}
