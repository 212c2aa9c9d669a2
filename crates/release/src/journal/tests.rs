use super::*;
use crate::example::journal_of;
use crate::machine::Outcome;
use crate::plan::FORMAT;
use crate::report::GuardSummary;
use telemetry::report::GuardTrip;

fn request() -> Event {
    Event::Requested(Box::new(crate::example::request("2")))
}

fn noticed(instance: &str) -> Event {
    Event::Gateway { instance: instance.to_owned(), alive: false }
}

#[test]
fn what_was_sealed_is_read_back_in_order() {
    let entries = journal_of(&[request(), noticed("one"), noticed("two")]);
    let chain = read(&entries).unwrap();
    assert_eq!(chain.entries.len(), 3);
    assert_eq!(chain.entries[2].event, noticed("two"));
    assert_eq!((chain.entries[2].seq, chain.entries[2].at_ms), (3, 1_002));
    assert_eq!((chain.head.seq, chain.torn), (3, None));
    assert_eq!(Vec::from_iter(fold("shop-1", &chain).unwrap().gaps), ["one", "two"]);
}

#[test]
fn a_single_changed_byte_anywhere_is_found() {
    let entries = journal_of(&[request(), noticed("one"), noticed("two")]);
    for place in 0..entries.len() {
        for byte in 0..entries[place].body.len() {
            let mut changed = entries.clone();
            let mut bytes = changed[place].body.clone().into_bytes();
            bytes[byte] = if bytes[byte] == b'x' { b'y' } else { b'x' };
            changed[place].body = String::from_utf8(bytes).unwrap();
            let found = read(&changed);
            let last_is_torn = found.as_ref().is_ok_and(|chain| chain.torn == Some(3)) && place == 2;
            assert!(found.is_err() || last_is_torn, "entry {place}, byte {byte}: {found:?}");
        }
    }
}

#[test]
fn a_last_entry_cut_at_any_byte_is_dropped_and_reported() {
    let entries = journal_of(&[request(), noticed("one")]);
    for length in 0..entries[1].body.len() {
        let mut torn = entries.clone();
        torn[1].body.truncate(length);
        let chain = read(&torn).unwrap();
        assert_eq!(chain.torn, Some(2), "cut at {length}");
        assert_eq!(chain.entries.len(), 1);
    }
}

#[test]
fn after_a_torn_entry_the_journal_goes_on_once_it_says_so() {
    let mut entries = journal_of(&[request(), noticed("one")]);
    entries[1].body.truncate(20);
    let chain = read(&entries).unwrap();
    let (dropped, head) = seal(&chain.head, 2_000, "controller", &Event::Dropped { seq: 2 }).unwrap();
    entries.push(dropped);
    let (more, _) = seal(&head, 2_001, "controller", &noticed("three")).unwrap();
    entries.push(more);
    let chain = read(&entries).unwrap();
    assert_eq!((chain.entries.len(), chain.head.seq, chain.torn), (3, 4, None));
}

#[test]
fn a_cut_entry_in_the_middle_is_damage() {
    let mut entries = journal_of(&[request(), noticed("one"), noticed("two")]);
    entries[1].body.truncate(20);
    assert!(matches!(read(&entries), Err(Damage::Unreadable { seq: 2, .. })));
}

#[test]
fn entries_that_are_missing_swapped_or_from_elsewhere_are_damage() {
    let entries = journal_of(&[request(), noticed("one"), noticed("two")]);
    let missing = [entries[0].clone(), entries[2].clone()];
    assert_eq!(read(&missing), Err(Damage::Gap { expected: 2, found: 3 }));
    let mut elsewhere = entries.clone();
    elsewhere[2] = journal_of(&[request(), noticed("other"), noticed("two")])[2].clone();
    assert_eq!(read(&elsewhere), Err(Damage::Unchained { seq: 3 }));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let mut entries = journal_of(&[request()]);
    let (ours, newer) = (format!("\"format\":{FORMAT}"), FORMAT + 1);
    entries[0].body = entries[0].body.replacen(&ours, &format!("\"format\":{newer}"), 1);
    assert_eq!(read(&entries), Err(Damage::NewerFormat { seq: 1, found: newer }));
}

#[test]
fn a_release_withdrawn_from_the_queue_has_ended_once() {
    let withdrawn = |outcome| Event::Withdrawn { outcome, why: "w".to_owned() };
    let entries = journal_of(&[request(), withdrawn(Outcome::Superseded), withdrawn(Outcome::Aborted)]);
    let folded = fold("shop-1", &read(&entries).unwrap()).unwrap();
    assert_eq!(folded.outcome(), Some(Outcome::Superseded));
    assert!(folded.ended() && !folded.queued() && !folded.in_flight());
}

#[test]
fn a_trip_that_a_gateway_started_later_tells_again_stays_that_of_the_first() {
    let trip = |gateway: &str, latched| {
        let trip = GuardTrip { bound: "errors".to_owned(), at_ms: 7, latched, ..GuardTrip::default() };
        let (id, gateway) = ("g".to_owned(), gateway.to_owned());
        Event::Guarded { guard: Box::new(GuardSummary { id, gateway, trip }) }
    };
    let entries = journal_of(&[request(), trip("gw-1", false), trip("gw-2", true)]);
    let folded = fold("shop-1", &read(&entries).unwrap()).unwrap();
    let [guard] = folded.guards.as_slice() else { panic!("{:?}", folded.guards) };
    assert_eq!((guard.gateway.as_str(), guard.trip.latched), ("gw-1", true));
}
