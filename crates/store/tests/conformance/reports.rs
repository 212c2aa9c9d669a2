//! Reports of instances, and waiting until every gateway runs a revision.

use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use store::converge::{Convergence, Laggard, wait_applied};
use store::{Report, Store};

/// Long enough to never end in a test that passes.
const LONG: Duration = Duration::from_secs(60);
const LIVE_MS: i64 = 1_000_000;

fn report(instance: &str, applied: Option<u64>, at_ms: i64) -> Report {
    let (instance, role) = (instance.to_owned(), "gateway".to_owned());
    Report { instance, role, applied, at_ms, detail: json!({"served": at_ms}) }
}

async fn instances(store: &Arc<dyn Store>) -> Vec<String> {
    store.reports().await.unwrap().into_iter().map(|report| report.instance).collect()
}

pub(super) async fn a_report_replaces_the_one_before(store: &Arc<dyn Store>) {
    store.report(report("b", Some(1), 10)).await.unwrap();
    store.report(report("a", None, 20)).await.unwrap();
    store.report(report("b", Some(2), 30)).await.unwrap();
    assert_eq!(store.reports().await.unwrap(), [report("a", None, 20), report("b", Some(2), 30)]);
}

pub(super) async fn a_forgotten_instance_is_gone(store: &Arc<dyn Store>) {
    store.report(report("a", None, 1)).await.unwrap();
    store.forget("a").await.unwrap();
    store.forget("never there").await.unwrap();
    assert_eq!(instances(store).await, Vec::<String>::new());
}

pub(super) async fn a_newcomer_sweeps_out_what_is_an_hour_old(store: &Arc<dyn Store>) {
    let hour_ms = 3_600_000;
    store.report(report("old", None, 0)).await.unwrap();
    store.report(report("young", None, 1)).await.unwrap();
    store.report(report("young", None, 2 * hour_ms)).await.unwrap();
    assert_eq!(instances(store).await, ["old", "young"], "a known instance sweeps nothing");
    store.report(report("old", None, hour_ms + 1)).await.unwrap();
    store.report(report("new", None, 2 * hour_ms + 1)).await.unwrap();
    assert_eq!(instances(store).await, ["new", "old", "young"], "exactly an hour is not too old");
    store.report(report("newer", None, 2 * hour_ms + 2)).await.unwrap();
    assert_eq!(instances(store).await, ["new", "newer", "young"]);
}

pub(super) async fn no_more_than_a_thousand_and_twenty_four_are_kept(store: &Arc<dyn Store>) {
    for n in 0..1_026 {
        store.report(report(&format!("{n:04}"), None, n)).await.unwrap();
    }
    let kept = instances(store).await;
    assert_eq!((kept.len(), kept[0].as_str()), (1_024, "0002"));
}

pub(super) async fn waiting_returns_at_once_when_all_gateways_are_there(store: &Arc<dyn Store>) {
    store.report(report("a", Some(7), 0)).await.unwrap();
    store.report(report("b", Some(8), 0)).await.unwrap();
    store.report(report("controller", None, 0)).await.unwrap();
    let ended = wait_applied(store.as_ref(), 7, LIVE_MS, || 0, LONG).await;
    assert!(matches!(ended, Convergence::Applied { instances: 2 }), "{ended:?}");
}

pub(super) async fn waiting_returns_at_once_when_no_gateway_is_alive(store: &Arc<dyn Store>) {
    store.report(report("controller", None, 0)).await.unwrap();
    store.report(report("dead", Some(1), -11)).await.unwrap();
    let ended = wait_applied(store.as_ref(), 7, 10, || 0, LONG).await;
    assert!(matches!(ended, Convergence::NoGateway), "{ended:?}");
}

pub(super) async fn waiting_is_woken_by_the_last_report(store: &Arc<dyn Store>) {
    store.report(report("a", Some(1), 0)).await.unwrap();
    store.report(report("b", Some(1), 0)).await.unwrap();
    let waiter = store.clone();
    let waiting = tokio::spawn(async move { wait_applied(waiter.as_ref(), 2, LIVE_MS, || 0, LONG).await });
    store.report(report("a", Some(2), 0)).await.unwrap();
    store.report(report("b", Some(1), 1)).await.unwrap();
    store.report(report("b", Some(3), 2)).await.unwrap();
    let ended = waiting.await.unwrap();
    assert!(matches!(ended, Convergence::Applied { instances: 2 }), "{ended:?}");
}

pub(super) async fn waiting_names_those_that_are_behind_when_the_time_is_over(store: &Arc<dyn Store>) {
    store.report(report("a", Some(2), 0)).await.unwrap();
    store.report(report("b", Some(1), 0)).await.unwrap();
    let ended = wait_applied(store.as_ref(), 2, LIVE_MS, || 0, Duration::from_millis(30)).await;
    let late = Laggard { instance: "b".to_owned(), applied: 1 };
    assert!(matches!(&ended, Convergence::TimedOut { behind } if behind == &[late]), "{ended:?}");
}

pub(super) async fn waiting_ends_when_the_one_behind_stops_being_live(store: &Arc<dyn Store>) {
    store.report(report("alive", Some(2), 0)).await.unwrap();
    store.report(report("killed", Some(1), -999)).await.unwrap();
    // The clock stands still until it is asked a second time: that is after the millisecond that was left.
    let asked = std::sync::atomic::AtomicI64::new(0);
    let now = || 2 * asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let ended = wait_applied(store.as_ref(), 2, 1_000, now, LONG).await;
    assert!(matches!(ended, Convergence::Applied { instances: 1 }), "{ended:?}");
}

pub(super) async fn waiting_ends_when_the_one_behind_is_forgotten(store: &Arc<dyn Store>) {
    store.report(report("leaving", Some(1), 0)).await.unwrap();
    let waiter = store.clone();
    let waiting = tokio::spawn(async move { wait_applied(waiter.as_ref(), 2, LIVE_MS, || 0, LONG).await });
    store.forget("leaving").await.unwrap();
    let ended = waiting.await.unwrap();
    assert!(matches!(ended, Convergence::NoGateway), "{ended:?}");
}
