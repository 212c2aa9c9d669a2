use crate::support::{Gate, upstream};
use admin::Dialect;
use serde_json::json;

#[tokio::test]
async fn a_delete_says_what_it_deleted_and_the_second_is_a_404() {
    let gate = Gate::start(Dialect::Apisix).await;
    gate.call("PUT", "/upstreams/1", upstream()).await.has_status(201);
    gate.call("DELETE", "/upstreams/1", ())
        .await
        .is(200, &json!({"deleted": "1", "key": "/apisix/upstreams/1"}));
    for method in ["DELETE", "GET"] {
        gate.call(method, "/upstreams/1", ()).await.is(404, &json!({"message": "Key not found"}));
    }
}

#[tokio::test]
async fn what_is_used_is_deleted_only_by_force() {
    let gate = Gate::start(Dialect::Apisix).await;
    let split = |id| json!({"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream_id": id}, {"weight": 0}]}]}});
    for id in ["u1", "u2", "u3", "u4"] {
        gate.call("PUT", &format!("/upstreams/{id}"), upstream()).await.has_status(201);
    }
    for (path, body) in [
        ("/services/s1", json!({"upstream_id": "u2", "plugins": split("u4")})),
        ("/routes/r1", json!({"uri": "/", "upstream_id": "u1", "service_id": "s1"})),
        ("/routes/r2", json!({"uri": "/", "upstream": upstream(), "plugins": split("u3")})),
    ] {
        gate.call("PUT", path, body).await.has_status(201);
    }
    for (path, text) in [
        ("/upstreams/u1", "can not delete this upstream, route [r1] is still using it now"),
        ("/upstreams/u2", "can not delete this upstream, service [s1] is still using it now"),
        ("/upstreams/u3", "can not delete this upstream, plugin in route [r2] is still using it now"),
        ("/upstreams/u4", "can not delete this upstream, plugin in service [s1] is still using it now"),
        ("/services/s1", "can not delete this service directly, route [r1] is still using it now"),
    ] {
        gate.call("DELETE", path, ()).await.is_error(400, text);
        gate.call("DELETE", &format!("{path}?force=1"), ()).await.is_error(400, text);
        gate.call("DELETE", &format!("{path}?force=true"), ()).await.has_status(200);
    }
}
