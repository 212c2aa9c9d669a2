#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]
use gateway::{Gateway, Settings};
use model::resource::{Kind, Origin, Resource};
use serde_json::json;
use std::sync::Arc;
use telemetry::access_log::AccessLog;
use telemetry::totals::Totals;
fn main() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let up = std::env::args().nth(2).unwrap();
    let totals = Arc::new(Totals::new(1));
    let log = AccessLog::start(std::path::Path::new("/tmp/probe.log"), Arc::clone(&totals)).unwrap();
    let gw = Gateway::start(
        Settings { listen: vec![([127, 0, 0, 1], port).into()], ..Settings::default() },
        Some(&log),
        totals,
    )
    .unwrap();
    let res = |kind, id: &str, v: serde_json::Value| {
        Arc::new(Resource {
            kind,
            id: id.into(),
            value: Arc::new(v),
            origin: Origin::Api,
            created: 1,
            modified: 1,
        })
    };
    let mut all = vec![
        res(
            Kind::Upstream,
            "blue",
            json!({"id":"blue","nodes":{up.clone():1},"labels":{"tealgate.app":"a","tealgate.colour":"blue"}}),
        ),
        res(
            Kind::Upstream,
            "green",
            json!({"id":"green","nodes":{up:1},"labels":{"tealgate.app":"a","tealgate.colour":"green"}}),
        ),
        res(
            Kind::Service,
            "s",
            json!({"id":"s","upstream_id":"blue","enable_websocket":true,"plugins":{"traffic-split":{"rules":[{"match":[{"vars":[["http_x_env","==","green"]]}],"weighted_upstreams":[{"upstream_id":"green","weight":1}]},{"weighted_upstreams":[{"upstream_id":"green","weight":10},{"upstream_id":"blue","weight":90}]}]}}}),
        ),
        res(Kind::Route, "r", json!({"id":"r","uri":"/*","service_id":"s"})),
    ];
    for i in 0..1000 {
        all.push(res(
            Kind::Route,
            &format!("r{i}"),
            json!({"id":format!("r{i}"),"uri":format!("/api/{i}/*"),"service_id":"s"}),
        ));
    }
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let t = std::time::Instant::now();
        println!("{:?} {:?}", gw.apply(1, &all).await, t.elapsed());
        tokio::signal::ctrl_c().await.unwrap();
        for s in gw.series().snapshot() {
            if s.counts.received > 0 {
                println!("{s:?}");
            }
        }
        println!("{:?}", gw.totals().snapshot());
    });
}
