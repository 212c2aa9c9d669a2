use super::*;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde_json::json;

async fn server(router: Router) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Client::new(Server { authority, key: None })
}

#[tokio::test]
async fn a_document_goes_and_a_document_comes() {
    let echo = post(|headers: HeaderMap, body: String| async move {
        format!("{{\"type\":{:?},\"sent\":{body}}}", headers["content-type"])
    });
    let client = server(Router::new().route("/x", echo)).await;
    let answer = client.post("/x", &json!({"version": "v2"})).await.unwrap();
    assert_eq!(answer, json!({"type": "application/json", "sent": {"version": "v2"}}));
}

#[tokio::test]
async fn a_refusal_says_what_the_server_said() {
    let refuse = get(|| async {
        (StatusCode::UNAUTHORIZED, r#"{"error_msg":"failed","description":"wrong apikey"}"#)
    });
    let client = server(Router::new().route("/x", refuse)).await;
    match client.get("/x").await.unwrap_err() {
        ClientError::Refused { status, text, .. } => {
            assert_eq!((status.as_u16(), text.as_str()), (401, "failed: wrong apikey"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_json_is_no_answer() {
    let client = server(Router::new().route("/x", get(|| async { "<html>" }))).await;
    assert!(matches!(client.get("/x").await.unwrap_err(), ClientError::Answer { .. }));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Client::new(Server { authority: authority.clone(), key: None }).get("/x").await.unwrap_err();
    assert!(error.to_string().contains(&authority), "{error}");
}

#[tokio::test]
async fn events_come_one_by_one_until_the_stream_ends() {
    let stream = get(|| async { "event: release\ndata: {\"id\":1}\n\ndata: last\n\n" });
    let client = server(Router::new().route("/events", stream)).await;
    let mut events = client.events("/events").await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    assert_eq!((first.name.as_str(), first.data.as_str()), ("release", "{\"id\":1}"));
    assert_eq!(events.next().await.unwrap().unwrap().data, "last");
    assert_eq!(events.next().await.unwrap(), None);
}
