use super::*;
use model::policy::{JsonField, Judge};
use telemetry::counts::Examined;

fn counts(good: u64, bad: u64, ms: u64) -> Counts {
    let mut counts = Counts { received: good + bad, ..Counts::default() };
    counts.whole = [0, good, 0, 0, bad];
    (0..good).for_each(|_| counts.latency.record(ms * 1_000));
    counts
}

fn policy() -> PlannedJudge {
    let judge = Judge::default();
    PlannedJudge {
        alpha: 0.001,
        tolerance: judge.tolerance,
        on_fail: judge.on_fail,
        on_inconclusive: judge.on_inconclusive,
        by_users: false,
        historical: judge.historical,
    }
}

fn comparison() -> Comparison {
    Comparison::begin(&policy(), &[], &counts(1_000, 0, 20)).unwrap()
}

fn look(share: u8, old: Counts, new: Counts) -> Look<'static> {
    Look { at_ms: 1_000, share, revision: 7, old, new, baseline: None }
}

fn baseline(counts: Counts) -> Baseline {
    Baseline { ms: 12_300, counts }
}

fn verdict_of(judgement: &Judgement, check: &str) -> Verdict {
    let of = judgement.findings.iter().filter(|finding| finding.check.starts_with(check));
    of.map(|finding| finding.verdict).max().unwrap()
}

#[test]
fn five_percent_of_failures_are_found_in_the_first_hundred_requests() {
    let judgement = comparison().look(&look(10, counts(1_260, 0, 20), counts(133, 7, 20)));
    assert_eq!((judgement.verdict, verdict_of(&judgement, "failures")), (Verdict::Fail, Verdict::Fail));
    assert_eq!(verdict_of(&judgement, "shares"), Verdict::Pass);
}

#[test]
fn slower_answers_are_found_against_what_was_frozen() {
    let mut comparison = comparison();
    let mut after = |halves: u64, ms| {
        let at_ms = i64::try_from(halves).unwrap() * 500;
        let (old, new) = (counts(90 * halves, 0, 20), counts(10 * halves, 0, ms));
        comparison.look(&Look { at_ms, ..look(10, old, new) })
    };
    assert_ne!(verdict_of(&after(1, 40), "slower"), Verdict::Fail, "one stall looks so, too");
    let judgement = (2..40).map(|halves| after(halves, 40)).last().unwrap();
    assert_eq!(verdict_of(&judgement, "slower"), Verdict::Fail);
    assert_eq!(verdict_of(&judgement, "failures"), Verdict::Pass);
}

#[test]
fn without_answers_before_times_are_not_judged_and_that_is_said() {
    let mut comparison = Comparison::begin(&policy(), &[], &counts(20, 0, 20)).unwrap();
    assert_eq!(comparison.terms.charges.len(), 1);
    let judgement = comparison.look(&look(10, counts(900, 1, 20), counts(100, 0, 20)));
    let said = judgement.findings.iter().find(|finding| finding.check == "times").unwrap();
    assert!(said.words.contains("had 20 answers before the release, of 200"), "{}", said.words);
    assert!(!said.basis.decides(), "what cannot be asked holds nobody up");
}

#[test]
fn after_the_cutover_the_old_ones_last_window_is_compared_and_said_to_be_so() {
    let mut comparison = comparison();
    comparison.look(&look(10, counts(900, 1, 20), counts(100, 0, 20)));
    let last = baseline(counts(5_000, 5, 20));
    let after = |new| Look { revision: 8, baseline: Some(&last), ..look(100, Counts::default(), new) };
    let judgement = comparison.look(&after(counts(1_000, 60, 40)));
    let failed: Vec<&Finding> =
        judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
    assert!(failed.len() > 1, "failures and times: {failed:?}");
    assert!(failed.iter().all(|finding| finding.basis == Basis::Historical));
    let words = &failed[0].words;
    assert!(words.contains("the old one before (historical) 5 of 5005 requests"), "{words}");
    assert!(words.contains("before are 5005 requests in the 12.3 s up to the full cutover"), "{words}");
}

#[test]
fn what_was_a_little_worse_before_passes_by_the_tolerance_of_the_policy() {
    let verdict = |tolerance| {
        let historical = model::policy::Historical { tolerance, ..Default::default() };
        let policy = PlannedJudge { historical, ..policy() };
        let mut comparison = Comparison::begin(&policy, &[], &counts(1_000, 0, 20)).unwrap();
        let last = baseline(counts(10_000, 100, 20));
        let new = counts(10_000, 250, 20);
        let judgement = comparison.look(&Look { baseline: Some(&last), ..look(100, Counts::default(), new) });
        verdict_of(&judgement, "failures")
    };
    assert_eq!(verdict(1.2), Verdict::Fail);
    assert_ne!(verdict(4.0), Verdict::Fail);
}

#[test]
fn a_last_window_with_too_few_answers_is_told_and_not_dropped() {
    for (last, words) in [
        (baseline(counts(2, 0, 20)), "before are 2 requests in the 12.3 s"),
        (Baseline::default(), "what was before is not known"),
    ] {
        let new = counts(1_000, 60, 20);
        let judgement =
            comparison().look(&Look { baseline: Some(&last), ..look(100, Counts::default(), new) });
        let said: Vec<&Finding> =
            judgement.findings.iter().filter(|one| one.basis == Basis::Historical).collect();
        assert_eq!(said.len(), 4, "failures, p50, p90, p99");
        for finding in said {
            assert_eq!(finding.verdict, Verdict::Inconclusive);
            assert!(finding.words.contains(words), "{}", finding.words);
        }
    }
}

#[test]
fn a_share_that_is_not_as_written_is_found() {
    let judgement = comparison().look(&look(10, counts(1_000, 0, 20), counts(20, 0, 20)));
    assert_eq!(verdict_of(&judgement, "shares"), Verdict::Fail);
}

#[test]
fn what_came_while_someone_else_had_changed_the_shares_is_no_sign_of_a_bypass() {
    let mut comparison = comparison();
    comparison.look(&look(10, counts(900, 0, 20), counts(100, 0, 20)));
    comparison.leave_out(7, &counts(900, 0, 20), &counts(1_100, 0, 20));
    let judgement = comparison.look(&look(10, counts(1_800, 0, 20), counts(1_200, 0, 20)));
    assert_eq!(verdict_of(&judgement, "shares"), Verdict::Pass);
}

#[test]
fn a_failed_check_of_the_business_is_compared_by_itself() {
    let check = AnswerCheck {
        name: "order".to_owned(),
        header: None,
        json: Some(JsonField { pointer: "/order/id".to_owned() }),
        fails_if: model::policy::FailsIf::Missing,
    };
    let mut comparison = Comparison::begin(&policy(), &[check], &counts(20, 0, 20)).unwrap();
    let of = |passed, failed| {
        let mut counts = counts(10 * (passed + failed), 0, 20);
        counts.checks[0] = Examined { passed, failed, unexamined: 9 * (passed + failed) };
        counts
    };
    let judgement = comparison.look(&look(10, of(1_260, 0), of(121, 12)));
    let words =
        judgement.findings.iter().find(|one| one.check == "failed check order").unwrap().words.clone();
    assert!(words.contains("12 of 133 "), "only what was looked at counts: {words}");
    assert_eq!(verdict_of(&judgement, "failed check order"), Verdict::Fail);
    assert_ne!(verdict_of(&judgement, "failures"), Verdict::Fail);
}

#[test]
fn a_check_that_could_look_at_nothing_says_why() {
    let check = serde_json::json!({"name": "total", "json": {"pointer": "/total"}, "fails_if": "missing"});
    let check: AnswerCheck = serde_json::from_value(check).unwrap();
    let mut comparison = Comparison::begin(&policy(), &[check], &counts(20, 0, 20)).unwrap();
    let of = |answers, passed| {
        let mut counts = counts(answers, 0, 20);
        counts.checks[0] = Examined { passed, failed: 0, unexamined: answers - passed };
        counts.hindered.compressed = answers - passed;
        counts
    };
    let judgement = comparison.look(&look(10, of(900, 850), of(100, 0)));
    let finding = judgement.findings.iter().find(|one| one.check == "failed check total").unwrap();
    let words = "failed check total: too few examined answers to compare; of the new version 0 of 100 answers could be \
                 examined (compressed 100), of the old one 850 of 900";
    assert_eq!((finding.words.as_str(), finding.verdict), (words, Verdict::Inconclusive));
    assert_eq!(finding.shown(), None);
}

#[test]
fn a_version_whose_answers_cannot_be_examined_any_more_fails_and_it_is_said_why() {
    let check: AnswerCheck = serde_json::from_value(
        serde_json::json!({"name": "total", "json": {"pointer": "/total"}, "fails_if": "missing"}),
    )
    .unwrap();
    let of = |answers: u64, passed: u64| {
        let mut counts = counts(answers, 0, 20);
        counts.checks[0] = Examined { passed, failed: 0, unexamined: answers - passed };
        counts.hindered.compressed = answers - passed;
        counts
    };
    let judged = |old: Counts, new: Counts| {
        let mut comparison =
            Comparison::begin(&policy(), std::slice::from_ref(&check), &counts(1_000, 0, 20)).unwrap();
        let judgement = comparison.look(&look(10, old, new));
        judgement.findings.into_iter().find(|one| one.check == "not examined by check total")
    };
    let found = judged(of(891, 891), of(99, 2)).unwrap();
    assert_eq!(found.verdict, Verdict::Fail);
    let words = "not examined by check total: new version 97 of 99 requests (98 %), the old one 0 of 891 requests (0 %); over";
    assert!(
        found.words.starts_with(words) && found.words.ends_with("; of the new version compressed 97"),
        "{found:?}"
    );
    assert_eq!(judged(of(891, 0), of(99, 0)), None, "alike says nothing that the check itself does not");
    let mut broken = of(99, 50);
    (broken.whole, broken.hindered) = ([0, 50, 0, 0, 49], Default::default());
    let found = judged(of(891, 891), broken);
    assert!(found.is_none_or(|found| found.verdict != Verdict::Fail), "they have failed");
}

#[test]
fn whoever_goes_on_with_what_was_journaled_finds_what_the_first_one_would_have_found() {
    let mut first = comparison();
    let halves = |at_ms, old, new| Look { at_ms, ..look(50, old, new) };
    first.look(&halves(1_000, counts(300, 0, 20), counts(297, 3, 20)));
    first.look(&halves(2_000, counts(600, 0, 20), counts(594, 6, 20)));
    let journaled = serde_json::to_string(&first).unwrap();
    let mut successor: Comparison = serde_json::from_str(&journaled).unwrap();
    let next = Look { revision: 8, ..halves(3_000, counts(300, 0, 20), counts(297, 3, 20)) };
    let (found, alone) = (successor.look(&next), comparison().look(&next));
    assert_eq!(found, first.look(&next));
    assert!(journaled.len() < 64 * 1024, "{} bytes", journaled.len());
    let units = |judgement: &Judgement| {
        let of = judgement.findings.iter().find(|finding| finding.check == "failures").unwrap();
        of.figures.unwrap().green.units
    };
    assert_eq!((units(&found), units(&alone)), (900, 300));
}
