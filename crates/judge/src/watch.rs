//! A watch: one comparison that is being looked at, from cumulative counters to the moment it crosses its bound.
//!
//! Whoever holds the counters calls [`Watch::observe`] as often as it likes. The watch cuts what came into windows of
//! enough units of both colours, and where slots count ([`crate::slot`]) of enough time; adds them to its evidence, and keeps the first crossing for good: evidence that fades
//! later takes nothing back. Nothing is allocated.

use crate::bound::Bound;
use crate::detectable;
use crate::evidence::Evidence;
use crate::slot::Slot;
use crate::tally::Tally;
use serde::{Deserialize, Serialize};

/// The moment at which the evidence reached its bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// When, as the caller said: milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The e-value then.
    pub e_value: f64,
    /// What it had to reach: 1/α.
    pub threshold: f64,
    /// Blue, as compared until then.
    pub blue: Tally,
    /// Green, as compared until then.
    pub green: Tally,
}

impl Crossing {
    pub(crate) fn of(evidence: &Evidence, bound: &Bound, at_ms: i64) -> Crossing {
        Crossing {
            at_ms,
            e_value: evidence.e_value(),
            threshold: bound.threshold(),
            blue: evidence.blue(),
            green: evidence.green(),
        }
    }
}

/// One comparison under way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    bound: Bound,
    /// A window counts once, and lasts so long; `None`: each unit counts.
    slot: Option<Slot>,
    evidence: Evidence,
    crossing: Option<Crossing>,
    stratum: Option<u64>,
    /// When the window began that is open.
    began_ms: i64,
    /// The counters where the last window ended: Blue, Green.
    counted: [Tally; 2],
    /// The counters at the last look.
    latest: [Tally; 2],
}

impl Watch {
    /// A watch that has seen nothing.
    #[must_use]
    pub fn armed(bound: Bound) -> Watch {
        let nothing = [Tally::default(); 2];
        let (evidence, crossing) = (Evidence::default(), None);
        let (slot, stratum, began_ms) = (None, None, 0);
        Watch { bound, slot, evidence, crossing, stratum, began_ms, counted: nothing, latest: nothing }
    }

    /// A watch that has seen nothing, to which a slot of time is one piece of evidence.
    #[must_use]
    pub fn in_slots(bound: Bound, slot: Slot) -> Watch {
        Watch { slot: Some(slot), ..Watch::armed(bound) }
    }

    /// Looks at cumulative counters of both colours. From the first crossing on every look returns it.
    ///
    /// `stratum` says what the counters count: within one, the shares of the colours were not changed (the epoch of a
    /// split is one). In a new stratum they begin at 0. Counters that go backwards are other counters; what they say
    /// now is where they begin.
    pub fn observe(&mut self, at_ms: i64, stratum: u64, blue: Tally, green: Tally) -> Option<Crossing> {
        let now = [blue, green];
        if self.stratum != Some(stratum) {
            self.close_window(at_ms, 1);
            (self.stratum, self.counted, self.began_ms) = (Some(stratum), [Tally::default(); 2], at_ms);
        } else if now.iter().zip(self.latest).any(|(now, before)| now.since(before).is_none()) {
            self.close_window(at_ms, 1);
            (self.counted, self.began_ms) = (now, at_ms);
        }
        self.latest = now;
        // A clock that was set back must not keep the window open.
        self.began_ms = self.began_ms.min(at_ms);
        let least_ms = self.slot.map_or(0, |slot| i64::from(slot.length_ms));
        if at_ms.saturating_sub(self.began_ms) >= least_ms {
            self.close_window(at_ms, self.bound.min_units());
        }
        self.crossing
    }

    /// Ends the window if both colours have enough units in it.
    fn close_window(&mut self, at_ms: i64, min_units: u64) {
        let [blue_then, green_then] = self.counted;
        let [blue, green] = self.latest;
        let (Some(blue), Some(green)) = (blue.since(blue_then), green.since(green_then)) else { return };
        if blue.units.min(green.units) < min_units {
            return;
        }
        (self.counted, self.began_ms) = (self.latest, at_ms);
        self.add_window(at_ms, blue, green);
    }

    /// Adds one window that was cut by someone else, as [`Evidence::add`] asks for it; for units that cannot be told
    /// from cumulative counters ([`crate::keys`]).
    pub fn add_window(&mut self, at_ms: i64, blue: Tally, green: Tally) {
        match self.slot {
            Some(slot) => self.evidence.add_slot(&self.bound, slot, blue, green),
            None => self.evidence.add(&self.bound, blue, green),
        }
        if self.crossing.is_none() && self.evidence.reaches(&self.bound) {
            self.crossing = Some(Crossing::of(&self.evidence, &self.bound, at_ms));
        }
    }

    /// The first crossing.
    #[must_use]
    pub fn crossing(&self) -> Option<Crossing> {
        self.crossing
    }

    /// What was found so far; to be added to that of other gateways.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// By how much Green's rate would have to exceed what is tolerated (0 to 1) to have been found; `None`: nothing would.
    #[must_use]
    pub fn detectable(&self) -> Option<f64> {
        let (blue, green) = (self.evidence.blue(), self.evidence.green());
        match self.slot {
            Some(slot) => slot.excess(&self.bound, self.evidence.windows(), blue, green),
            None => detectable::excess(&self.bound, blue, green),
        }
    }

    /// What it was armed with.
    #[must_use]
    pub fn bound(&self) -> &Bound {
        &self.bound
    }
}

#[cfg(test)]
mod tests;
