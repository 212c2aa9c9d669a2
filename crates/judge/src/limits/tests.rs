use super::{ENOUGH_TO_FAIL_ALL, Limits, Observed, Verdict, evaluate, evaluate_beside};
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_error_rate: Some(0.05), max_p99_ms: Some(500), min_requests: 20 };

fn observed(requests: u64, failed: u64, p99_ms: f64) -> Observed {
    Observed { requests, failed, p99_ms: Some(p99_ms) }
}

fn passes(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Pass { .. })
}

fn fails(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Fail { .. })
}

fn fail(evidence: &[&str]) -> Verdict {
    Verdict::Fail { evidence: evidence.iter().map(|&line| line.to_owned()).collect() }
}

fn inconclusive(reason: &str) -> Verdict {
    Verdict::Inconclusive { reason: reason.to_owned() }
}

#[test]
fn a_broken_error_rate_is_named_with_its_counts() {
    let expected = fail(&["37 of 120 requests failed (30.8 %), limit 5 %"]);
    assert_eq!(evaluate(&observed(120, 37, 10.0), &LIMITS), expected);
}

#[test]
fn a_broken_p99_is_named_with_its_sample() {
    let expected = fail(&["p99 is 812 ms over 120 requests, limit 500 ms"]);
    assert_eq!(evaluate(&observed(120, 0, 812.3), &LIMITS), expected);
}

#[test]
fn an_old_version_that_breaks_the_same_limit_is_named_beside_it() {
    let beside = |old: Observed| evaluate_beside(&observed(120, 37, 812.3), &old, &LIMITS);
    let both = [
        "37 of 120 requests failed (30.8 %), limit 5 %; old version: 10 % in the same window",
        "p99 is 812 ms over 120 requests, limit 500 ms; old version: 900 ms in the same window",
    ];
    assert_eq!(beside(observed(1_000, 100, 900.0)), fail(&both));
    let alone = evaluate(&observed(120, 37, 812.3), &LIMITS);
    assert_eq!(beside(observed(1_000, 50, 500.0)), alone, "it meets them");
    assert_eq!(
        evaluate_beside(&observed(120, 0, 9.0), &observed(9, 9, 900.0), &LIMITS),
        evaluate(&observed(120, 0, 9.0), &LIMITS)
    );
}

#[test]
fn every_broken_limit_is_named() {
    let Verdict::Fail { evidence } = evaluate(&observed(120, 37, 812.3), &LIMITS) else {
        panic!("no failure")
    };
    assert_eq!(evidence.len(), 2);
}

#[test]
fn a_limit_that_is_just_met_holds() {
    let expected = Verdict::Pass { summary: "1 of 20 requests failed (5 %), p99 500 ms".to_owned() };
    assert_eq!(evaluate(&observed(20, 1, 500.0), &LIMITS), expected);
}

#[test]
fn too_few_requests_are_inconclusive_however_good_they_are() {
    let expected = inconclusive("19 requests; 20 are needed for a verdict");
    assert_eq!(evaluate(&observed(19, 0, 1.0), &LIMITS), expected);
    assert_eq!(
        evaluate(&observed(1, 0, 1.0), &LIMITS),
        inconclusive("1 request; 20 are needed for a verdict")
    );
}

#[test]
fn too_few_requests_are_inconclusive_even_if_most_failed_or_were_slow() {
    assert!(matches!(evaluate(&observed(19, 18, 9_000.0), &LIMITS), Verdict::Inconclusive { .. }));
}

#[test]
fn a_version_that_fails_every_request_is_given_up_early() {
    let below = observed(ENOUGH_TO_FAIL_ALL - 1, ENOUGH_TO_FAIL_ALL - 1, 1.0);
    assert!(matches!(evaluate(&below, &LIMITS), Verdict::Inconclusive { .. }));
    let enough = observed(ENOUGH_TO_FAIL_ALL, ENOUGH_TO_FAIL_ALL, 1.0);
    assert_eq!(evaluate(&enough, &LIMITS), fail(&["5 of 5 requests failed (100 %), limit 5 %"]));
}

#[test]
fn a_minimum_below_five_needs_no_more_than_itself() {
    let limits = Limits { min_requests: 2, ..LIMITS };
    assert!(fails(&evaluate(&observed(2, 2, 1.0), &limits)));
    assert!(matches!(evaluate(&observed(1, 1, 1.0), &limits), Verdict::Inconclusive { .. }));
}

#[test]
fn failing_everything_breaks_no_limit_that_allows_it() {
    let limits = Limits { max_error_rate: Some(1.0), ..LIMITS };
    assert!(matches!(evaluate(&observed(5, 5, 1.0), &limits), Verdict::Inconclusive { .. }));
    assert!(passes(&evaluate(&observed(50, 50, 1.0), &limits)));
}

#[test]
fn no_request_is_inconclusive_even_without_a_minimum() {
    let limits = Limits { min_requests: 0, ..LIMITS };
    let nothing = Observed { requests: 0, failed: 0, p99_ms: None };
    assert_eq!(evaluate(&nothing, &limits), inconclusive("0 requests; 1 are needed for a verdict"));
}

#[test]
fn a_p99_that_is_unknown_does_not_pass() {
    for p99_ms in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let unknown = Observed { requests: 100, failed: 0, p99_ms };
        assert!(matches!(evaluate(&unknown, &LIMITS), Verdict::Inconclusive { .. }), "{p99_ms:?}");
        assert!(passes(&evaluate(&unknown, &Limits { max_p99_ms: None, ..LIMITS })));
    }
}

#[test]
fn a_broken_error_rate_fails_although_the_p99_is_unknown() {
    assert!(fails(&evaluate(&Observed { requests: 100, failed: 50, p99_ms: None }, &LIMITS)));
}

#[test]
fn without_a_limit_there_is_nothing_to_judge() {
    let none = Limits { max_error_rate: None, max_p99_ms: None, min_requests: 20 };
    assert!(passes(&evaluate(&observed(3, 3, 1.0), &none)));
}

#[test]
fn a_limit_that_is_no_rate_never_passes() {
    for rate in [f64::NAN, -0.1, 1.1, 5.0] {
        let limits = Limits { max_error_rate: Some(rate), ..LIMITS };
        assert!(matches!(evaluate(&observed(100, 0, 1.0), &limits), Verdict::Inconclusive { .. }), "{rate}");
    }
}

#[test]
fn small_rates_keep_the_digits_that_tell() {
    let limits = Limits { max_error_rate: Some(0.001), ..LIMITS };
    let expected = fail(&["25 of 10000 requests failed (0.25 %), limit 0.1 %"]);
    assert_eq!(evaluate(&observed(10_000, 25, 1.0), &limits), expected);
}

#[test]
fn a_rate_beyond_its_limit_by_chance_is_neither_a_failure_nor_a_pass() {
    let of = |requests, failed, limit| {
        evaluate(&observed(requests, failed, 1.0), &Limits { max_error_rate: Some(limit), ..LIMITS })
    };
    let reason = "2 of 20 requests failed (10 %), p99 1 ms, limit 5 %, which may be by chance";
    assert_eq!(of(20, 2, 0.05), Verdict::Inconclusive { reason: reason.to_owned() });
    for (requests, failed) in [(20, 6), (100, 14), (1_000, 77)] {
        assert!(!fails(&of(requests, failed, 0.05)) && fails(&of(requests, failed + 1, 0.05)), "{requests}");
    }
    assert!(fails(&of(1_000, 1, 0.0)), "where nothing may fail, no failure is by chance");
    assert!(passes(&of(20, 20, 1.0)));
}

/// Looks at 300 versions that fail in 2 % of 2,000 requests at random, at every fifth request.
#[test]
fn chance_breaks_no_limit_that_a_bare_rate_would_break() {
    let limits = Limits { max_error_rate: Some(0.05), max_p99_ms: None, min_requests: 20 };
    let (mut beyond, mut broken) = (0, 0);
    let mut state = 4_711_u64;
    let mut one_in_fifty = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).is_multiple_of(50)
    };
    for _ in 0..300 {
        let (mut failed, mut was_beyond, mut was_broken) = (0, false, false);
        for requests in 1..=2_000_u64 {
            failed += u64::from(one_in_fifty());
            if requests % 5 == 0 && requests >= limits.min_requests {
                was_beyond |= failed * 20 > requests;
                was_broken |= fails(&evaluate(&observed(requests, failed, 1.0), &limits));
            }
        }
        (beyond, broken) = (beyond + u32::from(was_beyond), broken + u32::from(was_broken));
    }
    assert!((30..120).contains(&beyond), "{beyond}");
    assert_eq!(broken, 0);
}

#[test]
fn an_old_version_of_few_requests_is_no_excuse() {
    let (new, limits) = (observed(10_000, 500, 1.0), Limits { max_error_rate: Some(0.01), ..LIMITS });
    let words = |old| format!("{:?}", evaluate_beside(&new, &old, &limits));
    assert!(!words(observed(LIMITS.min_requests - 1, LIMITS.min_requests - 1, 1.0)).contains("old version"));
    assert!(words(observed(LIMITS.min_requests, LIMITS.min_requests, 1.0)).contains("old version: 100 %"));
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (prop::option::of(0.0..=1.0_f64), prop::option::of(0_u64..1_000), 0_u64..50).prop_map(
        |(max_error_rate, max_p99_ms, min_requests)| Limits { max_error_rate, max_p99_ms, min_requests },
    )
}

proptest! {
    #[test]
    fn a_further_failure_never_turns_a_verdict_into_a_pass(
        requests in 1_u64..200, failed in 0_u64..200, p99 in 0.0..2_000.0_f64, limits in any_limits()
    ) {
        let before = evaluate(&observed(requests, failed, p99), &limits);
        let after = evaluate(&observed(requests, failed + 1, p99), &limits);
        prop_assert!(passes(&before) || !passes(&after), "{before:?} became {after:?}");
        prop_assert!(!fails(&before) || fails(&after), "{before:?} became {after:?}");
    }

    #[test]
    fn a_pass_always_saw_enough_and_broke_nothing(
        requests in 0_u64..200, failed in 0_u64..200, p99 in 0.0..2_000.0_f64, limits in any_limits()
    ) {
        let judged = limits.max_error_rate.is_some() || limits.max_p99_ms.is_some();
        if judged && passes(&evaluate(&observed(requests, failed, p99), &limits)) {
            prop_assert!(requests >= limits.min_requests.max(1));
            let rate = failed.min(requests) as f64 / requests as f64;
            prop_assert!(limits.max_error_rate.is_none_or(|limit| rate <= limit));
            prop_assert!(limits.max_p99_ms.is_none_or(|limit| p99 <= limit as f64));
        }
    }
}
