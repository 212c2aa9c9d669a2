//! Switches: how traffic is moved between the colours. A target's environments may stand behind any switch that
//! reaches them; ours is the gateway, later ones are URL maps, selectors, DNS records.
//!
//! Every operation is observe / apply / verify and idempotent. What a switch owns is small and named; everything else
//! of a resource is left as it is.

mod endpoints;
mod gateway;
mod owned;
#[cfg(test)]
mod tests;

pub use endpoints::upstream_value;
pub use gateway::GatewaySwitch;
pub use owned::{Position, difference, hold_id, owned_at, preview_rules};

use crate::machine::Spread;
use crate::plan::{Component, Plan};
use async_trait::async_trait;
use model::colour::Colour;
use model::overlay::Owned;
use model::resource::Revision;
use serde_json::Value;
use std::collections::BTreeMap;
use store::StoreError;

/// What to write.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The app of it.
    pub component: &'a Component,
    /// Where to move the traffic.
    pub position: Position,
    /// What may stand there now; anything else is someone's edit.
    pub expected: &'a [Owned],
    /// Write over someone's edit.
    pub overwrite: bool,
    /// The upstreams of the colours, as far as their environments are seen.
    pub endpoints: &'a BTreeMap<Colour, Value>,
    /// Fence of the lease under which this is written.
    pub fence: u64,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// From this revision on it holds.
    pub revision: Revision,
    /// The edit that was overwritten, for people.
    pub overwrote: Option<String>,
}

/// What is seen of the traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The owned fields that hold; `None`: the service does not exist.
    pub owned: Option<Owned>,
    /// The colours that get user traffic.
    pub serving: Vec<Colour>,
}

/// Why traffic was not moved.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// Someone else changed what the release owns.
    #[error("someone changed service {service}: {diff}")]
    Foreign {
        /// The service.
        service: String,
        /// How.
        diff: String,
    },
    /// The service is gone.
    #[error("service {service} does not exist any more: create it again")]
    ServiceGone {
        /// The service.
        service: String,
    },
    /// An upstream has no address to send requests to.
    #[error("the {colour} environment of {app} has no address yet")]
    NoAddress {
        /// The app.
        app: String,
        /// The environment.
        colour: Colour,
    },
    /// The service is being changed faster than we can write.
    #[error("service {service} was changed by others {tries} times while this was written")]
    Busy {
        /// The service.
        service: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The store refused.
    #[error("the store refused the change")]
    Store(#[from] StoreError),
}

/// Moves traffic.
#[async_trait]
pub trait Switch: Send + Sync {
    /// What holds now.
    async fn observe(&self, plan: &Plan, component: &Component) -> Result<Seen, SwitchError>;
    /// Writes a position; what holds already is not written again.
    async fn apply(&self, write: &Write<'_>) -> Result<Applied, SwitchError>;
    /// Whether a revision is in force everywhere.
    async fn verify(&self, revision: Revision) -> Spread;
}
