//! Plugins and consumers through the built binary, with `curl`, over HTTP/1.1 and HTTP/2.

use crate::harness::gate::{Gate, Start};
use crate::harness::nginx::Nginx;
use crate::harness::shell::printed;
use crate::harness::world::World;
use serde_json::json;
use std::path::Path;

/// The example of `docs/plugins.md`, with another node and another port.
fn example(world: &World, nginx: &Nginx) -> String {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plugins.md")).unwrap();
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(block.contains("127.0.0.1:8080"), "{block}");
    let text = block.replace("127.0.0.1:8080", &nginx.address().to_string());
    world.file("plugins.yaml", text)
}

/// The status of a request, its headers in lower case.
async fn curl(gate: &Gate, arguments: &str) -> (String, String) {
    let script = format!("curl -s -i http://127.0.0.1:9080/id {arguments}");
    let answer = printed(gate, &script).await.to_lowercase();
    let status = answer.split_whitespace().nth(1).unwrap_or_default().to_owned();
    (status, answer)
}

#[tokio::test]
async fn the_example_of_the_manual_does_what_it_says() {
    let world = World::new();
    let nginx = Nginx::start(&world, "blue").await;
    let gate = Start::new(&world).with(&["--config", &example(&world, &nginx)]).ready().await;
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let (status, answer) = curl(&gate, protocol).await;
        assert_eq!(status, "401", "{answer}");
        assert!(answer.contains("www-authenticate: apikey realm=\"key\""), "{answer}");
        assert!(answer.contains("missing api key in request"), "{answer}");
        let (status, answer) = curl(&gate, &format!("{protocol} -H 'apikey: jacks-key'")).await;
        assert_eq!(status, "200", "{answer}");
        assert!(
            answer.contains("x-ratelimit-limit: 100\r\n") && answer.contains("x-request-id: "),
            "{answer}"
        );
        let (status, answer) = curl(&gate, &format!("{protocol} -H 'apikey: roses-key'")).await;
        assert_eq!(status, "200", "{answer}");
        assert!(answer.contains("x-ratelimit-limit: 10000\r\n"), "{answer}");
    }
    // Two of jack's hundred are used.
    let loop_of = "for i in $(seq 1 110); do curl -s -o /dev/null -w '%{http_code} ' http://127.0.0.1:9080/id -H 'apikey: jacks-key'; done";
    let statuses = printed(&gate, loop_of).await;
    assert_eq!(statuses.matches("200").count(), 98, "{statuses}");
    assert_eq!(statuses.matches("429").count(), 12, "{statuses}");
    assert!(!gate.log().contains("jacks-key"), "keys are not logged");
}

#[tokio::test]
async fn a_key_that_the_admin_api_wrote_is_good_after_a_restart_and_stands_nowhere_in_the_open() {
    let world = World::new();
    let nginx = Nginx::start(&world, "blue").await;
    let mut gate = Gate::start(&world).await;
    let admin = gate.admin();
    let upstream = json!({"type": "roundrobin", "nodes": nginx.node()});
    let route = json!({"uri": "/*", "upstream": upstream, "plugins": {"key-auth": {}}});
    admin.put("routes/r", &route).await;
    admin.put("consumers", &json!({"username": "jack"})).await;
    let credential = json!({"plugins": {"key-auth": {"key": "correct-horse-battery"}}});
    admin.put("consumers/jack/credentials/laptop", &credential).await;
    assert_eq!(curl(&gate, "-H 'apikey: correct-horse-battery'").await.0, "200");
    gate.crash();
    for entry in std::fs::read_dir(world.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(21).any(|window| window == b"correct-horse-battery");
            assert!(!found, "{} holds the key", path.display());
        }
    }
    let gate = Gate::start(&world).await;
    assert_eq!(curl(&gate, "-H 'apikey: correct-horse-battery'").await.0, "200");
    let shown = gate.admin().value("consumers/jack/credentials/laptop").await;
    assert_eq!(shown["plugins"]["key-auth"]["key"], "correct-horse-battery");
    let deleted = gate.admin().call(http::Method::DELETE, "/apisix/admin/consumers/jack", "").await;
    assert_eq!(deleted.status, 200);
    assert_eq!(curl(&gate, "-H 'apikey: correct-horse-battery'").await.0, "401");
}
