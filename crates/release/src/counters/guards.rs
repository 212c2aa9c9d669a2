//! What the gateways say of guards. Pure.

use super::Gateways;
use crate::machine::{Guarded, Spread};
use crate::report::{Evidence, GuardSummary};
use judge::historical::Basis;
use judge::tally::Tally;
use judge::verdict::{Figures, Finding, Verdict};
use judge::watch::Crossing;
use model::resource::Revision;
use telemetry::report::{GuardReport, GuardState, Judged, Waits, Weighed};

impl Gateways {
    /// How the guard with an id stands over all of them.
    #[must_use]
    pub(crate) fn guarded(&self, id: &str) -> Guarded {
        let tripped = self.trips(id);
        if !tripped.is_empty() {
            let evidence = tripped.iter().map(|one| format!("{}: {}", one.gateway, one.words()));
            return Guarded::Tripped { evidence: evidence.collect() };
        }
        let refused = self.gateways.iter().find_map(|gateway| match &gateway.guard(id)?.state {
            GuardState::Refused { why } => Some(format!("{}: {why}", gateway.instance)),
            _ => None,
        });
        refused.map_or(Guarded::Quiet, |why| Guarded::Refused { why })
    }

    /// Where and why the guard with an id has fired. A trip that a gateway has read from disk is told once.
    #[must_use]
    pub(crate) fn trips(&self, id: &str) -> Vec<GuardSummary> {
        let mut trips: Vec<GuardSummary> = Vec::new();
        for gateway in &self.gateways {
            if let Some(GuardReport { state: GuardState::Tripped { trip }, .. }) = gateway.guard(id) {
                // Who holds the latch now may have read in it what another one did.
                let fired_in = if trip.gateway.is_empty() { &gateway.instance } else { &trip.gateway };
                let (id, gateway) = (id.to_owned(), fired_in.clone());
                let summary = GuardSummary { id, gateway, trip: (**trip).clone() };
                if !trips.iter().any(|known| known.is_the_same(&summary)) {
                    trips.push(summary);
                }
            }
        }
        trips
    }

    /// What the guard with an id has found in each gateway by comparing both versions.
    #[must_use]
    pub(crate) fn weighed(&self, id: &str) -> Vec<Evidence> {
        let of = |gateway: &super::Gateway| -> Vec<Evidence> {
            let by = format!("guard in {}", gateway.instance);
            let weighed = gateway.guard(id).into_iter().flat_map(|guard| &guard.evidence);
            // As long as nobody has reached the new version there is nothing to say of it: in a rehearsal, never.
            let weighed = weighed.filter(|weighed| weighed.new.requests > 0);
            weighed.map(|weighed| Evidence { by: by.clone(), finding: finding(weighed) }).collect()
        };
        self.gateways.iter().flat_map(of).collect()
    }

    /// Who waits for the old version and for the new one, under the guard with an id, over all of them. No answer has begun, or
    /// ended, since the last one in any of them.
    #[must_use]
    pub(crate) fn waits(&self, id: &str) -> [Waits; 2] {
        let waits = self.gateways.iter().filter_map(|gateway| gateway.guard(id)).map(|guard| guard.waits);
        waits.fold([Waits::default(); 2], |[old, new], [more_old, more_new]| {
            [plus(old, more_old), plus(new, more_new)]
        })
    }

    /// How many different users the guard with an id has seen failing on the new version, in the gateway that saw most;
    /// `None`: users do not keep their version. A user may come to several gateways, so they are not added.
    #[must_use]
    pub(crate) fn failing_users(&self, id: &str) -> Option<u64> {
        let of = |guard: &GuardReport| {
            Some(guard.failing_by_check.iter().copied().fold(guard.failing_users?, u64::max))
        };
        self.gateways.iter().filter_map(|gateway| gateway.guard(id)).filter_map(of).max()
    }

    /// Whether every living gateway runs a revision, and has armed the guard that came with it.
    #[must_use]
    pub(crate) fn spread_guarded(&self, revision: Revision, id: Option<&str>) -> Spread {
        let spread = super::spread(self, revision);
        let without =
            |id| self.gateways.iter().find(|one| one.applied < Revision::MAX && one.guard(id).is_none());
        match id.filter(|_| spread == Spread::Yes).and_then(without) {
            Some(gateway) => Spread::No { detail: format!("{} has not armed the guard", gateway.instance) },
            None => spread,
        }
    }
}

fn plus(one: Waits, other: Waits) -> Waits {
    let least = |one: Option<u64>, other: Option<u64>| [one, other].into_iter().flatten().min();
    Waits {
        requests: one.requests.saturating_add(other.requests),
        unanswered_ms: least(one.unanswered_ms, other.unanswered_ms),
        unended: one.unended.saturating_add(other.unended),
        unended_ms: least(one.unended_ms, other.unended_ms),
    }
}

fn finding(weighed: &Weighed) -> Finding {
    let tally = |judged: Judged| Tally::new(judged.requests, judged.failed);
    let (blue, green) = (tally(weighed.old), tally(weighed.new));
    let Weighed { e_value, threshold, detectable, .. } = *weighed;
    let crossed = |at_ms| Crossing { at_ms, e_value, threshold, blue, green };
    let crossing = weighed.crossed_at_ms.map(crossed);
    Finding {
        check: weighed.check.clone(),
        basis: Basis::Concurrent,
        verdict: Verdict::of_name(&weighed.verdict),
        words: weighed.words.clone(),
        figures: Some(Figures { blue, green, e_value, threshold, detectable, crossing }),
    }
}

impl super::Gateway {
    fn guard(&self, id: &str) -> Option<&GuardReport> {
        self.report.as_ref()?.guards.iter().rev().find(|guard| guard.id == id)
    }
}
