//! API7's blue-green walkthrough, from the first call to the last, with real curl and two HTTPS servers.

use crate::harness::gate::{Gate, Start};
use crate::harness::nginx::Nginx;
use crate::harness::shell::{printed, run};
use crate::harness::world::World;
use crate::harness::{admin::Admin, client};
use serde_json::{Value, json};

const BLUE_SERVICE: &str = include_str!("../../../admin/tests/contract/walkthrough_calls/1-blue-service.sh");
const ROUTE: &str = include_str!("../../../admin/tests/contract/walkthrough_calls/2-route.sh");
const SWITCH: &str = include_str!("../../../admin/tests/contract/walkthrough_calls/3-switch.sh");
const ROLLBACK: &str = include_str!("../../../admin/tests/contract/walkthrough_calls/4-rollback.sh");
const CONDITIONAL: &str = include_str!("../../../admin/tests/contract/walkthrough_calls/5-conditional.json");

/// The page's loop, as printed.
const VALIDATE: &str = r#"for i in $(seq 1 10); do
curl -s "http://127.0.0.1:9080/headers" | grep 'X-Amzn-Trace-Id'
done"#;
/// The same without the grep: every answer, so that Blue's can be told from none.
const ANSWERS: &str = r#"for i in $(seq 1 10); do
curl -s "http://127.0.0.1:9080/headers"
done"#;

/// The two colours of the page: Green's answers carry the header's name, Blue's do not.
struct Colours {
    blue: Nginx,
    green: Nginx,
}

impl Colours {
    async fn start(world: &World) -> Colours {
        let green = Nginx::with_tls(world, "green", r#", "X-Amzn-Trace-Id": "Root=1""#).await;
        Colours { blue: Nginx::with_tls(world, "blue", "").await, green }
    }

    /// A text of the page with these two servers in the place of its hosts.
    fn fill(&self, text: &str) -> String {
        let node = |text: &str, host: &str, nginx: &Nginx| {
            let from = format!("\"host\": \"{host}\",\n\"port\": 443");
            text.replace(&from, &format!("\"host\": \"localhost\",\n\"port\": {}", nginx.port()))
        };
        let filled = node(&node(text, "mock.api7.ai", &self.blue), "httpbin.org", &self.green);
        assert!(!filled.contains("443,") && !filled.contains("httpbin"), "{filled}");
        filled
    }

    /// Runs one of the page's calls; what it answered.
    async fn call(&self, gate: &Gate, call: &str) -> Value {
        let text = printed(gate, &self.fill(call)).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(answer.get("error_msg").is_none(), "{answer}");
        answer
    }
}

async fn marked(gate: &Gate) -> usize {
    let output = run(gate, VALIDATE).await;
    String::from_utf8(output.stdout).unwrap().lines().count()
}

/// All ten answers are whole and Blue's.
async fn all_from_blue(gate: &Gate, blue: &Nginx) {
    let text = printed(gate, ANSWERS).await;
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let host = format!("localhost:{}", blue.port());
    assert_eq!(answers, vec![json!({"headers": {"Host": host}}); 10], "pass_host is `node`");
}

#[tokio::test]
async fn every_call_of_the_page_works_as_printed() {
    let world = World::new();
    let colours = Colours::start(&world).await;
    let gate = Gate::start(&world).await;

    colours.call(&gate, BLUE_SERVICE).await;
    colours.call(&gate, ROUTE).await;
    all_from_blue(&gate, &colours.blue).await;

    let switched = colours.call(&gate, SWITCH).await;
    let split =
        &switched["value"]["plugins"]["traffic-split"]["rules"][0]["weighted_upstreams"][0]["upstream"];
    assert_eq!((&split["scheme"], &split["pass_host"]), (&json!("https"), &json!("node")), "inherited");
    assert!(switched["warning_msg"].as_str().is_some_and(|text| !text.is_empty()), "{switched}");
    assert_eq!(marked(&gate).await, 10, "all from Green");

    colours.call(&gate, ROLLBACK).await;
    assert_eq!(marked(&gate).await, 0);
    all_from_blue(&gate, &colours.blue).await;

    // The conditional switch: the page prints the plugin's configuration, to be put where the switch put its own.
    let with_plugin =
        format!("\"service_id\": \"blue-green-service\",\n\"plugins\": {{\"traffic-split\": {CONDITIONAL}}}");
    colours.call(&gate, &ROUTE.replace("\"service_id\": \"blue-green-service\"", &with_plugin)).await;
    all_from_blue(&gate, &colours.blue).await;
    let chosen = client::get_with(gate.gateway(), "/headers", &[("X-Env", "green")]).await;
    assert!(chosen.text().contains("X-Amzn-Trace-Id"), "{chosen:?}");
    let other = client::get_with(gate.gateway(), "/headers", &[("X-Env", "blue")]).await;
    assert!(!other.text().contains("X-Amzn-Trace-Id"), "{other:?}");

    // The clean-up: the plugin goes, the service's default becomes Green, Blue is taken down.
    colours.call(&gate, SWITCH).await;
    colours.call(&gate, &BLUE_SERVICE.replace("mock.api7.ai", "httpbin.org")).await;
    assert_eq!(marked(&gate).await, 10);
    let route = colours.call(&gate, ROUTE).await;
    assert!(route["value"]["plugins"].get("traffic-split").is_none(), "{route}");
    drop(colours.blue);
    assert_eq!(marked(&gate).await, 10, "without the plugin and without Blue");
}

fn tls_upstream(nginx: &Nginx) -> Value {
    json!({"type": "roundrobin", "scheme": "https", "pass_host": "node",
           "nodes": [{"host": "localhost", "port": nginx.port(), "weight": 100}]})
}

fn route(green: Value, weights: [u32; 2]) -> Value {
    let choices = json!([{"weight": weights[0], "upstream": green}, {"weight": weights[1]}]);
    json!({"name": "blue-green-route", "methods": ["GET"], "uris": ["/headers"], "service_id": "blue-green-service",
           "plugins": {"traffic-split": {"rules": [{"weighted_upstreams": choices}]}}})
}

async fn put_route(admin: &Admin, value: Value) {
    admin.put("routes/blue-green-route", &value).await;
}

#[tokio::test]
async fn on_the_plain_port_the_same_steps_have_apisix_semantics() {
    let world = World::new();
    let colours = Colours::start(&world).await;
    let gate = Gate::start(&world).await;
    let admin = gate.admin();
    let service = json!({"name": "blue-green-service", "upstream": tls_upstream(&colours.blue)});
    admin.put("services/blue-green-service", &service).await;

    // Nothing is inherited here: the inline Green speaks plain HTTP to a TLS port, and the user gets Green's 400.
    let bare = json!({"type": "roundrobin",
                      "nodes": [{"host": "localhost", "port": colours.green.port(), "weight": 1}]});
    put_route(&admin, route(bare, [100, 0])).await;
    let answer = client::get(gate.gateway(), "/headers").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("plain HTTP request was sent to HTTPS port"), "it is nginx that says so");
    let stored = admin.value("routes/blue-green-route").await;
    let green = stored.pointer("/plugins/traffic-split/rules/0/weighted_upstreams/0/upstream").unwrap();
    assert!(green.get("scheme").is_none(), "what was sent is what is shown: {stored}");

    put_route(&admin, route(tls_upstream(&colours.green), [100, 0])).await;
    assert_eq!(marked(&gate).await, 10);
    put_route(&admin, route(tls_upstream(&colours.green), [0, 100])).await;
    all_from_blue(&gate, &colours.blue).await;

    let split: Value = serde_json::from_str(&colours.fill(CONDITIONAL)).unwrap();
    let plugins = json!({"plugins": {"traffic-split": split}});
    admin.patch("routes/blue-green-route", &plugins).await;
    let chosen = client::get_with(gate.gateway(), "/headers", &[("X-Env", "green")]).await;
    assert!(chosen.text().contains("X-Amzn-Trace-Id"), "{chosen:?}");
    all_from_blue(&gate, &colours.blue).await;

    admin.patch("services/blue-green-service", &json!({"upstream": tls_upstream(&colours.green)})).await;
    admin.patch("routes/blue-green-route", &json!({"plugins": {"traffic-split": null}})).await;
    drop(colours.blue);
    assert_eq!(marked(&gate).await, 10);
}

#[tokio::test]
async fn the_walk_survives_a_restart() {
    let world = World::new();
    let colours = Colours::start(&world).await;
    let mut gate = Start::new(&world).staying().ready().await;
    for call in [BLUE_SERVICE, ROUTE, SWITCH] {
        colours.call(&gate, call).await;
    }
    gate.crash();
    let gate = Start::new(&world).where_it_was(&gate).ready().await;
    assert_eq!(marked(&gate).await, 10, "acknowledged is kept");
}
