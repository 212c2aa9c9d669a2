//! A compiled route: its conditions, its split, its counters.

use super::compile::InlineTarget;
use super::{Goal, Split, Target};
use crate::hold::{Hold, Tallies};
use crate::plugin::Plan;
use model::cidr::Cidr;
use model::expr::eval::Matcher;
use model::policy::HeldRequests;
use model::resource::Revision;
use model::upstream::Timeouts;
use std::net::IpAddr;
use std::sync::Arc;
use telemetry::series::Series;

/// A route with all that a request needs of it, its service's part included.
#[derive(Debug)]
pub struct Route {
    /// Its id.
    pub id: String,
    /// Its name, or empty.
    pub name: String,
    /// Id of its service, or empty.
    pub service: String,
    /// Name of its service, or empty.
    pub service_name: String,
    /// Methods; empty: all.
    pub methods: Box<[Box<str>]>,
    /// Client addresses; empty: all.
    pub remote_addrs: Box<[Cidr]>,
    /// Condition on variables.
    pub vars: Option<Matcher>,
    /// The split, if `traffic-split` is configured for it.
    pub split: Option<Split>,
    /// The upstream of the route or its service.
    pub default: RouteDefault,
    /// Counters of what goes to the default upstream.
    pub default_series: Arc<Series>,
    /// Counters of what the gate itself answers.
    pub gate_series: Arc<Series>,
    /// The revision at which the choice between upstreams last changed.
    pub epoch: Revision,
    /// Time limits that beat the upstream's.
    pub timeouts: Option<Timeouts>,
    /// Whether `Upgrade` is passed on.
    pub websocket: bool,
    /// How long a stream may stay when traffic has left its target, milliseconds; `None`: as the target says.
    pub drain_timeout_ms: Option<u64>,
    /// How long a whole request may take, milliseconds, 0: as long as it likes; `None`: as the setting says.
    pub total_timeout_ms: Option<u64>,
    /// Its plugins and its service's.
    pub(crate) plugins: Plan,
    /// Counts the requests that a hold would wait for, where there may be one.
    pub(crate) tallies: Option<Arc<Tallies>>,
    /// What the split and the default look like, for telling whether the epoch goes on.
    pub(super) digest: String,
    /// What it was built from.
    pub(super) sources: Sources,
}

/// The upstream of a route or its service.
#[derive(Clone, Debug)]
pub enum RouteDefault {
    /// There is one.
    Target(Arc<Target>),
    /// Neither the route nor its service names one: 503.
    NotConfigured,
    /// It is named and does not exist: 502.
    UpstreamGone,
    /// The service is named and does not exist: 404.
    ServiceGone,
}

/// What a route was built from, apart from itself: it is built again when one of these changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    /// Which requests the policy of the service's app holds.
    pub(super) held: HeldRequests,
    /// A guard keeps the service's traffic on the old version.
    pub(super) sent_back: bool,
    pub(super) service: Option<(Revision, Revision)>,
    /// Ids of the upstreams that are named, with the uid that they had; 0: did not exist.
    pub(super) upstreams: Vec<(String, u64)>,
    /// Upstreams that are written inside it.
    pub(super) inline: Vec<InlineTarget>,
    /// What of the rules of its split this version cannot read.
    pub(super) left_out: Vec<String>,
}

impl Route {
    /// Whether method and client address fit; cheaper than `vars`, so asked first.
    #[must_use]
    pub fn accepts(&self, method: &str, client: IpAddr) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|allowed| **allowed == *method))
            && (self.remote_addrs.is_empty() || self.remote_addrs.iter().any(|cidr| cidr.contains(client)))
    }

    /// The holds of its rules.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Arc<Hold>> {
        let rules = self.split.as_ref().map_or(&[][..], |split| &split.rules);
        rules.iter().filter_map(|rule| rule.hold.as_ref())
    }

    /// Whether one of its rules casts the shadow with this id.
    pub(crate) fn casts(&self, shadow: &str) -> bool {
        let rules = self.split.as_ref().map_or(&[][..], |split| &split.rules);
        let mut shadows =
            rules.iter().flat_map(|rule| &rule.choices).filter_map(|choice| choice.shadow.as_ref());
        shadows.any(|cast| cast.id() == shadow)
    }

    /// Whether requests can still come to a target.
    #[must_use]
    pub fn leads_to(&self, target: u64) -> bool {
        self.reachable().any(|uid| uid == target)
    }

    /// The targets that requests can come to: those of the rules up to the first that always passes, and of the
    /// default if there is no such rule.
    pub fn reachable(&self) -> impl Iterator<Item = u64> {
        let rules = self.split.as_ref().map_or(&[][..], |split| &split.rules);
        let covering = rules.iter().position(|rule| rule.matches.is_none());
        let asked = rules.get(..covering.map_or(rules.len(), |at| at + 1)).unwrap_or_default();
        let by_rules =
            asked.iter().flat_map(|rule| rule.reachable()).filter_map(|choice| match &choice.goal {
                Goal::Target(target) => Some(target.uid),
                Goal::Nowhere(_) => None,
            });
        let default = match &self.default {
            RouteDefault::Target(target) if covering.is_none() => Some(target.uid),
            _ => None,
        };
        by_rules.chain(default)
    }
}
