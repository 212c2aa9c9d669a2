//! Why a release cannot be planned. Every reason names what it is about and what to do.

use serde::{Deserialize, Serialize};

/// How a command names the file of a version's own target, which only the one who gave it knows.
pub const SPEC: &str = " --spec FILE";

/// One reason. A refused plan lists all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// The app's service does not exist.
    #[error("service {service} does not exist: create it, or correct service_id of app {app}")]
    ServiceMissing {
        /// The app.
        app: String,
        /// What it names.
        service: String,
    },
    /// Two apps would move the same traffic.
    #[error("service {service} also belongs to app {other}: give each app a service of its own")]
    ServiceShared {
        /// The service.
        service: String,
        /// The other app.
        other: String,
    },
    /// Someone splits this traffic already.
    #[error(
        "service {service} has a traffic-split of its own: remove the plugin, the release would overwrite it"
    )]
    ForeignSplit {
        /// The service.
        service: String,
    },
    /// A route chooses between upstreams without asking the service.
    #[error(
        "route {route} has a traffic-split of its own, which bypasses that of service {service}: remove it"
    )]
    RouteSplits {
        /// The route.
        route: String,
        /// The service.
        service: String,
    },
    /// A route has an upstream of its own.
    #[error(
        "route {route} has an upstream of its own, which bypasses service {service}: remove it from the route"
    )]
    RouteUpstream {
        /// The route.
        route: String,
        /// The service.
        service: String,
    },
    /// The overlay of the service belongs to someone else.
    #[error(
        "what a release owns of service {service} belongs to app {owner}: finish or abort its release first"
    )]
    OverlayOfOther {
        /// The service.
        service: String,
        /// The app that owns it.
        owner: String,
    },
    /// The version cannot stand in file names and labels.
    #[error(
        "version {version:?} is not valid: 1 to 64 of a-z A-Z 0-9 . _ + -, beginning with a letter or a digit"
    )]
    Version {
        /// As it was given.
        version: String,
    },
    /// A field of the policy makes no sense.
    #[error("release.{field}: {what}")]
    Policy {
        /// The field, as in `tealgate.yaml`.
        field: String,
        /// What is wrong, and what is right.
        what: String,
    },
    /// The target cannot work.
    #[error("target.{field}: {what}")]
    Target {
        /// The field, as in `tealgate.yaml`.
        field: String,
        /// What is wrong, and what is right.
        what: String,
    },
    /// The version must be rehearsed first.
    #[error(
        "app {app} releases only what was rehearsed, and {what}: run `tealgate release rehearse {app} --version {version}{}`",
        if *.with_spec { SPEC } else { "" }
    )]
    NotRehearsed {
        /// The app.
        app: String,
        /// The version that is to be released.
        version: String,
        /// What is missing.
        what: String,
        /// It was given a target of its own, with which it must be rehearsed, too.
        #[serde(default)]
        with_spec: bool,
    },
    /// Where nothing is live there is no way back.
    #[error("nothing of app {app} is live, so there is no way back that could be rehearsed: release it")]
    NothingLive {
        /// The app.
        app: String,
    },
    /// The driver found that the environment cannot start.
    #[error("{what}")]
    Environment {
        /// Its words.
        what: String,
    },
}

impl Refusal {
    pub(super) fn policy(field: impl Into<String>, what: impl Into<String>) -> Refusal {
        Refusal::Policy { field: field.into(), what: what.into() }
    }

    pub(super) fn target(field: impl Into<String>, what: impl Into<String>) -> Refusal {
        Refusal::Target { field: field.into(), what: what.into() }
    }
}
