use crate::support::shop::Shop;
use crate::support::{ADMIN, APPROVER, Gate, OPERATOR, VIEWER};
use admin::Dialect;
use serde_json::{Value, json};

#[tokio::test]
async fn a_release_is_started_approved_reported_and_taken_back() {
    let shop = Shop::open().await;
    let id = shop.start(OPERATOR, "2").await;
    let asking = shop.release_that_asks(&id).await;
    assert_eq!(
        (&asking["app"], &asking["version"], &asking["started_by"]),
        (&json!("shop"), &json!("2"), &json!("operator"))
    );
    let promote = format!("/releases/{id}/promote");
    shop.call(OPERATOR, "POST", &promote, Value::Null).await.has_status(403);
    shop.call(APPROVER, "POST", &promote, Value::Null).await.has_status(200);
    let over = shop.release_that(&id, "its end", |release| release["phase"] == "ended").await;
    assert_eq!(over["outcome"], "promoted", "{over}");
    let service = shop.gate.call("GET", "/services/shop", ()).await.json();
    assert!(service["value"]["upstream_id"].as_str().unwrap().starts_with("shop-"), "{service}");

    let report =
        shop.call(VIEWER, "GET", &format!("/releases/{id}/report"), Value::Null).await.has_status(200);
    assert!(report.json().is_object());
    let markdown = format!("/releases/{id}/report?format=markdown");
    let markdown = shop.call(VIEWER, "GET", &markdown, Value::Null).await.has_status(200);
    assert_eq!(markdown.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(markdown.text.contains(&id), "{}", markdown.text);
    let page = format!("/releases/{id}/report?format=html");
    let page = shop.call(VIEWER, "GET", &page, Value::Null).await.has_status(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));

    let status = shop.call(VIEWER, "GET", "/status", Value::Null).await.has_status(200).json();
    assert_eq!(status["live"], "2");
    let second = shop.start(OPERATOR, "3").await;
    let list = shop.call(VIEWER, "GET", "/releases", Value::Null).await.has_status(200).json();
    let ids: Vec<_> =
        list["list"].as_array().unwrap().iter().map(|release| release["release"].clone()).collect();
    assert_eq!(ids, [json!(second), json!(id)], "newest first");
    assert_eq!(list["total"], 2);
    let limited = shop.call(VIEWER, "GET", "/releases?limit=1", Value::Null).await.json();
    assert_eq!(limited["list"][0]["release"], json!(second));

    shop.release_that_asks(&second).await;
    let back = shop.call(OPERATOR, "POST", "/rollback", Value::Null).await.has_status(200).json();
    assert_eq!(back["release"], json!(second), "the one in flight is aborted");
    let over = shop.release_that(&second, "its way back", |release| !release["outcome"].is_null()).await;
    assert_eq!(over["outcome"], "aborted");
}

#[tokio::test]
async fn an_abort_keeps_its_reason_and_its_actor() {
    let shop = Shop::open().await;
    let id = shop.start(ADMIN, "2").await;
    shop.release_that_asks(&id).await;
    let abort = format!("/releases/{id}/abort");
    shop.call(VIEWER, "POST", &abort, Value::Null).await.has_status(403);
    shop.call(OPERATOR, "POST", &abort, json!({"reason": "lunch", "x": 1})).await.has_status(400);
    shop.call(OPERATOR, "POST", &abort, json!({"reason": "lunch"})).await.has_status(200);
    let over = shop.release_that(&id, "its way back", |release| !release["outcome"].is_null()).await;
    assert_eq!(over["outcome"], "aborted");
    let why = over["why"].as_str().unwrap();
    assert!(why.contains("lunch") && why.contains("operator"), "{why}");
}

#[tokio::test]
async fn what_does_not_go_is_refused_with_the_reason_and_what_to_do() {
    let shop = Shop::open().await;
    let id = shop.start(OPERATOR, "2").await;
    shop.release_that_asks(&id).await;
    let key = [("X-API-KEY", ADMIN)];
    let apps = "/tealgate/v1/apps";
    let wrong_share = json!({"version": "3", "steps": [10]}).to_string();
    let of_other = format!("{apps}/other/releases/{id}");
    for (method, path, body, status, text) in [
        ("POST", format!("{apps}/none/releases"), "{\"version\": \"2\"}", 404, "there is no app none"),
        ("GET", format!("{apps}/none/releases"), "", 404, "app none does not exist"),
        ("GET", format!("{apps}/none/status"), "", 404, "app none does not exist"),
        ("POST", format!("{apps}/none/rollback"), "", 404, "app none does not exist"),
        ("GET", format!("{apps}/shop/releases/shop-99"), "", 404, "release shop-99 does not exist"),
        ("GET", of_other, "", 404, "app other has no release"),
        ("POST", format!("{apps}/shop/releases"), "", 400, "version"),
        ("POST", format!("{apps}/shop/releases"), "{\"version\": \"2\", \"x\": 1}", 400, "x"),
        (
            "POST",
            format!("{apps}/shop/releases"),
            "{\"version\": \"a b\"}",
            400,
            "version \"a b\" is not valid",
        ),
        ("POST", format!("{apps}/shop/releases"), &wrong_share, 400, "steps"),
        ("POST", format!("{apps}/shop/releases"), "{", 400, "invalid request body"),
        (
            "GET",
            format!("{apps}/shop/releases/{id}/report?format=pdf"),
            "",
            400,
            "there is no report format pdf",
        ),
    ] {
        let answer = shop.gate.send(method, &path, &key, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        let said = answer.json();
        assert!(said["error_msg"].as_str().unwrap().contains(text), "{method} {path} {body}: {said}");
        assert!(said["hint"].is_string());
    }
    shop.call(VIEWER, "POST", "/releases", json!({"version": "3"})).await.has_status(403);
    shop.call(OPERATOR, "POST", &format!("/releases/{id}/abort"), Value::Null).await.has_status(200);
    shop.release_that(&id, "its way back", |release| !release["outcome"].is_null()).await;
    let late =
        shop.call(APPROVER, "POST", &format!("/releases/{id}/promote"), Value::Null).await.has_status(409);
    assert!(late.json()["hint"].as_str().unwrap().contains("/status"));
    let again = shop.call(OPERATOR, "POST", "/rollback", Value::Null).await.has_status(200);
    assert_eq!(again.json()["release"], id, "it is on its way back already");
}

#[tokio::test]
async fn only_an_administrator_starts_a_release_with_a_spec() {
    let shop = Shop::open().await;
    let first = shop.start(ADMIN, "1").await;
    let spec = json!({"process": {"command": ["anything"]}});
    let with_spec = json!({"version": "2", "spec": spec});
    for (key, role) in [(OPERATOR, "operator"), (APPROVER, "approver")] {
        let refused = shop.call(key, "POST", "/releases", with_spec.clone()).await.has_status(403).json();
        let text = refused["error_msg"].as_str().unwrap();
        assert!(text.contains(&format!("role {role}, but admin is needed: a spec may run")), "{text}");
    }
    let list = shop.call(VIEWER, "GET", "/releases", Value::Null).await.json();
    assert_eq!((&list["total"], &list["list"][0]["release"]), (&json!(1), &json!(first)));
    // An administrator's spec gets as far as being looked at.
    let empty = json!({"version": "2", "spec": {"process": {"command": []}}});
    let refused = shop.call(ADMIN, "POST", "/releases", empty).await.has_status(400).json();
    assert!(refused["error_msg"].as_str().unwrap().contains("process.command"), "{refused}");
}

#[tokio::test]
async fn a_process_without_a_controller_says_so() {
    let gate = Gate::start(Dialect::Apisix).await;
    for (method, path) in [
        ("GET", "/apps/shop/status"),
        ("GET", "/apps/shop/releases"),
        ("POST", "/apps/shop/rollback"),
        ("GET", "/apps/shop/releases/shop-1"),
        ("GET", "/events"),
    ] {
        let answer = gate.send(method, &format!("/tealgate/v1{path}"), &[("X-API-KEY", ADMIN)], ()).await;
        let said = answer.has_status(503).json();
        assert_eq!(said["error_msg"], "this process runs no release controller");
    }
}
