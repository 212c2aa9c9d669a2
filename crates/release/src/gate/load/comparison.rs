//! The two versions under the same load, compared by the judge's e-process, as often as one looks. Pure.
//!
//! Failures and answers of class 4xx are compared request by request, times slice by slice ([`super::slices`]).

use super::side::Side;
use super::slices::{Frozen, PERCENTILES, Thresholds};
use judge::budget::{Budget, Charge, Unit};
use judge::metric::Metric;
use judge::tally::Tally;
use judge::watch::Watch;
use std::time::Duration;

/// By how much the odds of a slow slice may differ before it counts as evidence: no two runs of the same version are
/// equally fast.
const SLOWNESS_TOLERANCE: f64 = 2.0;

/// All comparisons of one run.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    failures: Watch,
    client_errors: Watch,
    slow: [Watch; PERCENTILES.len()],
    frozen: Frozen,
}

impl Comparison {
    /// Splits the budget of false alarms; `Err`: it cannot be.
    pub(super) fn armed(alpha: f64) -> Result<Comparison, String> {
        let slower = PERCENTILES.map(|percentile| Metric::Slower { percentile, threshold_us: 0 });
        let mut metrics = vec![Metric::Failures, Metric::Business { check: "status 4xx".to_owned() }];
        metrics.extend(slower);
        let terms = Budget { alpha, ..Budget::default() }.terms(&metrics, Unit::Request);
        let charges = terms.map_err(|error| error.to_string())?.charges;
        let [failures, client_errors, slow @ ..] = charges.as_slice() else {
            return Err("no comparison was armed".to_owned());
        };
        let tolerant = |charge: &Charge| {
            let bound = charge.bound.tolerating(SLOWNESS_TOLERANCE).map_err(|error| error.to_string())?;
            Ok(Watch::armed(bound))
        };
        let slow = slow.iter().map(tolerant).collect::<Result<Vec<Watch>, String>>()?;
        Ok(Comparison {
            failures: Watch::armed(failures.bound),
            client_errors: Watch::armed(client_errors.bound),
            slow: slow.try_into().map_err(|_| "a percentile has no comparison".to_owned())?,
            frozen: Frozen::default(),
        })
    }

    /// Times of slices that begin from now on are compared by these thresholds.
    pub(super) fn freeze(&mut self, at: Duration, thresholds: Thresholds) {
        self.frozen.freeze(at, thresholds);
    }

    pub(super) fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// Looks at both sides.
    pub(super) fn observe(&mut self, at_ms: i64, live: &Side, new: &Side) {
        self.failures.observe(at_ms, 0, live.failures(), new.failures());
        self.client_errors.observe(at_ms, 0, live.client_errors(), new.client_errors());
        let both = live.slices.slow().iter().zip(new.slices.slow());
        for (watch, (live, new)) in self.slow.iter_mut().zip(both) {
            watch.observe(at_ms, 0, *live, *new);
        }
    }

    /// In which way the new version answers worse, in words.
    pub(super) fn fails_more(&self) -> Option<String> {
        let failures =
            self.failures.crossing().map(|_| counted("fails more often", &self.failures, "requests"));
        let client_errors = || {
            let crossed = self.client_errors.crossing();
            crossed.map(|_| counted("answers 4xx more often", &self.client_errors, "answers"))
        };
        failures.or_else(client_errors)
    }

    /// In which way the new version is slower, in words.
    pub(super) fn is_slower(&self) -> Option<String> {
        let crossed = PERCENTILES.iter().zip(&self.slow).find(|(_, watch)| watch.crossing().is_some());
        crossed.map(|(percentile, watch)| {
            counted(&format!("is slower (p{percentile})"), watch, "slices of time")
        })
    }

    /// One line a comparison.
    pub(super) fn lines(&self) -> Vec<String> {
        let slow = PERCENTILES.iter().zip(&self.slow);
        let slow = slow.map(|(percentile, watch)| {
            let threshold = self.frozen.latest().and_then(|(_, all)| {
                let place = PERCENTILES.iter().position(|known| known == percentile)?;
                all.get(place)
            });
            let threshold = threshold.map(|one| format!(" (longer than {:.1} ms)", one.as_secs_f64() * 1e3));
            let what = format!("slow by the live p{percentile}{}", threshold.unwrap_or_default());
            counted(&what, watch, "slices of time")
        });
        [
            counted("failures", &self.failures, "requests"),
            counted("status 4xx", &self.client_errors, "answers"),
        ]
        .into_iter()
        .chain(slow)
        .chain(self.would_be_found())
        .collect()
    }

    /// The other half of "nothing was found".
    fn would_be_found(&self) -> Option<String> {
        let (bound, evidence) = (self.failures.bound(), self.failures.evidence());
        let excess = judge::detectable::excess(bound, evidence.blue(), evidence.green());
        self.failures.crossing().is_none().then(|| match excess {
            Some(excess) => {
                format!("a rate of failures higher by {:.2} points would have been found", excess * 100.0)
            }
            None => "with so few requests no failures would have been found".to_owned(),
        })
    }
}

/// `failures: 40 of 200 requests, live 0 of 200; e-value 3.1e12 of 9.0e3 needed`.
fn counted(what: &str, watch: &Watch, unit: &str) -> String {
    let (evidence, bound) = (watch.evidence(), watch.bound());
    let (live, new) = (evidence.blue(), evidence.green());
    let of = |tally: Tally| format!("{} of {}", tally.failed, tally.units);
    let (e_value, threshold) = match watch.crossing() {
        Some(crossing) => (crossing.e_value, crossing.threshold),
        None => (evidence.e_value(), bound.threshold()),
    };
    format!(
        "{what}: {} {unit}, live {}; e-value {} of {} needed",
        of(new),
        of(live),
        short(e_value),
        short(threshold)
    )
}

/// `0.31`, `12`, `3.1e12`.
fn short(value: f64) -> String {
    match value {
        small if small < 10.0 => format!("{small:.2}"),
        large if large < 100_000.0 => format!("{large:.0}"),
        huge => format!("{huge:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use load::drive::{Ending, Sample};

    const MS: Duration = Duration::from_millis(1);

    /// Ten seconds at 100/s, looked at every 100 ms; `new` says what becomes of a request.
    fn compared(live: impl Fn(u32) -> (u32, Ending), new: impl Fn(u32) -> (u32, Ending)) -> Comparison {
        let mut comparison = Comparison::armed(1e-3).unwrap();
        comparison.freeze(Duration::ZERO, [MS * 12, MS * 12, MS * 15]);
        let frozen = comparison.frozen().clone();
        let mut sides = [Side::new(Duration::ZERO, 100, 100), Side::new(Duration::ZERO, 100, 100)];
        for number in 0..1_000 {
            for (side, (took, ending)) in sides.iter_mut().zip([live(number), new(number)]) {
                side.add(&Sample { due: MS * 10 * number, lag: Duration::ZERO, took: MS * took, ending });
                if number % 10 == 9 {
                    side.slices.close(MS * 10 * number, &[], &frozen);
                }
            }
            if number % 10 == 9 {
                let [live, new] = &sides;
                comparison.observe(i64::from(number) * 10, live, new);
            }
        }
        comparison
    }

    fn good(number: u32) -> (u32, Ending) {
        (if number.is_multiple_of(50) { 14 } else { 8 + number % 4 }, Ending::Whole(200))
    }

    #[test]
    fn versions_that_are_alike_raise_no_alarm() {
        let comparison = compared(good, |number| good(number + 7));
        assert_eq!(
            (comparison.fails_more(), comparison.is_slower()),
            (None, None),
            "{:?}",
            comparison.lines()
        );
    }

    #[test]
    fn one_in_five_failing_is_found_and_told_with_its_counts() {
        let comparison =
            compared(
                good,
                |number| if number.is_multiple_of(5) { (1, Ending::Whole(500)) } else { good(number) },
            );
        let found = comparison.fails_more().unwrap();
        assert!(
            found.starts_with("fails more often: ") && found.contains(" requests, live 0 of "),
            "{found}"
        );
        assert_eq!(comparison.is_slower(), None, "a quick error is no slowness");
    }

    #[test]
    fn failing_alike_is_no_regression() {
        let bad = |number: u32| if number.is_multiple_of(5) { (1, Ending::Whole(500)) } else { good(number) };
        assert_eq!(compared(bad, bad).fails_more(), None);
    }

    #[test]
    fn a_page_that_is_not_found_any_more_is_a_regression() {
        let comparison =
            compared(
                good,
                |number| if number.is_multiple_of(5) { (9, Ending::Whole(404)) } else { good(number) },
            );
        assert!(comparison.fails_more().unwrap().starts_with("answers 4xx more often"));
    }

    #[test]
    fn five_times_slower_is_found_and_one_pause_of_half_a_second_is_not() {
        let slow = |number| (good(number).0 * 5, Ending::Whole(200));
        let found = compared(good, slow).is_slower().unwrap();
        assert!(found.starts_with("is slower (p50): ") && found.contains("slices of time"), "{found}");
        let pause = |number| {
            let waits = (500..550).contains(&number);
            (if waits { 10 * (550 - number) } else { good(number).0 }, Ending::Whole(200))
        };
        assert_eq!(compared(good, pause).is_slower(), None);
    }
}
