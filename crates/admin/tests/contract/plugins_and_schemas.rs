use crate::support::{Gate, route, upstream};
use admin::Dialect;
use model::resource::Kind;
use serde_json::json;

#[tokio::test]
async fn plugins_are_listed_by_priority_and_shown_with_their_schema() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("GET", "/plugins/list", ())
        .await
        .is(200, &json!(["mocking", "cors", "key-auth", "limit-count", "traffic-split"]));
    let schema = gate.call("GET", "/plugins/cors", ()).await.has_status(200).json();
    assert_eq!(schema["properties"]["max_age"]["default"], 5);
    assert_eq!(gate.call("GET", "/schema/plugins/cors", ()).await.has_status(200).json(), schema);
    let all = gate.call("GET", "/plugins?all=true", ()).await.has_status(200).json();
    assert_eq!((&all["cors"]["schema"], &all["cors"]["priority"]), (&schema, &json!(4000)));
    for (path, text) in [
        ("/plugins/nonsense", "plugin not found in subsystem http"),
        ("/plugins", "plugin not found in subsystem http"),
        ("/plugins/cors?subsystem=stream", "plugin not found in subsystem stream"),
    ] {
        gate.call("GET", path, ()).await.is_error(404, text);
    }
    gate.call("GET", "/plugins/cors?subsystem=x", ()).await.is_error(400, "unsupported subsystem: x");
}

#[tokio::test]
async fn a_plugin_that_authenticates_has_a_second_schema_for_consumers() {
    let gate = Gate::start(Dialect::Apisix).await;
    let of_routes = gate.call("GET", "/schema/plugins/key-auth", ()).await.has_status(200).json();
    let path = "/schema/plugins/key-auth?schema_type=consumer";
    let of_consumers = gate.call("GET", path, ()).await.has_status(200).json();
    assert_eq!(of_consumers["required"], json!(["key"]));
    assert_ne!(of_routes, of_consumers);
    // Another plugin is configured in the same way everywhere.
    let other =
        gate.call("GET", "/schema/plugins/cors?schema_type=consumer", ()).await.has_status(200).json();
    assert_eq!(other, gate.call("GET", "/schema/plugins/cors", ()).await.json());
    let all = gate.call("GET", "/plugins?all=true", ()).await.has_status(200).json();
    assert_eq!(
        (&all["key-auth"]["type"], &all["key-auth"]["consumer_schema"]),
        (&json!("auth"), &of_consumers)
    );
    assert_eq!(all["cors"]["type"], json!(null));
}

#[tokio::test]
async fn a_reload_of_plugins_is_done_by_put_only() {
    let gate = Gate::start(Dialect::Apisix).await;
    let done = gate.call("PUT", "/plugins/reload", ()).await.has_status(200);
    assert_eq!(done.text, "done");
    for method in ["GET", "POST", "DELETE", "PATCH"] {
        let text = format!("please use PUT method to reload the plugins, {method} method is not allowed.");
        gate.call(method, "/plugins/reload", ()).await.is_error(405, &text);
    }
}

#[tokio::test]
async fn schemas_are_shown_by_the_name_of_one_resource() {
    let gate = Gate::start(Dialect::Apisix).await;
    for kind in [Kind::Route, Kind::Service, Kind::Upstream, Kind::Consumer, Kind::Credential] {
        let path = format!("/schema/{}", kind.singular());
        gate.call("GET", &path, ()).await.is(200, model::schema::of(kind));
    }
    for (path, name) in
        [("/schema/routes", "routes"), ("/schema/plugins/nonsense", "nonsense"), ("/schema/app", "app")]
    {
        gate.call("GET", path, ()).await.is_error(400, &format!("not found schema: {name}"));
    }
}

#[tokio::test]
async fn a_resource_can_be_validated_without_being_written() {
    let gate = Gate::start(Dialect::Apisix).await;
    let fine = gate.call("POST", "/schema/validate/routes", route("/")).await.has_status(200);
    assert_eq!(fine.text, "");
    // Plugins are not looked into, as in APISIX.
    let body = json!({"uri": "/", "plugins": {"nonsense": {}}});
    gate.call("POST", "/schema/validate/routes", body).await.has_status(200);
    let text = "invalid configuration: additional properties forbidden, found nonsense";
    let body = json!({"uri": "/", "upstream": upstream(), "nonsense": 1});
    gate.call("POST", "/schema/validate/routes", body).await.is_error(400, text);
    gate.call("POST", "/schema/validate/protos", "{}")
        .await
        .is_error(404, "Unsupported resource type: protos");
    gate.call("GET", "/routes", ()).await.is(200, &json!({"list": [], "total": 0}));
}

#[tokio::test]
async fn a_whole_configuration_is_validated_with_all_its_errors() {
    let gate = Gate::start(Dialect::Apisix).await;
    let fine = json!({"routes": [{"id": "r", "uri": "/", "service_id": "not-looked-up"}], "upstreams": [upstream()]});
    gate.call("POST", "/configs/validate", fine).await.is(200, &json!({}));
    let wrong = json!({
        "routes": [{"id": 1, "uri": "/", "upstream": upstream()}, {"id": "r2", "uri": 7, "upstream": upstream()}],
        "services": [{"plugins": {"nonsense": {}}}],
        "secrets": [],
        "upstreams": {},
    });
    let answer = gate.call("POST", "/configs/validate", wrong).await.has_status(400).json();
    assert_eq!(answer["error_msg"], "Configuration validation failed");
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert_eq!(errors[0]["resource_type"], "routes");
    assert_eq!((&errors[0]["resource_id"], &errors[0]["index"]), (&json!("r2"), &json!(1)));
    assert_eq!(errors[1]["error"], "unknown plugin [nonsense]");
}
