//! What came of a guard: in which gateway it fired, why, and how fast.

use serde::{Deserialize, Serialize};
use telemetry::report::{GuardTrip, Judged};

/// One trip of a guard in one gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuardSummary {
    /// The guard's id.
    pub id: String,
    /// The gateway in which it fired; where that was not written down, the one that said so first.
    pub gateway: String,
    /// Why and when.
    pub trip: GuardTrip,
}

/// What the new version has answered and failed at least: what was counted, or what a guard had counted when it fired, in a gateway
/// whose counts may be lost since.
#[must_use]
pub(crate) fn at_least(counted: Judged, guards: &[GuardSummary]) -> Judged {
    let seen = guards.iter().map(|guard| guard.trip.new);
    seen.fold(counted, |most, seen| Judged {
        requests: most.requests.max(seen.requests),
        failed: most.failed.max(seen.failed),
    })
}

impl GuardSummary {
    /// In words: `5 of 9 requests failed within 180 ms; found 180 ms after the first failure; all threads had swapped 1.2 ms
    /// later`.
    #[must_use]
    pub fn words(&self) -> String {
        let trip = &self.trip;
        let mut words = trip.evidence.join("; ");
        if let Some(ms) = trip.found_in_ms {
            words.push_str(&format!("; found {ms} ms after the first failure"));
        }
        if let Some(us) = trip.swapped_in_us {
            words.push_str(&format!("; all threads had swapped {:.1} ms later", us as f64 / 1_000.0));
        } else if trip.latched {
            words.push_str("; read from its latch by a process that was started since");
        }
        words
    }

    /// Which bound was crossed, and how fast the traffic was back; the evidence stands elsewhere: `the guard has fired (hang); all
    /// threads had swapped 1.2 ms later`.
    #[must_use]
    pub fn brief(&self) -> String {
        let swapped = self.trip.swapped_in_us.map(|us| us as f64 / 1_000.0);
        let swapped = swapped.map(|ms| format!("; all threads had swapped {ms:.1} ms later"));
        format!("the guard has fired ({}){}", self.trip.bound, swapped.unwrap_or_default())
    }

    /// Whether both tell of the same trip, perhaps at other moments.
    #[must_use]
    pub fn is_the_same(&self, other: &GuardSummary) -> bool {
        (&self.id, self.trip.at_ms, &self.trip.bound) == (&other.id, other.trip.at_ms, &other.trip.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guard_had_counted_when_it_fired_is_the_least_that_there_was() {
        let new = Judged { requests: 105, failed: 5 };
        let fired =
            GuardSummary { trip: GuardTrip { new, ..GuardTrip::default() }, ..GuardSummary::default() };
        let guards = [fired];
        assert_eq!(at_least(Judged::default(), &guards), new, "its gateway's counts are lost");
        let counted = Judged { requests: 400, failed: 9 };
        assert_eq!(at_least(counted, &guards), counted);
    }
}
