use super::*;
use crate::guard::tests::rule;
use crate::guard::users::Seat;
use telemetry::counts::Examined;

/// Looks every 20 ms, each time with so much more of both: old requests and failures, new ones.
struct Run {
    bounds: Bounds,
    counted: Counted,
    usual: Usual,
    at_ms: u64,
}

impl Run {
    fn new(rule: &GuardRule) -> Run {
        let counted = Counted { stratum: 1, concurrent: true, ..Counted::default() };
        let mut run = Run { bounds: Bounds::new(rule, 1), counted, usual: Usual::default(), at_ms: 0 };
        assert_eq!(run.look([0, 0], [0, 0]), None);
        run
    }

    fn look(&mut self, old: [u64; 2], new: [u64; 2]) -> Option<Crossed> {
        for (side, [requests, failed]) in [(&mut self.counted.old, old), (&mut self.counted.new, new)] {
            side.requests += requests;
            side.failed += failed;
        }
        self.at_ms += 20;
        self.bounds.look(self.at_ms, &self.counted, |_| [self.usual; 2])
    }
}

fn tallied([requests, failed]: [u64; 2]) -> Tallied {
    Tallied { requests, failed, ..Tallied::default() }
}

/// Only a break counts.
fn without_limit() -> GuardRule {
    GuardRule { max_error_ppm: None, false_alarm_one_in: None, ..rule() }
}

#[test]
fn a_version_that_is_a_little_worse_is_found_by_comparison_and_one_that_is_not_is_never() {
    let rule = GuardRule { max_error_ppm: None, ..rule() };
    let mut run = Run::new(&rule);
    let crossed =
        (0..5_000u64).find_map(|number| run.look([90, 0], [10, u64::from(number.is_multiple_of(10))]));
    let crossed = crossed.unwrap();
    assert_eq!(crossed.bound, "comparison");
    assert!(crossed.e_value.unwrap() >= 1_000.0, "{crossed:?}");
    assert!(run.counted.new.failed <= 10, "{crossed:?}");
    let mut run = Run::new(&rule);
    let both = |number: u64| [u64::from(number.is_multiple_of(3)), u64::from(number % 30 == 1)];
    assert!((0..5_000u64).all(|number| run.look([90, both(number)[0]], [10, both(number)[1]]).is_none()));
}

#[test]
fn a_version_that_breaks_after_an_hour_is_found_with_its_fifth_failure() {
    let mut run = Run::new(&rule());
    for _ in 0..1_000 {
        assert_eq!(run.look([10, 0], [10, 0]), None);
    }
    for failure in 1..5 {
        assert_eq!(run.look([10, 0], [2, 1]), None, "failure {failure}");
    }
    let crossed = run.look([10, 0], [2, 1]).unwrap();
    assert_eq!(crossed.bound, "break");
    assert_eq!(
        crossed.evidence,
        ["5 of 10 requests failed within 100 ms; on the old version 0 of 50 requests failed"]
    );
}

#[test]
fn half_of_twenty_requests_a_second_that_fail_are_found_within_a_second() {
    let mut run = Run::new(&without_limit());
    run.counted.concurrent = false;
    // One request each 40 ms, every second one fails.
    let found = (1..=25u64).find(|number| {
        run.look([0, 0], [0, 0]);
        run.look([0, 0], [1, number % 2]).is_some()
    });
    assert_eq!(found, Some(9));
}

#[test]
fn failures_that_are_few_or_far_apart_are_no_break() {
    let mut run = Run::new(&without_limit());
    for number in 0..1_000u64 {
        assert_eq!(run.look([0, 0], [10, u64::from(number.is_multiple_of(5))]), None, "1 in 50");
    }
    let mut run = Run::new(&without_limit());
    for _ in 0..100 {
        assert_eq!(run.look([1, 0], [1, 1]), None);
        for _ in 0..20 {
            assert_eq!(run.look([1, 0], [0, 0]), None, "each second three");
        }
    }
}

#[test]
fn no_absolute_bound_fires_while_the_old_version_fails_alike() {
    let mut run = Run::new(&GuardRule { false_alarm_one_in: None, ..rule() });
    for _ in 0..500 {
        assert_eq!(run.look([4, 2], [4, 4]), None);
    }
    for _ in 0..50 {
        run.look([4, 0], [4, 4]);
    }
    assert!(run.look([4, 0], [4, 4]).is_some(), "the old one has recovered");
}

#[test]
fn while_nothing_is_heard_of_the_old_version_half_a_second_is_waited_for_it() {
    let mut run = Run::new(&without_limit());
    let crossed = (0..30).find(|_| run.look([0, 0], [2, 2]).is_some());
    assert_eq!(crossed, Some(24));
    let mut run = Run::new(&without_limit());
    assert!((0..20).all(|_| run.look([0, 0], [2, 2]).is_none()));
    assert_eq!(run.look([1, 1], [2, 2]), None, "it fails as well");
}

#[test]
fn the_limit_of_the_policy_is_kept_over_everything_since_the_share_was_changed() {
    let mut run = Run::new(&GuardRule { break_ppm: 1_000_000, ..rule() });
    for _ in 0..4 {
        assert_eq!(run.look([100, 0], [4, 0]), None);
    }
    assert_eq!(run.look([100, 0], [3, 1]), None, "19 requests");
    assert_eq!(run.look([100, 0], [1, 0]), None, "1 of 20 is 5 %");
    assert_eq!(run.look([100, 0], [1, 1]), None, "2 of 21 may be by chance");
    let crossed = run.look([100, 0], [7, 6]).unwrap();
    assert_eq!(crossed.bound, "errors");
    assert!(crossed.evidence[0].starts_with("8 of 28 requests failed"), "{crossed:?}");
}

#[test]
fn a_new_stratum_begins_anew_and_late_failures_of_the_one_before_count() {
    let mut run = Run::new(&without_limit());
    assert_eq!(run.look([10, 0], [4, 4]), None);
    run.counted = Counted { stratum: 2, concurrent: true, ..Counted::default() };
    run.counted.late = [[10, 0], [4, 4]].map(tallied);
    assert_eq!(run.look([1, 0], [0, 0]), None);
    run.counted.late[1] = tallied([9, 9]);
    assert_eq!(run.look([1, 0], [0, 0]).unwrap().bound, "break");
}

#[test]
fn a_failed_check_of_the_business_is_a_bound_of_its_own() {
    let checks = vec!["order".to_owned(), "paid".to_owned()];
    let rule = GuardRule { checks, check_false_alarm_one_in: Some(4_000), max_error_ppm: None, ..rule() };
    let mut run = Run::new(&rule);
    let found = (1..=40u64).find_map(|_| {
        run.counted.old.checks[1].passed += 90;
        run.counted.new.checks[1].passed += 9;
        run.counted.new.checks[1].failed += 1;
        run.look([90, 0], [10, 0])
    });
    let found = found.unwrap();
    assert_eq!(found.bound, "comparison");
    assert!(found.evidence[0].starts_with("failed check paid: new version "), "{found:?}");
    assert_eq!(found.check, Some(1), "its counts are what is told of the trip");
    let evidence = run.bounds.evidence();
    let checks: Vec<&str> = evidence.iter().map(|one| one.check.as_str()).collect();
    assert_eq!(
        checks,
        ["failures", "failed check order", "failed check paid", "answers not ended 2000 ms after they began"]
    );
    assert_eq!(evidence[1].verdict, "inconclusive");

    let mut run = Run::new(&GuardRule { max_error_ppm: Some(50_000), ..rule });
    // What it could not look at is neither: it makes up no minimum, and dilutes nothing.
    run.counted.new.checks[0] = Examined { passed: 12, failed: 7, unexamined: 900 };
    assert_eq!(run.look([9_000, 0], [919, 0]).map(|crossed| crossed.bound), None);
    run.counted.new.checks[0].passed += 1;
    let found = run.look([90, 0], [1, 0]).unwrap();
    assert!(found.evidence[0].starts_with("check order: 7 of 20 requests failed"), "{found:?}");
    assert_eq!(found.check, Some(0));
}

#[test]
fn one_busy_user_for_whom_everything_fails_breaks_nothing_and_three_do() {
    let by_users = GuardRule { by_users: true, ..rule() };
    for (users, crosses) in [(1, false), (2, false), (3, true)] {
        let mut run = Run::new(&by_users);
        let seat = Seat::new(run.bounds.users().unwrap(), true, 1);
        (0..100u64).for_each(|number| seat.ended(0, (number % users) << 40, 1, 1));
        let crossed = run.look([900, 0], [100, 100]);
        assert_eq!(crossed.is_some(), crosses, "{users}: {crossed:?}");
    }
}

#[test]
fn a_version_that_answers_nothing_is_a_bound_of_its_own_unless_the_rule_has_none() {
    for (rule, crosses) in [(rule(), true), (GuardRule { hang: None, ..rule() }, false)] {
        let mut run = Run::new(&rule);
        run.counted.new.heard = Heard { asked: 9, ..Heard::default() };
        let found = (0..200).find_map(|_| {
            run.counted.old.heard.asked += 9;
            run.counted.old.heard.heads += 9;
            run.look([9, 0], [0, 0])
        });
        assert_eq!(found.is_some(), crosses);
        let Some(found) = found else { continue };
        assert_eq!(found.bound, "hang");
        assert!(found.evidence[0].starts_with("9 requests that were sent 2000 ms ago"), "{found:?}");
    }
}

/// Each second so many answers of both begin, of which so many end at once; until something is crossed, at most so many seconds.
fn answers(run: &mut Run, seconds: u64, old: [u64; 2], new: [u64; 2]) -> Option<(u64, Crossed)> {
    (0..seconds).find_map(|second| {
        let place = run.bounds.turn() % judge::silence::TURNS;
        for (side, [begun, ended]) in [(&mut run.counted.old, old), (&mut run.counted.new, new)] {
            side.begun.begun[place] += begun;
            side.begun.in_time[place] += ended;
        }
        (0..50).find_map(|_| run.look([0, 0], [0, 0])).map(|crossed| (second, crossed))
    })
}

#[test]
fn answers_that_begin_and_do_not_end_are_found_by_comparison_and_streams_on_both_are_not() {
    let mut run = Run::new(&rule());
    assert_eq!(answers(&mut run, 60, [90, 80], [10, 9]), None, "streams on both");
    let mut run = Run::new(&rule());
    let (seconds, crossed) = answers(&mut run, 60, [90, 80], [10, 1]).unwrap();
    assert!(seconds <= 5, "{seconds}");
    assert!(
        crossed.evidence[0].starts_with("answers not ended 2000 ms after they began: new version "),
        "{crossed:?}"
    );
    let [old, new] = crossed.judged.unwrap();
    assert_eq!((crossed.bound, old.failed * 9), ("comparison", old.requests));
    assert!(new.failed >= 9 && new.requests > new.failed, "{crossed:?}");
}

#[test]
fn a_version_that_ends_nothing_is_a_bound_of_its_own_where_next_to_nothing_takes_so_long() {
    let alone = || GuardRule { by_users: true, ..rule() };
    for (rule, known, slow, crosses) in [
        (alone(), 1_000, 0, true),
        (alone(), 1_000, 20, false),
        (alone(), 40, 0, false),
        (GuardRule { hang: None, ..alone() }, 1_000, 0, false),
    ] {
        let mut run = Run::new(&rule);
        run.usual = Usual { answers: known, slow, long: slow };
        let found = answers(&mut run, 10, [90, 90], [4, 0]);
        assert_eq!(found.is_some(), crosses, "{slow} of {known}");
        let Some((seconds, found)) = found else { continue };
        assert_eq!((found.bound, seconds), ("unended", 3));
        assert!(found.evidence[0].starts_with("8 answers that began 2000 ms ago"), "{found:?}");
    }
}

#[test]
fn a_check_that_can_look_at_nothing_any_more_is_found_by_comparison() {
    let checks = vec!["order".to_owned(), "paid".to_owned()];
    let rule = GuardRule { checks, unexamined_false_alarm_one_in: Some(8_000), ..rule() };
    let run = |of_old: [u64; 2], of_new: [u64; 2]| {
        let mut run = Run::new(&rule);
        (0..100u64).find_map(|_| {
            for (side, [passed, unexamined]) in
                [(&mut run.counted.old, of_old), (&mut run.counted.new, of_new)]
            {
                side.checks[1].passed += passed;
                side.checks[1].unexamined += unexamined;
            }
            run.look([90, 0], [10, 0])
        })
    };
    assert_eq!(run([81, 9], [9, 1]), None, "alike");
    assert_eq!(run([0, 90], [0, 10]), None, "alike");
    let found = run([90, 0], [1, 9]).unwrap();
    assert!(found.is_unexamined && found.judged.is_some_and(|[old, _]| old.failed == 0), "{found:?}");
    assert!(found.evidence[0].starts_with("not examined by check paid: new version "), "{found:?}");
}

#[test]
fn what_has_failed_is_not_also_what_a_check_could_not_look_at() {
    let checks = vec!["order".to_owned()];
    let rule = GuardRule { checks, unexamined_false_alarm_one_in: Some(8_000), ..without_limit() };
    let mut run = Run::new(&GuardRule { break_ppm: 1_000_000, ..rule });
    for _ in 0..100 {
        run.counted.old.checks[0].passed += 90;
        run.counted.new.checks[0].passed += 5;
        run.counted.new.checks[0].unexamined += 5;
        assert_eq!(run.look([90, 0], [10, 5]), None);
    }
}
