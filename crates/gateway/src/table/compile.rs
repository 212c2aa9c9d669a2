//! From resources to a table. What did not change since the last table is taken over as it is: compiled routes, and
//! targets with their connections, streams and turns.

mod changes;
mod consumers;
mod guards;
mod holds;
mod places;
mod problem;
mod routes;
mod shadows;
mod ssls;

pub use problem::Problem;
pub(crate) use problem::is_header;
pub use ssls::Certificate;

use super::{BudgetRule, Ground, Table, Target};
use crate::assignment::Assigner;
use crate::guard::{Guard, Guards};
use crate::health::{self, Checked};
use crate::hold::{Holds, Tallies};
use crate::plugin::{Configured, PluginKind, Shared, configured};
use crate::shadow::Shadows;
use crate::upstream::tls::Connectors;
use changes::Changes;
use foldhash::HashMap;
use model::overlay::{self, Overlay};
use model::policy::HeldRequests;
use model::resource::{Kind, Resource, Revision};
use model::secret::{Opener, SecretKey, Unsealed};
use model::service::Service;
use model::upstream::Upstream;
use places::Places;
use ssls::Ssls;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use telemetry::series::Registry;

/// Builds tables and keeps what the next one can take over.
#[derive(Debug)]
pub struct Compiler {
    threads: usize,
    always_verify: bool,
    retries: BudgetRule,
    series: Arc<Registry>,
    /// The states of nodes, which outlive changes.
    health: health::Registry,
    /// Targets with health checks, by uid.
    checked: HashMap<u64, Weak<Target>>,
    next_uid: u64,
    has_compiled: bool,
    /// What the last table was built from.
    resources: Vec<Arc<Resource>>,
    targets: HashMap<String, InlineTarget>,
    overlays: HashMap<String, NamedOverlay>,
    services: HashMap<String, Arc<EffectiveService>>,
    places: Places,
    assigner: Assigner,
    ssls: Ssls,
    consumers: consumers::Kept,
    kinds: &'static [PluginKind],
    /// What instances of plugins share through all tables.
    shared: Shared,
    holds: Arc<Holds>,
    /// Which requests the policy of an app holds, by the service that is its; those that hold none are left out.
    held: HashMap<String, HeldRequests>,
    /// By service, or by the route that has none.
    tallies: HashMap<String, Arc<Tallies>>,
    guards: Arc<Guards>,
    shadows: Arc<Shadows>,
    revision: Revision,
    problems: BTreeMap<(Kind, String), Vec<Problem>>,
}

/// An upstream and what was made of it.
#[derive(Clone, Debug)]
pub(super) struct InlineTarget {
    upstream: Upstream,
    target: Arc<Target>,
    /// Why its client certificate cannot be shown.
    fault: Option<String>,
}

/// What a release owns of a service; `None` if it cannot be read.
#[derive(Debug)]
struct NamedOverlay {
    modified: Revision,
    overlay: Option<Overlay>,
}

/// A service with its overlay applied, and what its changes are known by.
#[derive(Debug)]
struct EffectiveService {
    resource: Arc<Resource>,
    service: Service,
    /// Its inline upstream, one for all of its routes.
    inline: Option<InlineTarget>,
    /// Its plugins, one instance each for all of its routes.
    plugins: Vec<Configured>,
    /// The guards of its split.
    guards: Vec<Arc<Guard>>,
    /// `modified` of the service and of its overlay.
    sources: (Revision, Revision),
}

impl Compiler {
    /// A compiler for tables of `threads` threads whose counters live in `series`.
    #[must_use]
    pub fn new(threads: usize, always_verify: bool, series: Arc<Registry>) -> Compiler {
        Compiler {
            threads,
            always_verify,
            retries: BudgetRule::default(),
            series,
            health: health::Registry::new(threads),
            checked: HashMap::default(),
            next_uid: 1,
            has_compiled: false,
            resources: Vec::new(),
            targets: HashMap::default(),
            overlays: HashMap::default(),
            services: HashMap::default(),
            places: Places::default(),
            ssls: Ssls::new(Arc::new(Unsealed), None, Connectors::without_roots()),
            assigner: Assigner::new(&SecretKey([0; 32]), threads),
            consumers: consumers::Kept::default(),
            kinds: &[],
            shared: Shared::default(),
            holds: Arc::new(Holds::new(threads)),
            held: HashMap::default(),
            tallies: HashMap::default(),
            guards: Arc::new(Guards::new(None, threads)),
            shadows: Arc::new(Shadows::new(Arc::default())),
            revision: 0,
            problems: BTreeMap::new(),
        }
    }

    /// The same with the key by which users are assigned.
    #[must_use]
    pub fn with_assignment_key(mut self, key: &SecretKey) -> Compiler {
        self.assigner = Assigner::new(key, self.threads);
        self
    }

    /// The same with another retry budget, of all threads together.
    #[must_use]
    pub fn with_retry_budget(mut self, rule: BudgetRule) -> Compiler {
        self.retries = rule.of_one_thread(self.threads);
        self
    }

    /// The same with the plugins that there are, and how many keys their limits may count by.
    #[must_use]
    pub fn with_plugins(mut self, kinds: &'static [PluginKind], most_keys: usize) -> Compiler {
        self.kinds = kinds;
        self.shared = Shared::new(most_keys);
        self
    }

    /// The same with the guards of all tables.
    #[must_use]
    pub(crate) fn with_guards(mut self, guards: &Arc<Guards>) -> Compiler {
        self.guards = Arc::clone(guards);
        self
    }

    /// The same with the shadows of all tables.
    #[must_use]
    pub(crate) fn with_shadows(mut self, shadows: &Arc<Shadows>) -> Compiler {
        self.shadows = Arc::clone(shadows);
        self
    }

    /// The holds of all tables.
    #[must_use]
    pub fn holds(&self) -> &Arc<Holds> {
        &self.holds
    }

    /// The same with who opens private keys, with the name that stands for TLS clients that name no host, and with
    /// how TLS is spoken with upstreams.
    #[must_use]
    pub(crate) fn with_secrets(
        mut self,
        opener: Arc<dyn Opener>,
        fallback_sni: Option<String>,
        connectors: Connectors,
    ) -> Compiler {
        self.consumers.opener = Arc::clone(&opener);
        self.ssls = Ssls::new(opener, fallback_sni, connectors);
        self
    }

    /// Builds the table of `resources`, which are in the store's order, at `revision`. Costs what differs from the
    /// last ones, and a look at every route if that is more than routes.
    #[must_use]
    pub fn compile(&mut self, revision: Revision, resources: Vec<Arc<Resource>>) -> (Table, Vec<Problem>) {
        let before = std::mem::take(&mut self.resources);
        self.revision = revision;
        let changes = Changes::between(&before, &resources);
        self.compile_ssls(&changes, &resources);
        self.compile_targets(&changes);
        self.read_overlays(&changes);
        self.compile_services(&changes);
        self.end_guards(&changes);
        let consumers = self.compile_consumers(&changes, &resources);
        self.read_holds(&changes, &resources);
        self.compile_routes(revision, &changes, &resources);
        self.resources = resources;
        self.has_compiled = true;
        self.assigner.forget_unused();
        self.forget_unused_tallies();
        self.health.sweep();
        let problems = self.problems.values().flatten().chain(self.consumers.problems());
        (
            self.places.table(revision, consumers).with_tls(self.ssls.names(), self.ssls.clients()),
            problems.cloned().collect(),
        )
    }

    /// The targets with health checks that requests can come to. One without weight is not looked at.
    pub(crate) fn checked(&mut self) -> Vec<Checked> {
        self.checked.retain(|_, target| target.strong_count() > 0);
        let reachable = self.places.reachable();
        let checked = self.checked.iter().filter(|(uid, _)| reachable.contains(uid));
        let checked = checked.filter_map(|(_, target)| target.upgrade());
        let ready = |target: Arc<Target>| Checked { tls: self.ssls.connectors(&target.shown), target };
        checked.map(ready).collect()
    }

    fn compile_targets(&mut self, changes: &Changes<'_>) {
        for change in changes.of(Kind::Upstream) {
            let kept = self.targets.remove(change.id);
            let mut problems = Vec::new();
            if let Some(resource) = change.now {
                let upstream = Upstream::from_value(&resource.value, false);
                problems = problem::of_upstream(&resource.value, &upstream);
                let compiled = self.target(&format!("upstreams/{}", resource.id), &upstream, kept.as_slice());
                problems.extend(compiled.fault.clone());
                self.targets.insert(resource.id.clone(), compiled);
            }
            self.report(Kind::Upstream, change.id, problems);
        }
    }

    fn read_overlays(&mut self, changes: &Changes<'_>) {
        for change in changes.of(Kind::Overlay) {
            self.overlays.remove(change.id);
            let mut problems = Vec::new();
            if let Some(resource) = change.now {
                let overlay = Overlay::from_value(&resource.value)
                    .map_err(|error| problems.push(format!("the overlay cannot be read: {error}")))
                    .ok();
                let named = NamedOverlay { modified: resource.modified, overlay };
                self.overlays.insert(resource.id.clone(), named);
            }
            self.report(Kind::Overlay, change.id, problems);
        }
    }

    /// Services with the overlays of releases applied.
    fn compile_services(&mut self, changes: &Changes<'_>) {
        for service in changes.of(Kind::Service) {
            match service.now {
                Some(resource) => self.compile_service(resource),
                None => {
                    self.services.remove(service.id);
                    self.report(Kind::Service, service.id, Vec::new());
                }
            }
        }
        for overlay in changes.of(Kind::Overlay) {
            let service = self.services.get(overlay.id).map(|service| Arc::clone(&service.resource));
            if let Some(resource) = service {
                self.compile_service(&resource);
            }
        }
    }

    fn compile_service(&mut self, resource: &Arc<Resource>) {
        let overlay = self.overlays.get(&resource.id);
        let sources = (resource.modified, overlay.map_or(0, |overlay| overlay.modified));
        let before = self.services.get(&resource.id);
        if before.is_some_and(|before| before.sources == sources) {
            return;
        }
        let value = overlay::effective(&resource.value, overlay.and_then(|named| named.overlay.as_ref()));
        let service = Service::from_value(&value);
        let inline = value.get("upstream").zip(service.upstream.as_ref());
        let problems = inline.map(|(value, upstream)| problem::of_upstream(value, upstream));
        let mut problems = problems.unwrap_or_default();
        let kept = before.and_then(|before| before.inline.clone());
        let owner = format!("services/{}", resource.id);
        let inline = service.upstream.as_ref().map(|upstream| self.target(&owner, upstream, kept.as_slice()));
        problems.extend(inline.as_ref().and_then(|inline| inline.fault.clone()));
        let (plugins, found) = configured(self.kinds, resource, &service.plugins, &mut self.shared);
        problems.extend(found);
        let guards = self.guards_of(&service);
        let resource = Arc::clone(resource);
        let service = EffectiveService { resource, service, inline, plugins, guards, sources };
        let id = service.resource.id.clone();
        self.report(Kind::Service, &id, problems);
        self.services.insert(id, Arc::new(service));
    }

    /// Routes that changed, and those that were built from something that did.
    fn compile_routes(&mut self, revision: Revision, changes: &Changes<'_>, resources: &[Arc<Resource>]) {
        for change in changes.of(Kind::Route) {
            match change.now {
                Some(resource) => self.compile_route(revision, resource),
                None => {
                    self.places.forget(change.id);
                    self.report(Kind::Route, change.id, Vec::new());
                }
            }
        }
        if !changes.concern_more_than_routes() && !self.guards.take_unsent() {
            return;
        }
        for resource in resources.iter().filter(|resource| resource.kind == Kind::Route) {
            if !self.places.route(&resource.id).is_some_and(|route| self.is_current(route)) {
                self.compile_route(revision, resource);
            }
        }
    }

    /// Replaces what is known to be wrong with a resource.
    fn report(&mut self, kind: Kind, id: &str, problems: Vec<String>) {
        let key = (kind, id.to_owned());
        if problems.is_empty() {
            self.problems.remove(&key);
        } else {
            let of = |what| Problem { kind, id: id.to_owned(), what };
            self.problems.insert(key, problems.into_iter().map(of).collect());
        }
    }

    /// The target of an upstream that is written at `owner`: one of `kept`, if it was made of the same.
    fn target(&mut self, owner: &str, upstream: &Upstream, kept: &[InlineTarget]) -> InlineTarget {
        if let Some(same) = kept.iter().find(|kept| kept.upstream == *upstream) {
            return same.clone();
        }
        let uid = self.next_uid;
        self.next_uid += 1;
        let (shown, fault) = self.ssls.shown(upstream);
        let ground = Ground {
            uid,
            owner,
            always_verify: self.always_verify,
            threads: self.threads,
            retries: self.retries,
            shown,
        };
        let target = Arc::new(Target::new(&ground, upstream, &mut self.health));
        // Once: what is written there is written anew with every change of a node or a label.
        let is_unchecked = |target: &Target| target.scheme.is_tls() && !target.verify;
        if is_unchecked(&target) && !kept.iter().any(|kept| is_unchecked(&kept.target)) {
            let nodes: Vec<&str> = target.nodes.iter().map(|node| node.authority.as_str()).collect();
            tracing::warn!(
                upstream = owner,
                nodes = nodes.join(", "),
                "certificates are not checked; set tls.verify, or upstream_tls_verify: always"
            );
        }
        if target.has_checks() {
            self.checked.insert(uid, Arc::downgrade(&target));
        }
        InlineTarget { upstream: upstream.clone(), target, fault }
    }

    fn uid(&self, upstream: &str) -> u64 {
        self.targets.get(upstream).map_or(0, |named| named.target.uid)
    }
}

#[cfg(test)]
mod tests;
