//! How a release of an app goes: steps, gates, soak, limits, decommission, who may do what.

mod answers;
mod beside;
mod cutover;
mod guard;
mod json_pointer;
mod judge;
mod load;
mod metric;
mod notification;
mod rehearsal;
mod shadow;
pub mod template;

pub use crate::traffic_split::SAFE_METHODS;
pub use answers::{
    AnswerCheck, FailsIf, Identity, JsonField, MAX_ANSWER_CHECKS, MAX_VALUE_BYTES, Said, Values,
};
pub use beside::{Beside, BesideRequest, MAX_BESIDE_REQUESTS, MAX_BESIDE_ROUNDS};
pub use cutover::{HeldRequests, Hold, MAX_HOLD_MS, Sticky, StickyBy};
pub use guard::{ControllerMissing, Guard, Hang, OnMissing};
pub use json_pointer::JsonPointer;
pub use judge::{Historical, Judge, MAX_HISTORICAL_MS, Reaction};
pub use load::{
    Load, LoadRequest, MAX_LOAD_ANSWER_BYTES, MAX_LOAD_CONNECTIONS, MAX_LOAD_MS, MAX_LOAD_PRELUDE_MS,
    MAX_LOAD_RATE, MAX_LOAD_REQUEST_MS, MAX_LOAD_REQUESTS, MAX_LOAD_WEIGHT, MAX_REPLAYED, REPLAY_BYTES,
    Replay,
};
pub use metric::{Metric, OnFail, Source};
pub use notification::{Format, MAX_RECEIVERS, NoticeKind, Place, Receiver};
pub use rehearsal::Rehearsal;
pub use shadow::{Compare, MAX_SHADOW_MS, Shadow};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The release policy of an app. Every field has a default; the empty policy is pure blue-green with a readiness
/// gate, a soak of one minute and rollback at 5 % errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReleasePolicy {
    /// Traffic shares of the new version, one after the other; the last must be 100, of which the soak may hold some back.
    pub steps: Vec<Step>,
    /// How long a step lasts that does not say so itself, milliseconds.
    pub step_pause_ms: u64,
    /// How requests reach the new version before users do; `null` switches it off.
    pub preview: Option<Preview>,
    /// Users keep the colour that they were assigned to; `null`: each request is assigned for itself.
    pub sticky: Option<Sticky>,
    /// Which requests wait while the share moves.
    pub hold: Hold,
    /// Whether a version must have been rehearsed before it is released.
    pub rehearsal: Rehearsal,
    /// Checks that must pass; readiness always is one.
    pub gates: Vec<Gate>,
    /// Full traffic on the new colour while the old one stays warm.
    pub soak: Soak,
    /// Absolute limits during shift and soak.
    pub limits: Limits,
    /// How often at most a version that is no worse is blamed for it, over all that compares the versions while both have
    /// a share: the guard in every gateway and the judge together. 0 to 1.
    pub alpha: f64,
    /// When the gateways take the release back by themselves; `null` switches it off.
    pub guard: Option<Guard>,
    /// How the versions are compared while both have a share; `null` switches it off.
    pub judge: Option<Judge>,
    /// Checks of the business: headers by which an answer with a good status says that it is none; at most 4.
    pub checks: Vec<AnswerCheck>,
    /// How answers say which version they come from; `null`: nobody asks.
    pub identity: Option<Identity>,
    /// What happens when a verdict is inconclusive at the end of a step or of the soak.
    pub on_inconclusive: OnInconclusive,
    /// How long an inconclusive release is held before it is rolled back, milliseconds.
    pub inconclusive_hold_ms: u64,
    /// What becomes of the old environment after the commit.
    pub decommission: Decommission,
    /// How long requests and streams may stay on the old colour after the switch, milliseconds.
    pub drain_timeout_ms: u64,
    /// How long a failed new version is kept to look at, milliseconds.
    pub keep_failed_ms: u64,
    /// What a second release of the app does while one is in flight.
    pub on_conflict: OnConflict,
    /// How long the gateway may take to run a change, milliseconds, before the release goes back.
    pub apply_timeout_ms: u64,
    /// Who may start, approve and roll back.
    pub permissions: Permissions,
    /// Who is told what happens.
    pub notifications: Vec<Receiver>,
}

impl Default for ReleasePolicy {
    fn default() -> Self {
        ReleasePolicy {
            steps: vec![Step::Share(100)],
            step_pause_ms: 30_000,
            preview: Some(Preview::default()),
            sticky: None,
            hold: Hold::default(),
            rehearsal: Rehearsal::default(),
            gates: Vec::new(),
            soak: Soak::default(),
            limits: Limits::default(),
            alpha: 0.001,
            guard: Some(Guard::default()),
            judge: None,
            checks: Vec::new(),
            identity: None,
            on_inconclusive: OnInconclusive::Hold,
            inconclusive_hold_ms: 600_000,
            decommission: Decommission::default(),
            drain_timeout_ms: 30_000,
            keep_failed_ms: 900_000,
            on_conflict: OnConflict::Queue,
            apply_timeout_ms: 10_000,
            permissions: Permissions::default(),
            notifications: Vec::new(),
        }
    }
}

/// One traffic share in the shift: a number, or a number with a pause of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a step is a share of 1 to 100, or {\"share\": 1 to 100, \"pause_ms\": milliseconds}"
)]
pub enum Step {
    /// The share of the new version, percent, 1 to 100.
    Share(u8),
    /// The share and how long it lasts.
    Timed(TimedStep),
}

/// A share with a pause of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimedStep {
    /// The share of the new version, percent, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub share: u8,
    /// How long this step lasts, milliseconds.
    pub pause_ms: u64,
}

impl Step {
    /// The share of the new version, percent.
    #[must_use]
    pub fn share(&self) -> u8 {
        match self {
            Step::Share(share) => *share,
            Step::Timed(step) => step.share,
        }
    }

    /// How long the step lasts, milliseconds.
    #[must_use]
    pub fn pause_ms(&self, default_ms: u64) -> u64 {
        match self {
            Step::Share(_) => default_ms,
            Step::Timed(step) => step.pause_ms,
        }
    }
}

/// How requests reach the new version before users do: with the release's own token in a header or a cookie, or
/// from one of the addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Preview {
    /// Header that carries the token.
    pub header: String,
    /// Cookie that carries the token.
    pub cookie: String,
    /// Addresses or CIDR blocks that always see the new version.
    pub addresses: Vec<String>,
}

impl Default for Preview {
    fn default() -> Self {
        Preview {
            header: "X-Tealgate-Preview".to_owned(),
            cookie: "tealgate_preview".to_owned(),
            addresses: Vec::new(),
        }
    }
}

/// A check that must pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name in the tree and the report; unique within the app.
    pub name: String,
    /// When it runs; default: before the shift.
    #[serde(default = "before_shift")]
    pub when: Vec<When>,
    /// What it checks.
    pub check: Check,
    /// Its limit, milliseconds.
    #[serde(default = "gate_timeout_ms")]
    pub timeout_ms: u64,
    /// What follows when it fails.
    #[serde(default)]
    pub on_fail: OnFail,
}

/// When a gate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Once, in the test phase.
    BeforeShift,
    /// At the end of each step, before the next share.
    EachStep,
    /// Every `soak.interval_ms` in the soak, and once at its end.
    Soak,
}

/// What a gate checks. A new kind of gate is one file in `release::gate` and one variant here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// HTTP requests, sent to the new version directly and through the gate's preview.
    Smoke {
        /// The requests and what they must answer.
        requests: Vec<SmokeRequest>,
        /// Also send them through the gate's preview.
        #[serde(default = "yes")]
        through_gate: bool,
    },
    /// A program that must exit with 0. It finds the new version's address in `TEALGATE_ADDRESS`
    /// (`TEALGATE_ADDRESSES` for all), its version in `TEALGATE_VERSION`, its colour in `TEALGATE_COLOUR`.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Further variables; nothing else is inherited but `PATH`.
        #[serde(default)]
        env: BTreeMap<String, crate::target::EnvValue>,
        /// Working directory.
        #[serde(default)]
        working_dir: Option<String>,
    },
    /// A number that somebody else measures stays within its bounds.
    Metric(Metric),
    /// Both versions are asked the same; the new one must not fail where the live one does not.
    Beside(Beside),
    /// Load on the new version, and the same beside it on the live one. Only before the shift.
    Load(Box<Load>),
    /// Live requests are copied to the new version, and its answers compared with those that users got. Only before the
    /// shift.
    Shadow(Box<Shadow>),
    /// A person says yes: `tealgate release promote`.
    Approval {},
}

/// One request of a smoke gate and what it must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmokeRequest {
    /// Method.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body to send.
    #[serde(default)]
    pub body: Option<String>,
    /// What must come back.
    #[serde(default)]
    pub expect: Expectation,
}

/// What a smoke request must answer; what is absent is not checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expectation {
    /// Statuses that are right; empty: 200 to 299.
    pub statuses: Vec<u16>,
    /// Every status is right.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub any_status: bool,
    /// Headers and the exact value each must have.
    pub headers: BTreeMap<String, String>,
    /// A text that the body must contain.
    pub body_contains: Option<String>,
    /// JSON pointers (RFC 6901) and the value that must stand there.
    pub json: BTreeMap<String, Value>,
}

/// Full traffic on the new colour, but for what is held back, while the old one stays warm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Soak {
    /// How long, milliseconds.
    pub duration_ms: u64,
    /// How often the soak's gates run, milliseconds.
    pub interval_ms: u64,
    /// The share that stays on the old version until the end of the soak, percent, 0 to 50, so that the versions can be
    /// compared side by side all that time; 0: none.
    #[schemars(range(min = 0, max = 50))]
    pub hold_back: u8,
}

impl Soak {
    /// The new version's share of user traffic in it, percent.
    #[must_use]
    pub fn share(&self) -> u8 {
        100u8.saturating_sub(self.hold_back)
    }
}

/// The largest share that a soak may hold back, percent.
pub const MAX_HOLD_BACK: u8 = 50;

impl Default for Soak {
    fn default() -> Self {
        Soak { duration_ms: 60_000, interval_ms: 10_000, hold_back: 0 }
    }
}

/// Absolute limits on the new version's user traffic, counted exactly by the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest share of failed requests (5xx, gate errors, cut short), 0 to 1; `null` switches it off.
    pub max_error_rate: Option<f64>,
    /// Largest 99th percentile of the total time, milliseconds; `null` switches it off.
    pub max_p99_ms: Option<u64>,
    /// Requests needed before the limits speak; fewer are inconclusive.
    #[schemars(range(min = 1))]
    pub min_requests: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_error_rate: Some(0.05), max_p99_ms: None, min_requests: 20 }
    }
}

/// What happens when there was too little traffic to say anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// Wait for more traffic, and roll back when `inconclusive_hold_ms` has passed.
    Hold,
    /// Go on; the report says that nothing was proven.
    Proceed,
    /// Roll back at once.
    Rollback,
}

/// What becomes of the old environment after the commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decommission {
    /// Stop it as soon as it has drained.
    Stop {},
    /// Keep it as it is for a time, then stop it.
    KeepWarm {
        /// How long, milliseconds.
        for_ms: u64,
    },
    /// Keep this many instances.
    Reduce {
        /// How many.
        instances: u16,
    },
    /// Leave it running.
    Keep {},
}

impl Default for Decommission {
    fn default() -> Self {
        Decommission::Stop {}
    }
}

/// What a second release of an app does while one is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It waits until the first has ended.
    Queue,
    /// It takes the first one back, and then starts.
    Supersede,
}

/// What a key may do. Each role may do what stands before it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Start, abort and roll back releases.
    Operator,
    /// Also approve.
    Approver,
    /// Everything, the gateway's resources included.
    Admin,
}

/// The least role for each act of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// To start a release.
    pub start: Role,
    /// To approve (`promote`).
    pub approve: Role,
    /// To abort or roll back.
    pub rollback: Role,
    /// Whether the one who started a release may approve it.
    pub self_approval: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Permissions {
            start: Role::Operator,
            approve: Role::Approver,
            rollback: Role::Operator,
            self_approval: true,
        }
    }
}

fn before_shift() -> Vec<When> {
    vec![When::BeforeShift]
}
fn gate_timeout_ms() -> u64 {
    300_000
}
fn get() -> String {
    "GET".to_owned()
}
fn yes() -> bool {
    true
}
