use crate::support::{Gate, route};
use serde_json::{Value, json};

/// Under another name than the usual one, which the upstream of the tests repeats in its answers.
async fn gate(mut conf: Value) -> Gate {
    conf["header_name"] = json!("X-Trace");
    Gate::with(&[route(&json!({"request-id": conf}))]).await
}

#[tokio::test]
async fn upstream_and_client_are_told_the_same_new_id() {
    for algorithm in ["uuid", "nanoid", "range_id", "ksuid", "uuidv7"] {
        let gate = gate(json!({"algorithm": algorithm})).await;
        let mut ids = Vec::new();
        for _ in 0..2 {
            let answer = gate.get("/", &[]).await;
            let id = answer.header("x-trace").unwrap();
            assert_eq!(gate.last_request().values("x-trace"), [id.as_str()], "{algorithm}");
            ids.push(id);
        }
        assert_ne!(ids[0], ids[1]);
    }
}

#[tokio::test]
async fn an_id_that_comes_with_the_request_stays_unless_it_is_empty() {
    let gate = gate(json!({})).await;
    let answer = gate.get("/", &[("x-trace", "mine")]).await;
    assert_eq!(answer.header("x-trace").as_deref(), Some("mine"));
    assert_eq!(gate.last_request().values("x-trace"), ["mine"]);
    let answer = gate.get("/", &[("x-trace", "")]).await;
    let id = answer.header("x-trace").unwrap();
    assert_eq!((id.len(), gate.last_request().values("x-trace")), (36, vec![id.as_str()]));
}

#[tokio::test]
async fn the_client_is_not_told_if_it_shall_not_be() {
    let gate = gate(json!({"include_in_response": false})).await;
    assert_eq!(gate.get("/", &[]).await.header("x-trace"), None);
    assert_eq!(gate.last_request().values("x-trace").len(), 1);
}

#[tokio::test]
async fn an_upstream_that_says_an_id_itself_is_not_talked_over() {
    // The upstream of the tests repeats `X-Request-Id` in its answer.
    let gate = Gate::with(&[route(&json!({"request-id": {}}))]).await;
    let id = gate.get("/", &[]).await.header("x-request-id").unwrap();
    assert_eq!(gate.last_request().values("x-request-id"), [id.as_str()], "once, not twice");
}

#[tokio::test]
async fn an_answer_of_the_gate_has_the_id_too_and_other_plugins_can_use_it() {
    let limit = json!({"count": 1, "time_window": 60, "key": "request_id"});
    let gate = Gate::with(&[route(&json!({"request-id": {}, "key-auth": {}, "limit-count": limit}))]).await;
    let answer = gate.get("/", &[]).await;
    assert_eq!((answer.status, answer.header("x-request-id").unwrap().len()), (401, 36));
    let limit = json!({"count": 1, "time_window": 60, "key": "request_id"});
    gate.apply(&[route(&json!({"request-id": {}, "limit-count": limit}))]).await;
    let status = async |id: &str| gate.get("/", &[("x-request-id", id)]).await.status;
    assert_eq!([status("a").await, status("a").await, status("b").await], [200, 503, 200]);
}
