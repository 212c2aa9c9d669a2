//! What a gateway tells the release path about itself: the content of its report in the store.
//!
//! One type for both sides, so that what is written is what is read, also between two processes.

use crate::health::HealthReport;
use crate::samples::FailureSample;
use crate::series::SeriesCounts;
use crate::sketch::Sketch;
use crate::totals::TotalsSnapshot;
use model::record::Answerer;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The detail of a gateway's report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayReport {
    /// Its process id.
    pub pid: u32,
    /// When its process started, milliseconds since the Unix epoch.
    pub started_at_ms: i64,
    /// Where it listens; empty for a process without a gateway.
    #[serde(default)]
    pub listen: Vec<SocketAddr>,
    /// The counters of the process.
    #[serde(default)]
    pub totals: TotalsSnapshot,
    /// The counters of the routes that lead to apps.
    #[serde(default)]
    pub series: Vec<SeriesCounts>,
    /// The newest failed requests.
    #[serde(default)]
    pub failures: Vec<FailureSample>,
    /// It has ended after another process took over from it: these counts are its last, and that process will add
    /// them to its own.
    #[serde(default)]
    pub ended: bool,
    /// The instances that ended so, and whose counts are contained in these.
    #[serde(default)]
    pub inherited: Vec<String>,
    /// How the nodes of upstreams with health checks are.
    #[serde(default)]
    pub health: HealthReport,
    /// The newest holds.
    #[serde(default)]
    pub holds: Vec<HoldReport>,
}

/// One hold in one gateway: while a share moves, requests wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldReport {
    /// Its id.
    pub id: String,
    /// It has ended on every thread; nobody else will wait.
    pub over: bool,
    /// On some thread the gateway ended it by itself: its budget was over.
    pub lapsed: bool,
    /// Requests of the kind that is held that are under way, by answerer.
    pub open: Vec<(Answerer, u64)>,
    /// Requests that wait now.
    pub waiting: u64,
    /// Requests that have waited and then went on.
    pub waited: u64,
    /// Requests whose client went away while they waited.
    pub left: u64,
    /// Requests that did not wait, because too many did already.
    pub passed: u64,
    /// The longest wait, microseconds.
    pub longest_us: u64,
    /// How long those that went on had waited.
    pub waits: Sketch,
}
