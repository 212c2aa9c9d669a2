//! What the old version did last, before all of the traffic moved: what comes after is compared with it.

use serde::{Deserialize, Serialize};
use telemetry::counts::Counts;

/// The old version's last window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// How long it was, milliseconds; 0: nobody has watched it.
    pub ms: u64,
    /// What the old version counted in it.
    pub counts: Counts,
}

impl Baseline {
    /// How much is known, in words.
    #[must_use]
    pub fn words(&self) -> String {
        if self.ms == 0 {
            return "what was before is not known: this controller had not watched it".to_owned();
        }
        let (requests, seconds) = (self.counts.requests(), self.ms as f64 / 1_000.0);
        format!("before are {requests} requests in the {seconds:.1} s up to the full cutover")
    }
}
