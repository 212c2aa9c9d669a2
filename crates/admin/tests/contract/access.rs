use crate::support::{ADMIN, APPROVER, Gate, OPERATOR, VIEWER, route, state};
use admin::Dialect;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::cidr::Cidr;
use serde_json::json;

#[tokio::test]
async fn without_a_right_key_nothing_is_answered() {
    let gate = Gate::start(Dialect::Apisix).await;
    for (headers, description) in [
        (vec![], "missing apikey"),
        (vec![("X-API-KEY", "")], "missing apikey"),
        (vec![("X-API-KEY", "wrong")], "wrong apikey"),
        (vec![("Cookie", "x_api_key=wrong")], "wrong apikey"),
        (vec![("Authorization", "Bearer wrong")], "wrong apikey"),
        (vec![("Authorization", "Basic YTpi")], "missing apikey"),
    ] {
        for path in ["/apisix/admin/routes", "/apisix/admin/nonsense", "/apisix/admin"] {
            let answer = gate.send("GET", path, &headers, ()).await;
            answer.is(401, &json!({"error_msg": "failed to check token", "description": description}));
            assert_eq!(answer.header("x-api-version"), None);
            assert!(answer.header("server").unwrap().starts_with("Tealgate/"));
        }
    }
}

#[tokio::test]
async fn the_key_is_found_in_query_header_cookie_and_bearer_token() {
    let gate = Gate::start(Dialect::Apisix).await;
    let bearer = format!("Bearer {ADMIN}");
    let cookie = format!("a=b; x_api_key={ADMIN}");
    let query = format!("/apisix/admin/routes?api_key={ADMIN}");
    gate.send("GET", &query, &[("X-API-KEY", "wrong")], ()).await.has_status(200);
    for header in [("X-API-KEY", ADMIN), ("Cookie", &cookie), ("Authorization", &bearer)] {
        let answer = gate.send("GET", "/apisix/admin/routes", &[header], ()).await.has_status(200);
        assert_eq!(answer.header("x-api-version"), Some("v3"));
    }
}

#[tokio::test]
async fn only_the_role_admin_writes_gateway_resources() {
    let gate = Gate::start(Dialect::Apisix).await;
    for (key, role) in [(VIEWER, "viewer"), (OPERATOR, "operator"), (APPROVER, "approver")] {
        let key = [("X-API-KEY", key)];
        gate.send("GET", "/apisix/admin/routes", &key, ()).await.has_status(200);
        for method in ["PUT", "POST", "PATCH", "DELETE"] {
            let answer = gate.send(method, "/apisix/admin/routes/1", &key, route("/")).await;
            let description = format!("invalid method for role {role}");
            answer.is(401, &json!({"error_msg": "failed to check token", "description": description}));
        }
    }
    gate.call("GET", "/routes/1", ()).await.has_status(404);
}

#[tokio::test]
async fn http_basic_with_the_keys_name_works_on_the_api7_listener() {
    let gate = Gate::start(Dialect::Api7).await;
    let call = async |pair: String| {
        let basic = format!("Basic {}", STANDARD.encode(pair));
        gate.send("GET", "/apisix/admin/routes", &[("Authorization", &basic)], ()).await.status
    };
    assert_eq!(call(format!("viewer:{VIEWER}")).await, 200);
    assert_eq!(call(format!("admin:{VIEWER}")).await, 401);
    assert_eq!(call("viewer:wrong".to_owned()).await, 401);
}

#[tokio::test]
async fn addresses_outside_the_allow_list_are_refused_before_the_key_is_looked_at() {
    let mut state = state();
    state.allow_admin = [Cidr::parse("10.0.0.0/8").unwrap()].into();
    let gate = Gate::start_with(state, Dialect::Apisix).await;
    let answer = gate.send("GET", "/apisix/admin/routes", &[], ()).await;
    answer.is(403, &json!({"error_msg": "this address is not in admin.allow", "address": "127.0.0.1"}));
    gate.send("GET", "/status/ready", &[], ()).await.has_status(200);
}

#[tokio::test]
async fn a_preflight_needs_no_key_and_every_response_allows_browsers() {
    let gate = Gate::start(Dialect::Apisix).await;
    let preflight = gate.send("OPTIONS", "/apisix/admin/routes/1", &[], ()).await.has_status(200);
    assert_eq!(preflight.text, "");
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("POST, GET, PUT, OPTIONS, DELETE, PATCH")
    );
    for answer in [preflight, gate.call("GET", "/routes", ()).await, gate.call("GET", "/nonsense", ()).await]
    {
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "*"),
            ("access-control-max-age", "3600"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
    }
}

#[tokio::test]
async fn a_head_probe_is_answered_and_what_is_not_dispatched_is_a_bare_404() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("HEAD", "", ()).await.has_status(200);
    for (method, path) in [
        ("GET", "/apisix/admin"),
        ("PUT", "/apisix/admin"),
        ("HEAD", "/apisix/admin/routes"),
        ("TRACE", "/apisix/admin/routes"),
        ("GET", "/apisix/admin/schema/validate/routes"),
        ("GET", "/apisix/admin/configs/validate"),
        ("GET", "/apisix/other"),
        ("GET", "/"),
        ("POST", "/status"),
    ] {
        let answer = gate.send(method, path, &[("X-API-KEY", ADMIN)], ()).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{method} {path}");
        assert_eq!(answer.header("x-api-version"), None);
    }
}
