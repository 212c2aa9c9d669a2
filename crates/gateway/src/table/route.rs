//! A compiled route: its conditions, its split, its counters.

use super::{Goal, Split, Target};
use model::cidr::Cidr;
use model::expr::eval::Matcher;
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

/// What a route was built from: it is built again when one of these changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    pub(super) route: Revision,
    pub(super) service: Option<(Revision, Revision)>,
    /// Ids of the upstreams that are named, with the uid that they had; 0: did not exist.
    pub(super) upstreams: Vec<(String, u64)>,
}

impl Route {
    /// Whether method and client address fit; cheaper than `vars`, so asked first.
    #[must_use]
    pub fn accepts(&self, method: &str, client: IpAddr) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|allowed| **allowed == *method))
            && (self.remote_addrs.is_empty() || self.remote_addrs.iter().any(|cidr| cidr.contains(client)))
    }

    /// Whether requests can still come to a target.
    #[must_use]
    pub fn leads_to(&self, target: u64) -> bool {
        self.reachable().any(|uid| uid == target)
    }

    /// The targets that requests can come to.
    pub fn reachable(&self) -> impl Iterator<Item = u64> {
        let by_rules = self.split.iter().flat_map(|split| &split.rules).flat_map(|rule| rule.reachable());
        let by_rules = by_rules.filter_map(|choice| match &choice.goal {
            Goal::Target(target) => Some(target.uid),
            Goal::Nowhere(_) => None,
        });
        // A rule that always passes hides what comes after it.
        let covered = self.split.iter().flat_map(|split| &split.rules).any(|rule| rule.matches.is_none());
        let default = match &self.default {
            RouteDefault::Target(target) if !covered => Some(target.uid),
            _ => None,
        };
        by_rules.chain(default)
    }
}
