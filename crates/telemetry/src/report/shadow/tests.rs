use super::*;
use proptest::prelude::*;

fn group(place: &str, pairs: u64, itself: u64) -> DifferenceGroup {
    let example = ShadowExample { method: "GET".to_owned(), path: format!("/{place}"), values: None };
    DifferenceGroup {
        kind: DifferenceKind::Body,
        place: place.to_owned(),
        what: "value".to_owned(),
        pairs,
        itself,
        examples: vec![example; 2],
    }
}

/// A report of pairs, each with the places in which it differs.
fn report(pairs: &[Vec<u8>]) -> ShadowReport {
    let mut report = ShadowReport { id: "s".to_owned(), ..ShadowReport::default() };
    for places in pairs {
        report.compared += 1;
        report.same += u64::from(places.is_empty());
        let places: std::collections::BTreeSet<_> = places.iter().collect();
        let found: Vec<_> = places.iter().map(|at| report.add_group(&group(&at.to_string(), 1, 0))).collect();
        if !found.is_empty() {
            report.add_pattern(found.into_iter().collect(), 1);
        }
    }
    report
}

fn places(report: &ShadowReport) -> BTreeMap<String, u64> {
    report.groups.iter().map(|group| (group.place.clone(), group.pairs)).collect()
}

#[test]
fn groups_beyond_the_bound_are_counted_and_speak() {
    let mut full = ShadowReport::default();
    for number in 0..MAX_GROUPS + 5 {
        let place = full.add_group(&group(&number.to_string(), 1, 0));
        full.add_pattern(place.map(|place| vec![place]), 1);
    }
    assert_eq!((full.groups.len(), full.unlisted), (MAX_GROUPS, 5));
    assert_eq!(full.different_beyond(|_| true), 5);
    let mut twice = full.clone();
    twice.merge(&full);
    assert_eq!((twice.groups.len(), twice.unlisted), (MAX_GROUPS, 10));
}

#[test]
fn a_group_keeps_few_examples() {
    let mut report = ShadowReport::default();
    for _ in 0..9 {
        report.add_group(&group("a", 1, 0));
    }
    assert_eq!(
        report.groups.first().map(|group| (group.pairs, group.examples.len())),
        Some((9, MAX_EXAMPLES))
    );
}

#[test]
fn counts_by_reason_are_added_and_survive_being_written() {
    let mut one = ShadowReport::default();
    one.skipped.insert(Skipped::InFlight, 2);
    one.unanswered.insert(Unanswered::Timeout, 3);
    let mut two = one.clone();
    two.merge(&one);
    assert_eq!((two.skipped[&Skipped::InFlight], two.unanswered[&Unanswered::Timeout]), (4, 6));
    let written = serde_json::to_value(&two).unwrap();
    assert_eq!(written.pointer("/skipped/in_flight"), Some(&serde_json::json!(4)));
    assert_eq!(serde_json::from_value::<ShadowReport>(written).unwrap(), two);
}

proptest! {
    #[test]
    fn what_gateways_counted_is_the_same_in_one(pairs in prop::collection::vec(prop::collection::vec(0u8..6, 0..4), 0..40), cut in 0usize..40) {
        let cut = cut.min(pairs.len());
        let whole = report(&pairs);
        let mut merged = report(&pairs[..cut]);
        merged.merge(&report(&pairs[cut..]));
        prop_assert_eq!(merged.compared, whole.compared);
        prop_assert_eq!(merged.different(), whole.different());
        prop_assert_eq!(places(&merged), places(&whole));
        for noise in 0u8..6 {
            let is_noise = |group: &DifferenceGroup| group.place == noise.to_string();
            let expected = pairs.iter().filter(|places| places.iter().any(|place| *place != noise)).count() as u64;
            prop_assert_eq!(merged.different_beyond(is_noise), expected);
            prop_assert_eq!(whole.different_beyond(is_noise), expected);
        }
    }
}
