//! A stored resource: the JSON as it was sent, who it belongs to, and where it stands in the revisions.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// One global, strictly increasing counter over all writes of a store; 0 is the empty store.
pub type Revision = u64;

/// What a resource is. The order is the order in which references point: routes name services, services upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A route, as in APISIX.
    Route,
    /// A service, as in APISIX.
    Service,
    /// An upstream, as in APISIX.
    Upstream,
    /// A certificate, as in APISIX: of ours for names, or of ours towards upstreams.
    Ssl,
    /// Who sends requests, as in APISIX. Its id is its `username`.
    Consumer,
    /// One way in which a consumer authenticates, as in APISIX. Its id is `username/id`.
    Credential,
    /// What is upgraded: a service plus the target that it runs on ([`crate::app::App`]).
    App,
    /// What a release owns of a service that comes from the file ([`crate::overlay::Overlay`]).
    Overlay,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::Route,
        Kind::Service,
        Kind::Upstream,
        Kind::Ssl,
        Kind::Consumer,
        Kind::Credential,
        Kind::App,
        Kind::Overlay,
    ];

    /// The collection's name in paths and files: `routes`.
    #[must_use]
    pub fn collection(self) -> &'static str {
        match self {
            Kind::Route => "routes",
            Kind::Service => "services",
            Kind::Upstream => "upstreams",
            Kind::Ssl => "ssls",
            Kind::Consumer => "consumers",
            Kind::Credential => "credentials",
            Kind::App => "apps",
            Kind::Overlay => "overlays",
        }
    }

    /// One of them, as in error texts: `route`.
    #[must_use]
    pub fn singular(self) -> &'static str {
        match self {
            Kind::Route => "route",
            Kind::Service => "service",
            Kind::Upstream => "upstream",
            Kind::Ssl => "ssl",
            Kind::Consumer => "consumer",
            Kind::Credential => "credential",
            Kind::App => "app",
            Kind::Overlay => "overlay",
        }
    }

    /// The kind with this collection name.
    #[must_use]
    pub fn from_collection(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.collection() == name)
    }
}

/// Where a resource comes from, and so who may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `tealgate.yaml`: read-only in the Admin API, replaced as a whole by a reload.
    File,
    /// The Admin API: persists in the store.
    Api,
    /// A release: the two upstreams of an app, and overlays.
    Release,
}

/// A resource as the store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// Its id, unique within the kind: 1 to 64 of `[a-zA-Z0-9-_.]`; of a credential, `username/id`.
    pub id: String,
    /// The JSON as it was sent, plus `id`, `create_time` and `update_time`.
    pub value: Arc<Value>,
    /// Who may change it.
    pub origin: Origin,
    /// The revision that created it (APISIX's `createdIndex`).
    pub created: Revision,
    /// The revision of its last change (APISIX's `modifiedIndex`).
    pub modified: Revision,
}
