//! Plans: everything that a release will do, decided once, before anything is touched.
//!
//! A plan is made by a pure function ([`plan`]) from what is known at that moment, is written into the journal, and
//! never changes. What could go wrong by construction is refused here by name, all reasons at once; the machine that
//! follows the plan makes no meaningful choice of its own. No I/O and no clock in this module.

mod asked;
mod beside;
mod budget;
mod guard;
mod identity;
mod input;
mod live_requests;
mod make;
mod parity;
mod probes;
mod reach;
mod refusal;
mod rehearsal;
mod routes;
mod rules;
mod standing;
#[cfg(test)]
mod tests;
mod unwatched;
mod users;

pub use beside::PlannedJudge;
pub use guard::PlannedGuard;
pub use input::PlanInput;
pub use live_requests::{shadow_id, shadow_rule};
pub use make::plan;
pub use parity::Difference;
pub use probes::PROBES;
pub use refusal::{Refusal, SPEC};
pub use rehearsal::{PastRehearsal, PlannedRehearsal, RehearsalInput};
pub use routes::{Path, RoutePath};
pub use standing::{Standing, standing};
pub use unwatched::{Unwatched, unwatched};

use crate::target::EnvironmentSpec;
use model::colour::Colour;
use model::overlay::{Overlay, Owned};
use model::policy::{
    AnswerCheck, Decommission, Gate, Hold, Identity, Limits, OnConflict, OnInconclusive, Permissions,
    Preview, Soak,
};
use model::resource::Origin;
use model::target::Target;
use model::traffic_split::Extension;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The format of plans and journals that this version writes. A newer one is refused.
pub const FORMAT: u32 = 6;

/// One release, decided. Lists have one entry today; nothing below assumes that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`] of the version that made it.
    pub format: u32,
    /// The release's id.
    pub release: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub made_at_ms: i64,
    /// Who asked for the release.
    pub started_by: String,
    /// What is moved together, in the order in which traffic is moved; taken back in the reverse order.
    pub components: Vec<Component>,
    /// Where it is moved, one after the other.
    pub waves: Vec<Wave>,
    /// It is a rehearsal: every step is written and taken back, and no user gets to the new version. `None`: it is not.
    #[serde(default)]
    pub rehearsal: Option<PlannedRehearsal>,
    /// Traffic shares of the new version, one after the other; the last is what the soak has, 100 less what it holds back.
    pub steps: Vec<PlannedStep>,
    /// How the new version is reached before users reach it; `None`: not through the gateway.
    pub preview: Option<PlannedPreview>,
    /// What the rule of the shares says besides them: who stays with which colour, or in which order they come.
    #[serde(default)]
    pub assignment: Extension,
    /// Which requests wait while the share moves; `None`: none.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// What the gateways take the release back for by themselves; `None`: nothing.
    #[serde(default)]
    pub guard: Option<PlannedGuard>,
    /// Checks, in the order of the policy. That every instance is ready is checked always and not listed.
    pub gates: Vec<Gate>,
    /// Full traffic on the new version, but for what is held back, while the old one stays warm.
    pub soak: Soak,
    /// What the gateway's counters must not exceed; `None`: nobody asks.
    pub limits: Option<Limits>,
    /// How the versions are compared while both have a share; `None`: they are not.
    #[serde(default)]
    pub judge: Option<PlannedJudge>,
    /// Checks of the business on every answer.
    #[serde(default)]
    pub checks: Vec<AnswerCheck>,
    /// How answers say which version they come from; `None`: nobody asks.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// What happens when it cannot be said whether the new version is good.
    pub on_inconclusive: OnInconclusive,
    /// How long that is waited for, milliseconds.
    pub inconclusive_hold_ms: u64,
    /// What becomes of the old environment.
    pub decommission: Decommission,
    /// How long requests may stay on a colour that gets no new ones, milliseconds.
    pub drain_timeout_ms: u64,
    /// The longest time that a route of the service lets its streams stay, milliseconds; 0: none says so itself.
    #[serde(default)]
    pub longest_drain_ms: u64,
    /// How long a failed new version is kept, milliseconds.
    pub keep_failed_ms: u64,
    /// How long the gateways may take to run a change, milliseconds.
    pub apply_timeout_ms: u64,
    /// What a later release of the app does while this one is in flight.
    pub on_conflict: OnConflict,
    /// Who may approve and take back.
    pub permissions: Permissions,
    /// What a person should know before it starts.
    pub notes: Vec<String>,
}

/// One app of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// The app.
    pub app: String,
    /// The gateway service whose traffic is moved.
    pub service: String,
    /// Whose that service is: what a file says is not written, an overlay beside it is.
    pub origin: Origin,
    /// The environment that is to become live.
    pub new: EnvironmentSpec,
    /// The environment that is live now; `None` on an app's first release.
    pub old: Option<OldSide>,
    /// The resources as they were before anything was touched.
    pub before: BeforeImage,
    /// Every route that reaches the service, and how.
    pub routes: Vec<RoutePath>,
    /// How the two environments differ.
    pub parity: Vec<Difference>,
    /// `Host` that reaches the app through the gateway, for checks; `None`: any does.
    pub host: Option<String>,
}

/// The environment that is live when a release begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OldSide {
    /// Its colour.
    pub colour: Colour,
    /// The version that it runs; `unknown` if no release brought it.
    pub version: String,
    /// Its spec; `None` if it was not started by a release and so is not ours to start or stop.
    pub environment: Option<EnvironmentSpec>,
}

/// What a release owns, as it was before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BeforeImage {
    /// The owned fields of the effective service.
    pub owned: Owned,
    /// The overlay, for a service that comes from the file.
    pub overlay: Option<Overlay>,
}

/// Part of the world that is moved at once; the next one begins when it has soaked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Its name: a region, later; `local` today.
    pub name: String,
    /// The apps that are moved in it.
    pub apps: Vec<String>,
}

/// One traffic share, with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The share of the new version, percent, 1 to 100.
    pub share: u8,
    /// How long it is watched before the next one, milliseconds; 0 on a last step that the soak watches.
    pub pause_ms: u64,
}

/// How requests reach the new version before users do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedPreview {
    /// Names and addresses, as the policy says.
    pub rule: Preview,
    /// What header or cookie must carry.
    pub token: PreviewToken,
}

impl PlannedPreview {
    /// The header and its value that lead to the new version; `None`: only addresses do.
    #[must_use]
    pub fn request_header(&self) -> Option<(String, String)> {
        let token = self.token.reveal();
        match (self.rule.header.as_str(), self.rule.cookie.as_str()) {
            ("", "") => None,
            ("", cookie) => Some(("Cookie".to_owned(), format!("{cookie}={token}"))),
            (header, _) => Some((header.to_owned(), token.to_owned())),
        }
    }
}

/// The secret of one release's preview. It stands in the split rule, where administrators can read it, and in the
/// journal, because the rule must be written again after a crash; it is never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PreviewToken(String);

impl PreviewToken {
    /// Takes over a token; the caller made it of at least 128 random bits.
    #[must_use]
    pub fn new(text: String) -> PreviewToken {
        PreviewToken(text)
    }

    /// The text to send; do not print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PreviewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Plan {
    /// The component that leads: the only one today.
    #[must_use]
    pub fn lead(&self) -> Option<&Component> {
        self.components.first()
    }

    /// Every share that the new version is given before the commit, percent, in this order; the last is 100.
    pub fn shares(&self) -> impl Iterator<Item = u8> {
        let last = (self.soak.hold_back > 0).then_some(100);
        self.steps.iter().map(|step| step.share).chain(last)
    }

    /// How long the new environment may take to become ready, milliseconds.
    #[must_use]
    pub fn readiness_deadline_ms(&self) -> u64 {
        let readiness = self.lead().map(|lead| match &lead.new.target {
            Target::Process(process) => &process.readiness,
            Target::Upstream(upstream) => &upstream.readiness,
        });
        readiness.map_or(0, |readiness| readiness.deadline_ms)
    }

    /// A copy without secrets, for people to read.
    #[must_use]
    pub fn masked(&self) -> Plan {
        let mut plan = self.clone();
        if let Some(preview) = &mut plan.preview {
            preview.token = PreviewToken("(secret)".to_owned());
        }
        for component in &mut plan.components {
            for owned in [
                Some(&mut component.before.owned),
                component.before.overlay.as_mut().map(|overlay| &mut overlay.owned),
            ]
            .into_iter()
            .flatten()
            {
                owned.traffic_split = None;
            }
            component.new.target = parity::masked(&component.new.target);
            if let Some(old) = component.old.as_mut().and_then(|old| old.environment.as_mut()) {
                old.target = parity::masked(&old.target);
            }
        }
        plan
    }
}

impl OldSide {
    /// Whether it is known which version it runs.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.version != standing::UNKNOWN_VERSION
    }
}

impl Component {
    /// Whether there is anything to go back to: without it there is nothing that a rollback could save.
    #[must_use]
    pub fn has_way_back(&self) -> bool {
        self.old.is_some() || self.before.owned.upstream_id.is_some() || self.before.owned.upstream.is_some()
    }

    /// The old environment, if a release started it.
    #[must_use]
    pub fn old_environment(&self) -> Option<&EnvironmentSpec> {
        self.old.as_ref()?.environment.as_ref()
    }
}
