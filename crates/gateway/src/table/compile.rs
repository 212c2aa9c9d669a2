//! From resources to a table. What did not change since the last table is taken over as it is.

use super::route::Sources;
use super::{Choice, Goal, Route, RouteDefault, Rule, Split, Table, Target};
use crate::balance::wheel::Wheel;
use crate::router::{Entry, Router};
use foldhash::HashMap;
use model::cidr::Cidr;
use model::expr::eval::Matcher;
use model::overlay::{self, Overlay};
use model::record::{Answerer, Lane};
use model::resource::{Kind, Resource, Revision};
use model::service::Service;
use model::traffic_split::{self, TrafficSplit};
use model::upstream::Upstream;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use telemetry::series::{Registry, Series, SeriesKey};

/// A resource that could not be compiled; the rest of the table stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of resource.
    pub kind: Kind,
    /// Which.
    pub id: String,
    /// What is wrong.
    pub what: String,
}

/// Builds tables and keeps what the next one can take over.
#[derive(Debug)]
pub struct Compiler {
    threads: usize,
    always_verify: bool,
    series: Arc<Registry>,
    next_uid: u64,
    targets: HashMap<String, (Revision, Arc<Target>)>,
    services: HashMap<String, Arc<EffectiveService>>,
    routes: HashMap<String, Arc<Route>>,
}

/// A service with its overlay applied, and what its changes are known by.
#[derive(Debug)]
struct EffectiveService {
    service: Service,
    /// Its inline upstream, one for all of its routes.
    inline: Option<Arc<Target>>,
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
            series,
            next_uid: 1,
            targets: HashMap::default(),
            services: HashMap::default(),
            routes: HashMap::default(),
        }
    }

    /// Builds the table of `resources` at `revision`.
    #[must_use]
    pub fn compile(&mut self, revision: Revision, resources: &[Arc<Resource>]) -> (Table, Vec<Problem>) {
        self.compile_targets(resources);
        self.compile_services(resources);
        let mut problems = Vec::new();
        let mut routes = HashMap::default();
        let mut in_order = Vec::new();
        let mut entries = Vec::new();
        for resource in of_kind(resources, Kind::Route) {
            match self.route(revision, resource) {
                Ok(None) => {}
                Ok(Some((route, mut entry))) => {
                    entry.route = u32::try_from(in_order.len()).unwrap_or(u32::MAX);
                    entries.push(entry);
                    routes.insert(resource.id.clone(), Arc::clone(&route));
                    in_order.push(route);
                }
                Err(what) => problems.push(Problem { kind: Kind::Route, id: resource.id.clone(), what }),
            }
        }
        self.routes = routes;
        let by_id = (0u32..).zip(&in_order).map(|(place, route)| (route.id.as_str().into(), place)).collect();
        (Table { revision, router: Router::new(&entries), routes: in_order, by_id }, problems)
    }

    /// A route and where it stands in the router; `None` if it is switched off.
    fn route(
        &mut self,
        revision: Revision,
        resource: &Resource,
    ) -> Result<Option<(Arc<Route>, Entry)>, String> {
        let parsed = model::route::Route::from_value(&resource.value).map_err(|error| error.to_string())?;
        if !parsed.enabled {
            return Ok(None);
        }
        let service = parsed.service_id.as_deref().and_then(|id| self.services.get(id)).cloned();
        let hosts = match &service {
            Some(service) if parsed.hosts.is_empty() => service.service.hosts.clone(),
            _ => parsed.hosts.clone(),
        };
        let entry = Entry { route: 0, hosts, uris: parsed.uris.clone(), priority: parsed.priority };
        let route = match self.unchanged(resource, service.as_deref()) {
            Some(route) => route,
            None => Arc::new(self.compile_route(revision, resource, &parsed, service.as_deref())?),
        };
        Ok(Some((route, entry)))
    }

    /// Services with the overlays of releases applied.
    fn compile_services(&mut self, resources: &[Arc<Resource>]) {
        let overlays: HashMap<&str, &Arc<Resource>> =
            of_kind(resources, Kind::Overlay).map(|resource| (resource.id.as_str(), resource)).collect();
        let mut services = HashMap::default();
        for resource in of_kind(resources, Kind::Service) {
            let overlay = overlays.get(resource.id.as_str());
            let sources = (resource.modified, overlay.map_or(0, |overlay| overlay.modified));
            let service = match self.services.remove(&resource.id).filter(|kept| kept.sources == sources) {
                Some(kept) => kept,
                None => {
                    let overlay = overlay.and_then(|overlay| Overlay::deserialize(&*overlay.value).ok());
                    let service = Service::from_value(&overlay::effective(&resource.value, overlay.as_ref()));
                    let inline = service.upstream.as_ref().map(|upstream| self.target(upstream));
                    Arc::new(EffectiveService { service, inline, sources })
                }
            };
            services.insert(resource.id.clone(), service);
        }
        self.services = services;
    }

    fn compile_targets(&mut self, resources: &[Arc<Resource>]) {
        let mut targets = HashMap::default();
        for resource in of_kind(resources, Kind::Upstream) {
            let kept =
                self.targets.remove(&resource.id).filter(|(modified, _)| *modified == resource.modified);
            let entry = kept.unwrap_or_else(|| {
                (resource.modified, self.target(&Upstream::from_value(&resource.value, false)))
            });
            targets.insert(resource.id.clone(), entry);
        }
        self.targets = targets;
    }

    fn target(&mut self, upstream: &Upstream) -> Arc<Target> {
        let uid = self.next_uid;
        self.next_uid += 1;
        Arc::new(Target::new(uid, upstream, self.always_verify, self.threads))
    }

    /// The route of the last table, if nothing that it was built from has changed.
    fn unchanged(&self, resource: &Resource, service: Option<&EffectiveService>) -> Option<Arc<Route>> {
        let route = self.routes.get(&resource.id)?;
        let sources = &route.sources;
        let same = sources.route == resource.modified
            && sources.service == service.map(|service| service.sources)
            && sources.upstreams.iter().all(|(id, uid)| self.uid(id) == *uid);
        same.then(|| Arc::clone(route))
    }

    fn uid(&self, upstream: &str) -> u64 {
        self.targets.get(upstream).map_or(0, |(_, target)| target.uid)
    }

    fn compile_route(
        &mut self,
        revision: Revision,
        resource: &Resource,
        parsed: &model::route::Route,
        service: Option<&EffectiveService>,
    ) -> Result<Route, String> {
        if parsed.has_filter_func {
            return Err("filter_func is Lua, which this gateway does not run".to_owned());
        }
        let mut sources = Sources {
            route: resource.modified,
            service: service.map(|service| service.sources),
            upstreams: Vec::new(),
        };
        let default = self.default_of(parsed, service, &mut sources);
        let config = split_config(parsed, service.map(|service| &service.service));
        let digest = digest(&resource.value, service, config);
        let before = self.routes.get(&resource.id).filter(|before| before.digest == digest);
        let epoch = before.map_or(revision, |before| before.epoch);
        let names =
            Names { route: &parsed.id, service: parsed.service_id.as_deref().unwrap_or_default(), epoch };
        let split =
            config.map(|config| self.compile_split(config, &default, &names, &mut sources)).transpose()?;
        Ok(Route {
            id: parsed.id.clone(),
            name: parsed.name.clone(),
            service: names.service.to_owned(),
            service_name: service.map(|service| service.service.name.clone()).unwrap_or_default(),
            methods: parsed.methods.iter().map(|method| method.as_str().into()).collect(),
            remote_addrs: parsed.remote_addrs.iter().filter_map(|block| Cidr::parse(block)).collect(),
            vars: parsed.vars.as_ref().map(Matcher::compile),
            default_series: self.series_of(&names, &default, Lane::Share),
            gate_series: self.counters(&names, "", Answerer::Gate, Lane::Share),
            split: split.flatten(),
            default,
            epoch,
            timeouts: parsed.timeouts,
            websocket: parsed
                .enable_websocket
                .or_else(|| service.and_then(|service| service.service.enable_websocket))
                .unwrap_or(false),
            digest,
            sources,
        })
    }

    /// The upstream of the route, else of its service.
    fn default_of(
        &mut self,
        route: &model::route::Route,
        service: Option<&EffectiveService>,
        sources: &mut Sources,
    ) -> RouteDefault {
        if route.service_id.is_some() && service.is_none() {
            return RouteDefault::ServiceGone;
        }
        if let Some(upstream) = &route.upstream {
            return RouteDefault::Target(self.target(upstream));
        }
        if let Some(id) = &route.upstream_id {
            return self.named(id, sources).map_or(RouteDefault::UpstreamGone, RouteDefault::Target);
        }
        let Some(service) = service else { return RouteDefault::NotConfigured };
        match (&service.inline, &service.service.upstream_id) {
            (Some(target), _) => RouteDefault::Target(Arc::clone(target)),
            (None, Some(id)) => {
                self.named(id, sources).map_or(RouteDefault::UpstreamGone, RouteDefault::Target)
            }
            (None, None) => RouteDefault::NotConfigured,
        }
    }

    fn named(&self, id: &str, sources: &mut Sources) -> Option<Arc<Target>> {
        sources.upstreams.push((id.to_owned(), self.uid(id)));
        self.targets.get(id).map(|(_, target)| Arc::clone(target))
    }

    fn compile_split(
        &mut self,
        config: &Value,
        default: &RouteDefault,
        names: &Names<'_>,
        sources: &mut Sources,
    ) -> Result<Option<Split>, String> {
        let parsed = TrafficSplit::from_value(config).map_err(|error| error.to_string())?;
        let Some(rules) = parsed.rules else { return Ok(None) };
        let rules = rules.iter().map(|rule| self.compile_rule(rule, default, names, sources)).collect();
        Ok(Some(Split { rules }))
    }

    fn compile_rule(
        &mut self,
        rule: &traffic_split::Rule,
        default: &RouteDefault,
        names: &Names<'_>,
        sources: &mut Sources,
    ) -> Rule {
        let lane = Rule::lane(rule.matches.as_deref());
        let mut missing = None;
        let mut choices: Vec<(ChoiceKey, Choice)> = Vec::new();
        for (number, weighted) in rule.weighted_upstreams.iter().enumerate() {
            let (key, default) = match &weighted.choice {
                traffic_split::Choice::ById(id) => {
                    let target = self.named(id, sources);
                    if target.is_none() {
                        missing.get_or_insert_with(|| id.clone());
                    }
                    (
                        ChoiceKey::Id(id.clone()),
                        target.map_or(RouteDefault::UpstreamGone, RouteDefault::Target),
                    )
                }
                traffic_split::Choice::Inline(upstream) => {
                    (ChoiceKey::Inline(number), RouteDefault::Target(self.target(upstream)))
                }
                traffic_split::Choice::Default => (ChoiceKey::Default, default.clone()),
            };
            let series = self.series_of(names, &default, lane);
            let goal = match default {
                RouteDefault::Target(target) => Goal::Target(target),
                nowhere => Goal::Nowhere(nowhere),
            };
            let choice = Choice { goal, weight: weighted.weight, series };
            // As in APISIX, a repeated key overwrites: the last weight wins.
            match choices.iter_mut().find(|(other, _)| *other == key) {
                Some((_, other)) => *other = choice,
                None => choices.push((key, choice)),
            }
        }
        let choices: Vec<Choice> = choices.into_iter().map(|(_, choice)| choice).collect();
        let weights: Vec<u32> = choices.iter().map(|choice| choice.weight).collect();
        let matches = rule.matches.as_ref().map(|matches| matches.iter().map(Matcher::compile).collect());
        Rule { matches, missing, wheel: Wheel::new(&weights, self.threads), choices }
    }

    fn series_of(&self, names: &Names<'_>, default: &RouteDefault, lane: Lane) -> Arc<Series> {
        match default {
            RouteDefault::Target(target) => self.counters(names, &target.app, target.answerer, lane),
            _ => self.counters(names, "", Answerer::Gate, lane),
        }
    }

    fn counters(&self, names: &Names<'_>, app: &str, answerer: Answerer, lane: Lane) -> Arc<Series> {
        self.series.series(&SeriesKey {
            route: names.route.to_owned(),
            service: names.service.to_owned(),
            app: app.to_owned(),
            answerer,
            lane,
            epoch: names.epoch,
        })
    }
}

/// What the counters of a route are named by.
struct Names<'a> {
    route: &'a str,
    service: &'a str,
    epoch: Revision,
}

/// By what a choice is told from the others of its rule (APISIX §2.4).
#[derive(PartialEq)]
enum ChoiceKey {
    Id(String),
    Inline(usize),
    Default,
}

fn of_kind(resources: &[Arc<Resource>], kind: Kind) -> impl Iterator<Item = &Arc<Resource>> {
    resources.iter().filter(move |resource| resource.kind == kind)
}

/// The configuration of `traffic-split` that holds for a route: its own, else its service's (APISIX §3.4).
fn split_config<'a>(route: &'a model::route::Route, service: Option<&'a Service>) -> Option<&'a Value> {
    let own = route.plugins.get("traffic-split");
    let config = own.or_else(|| service.and_then(|service| service.plugins.get("traffic-split")))?;
    let disabled = config.pointer("/_meta/disable").and_then(Value::as_bool).unwrap_or(false);
    (!disabled).then_some(config)
}

/// What decides between upstreams, as text: while it stays the same, so does the epoch.
fn digest(route: &Value, service: Option<&EffectiveService>, split: Option<&Value>) -> String {
    let text = |value: Option<&Value>| value.map(Value::to_string).unwrap_or_default();
    let of_service = service.map(|service| {
        let inline = service.inline.as_ref().map_or(0, |target| target.uid);
        format!("{inline} {}", service.service.upstream_id.as_deref().unwrap_or_default())
    });
    format!(
        "{}|{}|{}|{}",
        text(route.get("upstream")),
        text(route.get("upstream_id")),
        of_service.unwrap_or_default(),
        text(split)
    )
}
