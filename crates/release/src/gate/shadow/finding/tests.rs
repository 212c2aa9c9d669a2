use super::*;
use crate::gate::Shadowing;
use std::collections::BTreeMap;
use telemetry::report::{DifferenceGroup, DifferenceKind, Pattern, ShadowExample, ShadowReport, Unanswered};

fn policy() -> Shadow {
    Shadow { duration_ms: 1_000, ..Shadow::default() }
}

/// So many compared, of which some differ: at a place that the live version has with itself, and at another one.
fn report(compared: u64, noisy: u64, different: u64) -> ShadowReport {
    let group = |place: &str, pairs: u64, itself: u64| DifferenceGroup {
        kind: DifferenceKind::Body,
        place: place.to_owned(),
        what: "number → text".to_owned(),
        pairs,
        itself,
        examples: vec![ShadowExample { method: "GET".to_owned(), path: "/cart".to_owned(), values: None }],
    };
    let second = compared / 2;
    ShadowReport {
        sampled: compared,
        sent: compared,
        compared,
        same: compared - noisy - different,
        second_compared: second,
        second_different: noisy.min(second),
        groups: vec![group("$.now", noisy, noisy.min(second)), group("$.price", different, 0)],
        patterns: vec![
            Pattern { groups: vec![0], pairs: noisy },
            Pattern { groups: vec![1], pairs: different },
        ],
        ..ShadowReport::default()
    }
}

fn silent(count: u64, report: ShadowReport) -> ShadowReport {
    ShadowReport { unanswered: BTreeMap::from([(Unanswered::Timeout, count)]), ..report }
}

fn tally(reports: &[ShadowReport]) -> Tally {
    let mut tally = Tally::default();
    tally.look(seen(reports));
    tally
}

fn seen(reports: &[ShadowReport]) -> Vec<Shadowing> {
    let one = |(number, report): (usize, &ShadowReport)| Shadowing {
        gateway: format!("gw-{number}"),
        report: Some(report.clone()),
    };
    reports.iter().enumerate().map(one).collect()
}

fn verdict(reports: &[ShadowReport]) -> (Verdict, String) {
    Finding::of(&policy(), &tally(reports)).verdict()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_the_live_version_has_with_itself_is_noise_and_anything_else_is_a_difference() {
    let (said, why) = verdict(&[report(200, 200, 0)]);
    assert_eq!(said, Verdict::Pass, "{why}");
    assert!(why.contains("0 different, 200 by noise only"), "{why}");
    let (said, why) = verdict(&[report(200, 180, 20)]);
    assert_eq!(said, Verdict::Fail);
    assert_eq!(why, "20 of 200 answers differ, limit 1 %: body $.price: number → text");
}

#[test]
fn a_rate_at_its_limit_is_within_it_and_the_counts_of_gateways_add() {
    assert_eq!(verdict(&[report(100, 0, 1), report(100, 0, 1)]).0, Verdict::Pass);
    assert_eq!(verdict(&[report(600, 0, 6), report(600, 0, 7)]).0, Verdict::Fail);
}

#[test]
fn a_version_that_does_not_answer_fails_even_before_enough_was_compared() {
    let (said, why) = verdict(&[silent(40, report(0, 0, 0))]);
    assert_eq!(said, Verdict::Fail);
    assert_eq!(why, "40 of 40 copies had no answer (40 timeout), limit 1 %");
    // One of them could still be the hundredth.
    let few = ShadowReport { sampled: 60, ..silent(1, report(59, 0, 0)) };
    assert_eq!(verdict(&[few]).0, Verdict::Inconclusive);
}

#[test]
fn too_little_is_inconclusive_and_says_what_is_missing() {
    let (said, why) = verdict(&[report(0, 0, 0)]);
    assert_eq!(said, Verdict::Inconclusive);
    assert!(why.starts_with("no live request came"), "{why}");
    let (said, why) = verdict(&[report(99, 0, 0)]);
    assert_eq!((said, why.as_str()), (Verdict::Inconclusive, "99 answers were compared, 100 are needed"));
}

#[test]
fn what_is_too_rare_to_be_told_from_noise_is_waited_for() {
    // Had it been noise, some of the 100 second answers would most likely have had it.
    assert_eq!(verdict(&[report(200, 0, 20)]).0, Verdict::Fail);
    let rare = report(200, 0, 8);
    let (said, why) = verdict(std::slice::from_ref(&rare));
    assert_eq!(said, Verdict::Inconclusive, "{why}");
    assert!(why.contains("8 of 200 answers differ, but so rarely that it may be noise"), "{why}");
    assert!(!Finding::of(&policy(), &tally(std::slice::from_ref(&rare))).is_over(seconds(60)));
    assert!(Finding::of(&policy(), &tally(&[report(400, 0, 16)])).is_over(seconds(60)), "now it is certain");
    let blind = ShadowReport { second_compared: 0, ..report(200, 0, 100) };
    assert_eq!(verdict(std::slice::from_ref(&blind)).0, Verdict::Inconclusive, "nobody was asked twice");
    let alone = Shadow { noise_share: 0.0, ..policy() };
    for report in [rare, blind] {
        assert_eq!(Finding::of(&alone, &tally(&[report])).verdict().0, Verdict::Fail, "nobody wants to know");
    }
}

#[test]
fn it_lasts_until_enough_was_compared_and_ends_early_when_more_would_prove_nothing() {
    let over = |reports: &[ShadowReport], after: u64| {
        Finding::of(&policy(), &tally(reports)).is_over(seconds(after))
    };
    assert!(!over(&[report(500, 0, 0)], 0), "its time is not over");
    assert!(over(&[report(500, 0, 0)], 1));
    assert!(!over(&[report(99, 0, 0)], 60), "it waits for the hundredth");
    assert!(over(&[report(0, 0, 0)], 1), "nobody comes");
    assert!(over(&[silent(20, report(20, 0, 0))], 0), "half of the answers stay out");
    assert!(!over(&[silent(19, report(0, 0, 0))], 0));
    assert!(over(&[report(100, 0, 50)], 0), "half of them differ as the live version never does");
    assert!(!over(&[report(100, 95, 5)], 0), "what is noise is learned until the end");
}

#[test]
fn what_a_gateway_had_counted_before_it_went_holds_and_is_told() {
    let mut tally = tally(&[report(60, 0, 0), report(60, 0, 30)]);
    let mut left = seen(&[report(80, 0, 0), report(60, 0, 30)]);
    left.truncate(1);
    left.push(Shadowing { gateway: "gw-9".to_owned(), report: None });
    tally.look(left);
    let policy = policy();
    let finding = Finding::of(&policy, &tally);
    assert_eq!((finding.found.compared, finding.found.different), (140, 30));
    let outcome = finding.outcome();
    assert_eq!(outcome.verdict, Verdict::Fail);
    for text in ["gw-1 went", "gw-9 came late", "different: body $.price: number → text in 30 of 140"] {
        assert!(outcome.evidence.iter().any(|line| line.contains(text)), "{text}: {outcome:#?}");
    }
    assert_eq!(outcome.shadow.unwrap().gone, ["gw-1"]);
}

#[test]
fn copying_has_begun_when_every_living_gateway_says_so() {
    let mut tally = Tally::default();
    assert_eq!(tally.waits_for().as_deref(), Some("the gateways' counts cannot be read"));
    tally.look(Vec::new());
    assert!(tally.waits_for().is_some_and(|why| why.contains("no gateway is alive")));
    tally.look(vec![Shadowing { gateway: "gw-1".to_owned(), report: None }]);
    assert_eq!(tally.waits_for().as_deref(), Some("gw-1 has not begun to copy requests"));
    let refused = ShadowReport { refused: Some("no such upstream".to_owned()), ..ShadowReport::default() };
    tally.look(seen(&[refused]));
    assert_eq!(
        (tally.waits_for(), tally.refused().unwrap()),
        (None, "gw-0 makes no copies: no such upstream".to_owned())
    );
    assert_eq!(tally.unread(), Ok(()));
    tally.look_in_vain();
    assert!(tally.unread().is_err());
}
