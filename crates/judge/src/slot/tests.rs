use super::{Slot, hit};
use crate::bound::{Bound, DEFAULT_LIFTS};
use crate::evidence::Evidence;
use crate::tally::Tally;
use proptest::prelude::*;

const SLOT: Slot = Slot { length_ms: 500, drawn: 32 };

fn bound(tolerance: f64) -> Bound {
    Bound::new(1e-3).unwrap().tolerating(tolerance).unwrap()
}

/// The probability of so many of `units`, each for itself.
fn binomial(units: u64, rate: f64, failed: u64) -> f64 {
    let choose: f64 = (1..=failed).map(|i| (units - failed + i) as f64 / i as f64).product();
    choose * rate.powi(failed as i32) * (1.0 - rate).powi((units - failed) as i32)
}

/// All that can be counted of one colour in a slot, with its probability: it stalls with a probability of `stalls`, and
/// then answers with another rate of slow ones.
fn outcomes(units: u64, stalls: f64, rates: [f64; 2]) -> Vec<(f64, Tally)> {
    let [usual, stalled] = rates;
    let both =
        |failed| stalls * binomial(units, stalled, failed) + (1.0 - stalls) * binomial(units, usual, failed);
    (0..=units).map(|failed| (both(failed), Tally::new(units, failed))).collect()
}

/// The means of the factors of all lifts.
fn means(slot: Slot, bound: &Bound, blue: &[(f64, Tally)], green: &[(f64, Tally)]) -> Vec<f64> {
    let mut means = vec![0.0; DEFAULT_LIFTS.len()];
    for (of_blue, blue) in blue {
        for (of_green, green) in green {
            let factors = slot.log_factors(bound, *blue, *green);
            means.iter_mut().zip(factors).for_each(|(mean, log)| *mean += of_blue * of_green * log.exp());
        }
    }
    means
}

proptest! {
    /// The heart of the promise: however unequal the shares, and however much of a slot a stall takes with it.
    #[test]
    fn colours_that_stall_alike_and_each_for_itself_are_no_evidence(
        blue in 1_u64..40, green in 1_u64..40, stalls in 0.0..1.0_f64, usual in 0.0..1.0_f64, stalled in 0.0..1.0_f64,
        drawn in 1_u8..40,
    ) {
        let of = |units| outcomes(units, stalls, [usual, stalled]);
        let slot = Slot { drawn, ..SLOT };
        for mean in means(slot, &bound(1.0), &of(blue), &of(green)) {
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }
        for mean in means(slot, &bound(1.2), &of(blue), &of(green)) {
            prop_assert!(mean <= 1.0 + 1e-9, "{mean}");
        }
    }

    #[test]
    fn odds_of_being_slow_that_are_tolerated_are_no_evidence(
        blue in 1_u64..40, green in 1_u64..40, rate in 0.0..1.0_f64, tolerance in 1.0..4.0_f64, drawn in 1_u8..40,
    ) {
        let worse = rate * tolerance / (1.0 - rate + rate * tolerance);
        let (blue, green) = (outcomes(blue, 0.0, [rate, 1.0]), outcomes(green, 0.0, [worse, 1.0]));
        for mean in means(Slot { drawn, ..SLOT }, &bound(tolerance), &blue, &green) {
            prop_assert!(mean <= 1.0 + 1e-9, "{mean}");
        }
    }

    /// Requests that are as different as can be: some always slow, the others never, and chance decides over the colours.
    #[test]
    fn whom_chance_assigned_the_slow_requests_is_no_evidence(
        blue in 1_u64..30, green in 1_u64..30, share in 0.0..1.0_f64, drawn in 1_u8..40,
    ) {
        let slow = ((blue + green) as f64 * share) as u64;
        let possible = slow.saturating_sub(blue)..=slow.min(green);
        let weight = |g: u64| binomial(green, 0.5, g) * binomial(blue, 0.5, slow - g);
        let all: f64 = possible.clone().map(weight).sum();
        let mut means = [0.0; DEFAULT_LIFTS.len()];
        for g in possible {
            let slot = Slot { drawn, ..SLOT };
            let factors = slot.log_factors(&bound(1.0), Tally::new(blue, slow - g), Tally::new(green, g));
            means.iter_mut().zip(factors).for_each(|(mean, log)| *mean += weight(g) / all * log.exp());
        }
        for mean in means {
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }
    }

    #[test]
    fn no_counts_lead_out_of_the_numbers_and_no_slot_is_worth_more_than_a_factor_of_two(
        counts in any::<[u64; 4]>(), shift in 0_u32..64, drawn in any::<u8>(), tolerance in 1.0..1000.0_f64,
    ) {
        let [b, bf, g, gf] = counts.map(|count| count >> shift);
        let (blue, green) = (Tally { units: b, failed: bf }, Tally { units: g, failed: gf });
        let slot = Slot { drawn, ..SLOT };
        for log in slot.log_factors(&bound(tolerance), blue, green) {
            prop_assert!(log.is_finite() && log < 2_f64.ln(), "{log}");
        }
        let excess = slot.excess(&bound(tolerance), b % 1_000, blue, green);
        prop_assert!(excess.is_none_or(|excess| (0.0..=1.0).contains(&excess)), "{excess:?}");
    }

    #[test]
    fn more_slots_never_find_less(units in 4_u64..200, slots in 1_u64..500, more in 1_u64..500, rate in 0.0..0.5_f64) {
        let excess = |slots: u64| {
            let (blue, green) = (9 * units * slots, units * slots);
            let (blue, green) = (Tally::new(blue, (blue as f64 * rate) as u64), Tally::new(green, 0));
            SLOT.excess(&bound(1.2), slots, blue, green).unwrap_or(1.0)
        };
        prop_assert!(excess(slots + more) <= excess(slots) + 0.01, "{} {}", excess(slots + more), excess(slots));
    }
}

#[test]
fn a_draw_is_as_fisher_says() {
    // Of 10 with 3 failed ones 2 are drawn: 1 − (7·6)/(10·9).
    assert!((hit(Tally::new(10, 3), 2) - 48.0 / 90.0).abs() < 1e-12);
    assert_eq!(hit(Tally::new(10, 0), 10), 0.0);
    assert_eq!(hit(Tally::new(10, 1), 10), 1.0);
    assert_eq!(hit(Tally::new(10, 9), 2), 1.0);
    assert_eq!(hit(Tally::new(0, 0), 5), 0.0);
}

#[test]
fn a_stall_counts_once_however_many_it_hits() {
    let evidence = |slow| {
        let mut evidence = Evidence::default();
        evidence.add_slot(&bound(1.2), SLOT, Tally::new(9_000, 0), Tally::new(1_000, slow));
        evidence.e_value()
    };
    assert!(evidence(1_000) < 2.0, "{}", evidence(1_000));
    assert!(evidence(1_000) < evidence(200) * 1.001, "{} {}", evidence(1_000), evidence(200));
}

#[test]
fn a_colour_without_units_is_no_evidence() {
    assert_eq!(
        SLOT.log_factors(&bound(1.0), Tally::new(0, 0), Tally::new(50, 50)),
        [0.0; DEFAULT_LIFTS.len()]
    );
    assert_eq!(
        SLOT.log_factors(&bound(1.0), Tally::new(50, 50), Tally::new(0, 0)),
        [0.0; DEFAULT_LIFTS.len()]
    );
}

#[test]
fn what_would_have_been_found_is_found() {
    for (drawn, rate) in [(32, 0.01), (4, 0.1), (1, 0.5)] {
        let slot = Slot { drawn, ..SLOT };
        let (blue, green, slots) = (9_000_u64, 1_000_u64, 100_u64);
        let of_blue = Tally::new(blue * slots, (blue as f64 * rate) as u64 * slots);
        let excess = slot.excess(&bound(1.2), slots, of_blue, Tally::new(green * slots, 0)).unwrap();
        let worse = ((rate * 1.2 + excess) * green as f64).ceil() as u64;
        let found = |failed| {
            let mut evidence = Evidence::default();
            let blue = Tally::new(blue, (blue as f64 * rate) as u64);
            (0..slots).for_each(|_| evidence.add_slot(&bound(1.2), slot, blue, Tally::new(green, failed)));
            evidence.reaches(&bound(1.2))
        };
        assert!(found(worse) && !found((rate * 1.2 * green as f64) as u64), "{drawn}: {excess}");
    }
    assert_eq!(
        SLOT.excess(&bound(1.2), 5, Tally::new(9_000, 0), Tally::new(1_000, 0)),
        None,
        "five slots prove nothing"
    );
    assert_eq!(SLOT.excess(&bound(1.2), 0, Tally::new(0, 0), Tally::new(0, 0)), None);
}
