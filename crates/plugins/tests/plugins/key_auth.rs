use crate::support::{Gate, consumer, credential, route};
use model::resource::Kind;
use serde_json::{Value, json};
use testkit::upstream::Upstream;

fn jack() -> (Kind, Value) {
    consumer("jack", &json!({"key-auth": {"key": "jacks-key"}}))
}

async fn gate(conf: Value) -> Gate {
    let rose = credential("rose", "c-1", &json!({"key-auth": {"key": "roses-key"}}));
    Gate::with(&[route(&json!({"key-auth": conf})), jack(), consumer("rose", &json!({})), rose]).await
}

#[tokio::test]
async fn a_request_without_a_key_or_with_a_wrong_one_gets_a_401() {
    let gate = gate(json!({})).await;
    for (headers, path, text) in [
        (&[][..], "/", "Missing API key in request"),
        (&[("apikey", "wrong")][..], "/", "Invalid API key in request"),
        (&[("apikey", "")][..], "/", "Invalid API key in request"),
        (&[("apikey", "jacks-ke")][..], "/?apikey=jacks-key", "Invalid API key in request"),
        (&[][..], "/?apikey", "Invalid API key in request"),
        (&[][..], "/?apikey=wrong", "Invalid API key in request"),
    ] {
        let answer = gate.get(path, headers).await;
        assert_eq!(answer.status, 401, "{path} {headers:?}");
        assert_eq!(answer.body, format!("{{\"message\":\"{text}\"}}\n"));
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("apikey realm=\"key\""));
        assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    }
    assert_eq!(gate.upstream.requests().len(), 0, "nothing reached the upstream");
}

#[tokio::test]
async fn the_upstream_is_told_who_it_is_whatever_the_client_says() {
    let gate = gate(json!({})).await;
    let lies = [
        ("X-Consumer-Username", "root"),
        ("x-credential-identifier", "root"),
        ("X-CONSUMER-CUSTOM-ID", "root"),
    ];
    for (path, key, username, credential) in [
        ("/", Some("jacks-key"), "jack", None),
        ("/?apikey=roses%2Dkey", None, "rose", Some("c-1")),
        ("/?apikey=jacks-key", Some("roses-key"), "rose", Some("c-1")),
    ] {
        let headers: Vec<_> = key.map(|key| ("ApiKey", key)).into_iter().chain(lies).collect();
        assert_eq!(gate.get(path, &headers).await.status, 200);
        let request = gate.last_request();
        assert_eq!(request.values("x-consumer-username"), [username]);
        assert_eq!(request.values("x-credential-identifier"), credential.as_slice());
        assert_eq!(request.values("x-consumer-custom-id"), [""; 0]);
        assert_eq!(request.target, path, "the key is not hidden");
    }
}

#[tokio::test]
async fn a_route_without_the_plugin_does_not_pass_on_who_a_client_claims_to_be() {
    let gate = Gate::with(&[route(&json!({}))]).await;
    let lies = [
        ("X-Consumer-Username", "root"),
        ("X_Consumer_Username", "root"),
        ("X-Credential-Identifier", "root"),
        ("X-Other", "stays"),
    ];
    assert_eq!(gate.get("/", &lies).await.status, 200);
    let request = gate.last_request();
    for name in ["x-consumer-username", "x_consumer_username", "x-credential-identifier"] {
        assert_eq!(request.values(name), [""; 0], "{name}");
    }
    assert_eq!(request.values("x-other"), ["stays"]);
}

#[tokio::test]
async fn names_of_header_and_argument_and_the_realm_can_be_chosen() {
    let gate = gate(json!({"header": "X-Key", "query": "auth key", "realm": "a \"b\""})).await;
    assert_eq!(gate.get("/", &[("x-key", "jacks-key")]).await.status, 200);
    assert_eq!(gate.get("/?auth+key=jacks-key", &[]).await.status, 200);
    let answer = gate.get("/?apikey=jacks-key", &[("apikey", "jacks-key")]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate").as_deref(), Some("apikey realm=\"a \\\"b\\\"\""));
}

#[tokio::test]
async fn a_hidden_key_does_not_reach_the_upstream() {
    let gate = gate(json!({"hide_credentials": true})).await;
    for (path, headers, target) in [
        ("/x", &[("apikey", "jacks-key"), ("ApiKey", "again")][..], "/x"),
        ("/x?apikey=jacks-key", &[][..], "/x"),
        ("/x?a=1&apikey=jacks-key&b=2&%61pikey=3", &[][..], "/x?a=1&b=2"),
        ("/x?a=1&apikey=other", &[("apikey", "jacks-key")][..], "/x?a=1&apikey=other"),
    ] {
        assert_eq!(gate.get(path, headers).await.status, 200, "{path}");
        let request = gate.last_request();
        assert_eq!((request.target.as_str(), request.values("apikey")), (target, vec![]));
    }
}

#[tokio::test]
async fn an_anonymous_consumer_stands_in_for_an_unknown_one() {
    let gate = gate(json!({"anonymous_consumer": "rose"})).await;
    for (headers, username) in
        [(&[][..], "rose"), (&[("apikey", "wrong")][..], "rose"), (&[("apikey", "jacks-key")][..], "jack")]
    {
        assert_eq!(gate.get("/", headers).await.status, 200);
        let request = gate.last_request();
        assert_eq!(request.values("x-consumer-username"), [username]);
        assert_eq!(request.values("x-credential-identifier"), [""; 0]);
    }
    let resources = [route(&json!({"key-auth": {"anonymous_consumer": "nobody"}})), jack()];
    gate.apply(&resources).await;
    let answer = gate.get("/", &[]).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (401, "{\"message\":\"Invalid user authorization\"}\n")
    );
}

#[tokio::test]
async fn a_key_is_good_from_one_table_to_the_next_while_its_consumer_has_it() {
    let gate = Gate::with(&[route(&json!({"key-auth": {}})), jack()]).await;
    let status = async |key: &str| gate.get("/", &[("apikey", key)]).await.status;
    assert_eq!((status("jacks-key").await, status("new-key").await), (200, 401));
    let renewed = consumer("jack", &json!({"key-auth": {"key": "new-key"}}));
    gate.apply(&[route(&json!({"key-auth": {}})), renewed.clone()]).await;
    assert_eq!((status("jacks-key").await, status("new-key").await), (401, 200));
    let second = credential("jack", "second", &json!({"key-auth": {"key": "jacks-key"}}));
    gate.apply(&[route(&json!({"key-auth": {}})), renewed, second.clone()]).await;
    assert_eq!((status("jacks-key").await, status("new-key").await), (200, 200));
    let applied = gate.apply(&[route(&json!({"key-auth": {}})), second]).await;
    assert_eq!(applied.problems.len(), 1, "a credential without a consumer: {:?}", applied.problems);
    assert_eq!((status("jacks-key").await, status("new-key").await), (401, 401));
}

#[tokio::test]
async fn a_key_that_two_have_is_the_firsts_and_is_told_of_without_being_shown() {
    let gate = Gate::with(&[route(&json!({"key-auth": {}})), jack()]).await;
    let other = consumer("other", &json!({"key-auth": {"key": "jacks-key"}}));
    let applied = gate.apply(&[route(&json!({"key-auth": {}})), jack(), other]).await;
    assert_eq!(gate.get("/", &[("apikey", "jacks-key")]).await.status, 200);
    assert_eq!(gate.last_request().values("x-consumer-username"), ["jack"]);
    assert_eq!(applied.problems.len(), 1);
    assert_eq!(applied.problems[0].id, "other");
    assert!(!applied.problems[0].what.contains("jacks-key"), "{}", applied.problems[0].what);
}

#[tokio::test]
async fn the_label_custom_id_is_passed_on() {
    let mut labelled = jack();
    labelled.1["labels"] = json!({"custom_id": "4711"});
    let gate = Gate::with(&[route(&json!({"key-auth": {}})), labelled]).await;
    assert_eq!(gate.get("/", &[("apikey", "jacks-key")]).await.status, 200);
    assert_eq!(gate.last_request().values("x-consumer-custom-id"), ["4711"]);
}

#[tokio::test]
async fn a_consumer_always_reaches_the_same_node_whatever_its_key() {
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let nodes = json!({one.address().to_string(): 1, two.address().to_string(): 1});
    let upstream = json!({"type": "chash", "hash_on": "consumer", "nodes": nodes});
    let route = json!({"id": "r", "uri": "/*", "upstream": upstream, "plugins": {"key-auth": {}}});
    let mut resources = vec![(Kind::Route, route)];
    for number in 0..12 {
        let name = format!("c{number}");
        resources.push(consumer(&name, &json!({})));
        for key in ["a", "b"] {
            let conf = json!({"key-auth": {"key": format!("{name}-{key}")}});
            resources.push(credential(&name, key, &conf));
        }
    }
    let gate = Gate::with(&resources).await;
    let mut reached = std::collections::BTreeSet::new();
    for number in 0..12 {
        let mut of_consumer = std::collections::BTreeSet::new();
        for key in ["a", "b"] {
            let answer = gate.get("/", &[("apikey", &format!("c{number}-{key}"))]).await;
            of_consumer.insert(answer.header("x-colour").expect("a node"));
        }
        assert_eq!(of_consumer.len(), 1, "c{number}");
        reached.extend(of_consumer);
    }
    assert_eq!(reached.len(), 2);
}

#[tokio::test]
async fn a_consumer_of_a_long_name_is_named_to_the_upstream_and_in_the_access_log() {
    let name = "a-name-that-is-longer-than-most-names-of-consumers-are";
    let long = consumer(name, &json!({"key-auth": {"key": "a-key-that-is-longer-than-most-keys-are"}}));
    let gate = Gate::with(&[route(&json!({"key-auth": {}})), long]).await;
    let key = ("apikey", "a-key-that-is-longer-than-most-keys-are");
    assert_eq!(gate.get("/", &[key]).await.status, 200);
    assert_eq!(gate.last_request().values("x-consumer-username"), [name]);
    assert_eq!(gate.logged(1).await[0]["consumer"], name);
}

#[tokio::test]
async fn the_access_log_names_the_consumer_and_shows_no_key() {
    let gate = gate(json!({"query": "who"})).await;
    assert_eq!(gate.get("/?a=1&who=jacks-key&b", &[]).await.status, 200);
    assert_eq!(gate.get("/?wh%6F=jacks-wrong-key", &[]).await.status, 401);
    let lines = gate.logged(2).await;
    assert_eq!((&lines[0]["consumer"], &lines[0]["query"]), (&json!("jack"), &json!("a=1&who=***&b")));
    assert_eq!((lines[1].get("consumer"), &lines[1]["query"]), (None, &json!("wh%6F=***")));
    assert!(lines.iter().all(|line| !line.to_string().contains("jacks")), "{lines:?}");
    assert!(lines.iter().all(|line| line["protocol"] == "HTTP/1.1"), "{lines:?}");
}
