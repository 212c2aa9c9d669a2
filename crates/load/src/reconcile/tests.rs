use super::{BackendCounts, Reconciled, reconcile};
use crate::book::{Book, Ending, Times};
use crate::ledger::Ledger;
use proptest::prelude::*;

const TIMES: Times = Times { sent_ms: 0, ended_ms: 0, took_us: 1 };

/// A ledger of requests: whether each is idempotent, and who answered it.
fn ledger(requests: &[(bool, Option<&str>)]) -> Ledger {
    let mut book = Book::new("run".to_owned(), 0, 1_000);
    for &(idempotent, answerer) in requests {
        let number = book.begin(|_| idempotent).unwrap();
        let ending = match answerer {
            Some(answerer) => Ending::Answered { answerer: answerer.to_owned(), error: None },
            None => Ending::Lost { what: "cut".to_owned() },
        };
        book.end(number, ending, TIMES);
    }
    book.close(0, 0)
}

fn counts(dumps: &[(&str, &str)]) -> BackendCounts {
    let mut counts = BackendCounts::new();
    dumps.iter().for_each(|(backend, text)| counts.add_dump(backend, text).unwrap());
    counts
}

#[test]
fn sides_that_agree_agree() {
    let ledger = ledger(&[(true, Some("blue")), (false, Some("green")), (true, Some("gate"))]);
    let found = reconcile(&ledger, &counts(&[("blue", "run-0 1\n"), ("green", "run-1 1\n")]));
    let received = [("blue".to_owned(), 1), ("green".to_owned(), 1)].into();
    assert_eq!(found, Reconciled { received, ..Reconciled::default() });
    assert!(found.agrees());
}

#[test]
fn a_post_that_arrived_twice_is_duplicated_and_a_get_is_repeated() {
    let ledger = ledger(&[(false, Some("blue")), (true, Some("blue"))]);
    let found = reconcile(&ledger, &counts(&[("blue", "run-0 2\nrun-1 3")]));
    assert_eq!((found.duplicated.count, found.repeated.count), (1, 1));
    assert_eq!(found.duplicated.ids, ["run-0"]);
}

#[test]
fn a_post_that_arrived_once_at_each_of_two_backends_is_duplicated() {
    let ledger = ledger(&[(false, Some("green"))]);
    let found = reconcile(&ledger, &counts(&[("blue", "run-0 1"), ("green", "run-0 1")]));
    assert_eq!((found.duplicated.count, found.crossed.count), (1, 1));
    assert!(!found.agrees());
}

#[test]
fn two_instances_of_one_colour_are_one_backend() {
    let ledger = ledger(&[(false, Some("blue"))]);
    let found = reconcile(&ledger, &counts(&[("blue", "run-0 1"), ("blue", "run-0 1")]));
    assert_eq!(found.duplicated.count, 1);
    assert_eq!(found.received["blue"], 1);
}

#[test]
fn an_answer_that_no_backend_knows_of_is_unseen() {
    let ledger = ledger(&[(true, Some("blue"))]);
    for counts in [counts(&[]), counts(&[("blue", "")]), counts(&[("blue", "run-0 0")])] {
        let found = reconcile(&ledger, &counts);
        assert_eq!(found.unseen.ids, ["run-0"]);
        assert!(!found.agrees());
    }
}

#[test]
fn an_id_that_was_never_sent_is_a_stranger() {
    let found = reconcile(&ledger(&[]), &counts(&[("blue", "run-0 1\nrun-x 1\nrun-00 1\n")]));
    assert_eq!(found.strangers.count, 3);
    assert!(!found.agrees());
}

#[test]
fn other_runs_and_requests_without_an_id_are_left_out() {
    let found = reconcile(&ledger(&[]), &counts(&[("blue", "other-0 1\n 12\nrunner-1 1")]));
    assert_eq!(found.received["blue"], 0);
    assert!(found.agrees());
}

#[test]
fn a_lost_request_that_reached_a_backend_is_unanswered_there() {
    let found = reconcile(&ledger(&[(false, None)]), &counts(&[("blue", "run-0 1")]));
    assert_eq!(found.unanswered.ids, ["run-0"]);
}

#[test]
fn a_dump_of_another_form_is_refused_with_its_line() {
    let error = BackendCounts::new().add_dump("blue", "run-0 1\nrun-1 many").unwrap_err();
    assert_eq!(error.to_string(), "line 2 of the ids of blue is not an id and a count: \"run-1 many\"");
}

proptest! {
    #[test]
    fn every_extra_arrival_of_a_post_is_found(requests in prop::collection::vec((any::<bool>(), 1_u64..4), 0..50)) {
        let sent: Vec<_> = requests.iter().map(|&(idempotent, _)| (idempotent, Some("blue"))).collect();
        let mut counts = BackendCounts::new();
        for (number, &(_, times)) in requests.iter().enumerate() {
            counts.add("blue", &format!("run-{number}"), times);
        }
        let found = reconcile(&ledger(&sent), &counts);
        let twice = |idempotent| requests.iter().filter(|&&(i, times)| i == idempotent && times > 1).count() as u64;
        prop_assert_eq!(found.duplicated.count, twice(false));
        prop_assert_eq!(found.repeated.count, twice(true));
        prop_assert!(found.agrees());
    }
}
