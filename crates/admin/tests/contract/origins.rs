use crate::support::{Gate, route, upstream};
use admin::Dialect;
use model::overlay::Overlay;
use model::resource::{Kind, Origin};
use serde_json::{Value, json};

/// A file with an app `shop`: service `shop`, routes, and the two upstreams of a release.
async fn gate() -> Gate {
    let gate = Gate::start(Dialect::Apisix).await;
    let nodes = json!({"nodes": {"127.0.0.1:1": 1}});
    let target = json!({"upstream": {"blue": nodes, "green": nodes}});
    for (kind, id, origin, value) in [
        (Kind::Upstream, "plain", Origin::File, upstream()),
        (Kind::Upstream, "shop-blue", Origin::Release, upstream()),
        (Kind::Upstream, "shop-green", Origin::Release, upstream()),
        (
            Kind::Service,
            "shop",
            Origin::File,
            json!({"name": "shop", "upstream_id": "shop-blue", "plugins": {"cors": {}}}),
        ),
        (Kind::Service, "other", Origin::File, json!({"name": "other", "upstream": upstream()})),
        (Kind::Route, "shop", Origin::File, json!({"uri": "/*", "service_id": "shop"})),
        (Kind::App, "shop", Origin::File, json!({"service_id": "shop", "target": target})),
    ] {
        gate.seed(kind, id, origin, value).await;
    }
    gate
}

fn split(weights: [u32; 2]) -> Value {
    json!({"rules": [{"weighted_upstreams": [
        {"upstream_id": "shop-green", "weight": weights[0]}, {"weight": weights[1]}]}]})
}

async fn overlay(gate: &Gate) -> Option<Overlay> {
    let stored = gate.state.store.get(Kind::Overlay, "shop").await.unwrap()?;
    Some(Overlay::from_value(&stored.value).unwrap())
}

#[tokio::test]
async fn what_comes_from_the_file_is_read_only() {
    let gate = gate().await;
    for (path, body, what) in [
        ("/routes/shop", route("/"), "route [shop]"),
        ("/upstreams/plain", upstream(), "upstream [plain]"),
        ("/services/other", json!({"name": "new"}), "service [other]"),
        ("/services/shop", json!({"name": "new"}), "service [shop]"),
    ] {
        let text = format!("{what} comes from the configuration file; change it there");
        for method in ["PUT", "PATCH", "DELETE"] {
            let path = if method == "DELETE" { format!("{path}?force=true") } else { path.to_owned() };
            gate.call(method, &path, &body).await.is_error(400, &text);
        }
    }
    assert_eq!(overlay(&gate).await, None);
}

#[tokio::test]
async fn the_split_of_an_apps_file_service_can_be_changed_and_undone_by_hand() {
    let gate = gate().await;
    let base = gate.call("GET", "/services/shop", ()).await.json();

    let patch = json!({"plugins": {"traffic-split": split([100, 0])}});
    let patched = gate.call("PATCH", "/services/shop", patch).await.has_status(200).json();
    assert_eq!(patched["value"]["plugins"], json!({"cors": {}, "traffic-split": split([100, 0])}));
    let written = overlay(&gate).await.unwrap();
    assert_eq!(written.app, "shop");
    assert_eq!(written.base.upstream_id, Some(json!("shop-blue")));
    assert_eq!(written.owned.traffic_split, Some(split([100, 0])));
    let stored = gate.state.store.get(Kind::Service, "shop").await.unwrap().unwrap();
    assert_eq!(
        stored.value.get("plugins"),
        Some(&json!({"cors": {}})),
        "the file's own resource is untouched"
    );

    let shown = gate.call("GET", "/services/shop", ()).await.json();
    assert_eq!(shown["value"]["plugins"]["traffic-split"], split([100, 0]));
    assert!(shown["modifiedIndex"].as_u64() > base["modifiedIndex"].as_u64());
    assert_eq!(gate.call("GET", "/services", ()).await.json()["list"][0], shown);

    let whole = json!({"name": "shop", "upstream_id": "shop-green", "plugins": {"cors": {}}});
    gate.call("PUT", "/services/shop", &whole).await.has_status(200);
    let overlay_now = overlay(&gate).await.unwrap();
    assert_eq!(overlay_now.owned.upstream_id, Some(json!("shop-green")));
    assert_eq!(overlay_now.owned.traffic_split, None);
    assert_eq!(overlay_now.base, written.base, "the base stays what the file said");

    let revision = *gate.state.store.watch().borrow();
    gate.call("PUT", "/services/shop", &whole).await.has_status(200);
    assert_eq!(*gate.state.store.watch().borrow(), revision, "nothing to change, nothing written");
}

#[tokio::test]
async fn an_owned_field_is_checked_like_any_other() {
    let gate = gate().await;
    let none = "failed to fetch upstream info by upstream id [none], response code: 404";
    gate.call("PATCH", "/services/shop", json!({"upstream_id": "none"})).await.is_error(400, none);
    let wrong =
        gate.call("PATCH", "/services/shop", json!({"plugins": {"traffic-split": {"rules": 7}}})).await;
    assert_eq!(wrong.status, 400);
    let mixed = json!({"upstream_id": "shop-green", "name": "new"});
    let text = "service [shop] comes from the configuration file; change it there";
    gate.call("PATCH", "/services/shop", mixed).await.is_error(400, text);
    assert_eq!(overlay(&gate).await, None);
}

#[tokio::test]
async fn an_apps_environment_can_be_edited_but_not_deleted_while_the_app_exists() {
    let gate = gate().await;
    let mut edited = upstream();
    edited["nodes"] = json!({"127.0.0.1:9": 1});
    gate.call("PUT", "/upstreams/shop-green", edited).await.has_status(200);
    let stored = gate.state.store.get(Kind::Upstream, "shop-green").await.unwrap().unwrap();
    assert_eq!(stored.origin, Origin::Release, "it still belongs to the release");
    let text = "can not delete this upstream, app [shop] is still using it now";
    for path in ["/upstreams/shop-green", "/upstreams/shop-green?force=true"] {
        gate.call("DELETE", path, ()).await.is_error(400, text);
    }
}

#[tokio::test]
async fn an_unreadable_overlay_is_an_error_and_not_a_panic() {
    let gate = gate().await;
    gate.seed(Kind::Overlay, "shop", Origin::Release, json!({"app": 7})).await;
    let answer = gate.call("GET", "/services/shop", ()).await.has_status(503);
    assert!(answer.json()["error_msg"].as_str().unwrap().contains("overlays/shop is damaged"));
    gate.call("GET", "/routes/shop", ()).await.has_status(200);
}
