use super::{
    MAX_EPOCHS, MAX_RETIRED_CHECKS, MAX_UNUSED_SERIES, OTHER_CHECKS, RETIRED_ROUTE, Registry, SeriesKey,
    sum_of,
};
use crate::cell::Ended;
use crate::counts::Counts;
use crate::found::{Found, Outcome};
use model::policy::MAX_ANSWER_CHECKS;
use model::record::{Answerer, Ending, Lane};
use std::sync::Arc;

fn key(route: &str, epoch: u64) -> SeriesKey {
    SeriesKey {
        route: route.to_owned(),
        service: "shop".to_owned(),
        app: "shop".to_owned(),
        answerer: Answerer::Blue,
        lane: Lane::Share,
        epoch,
    }
}

fn count_one(registry: &Registry, key: &SeriesKey) {
    let series = registry.series(key);
    series.cell(0).begin();
    series.cell(0).end(&Ended {
        ending: Ending::Whole,
        status: 200,
        gate_error: false,
        retried: false,
        request_bytes: 0,
        response_bytes: 1,
        latency_us: 500,
        upgrade: false,
        found: Found::default(),
    });
}

fn total(registry: &Registry) -> Counts {
    sum_of(&registry.snapshot(), |_| true)
}

#[test]
fn the_same_key_is_the_same_series() {
    let registry = Registry::new(2);
    assert!(Arc::ptr_eq(&registry.series(&key("r", 1)), &registry.series(&key("r", 1))));
    assert!(!Arc::ptr_eq(&registry.series(&key("r", 1)), &registry.series(&key("r", 2))));
}

#[test]
fn a_snapshot_adds_the_threads() {
    let registry = Registry::new(3);
    let series = registry.series(&key("r", 1));
    (0..3).for_each(|thread| series.cell(thread).begin());
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.len(), 1);
    assert_eq!(snapshot[0].key, key("r", 1));
    assert_eq!((snapshot[0].counts.received, snapshot[0].counts.open), (3, 3));
}

#[test]
fn old_epochs_are_added_up_and_totals_never_go_backwards() {
    let registry = Registry::new(1);
    for epoch in 1..=200 {
        count_one(&registry, &key("r", epoch));
        assert_eq!(total(&registry).received, epoch);
        assert_eq!(total(&registry).latency.count(), epoch);
    }
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.len(), MAX_EPOCHS + 1);
    assert_eq!(snapshot[0].key.epoch, 0);
    assert_eq!(snapshot[0].counts.received, 200 - MAX_EPOCHS as u64);
    assert_eq!(snapshot[1].key.epoch, 200 - MAX_EPOCHS as u64 + 1);
}

#[test]
fn an_epoch_that_a_table_still_holds_stays_apart() {
    let registry = Registry::new(1);
    let held = registry.series(&key("r", 1));
    held.cell(0).begin();
    (2..=200).for_each(|epoch| count_one(&registry, &key("r", epoch)));
    let snapshot = registry.snapshot();
    let first = snapshot.iter().find(|series| series.key.epoch == 1).unwrap();
    assert_eq!(first.counts.open, 1);
    assert_eq!(total(&registry).received, 200);
}

#[test]
fn a_live_epoch_zero_and_the_sum_of_old_epochs_are_one_series() {
    let registry = Registry::new(1);
    let zero = registry.series(&key("r", 0));
    zero.cell(0).begin();
    (1..=100).for_each(|epoch| count_one(&registry, &key("r", epoch)));
    let snapshot = registry.snapshot();
    let zeros: Vec<_> = snapshot.iter().filter(|series| series.key.epoch == 0).collect();
    assert_eq!(zeros.len(), 1);
    assert_eq!(zeros[0].counts.received, 1 + 100 - MAX_EPOCHS as u64);
}

#[test]
fn epochs_of_another_answerer_are_not_counted_in() {
    let registry = Registry::new(1);
    for epoch in 1..=MAX_EPOCHS as u64 {
        count_one(&registry, &key("r", epoch));
        count_one(&registry, &SeriesKey { answerer: Answerer::Green, ..key("r", epoch) });
    }
    assert!(registry.snapshot().iter().all(|series| series.key.epoch > 0));
}

#[test]
fn routes_that_are_gone_are_added_up_when_there_are_too_many() {
    let registry = Registry::new(1);
    let held = registry.series(&key("held", 7));
    held.cell(0).begin();
    (0..MAX_UNUSED_SERIES).for_each(|route| count_one(&registry, &key(&format!("r{route}"), 1)));
    let snapshot = registry.snapshot();
    assert!(snapshot.len() <= 4, "{}", snapshot.len());
    let retired = snapshot.iter().find(|series| series.key.route == RETIRED_ROUTE).unwrap();
    assert!(retired.counts.received >= MAX_UNUSED_SERIES as u64 - 2);
    assert!(snapshot.iter().any(|series| series.key == key("held", 7)));
    assert_eq!(total(&registry).received, MAX_UNUSED_SERIES as u64 + 1);
}

#[test]
fn changes_of_what_many_routes_share_leave_a_bounded_number_of_epochs() {
    const ROUTES: usize = 1_000;
    let registry = Registry::new(1);
    let mut table: Vec<_> = Vec::new();
    for epoch in 1..=60 {
        let keys: Vec<_> = (0..ROUTES).map(|route| key(&format!("r{route}"), epoch)).collect();
        table = keys.iter().map(|key| registry.series(key)).collect();
        table.iter().for_each(|series| series.cell(0).begin());
    }
    let snapshot = registry.snapshot();
    let sums = snapshot.iter().filter(|series| series.key.epoch == 0).count();
    assert_eq!(sums, ROUTES);
    assert!(snapshot.len() - sums < 2 * (ROUTES + MAX_UNUSED_SERIES / 2), "{}", snapshot.len());
    assert!(snapshot.iter().filter(|series| series.key.epoch >= 55).count() == 6 * ROUTES, "the newest stay");
    assert_eq!(total(&registry).received, 60 * ROUTES as u64);
    drop(table);
}

#[test]
fn a_sum_takes_only_what_is_wanted() {
    let registry = Registry::new(1);
    let green = SeriesKey { answerer: Answerer::Green, ..key("r", 2) };
    [&key("r", 1), &key("s", 1), &green, &green].into_iter().for_each(|key| count_one(&registry, key));
    let snapshot = registry.snapshot();
    assert_eq!(sum_of(&snapshot, |key| key.answerer == Answerer::Green).received, 2);
    assert_eq!(sum_of(&snapshot, |key| key.epoch == 1).received, 2);
    assert_eq!(sum_of(&snapshot, |_| false), Counts::default());
}

#[test]
fn the_snapshot_of_apps_has_their_routes_and_no_others() {
    let registry = Registry::new(1);
    let key = |route: &str, app: &str, answerer| SeriesKey {
        route: route.to_owned(),
        service: String::new(),
        app: app.to_owned(),
        answerer,
        lane: Lane::Share,
        epoch: 1,
    };
    let wanted =
        [key("b", "", Answerer::Gate), key("b", "shop", Answerer::Blue), key("b", "shop", Answerer::Green)];
    for other in [key("a", "", Answerer::Gate), key("c", "", Answerer::Upstream)].iter().chain(&wanted) {
        registry.series(other).cell(0).begin();
    }
    let found: Vec<SeriesKey> = registry.snapshot_of_apps().into_iter().map(|series| series.key).collect();
    assert_eq!(found, wanted);
}

#[test]
fn the_former_series_are_the_older_epochs_of_the_same() {
    let registry = Registry::new(1);
    let all: Vec<_> = [3, 5, 7].map(|epoch| registry.series(&key("r", epoch))).into();
    let others =
        [key("q", 4), SeriesKey { lane: Lane::Matched, ..key("r", 4) }].map(|key| registry.series(&key));
    let former: Vec<u64> = registry.former(&key("r", 7)).iter().map(|series| series.key().epoch).collect();
    assert_eq!((former, all.len(), others.len()), (vec![3, 5], 3, 2));
}

#[test]
fn what_checks_say_is_added_up_by_their_names_whatever_their_places() {
    let registry = Registry::new(1);
    let says = |key: &SeriesKey, names: &[&str]| {
        let series = registry.series(key);
        series.name_checks(names.iter().copied());
        series.name_checks(std::iter::once("later"));
        let found = Found::default().checked(0, Outcome::Passed).checked(1, Outcome::Failed);
        series.cell(0).begin();
        series.cell(0).says(found);
    };
    assert!(registry.checks().is_empty());
    registry.series(&key("unasked", 1)).cell(0).begin();
    says(&key("r", 1), &["order", "paid"]);
    says(&key("r", 2), &["paid", ""]);
    let all = || {
        let checks = registry.checks().into_iter();
        checks.map(|one| (one.key.route, one.check, one.said.passed, one.said.failed)).collect::<Vec<_>>()
    };
    let expected = [("1", 0, 1), ("order", 1, 0), ("paid", 1, 1)]
        .map(|(name, passed, failed)| ("r".to_owned(), name.to_owned(), passed, failed));
    assert_eq!(all(), expected);
    (3..=2 + MAX_EPOCHS as u64).for_each(|epoch| drop(registry.series(&key("r", epoch))));
    assert_eq!(all(), expected, "also when the epochs are added up");
}

#[test]
fn the_names_of_checks_that_are_kept_are_bounded() {
    let registry = Registry::new(1);
    let most = MAX_RETIRED_CHECKS / MAX_ANSWER_CHECKS + MAX_EPOCHS + 10;
    for epoch in 1..=most as u64 {
        let series = registry.series(&key("r", epoch));
        let names = [0, 1, 2, 3].map(|place| format!("check-{epoch}-{place}"));
        series.name_checks(names.iter().map(String::as_str));
        series.cell(0).says(Found::default().checked(0, Outcome::Failed));
    }
    let checks = registry.checks();
    assert!(checks.len() <= MAX_RETIRED_CHECKS + 1 + MAX_EPOCHS * MAX_ANSWER_CHECKS, "{}", checks.len());
    assert_eq!(checks.iter().map(|one| one.said.failed).sum::<u64>(), most as u64);
    let rest = checks.iter().find(|one| one.check == OTHER_CHECKS).unwrap();
    assert_eq!(rest.said.failed, 10);
}
