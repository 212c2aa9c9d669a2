//! A journal that was cut or changed on disk: a torn end is dropped, other damage refuses releases, and in both cases
//! traffic goes on.

use crate::harness::cli::release;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use rusqlite::Connection;
use serde_json::json;

/// A crashed server in whose store version 2 is in the soak of its release.
async fn crashed_in_the_soak(world: &World) -> Gate {
    let mut gate = Start::new(world).staying().ready().await;
    shop::put(&gate, shop::target(world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let soak = json!({"soak": {"duration_ms": 3_000, "interval_ms": 500}});
    shop::change(&gate, shop::target(world), policy(soak)).await;
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await.exits(5);
    shop::until_phase(&gate, "soak").await;
    gate.crash();
    gate
}

/// Changes the store as no Tealgate would.
fn change(world: &World, sql: &str) {
    let database = Connection::open(world.data_dir().join("state.db")).unwrap();
    assert_eq!(database.execute(sql, []).unwrap(), 1, "{sql}");
}

#[tokio::test]
async fn a_last_entry_that_was_cut_is_dropped_and_the_release_goes_on() {
    let world = World::new();
    let gate = crashed_in_the_soak(&world).await;
    change(
        &world,
        "UPDATE journal SET body = substr(body, 1, length(body) / 2)
         WHERE release = 'shop-2' AND seq = (SELECT max(seq) FROM journal WHERE release = 'shop-2')",
    );
    let gate = Start::new(&world).where_it_was(&gate).ready().await;
    let view = shop::until_over(&gate).await;
    assert_eq!(view["version"], "v2");
    let healthy = if view["outcome"] == "promoted" { "v2" } else { "v1" };
    assert_eq!(shop::live(&gate).await, healthy, "{view}");
    let report = release(&gate, &["report", "shop"]).await.exits(0).out;
    assert!(report.contains("cut off"), "the timeline says so: {report}");
}

#[tokio::test]
async fn a_changed_entry_refuses_releases_by_name_while_traffic_goes_on() {
    let world = World::new();
    let gate = crashed_in_the_soak(&world).await;
    change(
        &world,
        "UPDATE journal SET body = replace(body, 'requested', 'requestep') WHERE release = 'shop-2' AND seq = 1",
    );
    let gate = Start::new(&world).where_it_was(&gate).ready().await;
    assert_eq!(shop::live(&gate).await, "v2", "as it was when it crashed");
    let refused = release(&gate, &["start", "shop", "--version", "v3"]).await.exits(3);
    let told = refused.err.clone() + &refused.out;
    assert!(told.contains("shop-2") && told.contains("entry 1"), "which journal, and where: {told}");
    assert_eq!(shop::live(&gate).await, "v2");
    assert_eq!(shop::processes(&world, "v1").len(), 1, "nothing is stopped on the word of a damaged journal");
}
