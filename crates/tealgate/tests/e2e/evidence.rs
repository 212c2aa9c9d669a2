//! Releases that are judged by somebody else's numbers: a real Prometheus, which scrapes the gate.

use crate::harness::cli::release;
use crate::harness::gate::Gate;
use crate::harness::prometheus::Prometheus;
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use load::kind::RequestKind;
use load::run::Load;
use serde_json::{Value, json};

/// The share of failed requests of the new version, as someone would ask Prometheus for it.
const QUERY: &str = r#"sum(rate(tealgate_requests_total{app="${app}",answerer="${colour}",lane="share",class="5xx"}[2s]))
    / sum(rate(tealgate_requests_total{app="${app}",answerer="${colour}",lane="share"}[2s]))"#;

fn gates(prometheus: &Prometheus) -> Value {
    let source = json!({"prometheus": {"url": prometheus.url(), "query": QUERY}});
    let metric = json!({"source": source, "at_most": 0.05, "count": 3, "interval_ms": 300});
    json!([{"name": "errors", "when": ["each_step"], "check": {"metric": metric}, "timeout_ms": 5_000}])
}

#[tokio::test]
async fn prometheus_takes_a_bad_version_back_and_lets_a_good_one_pass() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let mut prometheus = Prometheus::scraping(&world, gate.admin_address()).await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let steps = json!([{"share": 30, "pause_ms": 3_000}, 100]);
    // The guard would have found it long before the second scrape.
    let changes =
        json!({"steps": steps, "gates": gates(&prometheus), "on_inconclusive": "rollback", "guard": null});
    shop::change(&gate, shop::target(&world), policy(changes)).await;
    let mix = vec![RequestKind::get("/echo")];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 2) }.start().unwrap();
    release(&gate, &["start", "shop", "--version", "v2"]).await.exits(0);
    let report = shop::report(&gate).await;
    let verdicts: Vec<_> =
        report["gates"].as_array().unwrap().iter().map(|gate| gate["verdict"].clone()).collect();
    assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| verdict == "pass"), "{}", report["gates"]);

    let spec = world.file("broken.yaml", shop::broken_target(&world).to_string());
    release(&gate, &["start", "shop", "--version", "v3", "--spec", &spec]).await.exits(1);
    let why = shop::newest(&gate).await["why"].clone();
    assert!(
        why.as_str().unwrap().starts_with("gate errors failed: 1 of 1 measurements out of bounds"),
        "{why}"
    );
    assert_eq!(shop::live(&gate).await, "v2");

    prometheus.die();
    release(&gate, &["start", "shop", "--version", "v4"]).await.exits(1);
    let why = shop::newest(&gate).await["why"].clone();
    assert!(why.as_str().unwrap().contains("could not be judged: gate errors"), "{why}");
    load.stop().await;
    assert_eq!(shop::live(&gate).await, "v2");
}
