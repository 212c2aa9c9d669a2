//! Copies of what clients of HTTP/2 send.

use super::super::shadow::{gate, settled};
use super::client::{Client, request};
use serde_json::json;
use testkit::upstream::Upstream;

#[tokio::test]
async fn requests_of_http2_clients_are_copied_with_their_bodies() {
    let (live, new) = (Upstream::start("same").await, Upstream::start("same").await);
    let gate = gate(live.address(), new.address(), &json!({"methods": ["GET", "POST"]})).await;
    let client = Client::connect(&gate).await;
    let pretends = request("GET", "/a?size=30000").header("x-tealgate-shadow", "1");
    assert_eq!(client.ask(pretends).await.status, 200);
    let content = "b".repeat(40_000);
    assert_eq!(client.ask_with(request("POST", "/b"), content.clone()).await.status, 200);
    let sized = request("POST", "/c").header("content-length", 40_000);
    assert_eq!(client.ask_with(sized, content).await.status, 200);
    let report = settled(&gate).await;
    assert_eq!((report.sent, report.same, report.groups.len()), (3, 3, 0), "{report:?}");
    let mut copies = new.requests();
    copies.sort_by(|one, two| one.target.cmp(&two.target));
    for (copy, first) in copies.iter().zip(live.requests()) {
        assert_eq!((&copy.target, copy.body_crc32, copy.complete), (&first.target, first.body_crc32, true));
        assert_eq!(copy.headers["x-tealgate-shadow"], "1");
        assert!(!first.headers.contains_key("x-tealgate-shadow"));
    }
}
