use crate::support::{ADMIN, APPROVER, Gate, VIEWER, upstream};
use admin::Dialect;
use model::resource::{Kind, Origin};
use serde_json::{Value, json};

fn app() -> Value {
    let nodes = |address: &str| json!({"nodes": {address: 1}});
    let target = json!({"upstream": {"blue": nodes("127.0.0.1:1"), "green": nodes("127.0.0.1:2")}});
    json!({"service_id": "shop", "target": target})
}

async fn gate() -> Gate {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/services/shop", json!({"upstream": upstream()})).await.has_status(201);
    gate
}

#[tokio::test]
async fn an_app_is_made_read_replaced_and_deleted() {
    let gate = gate().await;
    let call = async |method, path, body: Value| gate.send(method, path, &[("X-API-KEY", ADMIN)], body).await;
    let made = call("PUT", "/tealgate/v1/apps/shop", app()).await.has_status(201).json();
    assert_eq!((&made["value"]["id"], &made["origin"]), (&json!("shop"), &json!("api")));
    call("PUT", "/tealgate/v1/apps/shop", app()).await.has_status(200);
    let read = call("GET", "/tealgate/v1/apps/shop", json!({})).await.has_status(200).json();
    assert_eq!(read["value"]["target"], app()["target"]);
    let list = call("GET", "/tealgate/v1/apps", json!({})).await.has_status(200).json();
    assert_eq!((&list["total"], &list["list"][0]), (&json!(1), &read));
    let in_use = "can not delete this service directly, app [shop] is still using it now";
    gate.call("DELETE", "/services/shop", ()).await.is_error(400, in_use);
    call("DELETE", "/tealgate/v1/apps/shop", json!({})).await.is(200, &json!({"deleted": "shop"}));
    for method in ["GET", "DELETE"] {
        let answer = call(method, "/tealgate/v1/apps/shop", json!({})).await.has_status(404).json();
        assert_eq!(answer["error_msg"], "there is no app shop");
        assert!(!answer["hint"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_app_that_cannot_work_is_refused_with_the_place() {
    let gate = gate().await;
    let mut unknown = app();
    unknown["nonsense"] = json!(1);
    let mut elsewhere = app();
    elsewhere["service_id"] = json!("none");
    let mut other = app();
    other["id"] = json!("other");
    for (body, text) in [
        (unknown.to_string(), "nonsense"),
        (json!({"service_id": "shop"}).to_string(), "target"),
        (elsewhere.to_string(), "failed to fetch service info by service id [none], response code: 404"),
        (other.to_string(), "the id in the body is not the one in the path"),
        (String::new(), "the body is empty"),
        ("{".to_owned(), "invalid request body: Expected"),
        ("[]".to_owned(), "invalid configuration"),
    ] {
        let answer = gate.send("PUT", "/tealgate/v1/apps/shop", &[("X-API-KEY", ADMIN)], body.as_str()).await;
        let said = answer.has_status(400).json();
        assert!(said["error_msg"].as_str().unwrap().contains(text), "{body}: {said}");
        assert!(said["hint"].is_string());
    }
}

#[tokio::test]
async fn only_administrators_change_apps_and_only_with_a_key() {
    let gate = gate().await;
    for key in [VIEWER, APPROVER] {
        let key = [("X-API-KEY", key)];
        gate.send("GET", "/tealgate/v1/apps", &key, ()).await.has_status(200);
        for method in ["PUT", "DELETE"] {
            let answer =
                gate.send(method, "/tealgate/v1/apps/shop", &key, app()).await.has_status(403).json();
            assert!(answer["error_msg"].as_str().unwrap().ends_with("it needs the role admin"), "{answer}");
        }
    }
    let answer = gate.send("GET", "/tealgate/v1/apps", &[], ()).await.has_status(401).json();
    assert_eq!(answer["error_msg"], "failed to check token: missing apikey");
    assert!(answer["hint"].as_str().unwrap().contains("X-API-KEY"));
}

#[tokio::test]
async fn an_app_of_the_file_is_changed_in_the_file() {
    let gate = gate().await;
    gate.seed(Kind::App, "shop", Origin::File, app()).await;
    for method in ["PUT", "DELETE"] {
        let answer = gate.send(method, "/tealgate/v1/apps/shop", &[("X-API-KEY", ADMIN)], app()).await;
        let said = answer.has_status(400).json();
        assert_eq!(said["error_msg"], "app [shop] comes from the configuration file; change it there");
    }
}

#[tokio::test]
async fn an_unknown_endpoint_is_named() {
    let gate = gate().await;
    for (method, path) in [("GET", "/tealgate/v1/nonsense"), ("POST", "/tealgate/v1/apps/shop")] {
        let answer = gate.send(method, path, &[("X-API-KEY", ADMIN)], ()).await.has_status(404).json();
        assert_eq!(answer["error_msg"], format!("there is no {method} {path}"));
    }
}
