//! From resources to a table. What did not change since the last table is taken over as it is: compiled routes, and
//! targets with their connections, streams and turns.

mod problem;
mod routes;

pub use problem::Problem;

use super::{Route, Table, Target};
use crate::router::Entry;
use foldhash::HashMap;
use model::overlay::{self, Overlay};
use model::resource::{Kind, Resource, Revision};
use model::service::Service;
use model::upstream::{Scheme, Upstream};
use std::sync::Arc;
use telemetry::series::Registry;

/// Builds tables and keeps what the next one can take over.
#[derive(Debug)]
pub struct Compiler {
    threads: usize,
    always_verify: bool,
    series: Arc<Registry>,
    next_uid: u64,
    targets: HashMap<String, NamedTarget>,
    services: HashMap<String, Arc<EffectiveService>>,
    routes: HashMap<String, CompiledRoute>,
    problems: Vec<Problem>,
}

/// An upstream resource.
#[derive(Debug)]
struct NamedTarget {
    modified: Revision,
    compiled: InlineTarget,
}

/// An upstream and what was made of it.
#[derive(Clone, Debug)]
pub(super) struct InlineTarget {
    upstream: Upstream,
    target: Arc<Target>,
}

/// A service with its overlay applied, and what its changes are known by.
#[derive(Debug)]
struct EffectiveService {
    service: Service,
    /// Its inline upstream, one for all of its routes.
    inline: Option<InlineTarget>,
    /// `modified` of the service and of its overlay.
    sources: (Revision, Revision),
    problems: Vec<Problem>,
}

/// A route and where it stands in the router.
#[derive(Debug)]
struct CompiledRoute {
    route: Arc<Route>,
    entry: Entry,
    problems: Vec<Problem>,
}

impl Compiler {
    /// A compiler for tables of `threads` threads whose counters live in `series`.
    #[must_use]
    pub fn new(threads: usize, always_verify: bool, series: Arc<Registry>) -> Compiler {
        Compiler {
            threads,
            always_verify,
            series,
            next_uid: 1,
            targets: HashMap::default(),
            services: HashMap::default(),
            routes: HashMap::default(),
            problems: Vec::new(),
        }
    }

    /// Builds the table of `resources` at `revision`.
    #[must_use]
    pub fn compile(&mut self, revision: Revision, resources: &[Arc<Resource>]) -> (Table, Vec<Problem>) {
        self.compile_targets(resources);
        self.compile_services(resources);
        let mut compiled = Vec::new();
        for resource in of_kind(resources, Kind::Route) {
            match self.route(revision, resource) {
                Ok(None) => {}
                Ok(Some(mut route)) => {
                    route.entry.route = u32::try_from(compiled.len()).unwrap_or(u32::MAX);
                    self.problems.extend_from_slice(&route.problems);
                    compiled.push(route);
                }
                Err(what) => self.problems.push(Problem::of(resource, what)),
            }
        }
        let routes = compiled.iter().map(|compiled| Arc::clone(&compiled.route)).collect();
        let table = Table::new(revision, compiled.iter().map(|compiled| &compiled.entry), routes);
        self.routes = compiled.into_iter().map(|compiled| (compiled.route.id.clone(), compiled)).collect();
        (table, std::mem::take(&mut self.problems))
    }

    fn compile_targets(&mut self, resources: &[Arc<Resource>]) {
        let mut targets = HashMap::default();
        for resource in of_kind(resources, Kind::Upstream) {
            let kept = self.targets.remove(&resource.id);
            let named = match kept {
                Some(kept) if kept.modified == resource.modified => kept,
                kept => {
                    let upstream = Upstream::from_value(&resource.value, false);
                    let kept = kept.map(|kept| kept.compiled);
                    NamedTarget {
                        modified: resource.modified,
                        compiled: self.target(&upstream, kept.as_slice()),
                    }
                }
            };
            let found = problem::of_upstream(&resource.value, &named.compiled.upstream);
            self.problems.extend(found.into_iter().map(|what| Problem::of(resource, what)));
            targets.insert(resource.id.clone(), named);
        }
        self.targets = targets;
    }

    /// Services with the overlays of releases applied.
    fn compile_services(&mut self, resources: &[Arc<Resource>]) {
        let overlays: HashMap<&str, &Arc<Resource>> =
            of_kind(resources, Kind::Overlay).map(|resource| (resource.id.as_str(), resource)).collect();
        let mut services = HashMap::default();
        for resource in of_kind(resources, Kind::Service) {
            let overlay = overlays.get(resource.id.as_str()).copied();
            let sources = (resource.modified, overlay.map_or(0, |overlay| overlay.modified));
            let service = match self.services.remove(&resource.id) {
                Some(kept) if kept.sources == sources => kept,
                kept => Arc::new(self.service(resource, overlay, sources, kept.as_deref())),
            };
            self.problems.extend_from_slice(&service.problems);
            services.insert(resource.id.clone(), service);
        }
        self.services = services;
    }

    fn service(
        &mut self,
        resource: &Resource,
        overlay: Option<&Arc<Resource>>,
        sources: (Revision, Revision),
        before: Option<&EffectiveService>,
    ) -> EffectiveService {
        let mut problems = Vec::new();
        let overlay = overlay.and_then(|resource| match Overlay::from_value(&resource.value) {
            Ok(overlay) => Some(overlay),
            Err(error) => {
                problems.push(Problem::of(resource, format!("the overlay cannot be read: {error}")));
                None
            }
        });
        let value = overlay::effective(&resource.value, overlay.as_ref());
        let service = Service::from_value(&value);
        if let (Some(value), Some(upstream)) = (value.get("upstream"), &service.upstream) {
            let found = problem::of_upstream(value, upstream);
            problems.extend(found.into_iter().map(|what| Problem::of(resource, what)));
        }
        let kept = before.and_then(|before| before.inline.clone());
        let inline = service.upstream.as_ref().map(|upstream| self.target(upstream, kept.as_slice()));
        EffectiveService { service, inline, sources, problems }
    }

    /// The target of an upstream: one of `kept`, if it was made of the same.
    fn target(&mut self, upstream: &Upstream, kept: &[InlineTarget]) -> InlineTarget {
        if let Some(same) = kept.iter().find(|kept| kept.upstream == *upstream) {
            return same.clone();
        }
        let uid = self.next_uid;
        self.next_uid += 1;
        let target = Arc::new(Target::new(uid, upstream, self.always_verify, self.threads));
        if target.scheme == Scheme::Https && !target.verify {
            let nodes: Vec<&str> = target.nodes.iter().map(|node| node.authority.as_str()).collect();
            tracing::warn!(
                upstream = upstream.id,
                nodes = nodes.join(", "),
                "certificates are not checked; set tls.verify, or upstream_tls_verify: always"
            );
        }
        InlineTarget { upstream: upstream.clone(), target }
    }

    fn uid(&self, upstream: &str) -> u64 {
        self.targets.get(upstream).map_or(0, |named| named.compiled.target.uid)
    }
}

fn of_kind(resources: &[Arc<Resource>], kind: Kind) -> impl Iterator<Item = &Arc<Resource>> {
    resources.iter().filter(move |resource| resource.kind == kind)
}
