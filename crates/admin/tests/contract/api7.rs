use crate::support::{ADMIN, Gate, upstream};
use admin::Dialect;
use model::resource::{Kind, Origin};
use serde_json::{Value, json};

fn route(service: &str) -> Value {
    json!({"name": "r", "paths": ["/headers"], "methods": ["GET"], "service_id": service})
}

fn service() -> Value {
    json!({"name": "s", "upstream": {"type": "roundrobin", "scheme": "https", "pass_host": "node",
           "nodes": [{"host": "blue.example", "port": 443, "weight": 100}]}})
}

async fn gate() -> Gate {
    let gate = Gate::start(Dialect::Api7).await;
    gate.call("PUT", "/services/s?gateway_group_id=group_id", service()).await.has_status(201);
    gate.call("PUT", "/routes/r?gateway_group_id=other", route("s")).await.has_status(201);
    gate
}

#[tokio::test]
async fn answers_are_flat_and_paths_stay_paths() {
    let gate = gate().await;
    let mut expected = route("s");
    expected["id"] = json!("r");
    let read = gate.call("GET", "/routes/r", ()).await.has_status(200);
    assert_eq!(read.value(), expected);
    assert_eq!(read.json().as_object().unwrap().len(), 1);
    let list = gate.call("GET", "/routes?service_id=s", ()).await.has_status(200).json();
    assert_eq!((&list["total"], &list["list"][0]), (&json!(1), &read.json()["value"]));
    gate.call("GET", "/routes?service_id=other", ()).await.is(200, &json!({"list": [], "total": 0}));
    let stored = gate.state.store.get(Kind::Route, "r").await.unwrap().unwrap();
    assert_eq!(stored.value.get("uris"), Some(&json!(["/headers"])));
    gate.call("PUT", "/routes/r", route("s")).await.has_status(200);
    gate.call("GET", "/routes/none", ()).await.is_error(404, "Key not found");
}

#[tokio::test]
async fn a_route_needs_paths_and_a_service_that_exists() {
    let gate = gate().await;
    for (body, text) in [
        (json!({"name": "r", "service_id": "s"}), "invalid configuration: property \"paths\" is required"),
        (json!({"name": "r", "paths": ["/"]}), "invalid configuration: property \"service_id\" is required"),
        (
            json!({"name": "r", "uri": "/", "paths": ["/"], "service_id": "s"}),
            "invalid configuration: additional properties forbidden, found uri",
        ),
        (route("none"), "failed to fetch service info by service id [none], response code: 404"),
    ] {
        gate.call("PUT", "/routes/r", body).await.is_error(400, text);
    }
    let text = "invalid configuration: property \"name\" is required";
    gate.call("PUT", "/services/s", json!({"upstream": upstream()})).await.is_error(400, text);
    let wrong = json!({"name": "r", "paths": [7], "service_id": "s"});
    let said = gate.call("PUT", "/routes/r", wrong).await.has_status(400).json();
    assert!(said["error_msg"].as_str().unwrap().contains("property \"paths\""), "{said}");
}

#[tokio::test]
async fn an_inline_green_upstream_takes_over_scheme_and_pass_host_with_a_warning() {
    let gate = gate().await;
    let split = |upstream: Value| json!({"rules": [{"weighted_upstreams": [{"weight": 100, "upstream": upstream}, {"weight": 0}]}]});
    let green = json!({"type": "roundrobin", "nodes": [{"host": "green.example", "port": 443, "weight": 1}]});
    let mut body = route("s");
    body["plugins"] = json!({"traffic-split": split(green.clone())});
    let answer = gate.call("PUT", "/routes/r", &body).await.has_status(200);
    let place = "plugins.traffic-split.rules[0].weighted_upstreams[0].upstream";
    let warning =
        format!("{place}: scheme \"https\" and pass_host \"node\" taken from the service's upstream");
    assert_eq!(answer.json()["warning_msg"], warning);
    let mut complete = green.clone();
    complete["scheme"] = json!("https");
    complete["pass_host"] = json!("node");
    assert_eq!(answer.value()["plugins"]["traffic-split"], split(complete.clone()));

    body["plugins"] = json!({"traffic-split": split(complete)});
    let answer = gate.call("PUT", "/routes/r", &body).await.has_status(200);
    assert!(answer.json().get("warning_msg").is_none());
    let patch = json!({"plugins": {"traffic-split": split(green.clone())}});
    let answer = gate.call("PATCH", "/routes/r", patch).await.has_status(200);
    assert_eq!(answer.json()["warning_msg"], warning);
    let mut owner = service();
    owner["plugins"] = json!({"traffic-split": split(green)});
    let answer = gate.call("PUT", "/services/s", owner).await.has_status(200);
    assert_eq!(answer.json()["warning_msg"], warning);
}

#[tokio::test]
async fn on_the_apisix_listener_nothing_is_taken_over() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/services/s", service()).await.has_status(201);
    let green = json!({"nodes": [{"host": "green.example", "port": 443, "weight": 1}]});
    let split = json!({"rules": [{"weighted_upstreams": [{"weight": 100, "upstream": green}]}]});
    let body = json!({"uri": "/", "service_id": "s", "plugins": {"traffic-split": split}});
    let answer = gate.call("PUT", "/routes/r", body).await.has_status(201);
    assert_eq!(answer.value()["plugins"]["traffic-split"], split);
    assert!(answer.json().get("warning_msg").is_none());
}

#[tokio::test]
async fn a_service_has_further_upstreams_of_its_own() {
    let gate = gate().await;
    gate.call("PUT", "/services/t", json!({"name": "t"})).await.has_status(201);
    let green = gate.call("PUT", "/services/s/upstreams/green", upstream()).await.has_status(201);
    let mut expected = upstream();
    expected["id"] = json!("green");
    assert_eq!(green.value(), expected);
    gate.call("PUT", "/services/s/upstreams/green", upstream()).await.has_status(200);
    let list = gate.call("GET", "/services/s/upstreams", ()).await.has_status(200).json();
    let ids: Vec<_> = list["list"].as_array().unwrap().iter().map(|u| u["id"].clone()).collect();
    assert_eq!(ids, ["s", "green"]);
    assert_eq!(gate.call("GET", "/services/s/upstreams/green", ()).await.value(), expected);
    let default = gate.call("GET", "/services/s/upstreams/s", ()).await.has_status(200).json();
    assert_eq!(default["value"]["nodes"][0]["host"], "blue.example");

    let text = "upstream [green] belongs to service [s]";
    for method in ["GET", "PUT", "DELETE"] {
        gate.call(method, "/services/t/upstreams/green", upstream()).await.is_error(400, text);
    }
    gate.call("PUT", "/services/none/upstreams/x", upstream()).await.is_error(404, "Key not found");
    gate.call("DELETE", "/services/s/upstreams/green", ()).await.is(200, &json!({}));
    gate.call("DELETE", "/services/s/upstreams/green", ()).await.is_error(404, "Key not found");
}

#[tokio::test]
async fn deleting_a_service_deletes_what_belongs_to_it_or_nothing() {
    let gate = gate().await;
    gate.call("PUT", "/services/s/upstreams/green", upstream()).await.has_status(201);
    gate.seed(Kind::Route, "fixed", Origin::File, json!({"uri": "/", "service_id": "s"})).await;
    let text = "route [fixed] comes from the configuration file; change it there";
    gate.call("DELETE", "/services/s", ()).await.is_error(400, text);
    gate.call("GET", "/routes/r", ()).await.has_status(200);

    gate.seed(Kind::Route, "fixed", Origin::Api, json!({"uri": "/", "service_id": "s"})).await;
    gate.call("DELETE", "/services/s", ()).await.is(200, &json!({}));
    for path in ["/services/s", "/routes/r", "/routes/fixed"] {
        gate.call("GET", path, ()).await.is_error(404, "Key not found");
    }
    assert!(gate.state.store.get(Kind::Upstream, "green").await.unwrap().is_none());
    gate.call("DELETE", "/services/s", ()).await.is_error(404, "Key not found");
}

#[tokio::test]
async fn lists_are_filtered_turned_round_and_cut() {
    let gate = gate().await;
    for (id, body) in [
        ("t", json!({"name": "tea", "labels": {"team": "x"}})),
        ("u", json!({"name": "ueber", "labels": {"team": "y"}})),
    ] {
        gate.call("PUT", &format!("/services/{id}"), body).await.has_status(201);
    }
    for (query, expected) in [
        ("", vec!["s", "t", "u"]),
        ("?direction=desc", vec!["u", "t", "s"]),
        ("?labels[team]=y", vec!["u"]),
        ("?name=te", vec!["t"]),
        ("?page=2&page_size=2&gateway_group_id=x", vec!["u"]),
    ] {
        let list = gate.call("GET", &format!("/services{query}"), ()).await.has_status(200).json();
        let ids: Vec<_> =
            list["list"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test]
async fn clients_of_the_dashboard_find_what_they_ask_for_before_they_sync() {
    let gate = gate().await;
    let get = async |path| gate.send("GET", path, &[("X-API-KEY", ADMIN)], ()).await;
    let version = get("/api/version").await.has_status(200).json();
    assert_eq!(version["value"], "3.9.9");
    let groups = get("/api/gateway_groups?search=&name=prod").await;
    groups.is(200, &json!({"list": [{"id": "default", "name": "prod"}], "total": 1}));
    let core = get("/api/schema/core").await.has_status(200).json();
    assert!(core["value"]["main"]["route"]["properties"]["paths"].is_object());
    assert!(core["value"]["plugins"]["traffic-split"]["schema"].is_object());
    gate.send("GET", "/api/version", &[], ()).await.has_status(401);
    gate.call("GET", "/upstreams", ()).await.is_error(404, "Unsupported resource type: upstreams");
    gate.call("GET", "/plugins/list", ()).await.has_status(200);
}
