//! The account of requests over a release, as the gateways counted them.

use model::record::{Answerer, Lane};
use model::resource::Revision;
use serde::{Deserialize, Serialize};
use telemetry::counts::Counts;

/// The gateways' counters for one app, from a release's first change on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// When they were read, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The first epoch that belongs to the release; `None`: it has changed nothing yet.
    pub since: Option<Revision>,
    /// The gateways whose counters these are.
    pub gateways: Vec<String>,
    /// By epoch, answerer and lane, in this order.
    pub rows: Vec<Row>,
    /// What is open, whenever it began.
    #[serde(default)]
    pub open: Vec<OpenNow>,
}

/// What is open on an answerer of the app, over all epochs: also what began before the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenNow {
    /// Who answers.
    pub answerer: Answerer,
    /// Requests, streams included.
    pub open: u64,
    /// Of these, streams.
    pub streams: u64,
}

/// One series, added up over routes and gateways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The epoch of the split under which the requests were claimed.
    pub epoch: Revision,
    /// Who answered.
    pub answerer: Answerer,
    /// User traffic, or preview.
    pub lane: Lane,
    /// The counts.
    pub counts: Counts,
}
