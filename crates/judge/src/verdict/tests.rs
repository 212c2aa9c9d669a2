use super::{Basis, Finding, Judgement, Verdict};
use crate::bound::Bound;
use crate::budget::{Budget, Unit};
use crate::historical::Historical;
use crate::identity::Identity;
use crate::metric::Metric;
use crate::panel::Panel;
use crate::sample_ratio::SampleRatio;
use crate::tally::Tally;
use proptest::prelude::*;

fn panel() -> Panel {
    Panel::armed(&Budget::default().terms(&[Metric::Failures], Unit::Request).unwrap())
}

fn finding(blue: Tally, green: Tally) -> Finding {
    let mut panel = panel();
    panel.observe(1_000, 7, &[blue], &[green]);
    panel.findings().remove(0)
}

#[test]
fn a_worse_version_fails_in_words_that_name_the_counts() {
    let finding = finding(Tally::new(9_180, 2), Tally::new(1_020, 9));
    assert_eq!((finding.verdict, finding.basis), (Verdict::Fail, Basis::Concurrent));
    let (said, bound) = finding.words.split_once("; ").unwrap();
    assert_eq!(
        said,
        "failures: new version 9 of 1020 requests (0.88 %), the old one 2 of 9180 requests (0.022 %)"
    );
    assert!(
        bound.ends_with("times better explained by a worse version than by chance, the bound is 1250"),
        "{bound}"
    );
    assert_eq!(finding.figures.unwrap().crossing.unwrap().at_ms, 1_000);
}

#[test]
fn a_pass_says_what_would_have_been_found() {
    let finding = finding(Tally::new(9_180, 2), Tally::new(1_020, 0));
    assert_eq!(finding.verdict, Verdict::Pass);
    assert!(
        finding.words.contains("(0 %)") && finding.words.ends_with("points more would have been found"),
        "{finding:?}"
    );
}

/// So many seconds of 200 requests/s, a tenth of them Green's; of each half second of Green's `slow` are slow.
fn times(seconds: i64, slow: u64) -> Finding {
    let slower = Metric::Slower { percentile: 99, threshold_us: 12_500 };
    let mut panel = Panel::armed(&Budget::default().terms(&[slower], Unit::Request).unwrap());
    let (mut blue, mut green) = (Tally::default(), Tally::default());
    for half in 0..=2 * seconds {
        panel.observe(half * 500, 7, &[blue], &[green]);
        (blue, green) = (blue.plus(Tally::new(90, 1)), green.plus(Tally::new(10, slow)));
    }
    panel.findings().remove(0)
}

#[test]
fn times_are_judged_slot_by_slot_and_their_words_say_so() {
    let slow = times(20, 3);
    assert_eq!(slow.verdict, Verdict::Fail);
    assert!(
        slow.words.contains("; slot by slot ") && slow.words.contains("times better explained"),
        "{slow:?}"
    );
    let soon = times(3, 0);
    assert_eq!(soon.verdict, Verdict::Inconclusive);
    let words = "; 6 slots of time are too few to find even 5 points more";
    assert!(soon.words.ends_with(words), "{}", soon.words);
    let later = times(60, 0);
    assert_eq!(later.verdict, Verdict::Pass, "{}", later.words);
    assert!(later.words.ends_with("points more would have been found"), "{}", later.words);
}

#[test]
fn little_traffic_is_inconclusive_however_good_it_looks() {
    let little = finding(Tally::new(180, 0), Tally::new(20, 0));
    assert_eq!(little.verdict, Verdict::Inconclusive);
    assert!(little.words.contains("new version 0 of 20 requests (0 %)"), "{}", little.words);
    let none = finding(Tally::new(180, 0), Tally::default());
    assert_eq!(none.verdict, Verdict::Inconclusive);
    assert_eq!(none.words, "failures: too little traffic to compare");
    let alone = finding(Tally::default(), Tally::new(1_000, 900));
    assert_eq!(alone.words, "failures: too little traffic to compare");
}

#[test]
fn a_check_that_has_examined_too_little_does_not_blame_the_traffic() {
    let check = Metric::Business { check: "order".to_owned() };
    let terms = Budget::default().terms(&[check], Unit::Request).unwrap();
    let words = &Panel::armed(&terms).findings()[0].words;
    assert_eq!(words, "failed check order: too few examined answers to compare");
}

#[test]
fn before_and_after_is_labelled_historical() {
    let bound = Bound::new(1e-3).unwrap();
    let mut after = Historical::since(Tally::new(60_000, 60), bound, 2.0).unwrap();
    after.observe(1, Tally::new(5_000, 60));
    let finding = after.finding(&Metric::Failures, Unit::Request);
    assert_eq!((finding.verdict, finding.basis), (Verdict::Fail, Basis::Historical));
    assert!(finding.words.contains("the old one before (historical) 60 of 60000"), "{}", finding.words);
}

#[test]
fn the_worst_finding_decides_and_gives_the_reasons() {
    let good = finding(Tally::new(9_180, 2), Tally::new(1_020, 0));
    let unknown = SampleRatio::armed(1e-4).finding();
    let bad = Identity { right: 9, other: 1, silent: 0 }.finding("2");
    assert_eq!(Judgement::of(vec![good.clone()]).verdict, Verdict::Pass);
    assert_eq!(Judgement::of(vec![good.clone(), unknown.clone()]).verdict, Verdict::Inconclusive);
    let judgement = Judgement::of(vec![good, bad.clone(), unknown]);
    assert_eq!(
        (judgement.verdict, judgement.reasons().collect::<Vec<_>>()),
        (Verdict::Fail, vec![bad.words.as_str()])
    );
    assert_eq!(Judgement::of(Vec::new()).verdict, Verdict::Inconclusive, "nobody looked");
}

#[test]
fn a_judgement_survives_being_written_down() {
    let judgement = Judgement::of(vec![finding(Tally::new(9_180, 2), Tally::new(1_020, 9))]);
    let text = serde_json::to_string(&judgement).unwrap();
    let read: Judgement = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (read.verdict, read.findings[0].words.as_str()),
        (Verdict::Fail, judgement.findings[0].words.as_str())
    );
}

proptest! {
    #[test]
    fn nothing_passes_that_was_not_compared(
        b in any::<u64>(), bf in any::<u64>(), g in any::<u64>(), gf in any::<u64>(),
    ) {
        let finding = finding(Tally { units: b, failed: bf }, Tally { units: g, failed: gf });
        let figures = finding.figures.unwrap();
        if finding.verdict == Verdict::Pass {
            prop_assert!(figures.green.units > 0 && figures.blue.units > 0);
            prop_assert!(figures.detectable.is_some_and(|excess| excess <= 0.05));
        }
        if finding.verdict != Verdict::Fail {
            prop_assert!(figures.e_value < figures.threshold);
        }
        prop_assert!(!finding.words.contains("NaN") && !finding.words.contains("inf"), "{}", finding.words);
    }
}
