use super::*;
use crate::config;
use serde_json::json;
use store::MemoryStore;

const FILE: &str = "\
services:
  - {id: shop, upstream_id: old}
upstreams:
  - {id: old, nodes: {\"127.0.0.1:1\": 1}}
routes:
  - {id: r, uri: /*, service_id: shop}
apps:
  - {id: shop, service_id: shop, target: {process: {command: [x]}}}
";

fn loaded(text: &str) -> Loaded {
    config::parse("t.yaml", text, &[]).unwrap()
}

async fn put(store: &MemoryStore, kind: Kind, id: &str, value: Value, origin: Origin) {
    let write = Write::Put { kind, id: Some(id.to_owned()), value, origin, expect: Expect::Any };
    store.commit(vec![write], None).await.unwrap();
}

/// As after a release: green is live, by an overlay.
async fn released() -> MemoryStore {
    let store = MemoryStore::new();
    apply_file(&store, &loaded(FILE), 1).await.unwrap();
    put(&store, Kind::Upstream, "shop-green", json!({"nodes": {"127.0.0.1:2": 1}}), Origin::Release).await;
    let overlay =
        json!({"app": "shop", "base": {"upstream_id": "old"}, "owned": {"upstream_id": "shop-green"}});
    put(&store, Kind::Overlay, "shop", overlay, Origin::Release).await;
    store
}

async fn refusal(store: &MemoryStore, text: &str) -> String {
    let before = store.snapshot().await.unwrap().revision;
    let refused = apply_file(store, &loaded(text), 2).await.unwrap_err().to_string();
    assert_eq!(store.snapshot().await.unwrap().revision, before, "a refused file writes nothing");
    refused
}

#[tokio::test]
async fn a_file_becomes_the_desired_state_in_one_revision() {
    let store = MemoryStore::new();
    let applied = apply_file(&store, &loaded(FILE), 1_700_000_000).await.unwrap();
    assert_eq!((applied.created, applied.revision), (4, 1));
    let route = store.get(Kind::Route, "r").await.unwrap().unwrap();
    assert_eq!(route.origin, Origin::File);
    assert_eq!(route.value["create_time"], 1_700_000_000);
}

#[tokio::test]
async fn what_did_not_change_is_not_written() {
    let store = MemoryStore::new();
    apply_file(&store, &loaded(FILE), 1).await.unwrap();
    let again = apply_file(&store, &loaded(FILE), 2).await.unwrap();
    assert_eq!((again.unchanged, again.revision), (4, 1));
    let changed = apply_file(&store, &loaded(&FILE.replace("uri: /*", "uri: /x")), 3).await.unwrap();
    assert_eq!((changed.unchanged, changed.changed, changed.revision), (3, 1, 2));
    let route = store.get(Kind::Route, "r").await.unwrap().unwrap();
    assert_eq!(
        (route.value["create_time"].clone(), route.value["update_time"].clone()),
        (json!(1), json!(3))
    );
}

#[tokio::test]
async fn what_left_the_file_is_deleted_and_what_the_admin_api_made_stays() {
    let store = MemoryStore::new();
    apply_file(&store, &loaded(FILE), 1).await.unwrap();
    put(&store, Kind::Route, "mine", json!({"uri": "/mine"}), Origin::Api).await;
    let applied = apply_file(&store, &loaded(""), 2).await.unwrap();
    assert_eq!(applied.deleted, 4);
    let left: Vec<_> = store.snapshot().await.unwrap().resources.iter().map(|left| left.id.clone()).collect();
    assert_eq!(left, ["mine"]);
}

#[tokio::test]
async fn an_id_of_the_admin_api_is_refused() {
    let store = MemoryStore::new();
    put(&store, Kind::Route, "r", json!({"uri": "/mine"}), Origin::Api).await;
    let refused = refusal(&store, FILE).await;
    assert!(refused.contains("t.yaml:6:6: routes[0].id: the route `r` already exists"), "{refused}");
}

#[tokio::test]
async fn what_the_admin_api_still_uses_cannot_leave_the_file() {
    let store = MemoryStore::new();
    apply_file(&store, &loaded(FILE), 1).await.unwrap();
    put(&store, Kind::Route, "mine", json!({"uri": "/mine", "service_id": "shop"}), Origin::Api).await;
    let refused = refusal(&store, "").await;
    assert!(
        refused.contains("service `shop` is no longer in this file, but the route `mine` uses it"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_a_release_owns_survives_a_reload() {
    let store = released().await;
    let applied = apply_file(&store, &loaded(&FILE.replace("uri: /*", "uri: /x")), 2).await.unwrap();
    assert_eq!(applied.changed, 1);
    let overlay = store.get(Kind::Overlay, "shop").await.unwrap().unwrap();
    assert_eq!(overlay.value["owned"]["upstream_id"], "shop-green");
}

#[tokio::test]
async fn a_reload_that_moves_what_a_release_owns_is_refused_whole() {
    let store = released().await;
    let moved =
        FILE.replace("upstream_id: old", "upstream: {nodes: {\"127.0.0.1:9\": 1}}").replace("/*", "/x");
    let refused = refusal(&store, &moved).await;
    assert!(refused.contains("t.yaml:2:16: services[0].upstream: `upstream` was changed"), "{refused}");
    assert!(refused.contains("put back what it said: \"old\""), "{refused}");
}

#[tokio::test]
async fn the_app_and_the_service_of_an_overlay_cannot_leave_the_file() {
    let store = released().await;
    let without_app = FILE.split("apps:").next().unwrap();
    let refused = refusal(&store, without_app).await;
    assert!(refused.contains("the app `shop` is no longer in this file"), "{refused}");
    let refused = refusal(&store, "").await;
    assert!(refused.contains("the service `shop` is no longer in this file"), "{refused}");
}
