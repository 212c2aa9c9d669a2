use crate::support::{Gate, upstream};
use admin::Dialect;
use serde_json::json;

async fn ids(gate: &Gate, path: &str) -> (Vec<String>, u64) {
    let body = gate.call("GET", path, ()).await.has_status(200).json();
    let list = body["list"].as_array().unwrap();
    let ids = list.iter().map(|entry| entry["value"]["id"].as_str().unwrap().to_owned()).collect();
    (ids, body["total"].as_u64().unwrap())
}

#[tokio::test]
async fn lists_are_in_the_order_of_creation_and_come_in_pages() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("GET", "/upstreams", ()).await.is(200, &json!({"list": [], "total": 0}));
    for n in (0..12).rev() {
        gate.call("PUT", &format!("/upstreams/u{n}"), upstream()).await.has_status(201);
    }
    // A later change moves nothing.
    gate.call("PUT", "/upstreams/u11", upstream()).await.has_status(200);
    let (all, total) = ids(&gate, "/upstreams").await;
    assert_eq!((all.len(), total), (12, 12));
    assert_eq!(all[0], "u11");
    assert_eq!(ids(&gate, "/upstreams?page=2&page_size=10").await, (all[10..].to_vec(), 12));
    assert_eq!(ids(&gate, "/upstreams?page=3&page_size=10").await, (vec![], 12));
    for size in ["9", "501"] {
        let answer =
            gate.call("GET", &format!("/upstreams?page=1&page_size={size}"), ()).await.has_status(400);
        assert_eq!(answer.text, "page_size must be between 10 and 500");
    }
    let entry = gate.call("GET", "/upstreams", ()).await.json()["list"][0].clone();
    assert_eq!(entry["key"], "/apisix/upstreams/u11");
    assert!(entry["modifiedIndex"].as_u64() > entry["createdIndex"].as_u64());
}

#[tokio::test]
async fn filters_intersect_and_count_before_the_page_is_cut() {
    let gate = Gate::start(Dialect::Apisix).await;
    for id in ["1", "2"] {
        gate.call("PUT", &format!("/upstreams/{id}"), upstream()).await.has_status(201);
        gate.call("PUT", &format!("/services/{id}"), json!({"upstream_id": id})).await.has_status(201);
    }
    for (id, body) in [
        ("a", json!({"name": "alpha", "uri": "/x/1", "service_id": "1", "labels": {"team": "t"}})),
        ("b", json!({"name": "beta", "uris": ["/y", "/x/2"], "service_id": 1, "upstream_id": 2})),
        ("c", json!({"uri": "/z", "service_id": "2", "labels": {"team": "t", "env": "e"}})),
    ] {
        gate.call("PUT", &format!("/routes/{id}"), body).await.has_status(201);
    }
    for (query, expected) in [
        ("name=a$", vec!["a", "b"]),
        ("name=%5Ealpha", vec!["a"]),
        ("uri=/x/", vec!["a", "b"]),
        ("label=team", vec!["a", "c"]),
        ("label=te", vec![]),
        ("label=", vec![]),
        ("filter=service_id%3D1", vec!["a", "b"]),
        ("filter=service_id%3D1%26upstream_id%3D2", vec!["b"]),
        ("filter=nonsense%3D1", vec!["a", "b", "c"]),
        ("name=a&label=team", vec!["a"]),
        ("uri=/x/&page=1&page_size=10", vec!["a", "b"]),
    ] {
        let total = expected.len() as u64;
        let (found, counted) = ids(&gate, &format!("/routes?{query}")).await;
        assert_eq!((found, counted), (expected.into_iter().map(str::to_owned).collect(), total), "{query}");
    }
    let (all, _) = ids(&gate, "/services?filter=upstream_id%3D1").await;
    assert_eq!(all, ["1", "2"], "filter is for routes only");
    let answer = gate.call("GET", "/routes?name=(", ()).await;
    answer.is_error(400, "invalid argument name: not a regular expression");
}
