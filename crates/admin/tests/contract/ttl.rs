use crate::support::{Gate, upstream};
use admin::{Dialect, ttl};
use model::resource::{Kind, Origin};
use serde_json::json;

const FAR_FUTURE_MS: i64 = 9_000_000_000_000;

#[tokio::test]
async fn a_resource_with_a_ttl_is_deleted_when_its_time_is_over() {
    let gate = Gate::start(Dialect::Apisix).await;
    let store = gate.state.store.as_ref();
    gate.call("PUT", "/upstreams/for-ever", upstream()).await.has_status(201);
    assert_eq!(ttl::sweep(store, FAR_FUTURE_MS).await.unwrap(), None);
    let put = gate.call("PUT", "/upstreams/1?ttl=100", upstream()).await.has_status(201);
    assert!(put.value().get("_expires_at_ms").is_none(), "the end is not shown");
    let end_ms = ttl::sweep(store, 0).await.unwrap().unwrap();
    let updated_s = put.json()["value"]["update_time"].as_i64().unwrap();
    assert!((end_ms / 1_000 - updated_s - 100).abs() <= 1);

    assert_eq!(ttl::sweep(store, end_ms - 1).await.unwrap(), Some(end_ms));
    gate.call("GET", "/upstreams/1", ()).await.has_status(200);
    assert_eq!(ttl::sweep(store, end_ms).await.unwrap(), None);
    gate.call("GET", "/upstreams/1", ()).await.has_status(404);
    gate.call("GET", "/upstreams/for-ever", ()).await.has_status(200);
}

#[tokio::test]
async fn a_later_write_without_a_ttl_lets_it_live() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/upstreams/1?ttl=100", upstream()).await.has_status(201);
    gate.call("PATCH", "/upstreams/1", json!({"name": "n"})).await.has_status(200);
    assert_eq!(ttl::sweep(gate.state.store.as_ref(), FAR_FUTURE_MS).await.unwrap(), None);
    gate.call("GET", "/upstreams/1", ()).await.has_status(200);
}

#[tokio::test]
async fn the_sweeper_deletes_by_itself() {
    let gate = Gate::start(Dialect::Apisix).await;
    let store = gate.state.store.clone();
    let sweeper = tokio::spawn(async move { ttl::sweep_forever(store.as_ref()).await });
    let mut revisions = gate.state.store.watch();
    gate.call("PUT", "/upstreams/1?ttl=1", upstream()).await.has_status(201);
    revisions.wait_for(|revision| *revision >= 2).await.unwrap();
    assert!(gate.state.store.get(Kind::Upstream, "1").await.unwrap().is_none());
    sweeper.abort();
}

#[tokio::test]
async fn a_ttl_that_is_no_number_of_seconds_is_refused() {
    let gate = Gate::start(Dialect::Apisix).await;
    for ttl in ["x", "", "0", "-1", "nan", "inf", "1e30"] {
        for (method, path) in [("PUT", "/upstreams/1"), ("POST", "/upstreams"), ("PATCH", "/upstreams/1")] {
            let answer = gate.call(method, &format!("{path}?ttl={ttl}"), upstream()).await;
            answer.is_error(400, "invalid argument ttl: should be a number");
        }
    }
}

#[tokio::test]
async fn the_environments_of_an_app_have_no_ttl_and_outlive_one_from_before_the_app() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/upstreams/shop-green?ttl=100", upstream()).await.has_status(201);
    gate.seed(Kind::Service, "shop", Origin::Api, json!({})).await;
    let target = json!({"process": {"command": ["shop"]}});
    gate.seed(Kind::App, "shop", Origin::Api, json!({"service_id": "shop", "target": target})).await;
    for method in ["PUT", "PATCH"] {
        let answer = gate.call(method, "/upstreams/shop-blue?ttl=100", upstream()).await;
        let text = "invalid argument ttl: upstream [shop-blue] is an environment of app [shop] and stays while the app does";
        answer.is_error(400, text);
    }
    gate.call("PUT", "/upstreams/shop-blue", upstream()).await.has_status(201);
    gate.call("PUT", "/upstreams/shop-red?ttl=100", upstream()).await.has_status(201);
    assert_eq!(ttl::sweep(gate.state.store.as_ref(), FAR_FUTURE_MS).await.unwrap(), None);
    gate.call("GET", "/upstreams/shop-red", ()).await.has_status(404);
    for colour in ["blue", "green"] {
        gate.call("GET", &format!("/upstreams/shop-{colour}"), ()).await.has_status(200);
    }
}
