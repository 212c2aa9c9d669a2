use crate::cell::{Cell, Ended, Heard};
use crate::counts::{Counts, Examined};
use crate::found::{Found, Origin, Outcome};
use model::record::Ending;
use proptest::prelude::*;

fn ended(ending: Ending, status: u16) -> Ended {
    Ended {
        ending,
        status,
        gate_error: false,
        retried: false,
        request_bytes: 10,
        response_bytes: 100,
        latency_us: 1_000,
        upgrade: false,
        found: Found::default(),
    }
}

fn balanced(counts: &Counts) -> bool {
    counts.received == counts.ended() + counts.open
}

/// `None` begins a request, `Some` ends one.
fn event() -> impl Strategy<Value = Option<Ended>> {
    let ending = prop_oneof![
        Just(Ending::Whole),
        Just(Ending::CutShort),
        Just(Ending::ClientLeft),
        Just(Ending::Drained)
    ];
    prop::option::of((ending, 0_u16..700, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(ending, status, gate_error, retried, upgrade)| Ended {
            gate_error,
            retried,
            upgrade,
            found: Found::default(),
            ..ended(ending, status)
        },
    ))
}

fn events() -> impl Strategy<Value = Vec<Option<Ended>>> {
    prop::collection::vec(event(), 0..100)
}

/// Plays events that can happen (an end needs a request that is open).
fn play(cell: &Cell, events: &[Option<Ended>]) {
    for event in events {
        match event {
            None => cell.begin(),
            Some(ended) if cell.snapshot().open > 0 => cell.end(ended),
            Some(_) => {}
        }
    }
}

proptest! {
    #[test]
    fn received_is_what_ended_and_what_is_open_in_any_order(events in events()) {
        let cell = Cell::default();
        for event in &events {
            play(&cell, std::slice::from_ref(event));
            let counts = cell.snapshot();
            prop_assert!(balanced(&counts), "{counts:?}");
            prop_assert!(counts.failed() <= counts.requests());
        }
    }

    #[test]
    fn merging_keeps_the_balance(a in events(), b in events()) {
        let cells = [Cell::default(), Cell::default()];
        play(&cells[0], &a);
        play(&cells[1], &b);
        let mut merged = cells[0].snapshot();
        merged.merge(&cells[1].snapshot());
        prop_assert!(balanced(&merged));
        prop_assert_eq!(merged.received, cells[0].snapshot().received + cells[1].snapshot().received);
    }

    #[test]
    fn a_baseline_and_what_came_since_make_the_whole(a in events(), b in events()) {
        let cell = Cell::default();
        play(&cell, &a);
        let baseline = cell.snapshot();
        play(&cell, &b);
        let now = cell.snapshot();
        let since = now.minus(&baseline);
        prop_assert_eq!(since.received + baseline.open, since.ended() + since.open);
        let mut sum = since.clone();
        sum.merge(&Counts { open: 0, ..baseline });
        prop_assert_eq!(sum, now);
    }
}

#[test]
fn a_gate_error_fails_once() {
    let cell = Cell::default();
    cell.begin();
    cell.end(&Ended { gate_error: true, ..ended(Ending::Whole, 502) });
    let counts = cell.snapshot();
    assert_eq!((counts.gate_errors, counts.failed(), counts.requests()), (1, 1, 1));
}

#[test]
fn a_client_that_left_is_neither_good_nor_bad() {
    let cell = Cell::default();
    cell.begin();
    cell.end(&ended(Ending::ClientLeft, 200));
    assert_eq!((cell.snapshot().requests(), cell.snapshot().failed()), (0, 0));
}

#[test]
fn an_answer_cut_short_fails_whatever_its_status_was() {
    let cell = Cell::default();
    cell.begin();
    cell.end(&ended(Ending::CutShort, 200));
    assert_eq!((cell.snapshot().requests(), cell.snapshot().failed()), (1, 1));
}

#[test]
fn classes_follow_the_first_digit_and_an_impossible_status_is_no_success() {
    let cell = Cell::default();
    for status in [101, 200, 204, 301, 404, 500, 599, 0, 999] {
        cell.begin();
        cell.end(&ended(Ending::Whole, status));
    }
    assert_eq!(cell.snapshot().whole, [1, 2, 1, 1, 4]);
}

#[test]
fn only_whole_answers_that_are_no_tunnel_have_a_latency() {
    let cell = Cell::default();
    for end in [
        ended(Ending::Whole, 200),
        ended(Ending::CutShort, 200),
        ended(Ending::ClientLeft, 200),
        Ended { upgrade: true, ..ended(Ending::Whole, 101) },
    ] {
        cell.begin();
        cell.end(&end);
    }
    assert_eq!(cell.snapshot().latency.count(), 1);
}

#[test]
fn a_reader_on_another_thread_never_sees_an_ending_without_its_beginning() {
    let cell = Cell::default();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..100_000 {
                cell.begin();
                cell.end(&ended(Ending::Whole, 200));
            }
        });
        while !writer.is_finished() {
            let counts = cell.snapshot();
            assert!(balanced(&counts), "{counts:?}");
        }
    });
    assert_eq!(cell.snapshot().whole_total(), 100_000);
}

#[test]
fn what_answers_say_is_counted_where_they_can_be_judged_and_their_origin_for_all() {
    let cell = Cell::default();
    let found = Found::default().checked(0, Outcome::Failed).checked(2, Outcome::Passed);
    for (ending, found) in [
        (Ending::Whole, found.checked(3, Outcome::Unexamined).from(Origin::Right)),
        (Ending::Whole, Found::default()),
        (Ending::CutShort, found.from(Origin::Other)),
        (Ending::ClientLeft, found.from(Origin::Other)),
    ] {
        cell.begin();
        cell.end(&Ended { found, ..ended(ending, 200) });
    }
    let examined = |passed, failed, unexamined| Examined { passed, failed, unexamined };
    let checks = [examined(0, 1, 1), Examined::default(), examined(1, 0, 1), examined(0, 0, 1)];
    let counts = cell.snapshot();
    assert_eq!((cell.examined(), counts.checks), (checks, checks));
    assert_eq!((counts.origins, checks.map(Examined::examined)), ([1, 2, 0], [1, 0, 1, 0]));
    let mut twice = counts.clone();
    twice.merge(&counts);
    assert_eq!((twice.checks[0], twice.minus(&counts).checks), (examined(0, 2, 2), checks));
}

#[test]
fn what_was_sent_to_an_upstream_waits_until_its_head_comes_or_it_is_over() {
    let cell = Cell::default();
    assert_eq!(cell.heard(), Heard::default());
    let [one, other, third] = [cell.asked(), cell.asked(), cell.asked()];
    cell.turn(5);
    let later = cell.asked();
    assert_eq!(cell.heard(), Heard { asked: 4, waiting: [3, 1, 0, 0], ..Heard::default() });
    cell.head(later);
    cell.unheard(one, false);
    cell.unheard(other, true);
    let waits = Heard { asked: 4, heads: 1, unheard: 2, withdrawn: 1, waiting: [1, 0, 0, 0] };
    assert_eq!(cell.heard(), waits);
    cell.head(third);
    assert_eq!(cell.snapshot(), Counts::default(), "no request has begun or ended by it");
}
