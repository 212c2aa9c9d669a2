//! Requests that began before a release did, and ended in it or because of it: streams above all.

use model::colour::Colour;
use model::record::Answerer;
use serde::{Deserialize, Serialize};
use telemetry::counts::Counts;

/// What one colour counted under the epochs before a release. `received = answered + cut_short + client_left + drained +
/// open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Who answers.
    pub answerer: Answerer,
    /// Requests that came; of a release, those that were open when it began to write.
    pub received: u64,
    /// Answered whole.
    pub answered: u64,
    /// Answers that began and broke off.
    pub cut_short: u64,
    /// The client went away first.
    pub client_left: u64,
    /// Streams closed by a drain deadline.
    pub drained: u64,
    /// Not ended.
    pub open: u64,
}

impl Former {
    /// Those of a colour, by what it has counted.
    #[must_use]
    pub fn of(colour: Colour, counts: &Counts) -> Former {
        Former {
            answerer: colour.into(),
            received: counts.received,
            answered: counts.whole_total(),
            cut_short: counts.cut_short,
            client_left: counts.client_left,
            drained: counts.drained,
            open: counts.open,
        }
    }

    /// What became of the requests that were open then.
    #[must_use]
    pub fn since(&self, then: &Former) -> Former {
        Former {
            answerer: self.answerer,
            received: then.open,
            answered: self.answered.saturating_sub(then.answered),
            cut_short: self.cut_short.saturating_sub(then.cut_short),
            client_left: self.client_left.saturating_sub(then.client_left),
            drained: self.drained.saturating_sub(then.drained),
            open: self.open.min(then.open),
        }
    }
}
