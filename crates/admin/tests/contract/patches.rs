use crate::support::{Gate, upstream};
use admin::Dialect;
use serde_json::{Value, json};

async fn gate() -> Gate {
    let gate = Gate::start(Dialect::Apisix).await;
    let service = json!({"name": "s", "desc": "d", "upstream": upstream()});
    gate.call("PUT", "/services/1", service).await.has_status(201);
    gate
}

#[tokio::test]
async fn objects_merge_nulls_delete_and_arrays_replace() {
    let gate = gate().await;
    for (patch, pointer, expected) in [
        (json!({"name": "new"}), "/name", json!("new")),
        (
            json!({"upstream": {"nodes": {"b:1": 2}}}),
            "/upstream/nodes",
            json!({"127.0.0.1:1980": 1, "b:1": 2}),
        ),
        (json!({"upstream": {"nodes": {"127.0.0.1:1980": null}}}), "/upstream/nodes", json!({"b:1": 2})),
        (
            json!({"upstream": {"nodes": [{"host": "c", "port": 1, "weight": 1}]}}),
            "/upstream/nodes",
            json!([{"host": "c", "port": 1, "weight": 1}]),
        ),
        (json!({"upstream": {"nodes": {"d:1": 1}}}), "/upstream/nodes", json!({"d:1": 1})),
        (json!({"desc": null}), "/desc", Value::Null),
    ] {
        let answer = gate.call("PATCH", "/services/1", patch).await.has_status(200);
        assert_eq!(answer.json()["key"], "/apisix/services/1");
        assert_eq!(answer.value().pointer(pointer).cloned().unwrap_or_default(), expected);
    }
}

#[tokio::test]
async fn a_sub_path_takes_any_json() {
    let gate = gate().await;
    for (path, body, pointer) in [
        ("/services/1/upstream/nodes", json!({"b:1": 1}), "/upstream/nodes"),
        ("/services/1/name", json!("renamed"), "/name"),
        ("/services/1/plugins/cors", json!({"max_age": 9}), "/plugins/cors"),
        ("/services/1/enable_websocket", json!(true), "/enable_websocket"),
    ] {
        let answer = gate.call("PATCH", path, &body).await.has_status(200);
        assert_eq!(answer.value().pointer(pointer), Some(&body), "{path}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let gate = gate().await;
    let before = gate.call("GET", "/services/1", ()).await.json();
    for (path, body, text) in [
        ("/services/1/name/x", "1", "invalid sub-path: /name"),
        ("/services/1/upstream/type/x/y", "1", "invalid sub-path: /upstream/type"),
        ("/services/1", "7", "invalid configuration"),
        ("/services/1", "[1]", "invalid configuration"),
        (
            "/services/1",
            "{\"nonsense\": 1}",
            "invalid configuration: additional properties forbidden, found nonsense",
        ),
        (
            "/services/1",
            "{\"upstream\": {\"nodes\": null}}",
            "invalid configuration: property \"upstream\" validation failed",
        ),
        ("/services/1/name", "null", "invalid configuration: property \"name\" validation failed"),
        (
            "/services/1",
            "{\"upstream_id\": \"9\"}",
            "failed to fetch upstream info by upstream id [9], response code: 404",
        ),
    ] {
        let answer = gate.call("PATCH", path, body).await.has_status(400);
        let said = answer.json()["error_msg"].as_str().unwrap().to_owned();
        assert!(said.starts_with(text), "{path} {body}: {said}");
    }
    gate.call("PATCH", "/services/2", "{}").await.is(404, &json!({"message": "Key not found"}));
    assert_eq!(gate.call("GET", "/services/1", ()).await.json(), before);
}

#[tokio::test]
async fn a_patch_may_say_the_times_and_never_the_id() {
    let gate = gate().await;
    let patch = json!({"create_time": 1_700_000_001, "update_time": 1_700_000_002, "id": "other"});
    let answer = gate.call("PATCH", "/services/1", patch).await.has_status(200).json();
    assert_eq!(answer["value"]["create_time"], 1_700_000_001);
    assert_eq!(answer["value"]["update_time"], 1_700_000_002);
    assert_eq!(answer["value"]["id"], "1");
    let answer = gate.call("PATCH", "/services/1/name", json!("n")).await.has_status(200).json();
    assert_eq!(answer["value"]["create_time"], 1_700_000_001);
    assert!(answer["value"]["update_time"].as_i64().unwrap() > 1_700_000_002);
}
