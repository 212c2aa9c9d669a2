use crate::support::{ADMIN, Gate, upstream};
use admin::Dialect;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_body_that_is_no_json_is_quoted_back() {
    let gate = Gate::start(Dialect::Apisix).await;
    for (body, reason) in [
        ("abc", "Expected value but found invalid token at character 1"),
        ("{\"uri\": }", "Expected value but found T_OBJ_END at character 9"),
        ("{uri: 1}", "Expected object key string but found invalid token at character 2"),
    ] {
        for (method, path) in [("PUT", "/routes/1"), ("POST", "/routes"), ("PATCH", "/routes/1")] {
            let text = format!("invalid request body: {reason}");
            gate.call(method, path, body).await.is(400, &json!({"error_msg": text, "req_body": body}));
        }
    }
}

#[tokio::test]
async fn raw_newlines_in_strings_and_any_content_type_are_accepted() {
    let gate = Gate::start(Dialect::Apisix).await;
    let body = "{\"desc\": \"one\ntwo\tthree\"}";
    let form = [("X-API-KEY", ADMIN), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer = gate.send("PUT", "/apisix/admin/services/1", &form, body).await.has_status(201);
    assert_eq!(answer.value()["desc"], "one\ntwo\tthree");
}

#[tokio::test]
async fn a_body_over_one_and_a_half_mib_is_refused_with_its_size() {
    let gate = Gate::start(Dialect::Apisix).await;
    let limit = 1_572_864;
    let padded = |size: usize| {
        let mut body = upstream().to_string().into_bytes();
        body.resize(size, b' ');
        body
    };
    gate.call("PUT", "/upstreams/1", padded(limit)).await.has_status(201);
    let text = format!(
        "invalid request body: request size {} is greater than the maximum size {limit} allowed",
        limit + 1
    );
    gate.call("PUT", "/upstreams/1", padded(limit + 1)).await.is_error(400, &text);
}

#[tokio::test]
async fn whatever_is_sent_the_listener_goes_on() {
    let gate = Gate::start(Dialect::Apisix).await;
    for bytes in [
        &b"\x00\xff\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT /apisix/admin/routes/%00%ff%zz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{",
        b"PUT /apisix/admin/routes/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /apisix/admin/routes?page=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(gate.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // The far end may reset the connection; all that matters is that it ends.
        let _ = stream.read_to_end(&mut answer).await;
    }
    for path in [
        "/routes/%00",
        "/routes/%ff%fe",
        "/routes/..%2f..",
        "/routes/a%2Fb",
        "/routes?filter=%26%3D%26",
        "/routes?label=%00",
    ] {
        let answer = gate.call("GET", path, ()).await;
        assert!(matches!(answer.status, 200 | 404), "{path}");
    }
    for body in [
        "null",
        "7",
        "\"x\"",
        "[[[]]]",
        "{\"upstream\":[]}",
        "{\"plugins\":7}",
        "{\"plugins\":{\"cors\":7}}",
        "{\"upstream\":{\"nodes\":7}}",
        "{\"create_time\":[]}",
        "{\"id\":{}}",
        "{\"upstream\":{\"tls\":7}}",
        "{\"plugins\":{\"traffic-split\":{\"rules\":[7]}}}",
        "{\"vars\":[[[[]]]]}",
        "{\"labels\":7}",
    ] {
        for path in ["/routes/1", "/services/1", "/upstreams/1"] {
            for method in ["PUT", "PATCH"] {
                let status = gate.call(method, path, body).await.status;
                assert!(matches!(status, 200 | 201 | 400 | 404), "{method} {path} {body}: {status}");
            }
        }
    }
}
