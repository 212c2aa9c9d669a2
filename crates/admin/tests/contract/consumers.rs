use crate::support::Gate;
use admin::Dialect;
use model::resource::{Kind, Origin};
use serde_json::{Value, json};

fn with_key(username: &str, key: &str) -> Value {
    json!({"username": username, "plugins": {"key-auth": {"key": key}}})
}

fn key(key: &str) -> Value {
    json!({"plugins": {"key-auth": {"key": key}}})
}

#[tokio::test]
async fn a_consumer_is_known_by_its_username() {
    let gate = Gate::start(Dialect::Apisix).await;
    let made = gate.call("PUT", "/consumers", with_key("jack", "k1")).await.has_status(201).json();
    assert_eq!(made["key"], "/apisix/consumers/jack");
    assert_eq!(made["value"]["username"], "jack");
    assert_eq!(made["value"]["plugins"]["key-auth"]["key"], "k1", "as in APISIX");
    let body = json!({"username": "jack", "desc": "new", "labels": {"custom_id": "7"}});
    let changed = gate.call("PUT", "/consumers/jack", body).await.has_status(200).json();
    assert_eq!((&changed["value"]["desc"], &changed["value"]["plugins"]), (&json!("new"), &Value::Null));
    assert_eq!(changed["value"]["create_time"], made["value"]["create_time"]);
    let one = gate.call("GET", "/consumers/jack", ()).await.has_status(200).json();
    assert_eq!(one["value"]["desc"], "new");
    assert!(one["createdIndex"].is_u64());
    let all = gate.call("GET", "/consumers", ()).await.has_status(200).json();
    assert_eq!((&all["total"], &all["list"][0]["key"]), (&json!(1), &json!("/apisix/consumers/jack")));
    let deleted = gate.call("DELETE", "/consumers/jack", ()).await.has_status(200).json();
    assert_eq!(deleted, json!({"deleted": "1", "key": "/apisix/consumers/jack"}));
    gate.call("GET", "/consumers/jack", ()).await.is(404, &json!({"message": "Key not found"}));
    gate.call("DELETE", "/consumers/jack", ()).await.is(404, &json!({"message": "Key not found"}));
}

#[tokio::test]
async fn what_is_wrong_with_a_consumer_is_told_as_apisix_does() {
    let gate = Gate::start(Dialect::Apisix).await;
    let plugins = |plugins: Value| json!({"username": "jack", "plugins": plugins});
    let inside = "invalid plugins configuration: ";
    let in_plugin = format!("{inside}failed to check the configuration of plugin ");
    let split = "plugin traffic-split is not for consumers: a release could not see that it leads users past the \
                 shares: put it on the service";
    for (path, body, text) in [
        ("/consumers", json!({}), "invalid configuration: property \"username\" is required".to_owned()),
        (
            "/consumers/jack",
            json!({"plugins": {}}),
            "invalid configuration: property \"username\" is required".to_owned(),
        ),
        ("/consumers/rose", json!({"username": "jack"}), "wrong username".to_owned()),
        (
            "/consumers",
            json!({"username": "a b"}),
            "invalid configuration: property \"username\" validation failed: failed to match pattern \
             \"^[a-zA-Z0-9_\\\\-]+$\" with \"a b\""
                .to_owned(),
        ),
        (
            "/consumers",
            json!({"username": "jack", "x": 1}),
            "invalid configuration: additional properties forbidden, found x".to_owned(),
        ),
        (
            "/consumers",
            json!({"username": "jack", "group_id": "g"}),
            "failed to fetch consumer group info by consumer group id [g], response code: 404".to_owned(),
        ),
        ("/consumers", plugins(json!({"nonsense": {}})), format!("{inside}unknown plugin [nonsense]")),
        (
            "/consumers",
            plugins(json!({"key-auth": {}})),
            format!("{in_plugin}key-auth err: property \"key\" is required"),
        ),
        (
            "/consumers",
            plugins(json!({"key-auth": {"key": "k", "header": "x"}})),
            format!("{in_plugin}key-auth err: additional properties forbidden, found header"),
        ),
        (
            "/consumers",
            plugins(json!({"limit-count": {}})),
            format!("{in_plugin}limit-count err: property \"count\" is required"),
        ),
        ("/consumers", plugins(json!({"traffic-split": {}})), format!("{inside}{split}")),
    ] {
        gate.call("PUT", path, body).await.is_error(400, &text);
    }
    gate.call("PUT", "/consumers", ()).await.is_error(400, "missing configurations");
    gate.call("GET", "/consumers", ()).await.is(200, &json!({"list": [], "total": 0}));
}

#[tokio::test]
async fn consumers_and_credentials_are_put_whole_and_nothing_else() {
    let gate = Gate::start(Dialect::Apisix).await;
    for method in ["POST", "PATCH"] {
        let text = format!("not supported `{method}` method for consumer");
        gate.call(method, "/consumers", with_key("jack", "k")).await.is_error(405, &text);
        let text = format!("not supported `{method}` method for credential");
        gate.call(method, "/consumers/jack/credentials/c", key("k")).await.is_error(405, &text);
    }
    gate.call("GET", "/consumers/jack/nonsense", ()).await.is_error(404, "not found");
    gate.call("GET", "/credentials", ()).await.is_error(404, "Unsupported resource type: credentials");
}

#[tokio::test]
async fn a_credential_lives_below_its_consumer_and_goes_with_it() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/consumers/jack/credentials/c", key("k1")).await.is_error(404, "consumer not found");
    for name in ["jack", "rose"] {
        gate.call("PUT", "/consumers", json!({"username": name})).await.has_status(201);
    }
    let made = gate.call("PUT", "/consumers/jack/credentials/c", key("k1")).await.has_status(201).json();
    assert_eq!(made["key"], "/apisix/consumers/jack/credentials/c");
    assert_eq!(made["value"]["id"], "c");
    // The same id below another consumer is another credential.
    gate.call(
        "PUT",
        "/consumers/rose/credentials",
        json!({"id": "c", "plugins": {"key-auth": {"key": "k2"}}}),
    )
    .await
    .has_status(201);
    let all = gate.call("GET", "/consumers/jack/credentials", ()).await.has_status(200).json();
    assert_eq!(all["total"], 1);
    assert_eq!(all["list"][0]["value"]["plugins"]["key-auth"]["key"], "k1");
    let one = gate.call("GET", "/consumers/rose/credentials/c", ()).await.has_status(200).json();
    assert_eq!(
        (&one["value"]["id"], &one["value"]["plugins"]["key-auth"]["key"]),
        (&json!("c"), &json!("k2"))
    );
    gate.call("DELETE", "/consumers/jack", ()).await.has_status(200);
    gate.call("GET", "/consumers/jack/credentials/c", ()).await.has_status(404);
    gate.call("GET", "/consumers/rose/credentials/c", ()).await.has_status(200);
    let deleted = gate.call("DELETE", "/consumers/rose/credentials/c", ()).await.has_status(200).json();
    assert_eq!(deleted, json!({"deleted": "1", "key": "/apisix/consumers/rose/credentials/c"}));
    gate.call("DELETE", "/consumers/rose/credentials", ()).await.is_error(400, "missing credential id");
}

#[tokio::test]
async fn a_credential_holds_one_plugin_that_authenticates() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/consumers", json!({"username": "jack"})).await.has_status(201);
    let limit = json!({"limit-count": {"count": 1}});
    let both = json!({"key-auth": {"key": "k"}, "limit-count": {"count": 1}});
    for (id, plugins, text) in [
        ("c", limit, "only supports auth type plugins in consumer credential"),
        (
            "c",
            both,
            "invalid configuration: property \"plugins\" validation failed: expect object to have at most 1 properties",
        ),
        (
            "a%20b",
            json!({}),
            "invalid configuration: property \"id\" validation failed: object matches none of the required",
        ),
    ] {
        let path = format!("/consumers/jack/credentials/{id}");
        gate.call("PUT", &path, json!({"plugins": plugins})).await.is_error(400, text);
    }
    gate.call("PUT", "/consumers/jack/credentials", key("k")).await.is_error(400, "missing credential id");
}

#[tokio::test]
async fn a_key_belongs_to_one_consumer() {
    let gate = Gate::start(Dialect::Apisix).await;
    let text = "duplicate key found with consumer: jack";
    gate.call("PUT", "/consumers", with_key("jack", "k1")).await.has_status(201);
    gate.call("PUT", "/consumers", with_key("rose", "k1")).await.is_error(400, text);
    gate.call("PUT", "/consumers", with_key("rose", "k2")).await.has_status(201);
    gate.call("PUT", "/consumers/rose/credentials/c", key("k1")).await.is_error(400, text);
    gate.call("PUT", "/consumers/jack/credentials/c", key("k1")).await.is_error(400, text);
    gate.call("PUT", "/consumers/jack/credentials/c", key("k3")).await.has_status(201);
    gate.call("PUT", "/consumers", with_key("rose", "k3")).await.is_error(400, text);
    // The same again is no conflict with itself.
    gate.call("PUT", "/consumers", with_key("jack", "k1")).await.has_status(200);
    gate.call("PUT", "/consumers/jack/credentials/c", key("k3")).await.has_status(200);
}

#[tokio::test]
async fn a_consumer_of_the_file_is_read_only() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.seed(Kind::Consumer, "jack", Origin::File, with_key("jack", "k1")).await;
    let text = "consumer [jack] comes from the configuration file; change it there";
    gate.call("PUT", "/consumers", with_key("jack", "k2")).await.is_error(400, text);
    gate.call("DELETE", "/consumers/jack", ()).await.is_error(400, text);
    // What the API adds to it is the API's.
    gate.call("PUT", "/consumers/jack/credentials/c", key("k2")).await.has_status(201);
}

#[tokio::test]
async fn api7_shows_consumers_flat() {
    let gate = Gate::start(Dialect::Api7).await;
    let made =
        gate.call("PUT", "/consumers/jack?gateway_group_id=x", with_key("jack", "k1")).await.has_status(201);
    assert_eq!(made.json()["value"]["username"], "jack");
    gate.call("PUT", "/consumers/jack/credentials/c", key("k2")).await.has_status(201);
    let all = gate.call("GET", "/consumers", ()).await.has_status(200).json();
    assert_eq!((&all["total"], &all["list"][0]["username"]), (&json!(1), &json!("jack")));
    let one = gate.call("GET", "/consumers/jack/credentials/c", ()).await.has_status(200).json();
    assert_eq!(one["value"]["id"], "c");
    gate.call("DELETE", "/consumers/jack", ()).await.is(200, &json!({}));
    let none = gate.call("GET", "/consumers/jack/credentials", ()).await.has_status(200).json();
    assert_eq!(none["total"], 0);
}

#[tokio::test]
async fn keys_are_sealed_in_the_store_and_shown_as_they_were_sent() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/consumers", with_key("jack", "hush")).await.has_status(201);
    gate.call("PUT", "/consumers/jack/credentials/c", key("hush too")).await.has_status(201);
    for (kind, id) in [(Kind::Consumer, "jack"), (Kind::Credential, "jack/c")] {
        let stored = gate.state.store.get(kind, id).await.unwrap().unwrap();
        assert!(!stored.value.to_string().contains("hush"), "{}", stored.value);
    }
    for path in ["/consumers/jack", "/consumers/jack/credentials/c"] {
        let shown = gate.call("GET", path, ()).await.has_status(200).json();
        assert!(
            shown["value"]["plugins"]["key-auth"]["key"].as_str().unwrap().starts_with("hush"),
            "{shown}"
        );
    }
    let all = gate.call("GET", "/consumers", ()).await.has_status(200).json();
    assert_eq!(all["list"][0]["value"]["plugins"]["key-auth"]["key"], "hush");
}

#[tokio::test]
async fn a_key_is_found_twice_whether_it_is_sealed_or_not() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.seed(Kind::Consumer, "old", Origin::Api, with_key("old", "plain")).await;
    let text = "duplicate key found with consumer: old";
    gate.call("PUT", "/consumers", with_key("jack", "plain")).await.is_error(400, text);
    let sealed = store::secret::Keyring::of_key(&[9; 32]).seal("other ring");
    gate.seed(Kind::Consumer, "lost", Origin::Api, with_key("lost", &sealed)).await;
    gate.call("PUT", "/consumers", with_key("jack", "other ring")).await.has_status(201);
}
