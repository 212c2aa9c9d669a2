//! What a gateway tells the release path about itself: the content of its report in the store.
//!
//! One type for both sides, so that what is written is what is read, also between two processes.

mod shadow;

pub use shadow::{
    DifferenceGroup, DifferenceKind, LeftOut, MAX_EXAMPLES, MAX_GROUPS, MAX_PATTERNS, Pattern, ShadowExample,
    ShadowReport, Skipped, Unanswered,
};

use crate::health::HealthReport;
use crate::samples::FailureSample;
use crate::series::SeriesCounts;
use crate::sketch::Sketch;
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
    /// The guards that are armed, and the newest of those that were.
    #[serde(default)]
    pub guards: Vec<GuardReport>,
    /// The shadows that are cast, and the newest of those that were.
    #[serde(default)]
    pub shadows: Vec<ShadowReport>,
}

/// One guard in one gateway: the armed rollback of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardReport {
    /// Its id.
    pub id: String,
    /// The service whose traffic it sends back.
    pub service: String,
    /// How it stands.
    pub state: GuardState,
    /// What its comparisons have found until now, or when it fired.
    #[serde(default)]
    pub evidence: Vec<Weighed>,
    /// Who waits for the old version and for the new one, while it watches.
    #[serde(default)]
    pub waits: [Waits; 2],
    /// How many different users of the new version have failed; `None`: users do not keep their version.
    #[serde(default)]
    pub failing_users: Option<u64>,
    /// The same for each check of the business.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing_by_check: Vec<u64>,
}

/// Requests of one version that wait: for their answer to begin, or for its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// So many were sent to it whole, and wait for their answer to begin.
    pub requests: u64,
    /// No answer of it has begun for so long, milliseconds: since the last one, or since somebody waits if that is later; `None`:
    /// nobody does, and none ever began.
    pub unanswered_ms: Option<u64>,
    /// So many answers of it have begun and not ended; WebSockets are none.
    #[serde(default)]
    pub unended: u64,
    /// None has ended for so long, milliseconds: since the last one, or since one is open if that is later; `None`: none is, and
    /// none ever ended.
    #[serde(default)]
    pub unended_ms: Option<u64>,
}

/// One comparison of the old version with the new one in one gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weighed {
    /// What is compared: `failures`, or the name of a check.
    pub check: String,
    /// Whether it fails, passes or cannot be said: `fail`, `pass`, `inconclusive`.
    pub verdict: String,
    /// What was found, for a person.
    pub words: String,
    /// The old version, as compared: units, and those of them that failed.
    pub old: Judged,
    /// The new version, as compared.
    pub new: Judged,
    /// How many times better a worse version explains it than chance.
    pub e_value: f64,
    /// What that must reach.
    pub threshold: f64,
    /// By how much higher a rate would have been found, 0 to 1.
    pub detectable: Option<f64>,
    /// When it was first reached, milliseconds since the Unix epoch.
    pub crossed_at_ms: Option<i64>,
}

/// How a guard stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GuardState {
    /// It watches.
    Armed,
    /// It could not be armed, so its service's traffic stays on the old version.
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// It has fired: the service's traffic is on the old version.
    Tripped {
        /// Why and when.
        trip: Box<GuardTrip>,
    },
}

/// Why and when a guard fired.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardTrip {
    /// The gateway in which it fired; empty: one that has not written that down.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Which bound was crossed: `break`, `errors`, `hang`, `unended`, `comparison`, `nodes`, `controller`, or `other`.
    pub bound: String,
    /// The same in words for people.
    pub evidence: Vec<String>,
    /// When it was crossed, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The old version then, since the share was last changed.
    pub old: Judged,
    /// The new version then.
    pub new: Judged,
    /// The e-value then, where the colours were compared.
    pub e_value: Option<f64>,
    /// From the first failure of the new version that was seen to the crossing, milliseconds.
    pub found_in_ms: Option<u64>,
    /// From the crossing until no thread sends a request to the new version any more, microseconds; `None`: that was
    /// not seen, because the process has been started since.
    pub swapped_in_us: Option<u64>,
    /// It is written down on disk, so that a restart does not forget it.
    pub latched: bool,
}

/// Requests that can be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// How many were answered, or cut short.
    pub requests: u64,
    /// Of these, how many failed.
    pub failed: u64,
}

/// One hold in one gateway: while a share moves, requests wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldReport {
    /// Its id.
    pub id: String,
    /// It has ended on every thread; nobody else will wait.
    pub over: bool,
    /// On some thread the gateway ended it by itself: its budget was over, or it stood already when the gateway began.
    pub lapsed: bool,
    /// It stood already when the gateway began (a takeover, a restart), so it never held anybody there.
    #[serde(default)]
    pub stood_before: bool,
    /// Requests of the kind that is held that are under way, by answerer.
    pub open: Vec<(Answerer, u64)>,
    /// Requests that wait now; none once it is over.
    pub waiting: u64,
    /// Requests that have waited and then went on.
    pub waited: u64,
    /// Requests whose client went away while they waited, or whose whole time was over.
    pub left: u64,
    /// Requests that did not wait, because too many did already.
    pub passed: u64,
    /// The longest wait, microseconds.
    pub longest_us: u64,
    /// How long those that went on had waited.
    pub waits: Sketch,
}
