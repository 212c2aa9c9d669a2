use crate::support::{Gate, route, upstream};
use admin::Dialect;
use serde_json::{Value, json};

#[tokio::test]
async fn a_put_creates_with_201_and_replaces_with_200() {
    let gate = Gate::start(Dialect::Apisix).await;
    let first = gate.call("PUT", "/routes/1", route("/a")).await.has_status(201);
    assert_eq!(first.json()["key"], "/apisix/routes/1");
    assert_eq!(first.value(), json!({"uri": "/a", "upstream": upstream(), "id": "1"}));
    assert!(first.json().get("createdIndex").is_none());
    let created = first.json()["value"]["create_time"].clone();

    let second = gate.call("PUT", "/routes/1", route("/b")).await.has_status(200);
    assert_eq!(second.json()["value"]["create_time"], created);
    let read = gate.call("GET", "/routes/1", ()).await.has_status(200).json();
    assert_eq!(read["value"], second.json()["value"]);
    assert_eq!(read["key"], "/apisix/routes/1");
    assert!(read["modifiedIndex"].as_u64().unwrap() > read["createdIndex"].as_u64().unwrap());
}

#[tokio::test]
async fn a_post_makes_an_id_of_20_digits() {
    let gate = Gate::start(Dialect::Apisix).await;
    let posted = gate.call("POST", "/upstreams", upstream()).await.has_status(201);
    let id = posted.value()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 20);
    assert!(id.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(posted.json()["key"], format!("/apisix/upstreams/{id}"));
    let read = gate.call("GET", &format!("/upstreams/{id}"), ()).await.has_status(200).json();
    assert_eq!(read["createdIndex"].as_u64().unwrap(), id.parse::<u64>().unwrap());
}

#[tokio::test]
async fn an_id_may_stand_in_the_body_and_may_be_a_number() {
    let gate = Gate::start(Dialect::Apisix).await;
    let mut body = upstream();
    body["id"] = json!(7);
    let put = gate.call("PUT", "/upstreams", &body).await.has_status(201);
    assert_eq!(put.value()["id"], "7");
    gate.call("PUT", "/upstreams/7", &body).await.has_status(200);
}

#[tokio::test]
async fn ids_and_bodies_that_do_not_fit_are_refused_with_apisixs_texts() {
    let gate = Gate::start(Dialect::Apisix).await;
    let with = |key: &str, value: Value| {
        let mut body = upstream();
        body[key] = value;
        body
    };
    for (method, path, body, text) in [
        ("PUT", "/upstreams", upstream(), "missing upstream id"),
        ("PUT", "/upstreams/1", with("id", json!("2")), "wrong upstream id"),
        ("POST", "/upstreams/1", upstream(), "wrong upstream id, do not need it"),
        ("POST", "/upstreams", with("id", json!("2")), "wrong upstream id, do not need it"),
        ("PATCH", "/upstreams", upstream(), "missing upstream id"),
        ("DELETE", "/upstreams", upstream(), "missing upstream id"),
        ("PUT", "/upstreams/1", with("create_time", json!(1)), "the property is forbidden:  create_time"),
        ("POST", "/upstreams", with("update_time", json!(1)), "the property is forbidden:  update_time"),
        (
            "PUT",
            "/services/1",
            json!({"upstream": with("create_time", json!(1))}),
            "the property is forbidden:  upstream.create_time",
        ),
    ] {
        gate.call(method, path, body).await.is_error(400, text);
    }
    for method in ["PUT", "POST"] {
        let path = if method == "PUT" { "/routes/1" } else { "/routes" };
        gate.call(method, path, ()).await.is_error(400, "missing configurations");
    }
    gate.call("PATCH", "/routes/1", ()).await.is_error(400, "missing new configuration");
}

#[tokio::test]
async fn what_the_schema_or_a_plugin_refuses_is_refused_with_the_place() {
    let gate = Gate::start(Dialect::Apisix).await;
    for (path, body, text) in [
        (
            "/upstreams/1",
            json!({"nodes": {"a:1": -1}}),
            "invalid configuration: property \"nodes\" validation failed",
        ),
        (
            "/routes/1",
            json!({"uri": "/", "nonsense": 1, "upstream": upstream()}),
            "invalid configuration: additional properties forbidden, found nonsense",
        ),
        (
            "/routes/1",
            json!({"paths": ["/"], "service_id": "1"}),
            "invalid configuration: additional properties forbidden, found paths",
        ),
        ("/services/1", json!({"plugins": {"nonsense": {}}}), "unknown plugin [nonsense]"),
        (
            "/services/1",
            json!({"plugins": {"mocking": {"response_status": 1}}}),
            "failed to check the configuration of plugin mocking err: property \"response_status\" validation failed",
        ),
        (
            "/services/1",
            json!({"plugins": {"traffic-split": {"rules": [{"match": [{}]}]}}}),
            "failed to check the configuration of plugin traffic-split err: failed to validate the 'vars' expression",
        ),
        (
            "/routes/a%20b",
            json!({"uri": "/", "upstream": upstream()}),
            "invalid configuration: property \"id\" validation failed",
        ),
        ("/routes/1", json!("text"), "invalid configuration"),
        ("/routes/1", json!([1]), "invalid configuration"),
    ] {
        let answer = gate.call("PUT", path, body).await.has_status(400);
        let said = answer.json()["error_msg"].as_str().unwrap().to_owned();
        assert!(said.starts_with(text), "{path}: {said}");
    }
    gate.call("GET", "/routes", ()).await.is(200, &json!({"list": [], "total": 0}));
}

#[tokio::test]
async fn what_a_resource_names_must_exist() {
    let gate = Gate::start(Dialect::Apisix).await;
    let none = "response code: 404";
    for (path, body, text) in [
        (
            "/routes/1",
            json!({"uri": "/", "upstream_id": "9"}),
            "failed to fetch upstream info by upstream id [9]",
        ),
        ("/routes/1", json!({"uri": "/", "service_id": 9}), "failed to fetch service info by service id [9]"),
        ("/services/1", json!({"upstream_id": "9"}), "failed to fetch upstream info by upstream id [9]"),
        (
            "/routes/1",
            json!({"uri": "/", "plugins": {}, "plugin_config_id": "9"}),
            "failed to fetch plugin config info by plugin config id [9]",
        ),
    ] {
        gate.call("PUT", path, body).await.is_error(400, &format!("{text}, {none}"));
    }
    // As in APISIX, a traffic-split's upstream_id is only looked up at run time.
    let split =
        json!({"plugins": {"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream_id": "9"}]}]}}});
    gate.call("PUT", "/services/1", split).await.has_status(201);
    gate.call("PUT", "/upstreams/9", upstream()).await.has_status(201);
    gate.call("PUT", "/routes/1", json!({"uri": "/", "upstream_id": 9, "service_id": "1"}))
        .await
        .has_status(201);
}

#[tokio::test]
async fn an_empty_array_is_an_empty_object() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/services/1", "[]").await.has_status(201);
    gate.call("PUT", "/services/2", json!({"plugins": []})).await.has_status(201);
    gate.call("PATCH", "/services/2", "[]").await.has_status(200);
}

#[tokio::test]
async fn resources_of_other_kinds_are_named_as_unsupported() {
    let gate = Gate::start(Dialect::Apisix).await;
    for kind in ["protos", "secrets", "global_rules", "plugin_configs", "apps", "overlays", "nonsense"] {
        let text = format!("Unsupported resource type: {kind}");
        gate.call("GET", &format!("/{kind}"), ()).await.is_error(404, &text);
        gate.call("PUT", &format!("/{kind}/1"), "{}").await.is_error(404, &text);
    }
    for (method, path) in
        [("GET", "/routes/1/x"), ("PUT", "/routes/1/x"), ("POST", "/plugins/list"), ("PUT", "/schema/route")]
    {
        gate.call(method, path, "{}").await.is_error(404, "not found");
    }
}

#[tokio::test]
async fn two_writers_of_one_resource_both_succeed_one_after_the_other() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/services/1", json!({"labels": {"n0": "x"}})).await.has_status(201);
    let patches = (1..=20).map(|n| {
        let (gate, label) = (&gate, format!("n{n}"));
        async move { gate.call("PATCH", "/services/1", json!({"labels": {label: "x"}})).await.status }
    });
    assert_eq!(futures_util::future::join_all(patches).await, [200; 20]);
    let labels = gate.call("GET", "/services/1", ()).await.value()["labels"].clone();
    assert_eq!(labels.as_object().unwrap().len(), 21);
}
