//! Metric: a number that somebody else measures, against its bounds, several times.
//!
//! A measurement that is no number (an error, no answer in time, no data, NaN) says nothing; it is never within bounds.

use super::evidence::Evidence;
use super::source::{self, Reading};
use super::{GateContext, GateOutcome, GateRunner, Verdict};
use crate::clock;
use async_trait::async_trait;
use model::policy::Metric as Policy;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The metric gate.
#[derive(Clone, Debug)]
pub(super) struct Metric {
    /// What is measured, and its bounds.
    pub(super) policy: Policy,
}

/// What came of the measurements so far.
#[derive(Default)]
struct Tally {
    measured: u32,
    failed: u32,
    inconclusive: u32,
    last: Option<f64>,
}

#[async_trait]
impl GateRunner for Metric {
    async fn run(&self, context: &GateContext) -> GateOutcome {
        let began = clock::monotonic();
        let mut evidence = Evidence::new(source::secrets(&self.policy.source, context));
        let mut tally = Tally::default();
        let interval = Duration::from_millis(self.policy.interval_ms);
        while tally.measured < self.policy.count && tally.undecided(&self.policy) {
            let due = interval.saturating_mul(tally.measured);
            let passed = clock::monotonic().saturating_duration_since(began);
            let limit = Duration::from_millis(context.timeout_ms);
            if due.max(passed) >= limit {
                break;
            }
            clock::pause(due.saturating_sub(passed)).await;
            self.measure(context, began, limit, &mut tally, &mut evidence).await;
        }
        self.judged(&tally, evidence)
    }
}

impl Metric {
    async fn measure(
        &self,
        context: &GateContext,
        began: Instant,
        limit: Duration,
        tally: &mut Tally,
        evidence: &mut Evidence,
    ) {
        let left = limit.saturating_sub(clock::monotonic().saturating_duration_since(began));
        let most = Duration::from_millis(self.policy.query_timeout_ms).min(left);
        tally.measured += 1;
        let number = tally.measured;
        let readings = match timeout(most, source::read(&self.policy.source, context, most)).await {
            Ok(Ok(readings)) => readings,
            Ok(Err(why)) => return tally.says_nothing(evidence, &format!("{number}: {why}")),
            Err(_) => {
                let why = format!("{number}: no answer within {} ms", most.as_millis());
                return tally.says_nothing(evidence, &why);
            }
        };
        if readings.is_empty() {
            return tally.says_nothing(evidence, &format!("{number}: no data"));
        }
        let is_outside = |reading: &&Reading| reading.value.is_finite() && !self.holds(reading.value);
        if let Some(worst) = readings.iter().find(is_outside) {
            tally.failed += 1;
            tally.last = Some(worst.value);
            let line = format!("{number}: {worst} is out of bounds: {}", self.bounds());
            evidence.line(&line);
        } else if let Some(none) = readings.iter().find(|reading| !reading.value.is_finite()) {
            tally.says_nothing(evidence, &format!("{number}: {none} is no finite number"));
        } else {
            tally.last = readings.first().map(|reading| reading.value);
            let shown: Vec<String> = readings.iter().take(4).map(ToString::to_string).collect();
            let more =
                if readings.len() > 4 { format!(" and {} more", readings.len() - 4) } else { String::new() };
            evidence.line(&format!("{number}: {}{more}: within bounds", shown.join(", ")));
        }
    }

    fn holds(&self, value: f64) -> bool {
        self.policy.at_most.is_none_or(|most| value <= most)
            && self.policy.at_least.is_none_or(|least| value >= least)
    }

    fn bounds(&self) -> String {
        let most = self.policy.at_most.map(|most| format!("at most {most}"));
        let least = self.policy.at_least.map(|least| format!("at least {least}"));
        let bounds: Vec<String> = least.into_iter().chain(most).collect();
        bounds.join(" and ")
    }

    fn judged(&self, tally: &Tally, mut evidence: Evidence) -> GateOutcome {
        let Tally { measured, failed, inconclusive, last } = tally;
        let missing = self.policy.count.saturating_sub(*measured);
        let verdict = if *failed > self.policy.failure_limit {
            Verdict::Fail
        } else if inconclusive.saturating_add(missing) > self.policy.inconclusive_limit {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        };
        if missing > 0 && verdict != Verdict::Fail && *inconclusive <= self.policy.inconclusive_limit {
            evidence.line(&format!("{missing} measurements were not made: out of time"));
        }
        evidence.note(verdict, &format!("wanted: {}", self.bounds()));
        let last = last.map(|last| format!(", last {last}")).unwrap_or_default();
        let summary = format!(
            "{failed} of {measured} measurements out of bounds ({}), {inconclusive} without a number{last}",
            self.bounds()
        );
        evidence.into_outcome(&summary)
    }
}

impl Tally {
    fn says_nothing(&mut self, evidence: &mut Evidence, why: &str) {
        self.inconclusive += 1;
        evidence.line(why);
    }

    /// Whether another measurement could change the verdict.
    fn undecided(&self, policy: &Policy) -> bool {
        self.failed <= policy.failure_limit
    }
}
