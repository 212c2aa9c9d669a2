use super::Evidence;
use crate::bound::{Bound, LIFTS};
use crate::likelihood::ratios;
use crate::tally::Tally;
use proptest::prelude::*;

fn bound(alpha: f64, tolerance: f64) -> Bound {
    Bound::new(alpha).unwrap().tolerating(tolerance).unwrap()
}

/// ln C(n, k).
fn log_choose(n: u64, k: u64) -> f64 {
    (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum()
}

/// The probability of each possible number of Green failures, given how many there are in all (Fisher's noncentral
/// hypergeometric distribution).
fn distribution(blue: u64, green: u64, failed: u64, odds: f64) -> Vec<(u64, f64)> {
    let possible = failed.saturating_sub(blue)..=failed.min(green);
    let weights: Vec<(u64, f64)> = possible
        .map(|g| {
            let log = log_choose(green, g) + log_choose(blue, failed - g) + g as f64 * odds.ln();
            (g, log)
        })
        .collect();
    let greatest = weights.iter().map(|(_, log)| *log).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<(u64, f64)> = weights.into_iter().map(|(g, log)| (g, (log - greatest).exp())).collect();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights.into_iter().map(|(g, weight)| (g, weight / sum)).collect()
}

/// The mean of the likelihood ratio of each lift, when Green's odds are `odds` times Blue's.
fn means(bound: &Bound, blue: u64, green: u64, failed: u64, odds: f64) -> [f64; LIFTS] {
    let mut means = [0.0; LIFTS];
    for (g, probability) in distribution(blue, green, failed, odds) {
        let ratios = ratios(bound, Tally::new(blue, failed - g), Tally::new(green, g));
        means.iter_mut().zip(ratios).for_each(|(mean, ratio)| *mean += probability * ratio.exp());
    }
    means
}

fn log_e(bound: &Bound, blue: Tally, green: Tally) -> f64 {
    let mut evidence = Evidence::default();
    evidence.add(bound, blue, green);
    evidence.log_e_value()
}

fn any_tally() -> impl Strategy<Value = Tally> {
    let any_size = (0_u32..64, any::<u64>()).prop_map(|(shift, bits)| bits >> shift);
    (any_size.clone(), any_size).prop_map(|(units, failed)| Tally { units, failed })
}

proptest! {
    /// The heart of the promise: at the null the mean is exactly 1, window by window.
    #[test]
    fn the_mean_of_a_window_is_one_while_green_is_at_the_limit(
        blue in 1_u64..40, green in 1_u64..40, share in 0.0..1.0_f64, tolerance in 1.0..4.0_f64,
    ) {
        let failed = ((blue + green) as f64 * share) as u64;
        for mean in means(&bound(0.01, tolerance), blue, green, failed, tolerance) {
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }
    }

    #[test]
    fn the_mean_of_a_window_is_less_than_one_while_green_is_better(
        blue in 1_u64..40, green in 1_u64..40, share in 0.0..1.0_f64, better in 0.01..1.0_f64,
    ) {
        let failed = ((blue + green) as f64 * share) as u64;
        for mean in means(&bound(0.01, 1.0), blue, green, failed, better) {
            prop_assert!(mean <= 1.0 + 1e-9, "{mean}");
        }
    }

    #[test]
    fn evidence_of_two_places_is_that_of_both(
        windows in prop::collection::vec((0_u64..500, 0_u64..50, 0_u64..500, 0_u64..50), 0..20), cut in 0_usize..20,
    ) {
        let bound = bound(0.01, 1.2);
        let (mut all, mut one, mut other) = (Evidence::default(), Evidence::default(), Evidence::default());
        for (index, (b, bf, g, gf)) in windows.iter().copied().enumerate() {
            let (blue, green) = (Tally::new(b, bf), Tally::new(g, gf));
            all.add(&bound, blue, green);
            if index < cut { one.add(&bound, blue, green) } else { other.add(&bound, blue, green) }
        }
        let mut turned = other;
        turned.merge(&one);
        one.merge(&other);
        prop_assert_eq!((one.blue(), one.green(), one.windows()), (all.blue(), all.green(), all.windows()));
        prop_assert!((one.log_e_value() - all.log_e_value()).abs() < 1e-9);
        prop_assert!((one.log_e_value() - turned.log_e_value()).abs() < 1e-9);
    }

    #[test]
    fn each_further_failure_of_green_is_more_evidence_and_each_of_blue_is_less(
        blue in 1_u64..2_000, green in 1_u64..2_000, b in 0.0..1.0_f64, g in 0.0..1.0_f64,
        tolerance in 1.0..3.0_f64,
    ) {
        let bound = bound(0.01, tolerance);
        let b = ((blue as f64 * b) as u64).min(blue - 1);
        let g = ((green as f64 * g) as u64).min(green - 1);
        let now = log_e(&bound, Tally::new(blue, b), Tally::new(green, g));
        // Where the window is so large that its terms are not all added up, the careful side begins: not across it.
        let terms = |failed: u64| failed.min(green) - failed.saturating_sub(blue);
        prop_assume!((terms(b + g) >= 512) == (terms(b + g + 1) >= 512));
        prop_assert!(log_e(&bound, Tally::new(blue, b), Tally::new(green, g + 1)) >= now - 1e-9);
        prop_assert!(log_e(&bound, Tally::new(blue, b + 1), Tally::new(green, g)) <= now + 1e-9);
    }

    #[test]
    fn no_counts_lead_out_of_the_numbers(
        windows in prop::collection::vec((any_tally(), any_tally()), 1..8), tolerance in 1.0..1000.0_f64,
    ) {
        let bound = bound(1e-6, tolerance);
        let mut evidence = Evidence::default();
        for (blue, green) in windows {
            evidence.add(&bound, blue, green);
            prop_assert!(!evidence.log_e_value().is_nan() && evidence.log_e_value() < f64::INFINITY);
            prop_assert!(evidence.e_value() >= 0.0 && evidence.e_value() <= 1e300);
            let text = serde_json::to_string(&evidence).unwrap();
            let read: Evidence = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.windows(), evidence.windows());
        }
    }
}

#[test]
fn the_careful_form_has_a_mean_of_at_most_one() {
    let bound = bound(0.01, 1.0);
    for (blue, green, failed) in [(700_u64, 600_u64, 640_u64), (2_000, 560, 1_200), (600, 600, 600)] {
        assert!(failed.min(green) - failed.saturating_sub(blue) >= 512);
        for odds in [1.0, 0.7] {
            for mean in means(&bound, blue, green, failed, odds) {
                assert!(mean <= 1.0 + 1e-6, "{mean} of {blue}, {green}, {failed} at {odds}");
            }
        }
    }
}

#[test]
fn rare_failures_are_judged_as_if_each_were_drawn_for_itself() {
    let bound = bound(0.01, 1.0);
    let (blue, green) = (Tally::new(900_000, 2), Tally::new(100_000, 3));
    for (ratio, lift) in ratios(&bound, blue, green).into_iter().zip(*bound.lifts()) {
        let theta = |ratio: f64| 0.1 * ratio / (0.1 * ratio + 0.9);
        let by_hand = 3.0 * (theta(lift) / 0.1_f64).ln() + 2.0 * ((1.0 - theta(lift)) / 0.9_f64).ln();
        assert!((ratio - by_hand).abs() < 1e-3, "{ratio} {by_hand}");
    }
}

#[test]
fn a_colour_without_units_is_no_evidence() {
    let bound = bound(0.01, 1.0);
    assert_eq!(ratios(&bound, Tally::new(0, 0), Tally::new(50, 50)), [0.0; LIFTS]);
    assert_eq!(ratios(&bound, Tally::new(50, 50), Tally::new(0, 0)), [0.0; LIFTS]);
    assert_eq!(ratios(&bound, Tally::new(50, 50), Tally::new(50, 50)), [0.0; LIFTS], "all failed alike");
}

/// spinnaker/kayenta#780: seven of ten values a hundredfold, judged as no difference by a rank test with tolerances.
#[test]
fn seven_of_ten_buckets_above_all_of_blue_are_found() {
    let (experiment, control) = ([100, 100, 100, 100, 100, 100, 100, 1, 1, 1], [1; 10]);
    let worst_of_blue = control.into_iter().max().unwrap();
    let above = |values: &[i32]| {
        let above = values.iter().filter(|value| **value > worst_of_blue).count();
        Tally::new(values.len() as u64, above as u64)
    };
    let mut evidence = Evidence::default();
    let bound = bound(1e-2, 1.0);
    evidence.add(&bound, above(&control), above(&experiment));
    assert!(evidence.reaches(&bound), "{}", evidence.e_value());
    let mut alike = Evidence::default();
    alike.add(&bound, above(&experiment), above(&experiment));
    assert!(!alike.reaches(&bound) && alike.e_value() <= 1.0);
}
