//! Series: the counters of one (route, answerer, lane, epoch), one cell per thread.

use crate::counts::Counts;
use model::record::{Answerer, Lane};
use model::resource::Revision;
use serde::{Deserialize, Serialize};

/// What a series counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Route id; empty for requests that no route matched.
    pub route: String,
    /// Service id; empty if the route has none.
    pub service: String,
    /// The app whose colour it is; empty without a colour.
    pub app: String,
    /// Who answers.
    pub answerer: Answerer,
    /// By which kind of rule.
    pub lane: Lane,
    /// The epoch of the route's split.
    pub epoch: Revision,
}

/// One series and its counts at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesCounts {
    /// Which.
    pub key: SeriesKey,
    /// How much.
    pub counts: Counts,
}
