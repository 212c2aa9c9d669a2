use super::Watch;
use crate::bound::Bound;
use crate::evidence::Evidence;
use crate::slot::Slot;
use crate::tally::Tally;
use proptest::prelude::*;

fn bound() -> Bound {
    Bound::new(1e-3).unwrap()
}

#[test]
fn a_window_ends_when_both_colours_have_enough_units() {
    let mut watch = Watch::armed(bound());
    watch.observe(1, 7, Tally::new(500, 0), Tally::new(3, 3));
    assert_eq!(watch.evidence().windows(), 0, "three requests of Green");
    watch.observe(2, 7, Tally::new(510, 0), Tally::new(4, 4));
    assert_eq!((watch.evidence().windows(), watch.evidence().green()), (1, Tally::new(4, 4)));
}

#[test]
fn a_crossing_stays_whatever_comes_after_it() {
    let mut watch = Watch::armed(bound());
    assert_eq!(watch.observe(10, 7, Tally::new(90, 0), Tally::new(10, 0)), None);
    let crossing = watch.observe(20, 7, Tally::new(180, 0), Tally::new(20, 9)).unwrap();
    assert_eq!((crossing.at_ms, crossing.green), (20, Tally::new(20, 9)));
    assert!(crossing.e_value >= crossing.threshold);
    let later = watch.observe(30, 7, Tally::new(100_000, 50_000), Tally::new(20_000, 9));
    assert!(!watch.evidence().reaches(watch.bound()), "the evidence has gone");
    assert_eq!(later, Some(crossing));
}

#[test]
fn a_new_stratum_counts_from_nothing_and_keeps_the_evidence() {
    let mut watch = Watch::armed(bound());
    watch.observe(1, 7, Tally::new(90, 0), Tally::new(10, 2));
    watch.observe(2, 8, Tally::new(50, 0), Tally::new(50, 1));
    let mut by_hand = Evidence::default();
    by_hand.add(&bound(), Tally::new(90, 0), Tally::new(10, 2));
    by_hand.add(&bound(), Tally::new(50, 0), Tally::new(50, 1));
    assert_eq!(*watch.evidence(), by_hand);
}

#[test]
fn what_was_left_of_a_stratum_is_a_window_too() {
    let mut watch = Watch::armed(bound());
    watch.observe(1, 7, Tally::new(90, 0), Tally::new(3, 2));
    watch.observe(2, 8, Tally::new(0, 0), Tally::new(0, 0));
    assert_eq!((watch.evidence().windows(), watch.evidence().green()), (1, Tally::new(3, 2)));
}

#[test]
fn counters_that_went_backwards_begin_where_they_are() {
    let mut watch = Watch::armed(bound());
    watch.observe(1, 7, Tally::new(900, 0), Tally::new(100, 1));
    watch.observe(2, 7, Tally::new(450, 0), Tally::new(50, 1));
    assert_eq!(watch.evidence().green(), Tally::new(100, 1), "a gateway is gone, nothing came");
    watch.observe(3, 7, Tally::new(540, 0), Tally::new(60, 1));
    assert_eq!(watch.evidence().green(), Tally::new(110, 1));
}

fn in_slots() -> Watch {
    Watch::in_slots(bound(), Slot { length_ms: 500, drawn: 32 })
}

#[test]
fn a_slot_ends_when_it_has_lasted_long_enough_and_both_colours_have_enough_units() {
    let mut watch = in_slots();
    watch.observe(1_000, 7, Tally::new(100, 0), Tally::new(3, 0));
    watch.observe(1_499, 7, Tally::new(140, 0), Tally::new(50, 0));
    assert_eq!(watch.evidence().windows(), 0, "half a second is not over");
    watch.observe(1_500, 7, Tally::new(150, 0), Tally::new(51, 0));
    assert_eq!((watch.evidence().windows(), watch.evidence().green()), (1, Tally::new(51, 0)));
    watch.observe(2_100, 7, Tally::new(200, 0), Tally::new(54, 0));
    assert_eq!(watch.evidence().windows(), 1, "three requests of Green");
    watch.observe(2_300, 7, Tally::new(210, 0), Tally::new(55, 0));
    assert_eq!(watch.evidence().windows(), 2);
    watch.observe(2_400, 8, Tally::new(9, 0), Tally::new(9, 0));
    watch.observe(2_700, 8, Tally::new(20, 0), Tally::new(20, 0));
    assert_eq!(watch.evidence().windows(), 2, "a new share begins a slot of its own");
}

#[test]
fn one_stall_however_hard_is_no_proof_and_being_slow_all_the_time_is_found() {
    let alarms = |slow_for_ms: i64| {
        let (mut watch, mut blue, mut green) = (in_slots(), Tally::default(), Tally::default());
        for at_ms in (0..30_000).step_by(100) {
            blue = blue.plus(Tally::new(90, 1));
            green = green.plus(Tally::new(10, if at_ms < slow_for_ms { 10 } else { 0 }));
            watch.observe(at_ms, 7, blue, green);
        }
        watch.crossing()
    };
    assert_eq!(alarms(2_000), None);
    assert!(alarms(30_000).is_some_and(|crossing| crossing.at_ms < 20_000), "{:?}", alarms(30_000));
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_comparison() {
    let mut watch = in_slots();
    watch.observe(3_600_000, 7, Tally::new(10, 0), Tally::new(10, 0));
    watch.observe(1_000, 7, Tally::new(20, 0), Tally::new(20, 0));
    watch.observe(1_500, 7, Tally::new(30, 0), Tally::new(30, 0));
    assert_eq!(watch.evidence().windows(), 1);
}

#[test]
fn a_watch_survives_being_written_down() {
    let mut watch = Watch::armed(bound());
    watch.observe(10, 7, Tally::new(180, 0), Tally::new(20, 9));
    let text = serde_json::to_string(&watch).unwrap();
    let mut read: Watch = serde_json::from_str(&text).unwrap();
    assert_eq!(read.crossing().map(|crossing| crossing.at_ms), Some(10));
    let seen = [Tally::new(270, 0), Tally::new(30, 10)];
    assert_eq!(read.observe(20, 7, seen[0], seen[1]).map(|crossing| crossing.at_ms), Some(10));
}

proptest! {
    /// How often somebody looks decides where windows end, and never what is counted.
    #[test]
    fn every_unit_is_in_one_window_at_most_and_none_is_invented(
        steps in prop::collection::vec((0_u64..20, 0_u64..3, 0_u64..20, 0_u64..3), 1..60),
    ) {
        let mut watch = Watch::armed(bound());
        let (mut blue, mut green) = (Tally::default(), Tally::default());
        for (index, (b, bf, g, gf)) in steps.into_iter().enumerate() {
            blue = blue.plus(Tally::new(b, bf));
            green = green.plus(Tally::new(g, gf));
            watch.observe(index as i64, 1, blue, green);
        }
        let seen = watch.evidence();
        prop_assert!(seen.blue().units <= blue.units && seen.green().units <= green.units);
        watch.observe(1_000, 2, Tally::default(), Tally::default());
        let seen = watch.evidence();
        let whole = seen.blue() == blue && seen.green() == green;
        prop_assert!(whole || blue.units == 0 || green.units == 0 || seen.green().units < green.units
            || seen.blue().units < blue.units);
        prop_assert!(seen.blue().failed <= blue.failed && seen.green().failed <= green.failed);
    }
}
