//! Noise: a difference between the answers of two versions that one version also has with itself.
//!
//! Answers tell the time, count, shuffle, draw ids. So the live version is asked some requests a second time, and what
//! then differs in the same way at the same place says nothing about the new version, unless it comes clearly more
//! often with it. *Clearly* is Fisher's exact test (Fisher 1922), one-sided: with both kinds of pairs taken together,
//! how likely is it that so few of the differing ones, or fewer, are pairs of the live version with itself? A
//! difference that the live version never had with itself is never noise, however few pairs there were to see it in.

/// How unlikely chance must be before a difference that the live version also has with itself counts all the same.
pub const LEVEL: f64 = 0.001;

/// Most terms that are added up; beyond some billion pairs, what is left of the tail is less than a thousandth.
const MAX_TERMS: u64 = 100_000;

/// Pairs of answers, and how many of them differ in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// Pairs that were compared.
    pub pairs: u64,
    /// Of these, those that differ so; at most `pairs`.
    pub differing: u64,
}

/// Whether a difference is noise. `itself`: pairs of two answers of the live version; `versions`: pairs of an answer of
/// the live version and one of the new one.
#[must_use]
pub fn is_noise(itself: Differing, versions: Differing) -> bool {
    let rate = |of: Differing| of.differing.min(of.pairs) as f64 / of.pairs.max(1) as f64;
    itself.differing > 0 && (rate(itself) >= rate(versions) || chance(itself, versions) > LEVEL)
}

/// The probability that, of as many differing pairs, so few or fewer are the live version's own, if a pair differs as
/// often whichever version gave its second answer; 0 to 1.
#[must_use]
pub fn chance(itself: Differing, versions: Differing) -> f64 {
    let (own, other) = (itself.pairs, versions.pairs);
    let (found, found_other) = (itself.differing.min(own), versions.differing.min(other));
    let differing = found.saturating_add(found_other);
    // P(x) = C(own, x)·C(other, differing − x) / C(own + other, differing), summed from the x that was found downwards.
    let least = differing.saturating_sub(other);
    let all = own.saturating_add(other);
    let log_first = log_choose(own, found) + log_choose(other, found_other) - log_choose(all, differing);
    let (mut sum, mut term) = (1.0_f64, 1.0_f64);
    let mut x = found;
    while x > least && found - x < MAX_TERMS {
        // From x to x − 1.
        let up = x as f64 * ((other - (differing - x)) as f64);
        let down = (own - x + 1) as f64 * (differing - x + 1) as f64;
        term *= up / down;
        sum += term;
        x -= 1;
        if term < sum * 1e-15 {
            break;
        }
    }
    (log_first + sum.ln()).exp().min(1.0)
}

/// ln C(n, k).
fn log_choose(n: u64, k: u64) -> f64 {
    log_factorial(n) - log_factorial(k) - log_factorial(n.saturating_sub(k))
}

/// ln n!: added up where that is short, else Stirling's series with an error below 1e-12 (Abramowitz, Stegun 6.1.41).
fn log_factorial(n: u64) -> f64 {
    if n < 64 {
        return (2..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let n = n as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(differing: u64, pairs: u64) -> Differing {
        Differing { pairs, differing }
    }

    #[test]
    fn what_the_live_version_never_does_by_itself_is_never_noise() {
        assert!(!is_noise(of(0, 0), of(1, 1)));
        assert!(!is_noise(of(0, 1_000), of(1, 1_000)));
        assert!(!is_noise(of(0, 1), of(1, 1_000)));
    }

    #[test]
    fn what_always_differs_is_noise_and_what_differs_more_often_is_not() {
        // A timestamp.
        assert!(is_noise(of(20, 20), of(200, 200)));
        assert!(is_noise(of(1, 1), of(5, 1_000)));
        // A counter that changes now and then.
        assert!(is_noise(of(3, 100), of(40, 1_000)));
        // Rare with itself, always with the new version.
        assert!(!is_noise(of(1, 20), of(200, 200)));
        assert!(!is_noise(of(1, 100), of(300, 1_000)));
    }

    #[test]
    fn the_chance_is_fishers() {
        // Fisher's tea: of 4 and 4 cups, 1 and 3: (C(4,0)·C(4,4) + C(4,1)·C(4,3)) / C(8,4) = 17/70.
        assert!((chance(of(1, 4), of(3, 4)) - 17.0 / 70.0).abs() < 1e-12);
        assert!((chance(of(4, 4), of(0, 4)) - 1.0).abs() < 1e-12);
        assert!((chance(of(0, 4), of(4, 4)) - 1.0 / 70.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_chance_is_a_probability_and_grows_with_what_was_found(
            own in 0u64..2_000, other in 0u64..200_000, a in 0.0f64..1.0, b in 0.0f64..1.0,
        ) {
            let found = (own as f64 * a) as u64;
            let found_other = (other as f64 * b) as u64;
            let now = chance(of(found, own), of(found_other, other));
            prop_assert!((0.0..=1.0).contains(&now), "{now}");
            if found < own && found_other > 0 {
                // The same number of differing pairs, one more of them the live version's own.
                let more = chance(of(found + 1, own), of(found_other - 1, other));
                prop_assert!(more >= now - 1e-9, "{now} {more}");
            }
        }

        #[test]
        fn no_counts_panic(own in any::<u32>(), found in any::<u32>(), other in any::<u32>(), more in any::<u32>()) {
            let itself = of(found.into(), own.into());
            let _ = is_noise(itself, of(more.into(), other.into()));
        }
    }
}
