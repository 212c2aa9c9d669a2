//! Evidence: an e-process for "Green is not worse", as plain numbers that add.
//!
//! One running log-likelihood for each lift; their mean is the e-value. While Green is not worse its expectation is at
//! most 1 at any time, so it ever reaches 1/α with probability at most α, whenever and however often one looks (Ville
//! 1939; the mixture as in Johari, Pekelis, Walsh 2015; the conditioning as in Lindon, Malek 2022). It is no
//! probability and nobody has to correct for looking.
//!
//! Evidence of other threads, gateways or spans of time under the same [`Bound`] is added; that is its product, and
//! still such a process.

use crate::bound::{Bound, LIFTS};
use crate::likelihood;
use crate::slot::Slot;
use crate::tally::Tally;
use serde::{Deserialize, Serialize};

/// Greatest e-value that is told, so that it stays a number in JSON.
const MAX_E_VALUE: f64 = 1e300;

/// What was found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Natural logarithms of the likelihood ratios, or of what was won, one for each lift of the bound.
    log_likelihoods: [f64; LIFTS],
    /// Blue in the windows that were compared.
    blue: Tally,
    /// Green in the windows that were compared.
    green: Tally,
    /// How many windows that were.
    windows: u64,
}

impl Evidence {
    /// Adds a window: all units of both colours that came in it. A window must not be cut by its failures: when it ends
    /// may depend on the time and on the numbers of units, on nothing else. The order within it does not matter.
    pub fn add(&mut self, bound: &Bound, blue: Tally, green: Tally) {
        let ratios = likelihood::ratios(bound, blue, green);
        self.merge(&Evidence { log_likelihoods: ratios, blue, green, windows: 1 });
    }

    /// Adds a slot of time: all units of both colours that came in it, which count once ([`crate::slot`]).
    pub fn add_slot(&mut self, bound: &Bound, slot: Slot, blue: Tally, green: Tally) {
        let factors = slot.log_factors(bound, blue, green);
        self.merge(&Evidence { log_likelihoods: factors, blue, green, windows: 1 });
    }

    /// Adds what was found elsewhere, or at another time, under the same bound.
    pub fn merge(&mut self, other: &Evidence) {
        for (ours, theirs) in self.log_likelihoods.iter_mut().zip(other.log_likelihoods) {
            *ours += theirs;
        }
        self.blue = self.blue.plus(other.blue);
        self.green = self.green.plus(other.green);
        self.windows = self.windows.saturating_add(other.windows);
    }

    /// Natural logarithm of the e-value.
    #[must_use]
    pub fn log_e_value(&self) -> f64 {
        let greatest = self.log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.log_likelihoods.iter().map(|one| (one - greatest).exp()).sum();
        greatest + (sum / LIFTS as f64).ln()
    }

    /// How many times better "Green is worse" explains what was seen than "it is not"; 1: neither; at most 1e300.
    #[must_use]
    pub fn e_value(&self) -> f64 {
        self.log_e_value().exp().min(MAX_E_VALUE)
    }

    /// Whether the bound is reached.
    #[must_use]
    pub fn reaches(&self, bound: &Bound) -> bool {
        self.log_e_value() >= bound.log_threshold()
    }

    /// Blue in the windows that were compared.
    #[must_use]
    pub fn blue(&self) -> Tally {
        self.blue
    }

    /// Green in the windows that were compared.
    #[must_use]
    pub fn green(&self) -> Tally {
        self.green
    }

    /// How many windows were compared.
    #[must_use]
    pub fn windows(&self) -> u64 {
        self.windows
    }
}

#[cfg(test)]
mod tests;
