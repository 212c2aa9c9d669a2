//! Routes and their splits.

use super::guards::{heed, show};
use super::problem::of_upstream;
use super::shadows::cast;
use super::{Compiler, EffectiveService, InlineTarget};
use crate::balance::shuffle::Shuffled;
use crate::balance::wheel::Wheel;
use crate::examine::Examination;
use crate::plugin::{Plan, configured};
use crate::router::Entry;
use crate::table::route::Sources;
use crate::table::{Choice, Goal, Route, RouteDefault, Rule, Split, Target, Turns};
use foldhash::quality::FixedState;
use model::cidr::Cidr;
use model::expr::eval::Matcher;
use model::record::{Answerer, Lane};
use model::resource::{Kind, Resource, Revision};
use model::service::Service;
use model::traffic_split::{self, Extension, TrafficSplit};
use model::upstream::Upstream;
use serde_json::Value;
use std::hash::BuildHasher;
use std::sync::Arc;
use telemetry::series::{Series, SeriesKey};

impl Compiler {
    /// Builds a route and puts it in its place; one that is switched off, or cannot be built, is left out.
    pub(super) fn compile_route(&mut self, revision: Revision, resource: &Resource) {
        let mut problems: Vec<_> =
            model::label::of_route(&resource.value).into_iter().map(|wrong| wrong.text).collect();
        let placed = self.placed(revision, resource, &mut problems).unwrap_or_else(|what| {
            problems.push(what);
            None
        });
        self.places.put(resource, placed);
        self.report(Kind::Route, &resource.id, problems);
    }

    fn placed(
        &mut self,
        revision: Revision,
        resource: &Resource,
        problems: &mut Vec<String>,
    ) -> Result<Option<(Entry, Arc<Route>)>, String> {
        let parsed = model::route::Route::from_value(&resource.value).map_err(|error| error.to_string())?;
        if !parsed.enabled {
            return Ok(None);
        }
        let service = parsed.service_id.as_deref().and_then(|id| self.services.get(id)).cloned();
        let hosts = match &service {
            Some(service) if parsed.hosts.is_empty() => service.service.hosts.clone(),
            _ => parsed.hosts.clone(),
        };
        let entry = Entry { order: 0, hosts, uris: parsed.uris.clone(), priority: parsed.priority };
        let (own, found) = configured(self.kinds, resource, &parsed.plugins, &mut self.shared);
        problems.extend(found);
        let plugins = Plan::merge(&[&own, service.as_ref().map_or(&[], |service| &service.plugins)]);
        let route = self.build(revision, resource, &parsed, service.as_deref())?;
        let route = Arc::new(Route { plugins, ..route });
        if let (Some(value), Some(upstream)) = (resource.value.get("upstream"), &parsed.upstream) {
            problems.extend(of_upstream(value, upstream));
        }
        problems.extend(route.sources.inline.iter().filter_map(|inline| inline.fault.clone()));
        problems.extend(route.sources.left_out.iter().cloned());
        Ok(Some((entry, route)))
    }

    /// Whether what a route was built from, apart from itself, is as it was.
    pub(super) fn is_current(&self, route: &Route) -> bool {
        let sources = &route.sources;
        sources.service == self.services.get(&route.service).map(|service| service.sources)
            && sources.held == self.held_of(&route.service)
            && sources.sent_back == self.services.get(&route.service).is_some_and(|one| one.is_sent_back())
            && sources.upstreams.iter().all(|(id, uid)| self.uid(id) == *uid)
    }

    fn build(
        &mut self,
        revision: Revision,
        resource: &Resource,
        parsed: &model::route::Route,
        service: Option<&EffectiveService>,
    ) -> Result<Route, String> {
        if parsed.has_filter_func {
            return Err("filter_func is Lua, which this gateway does not run".to_owned());
        }
        let sent_back = service.is_some_and(EffectiveService::is_sent_back);
        let of_service = service.map(|service| service.sources);
        let mut sources = Sources { service: of_service, sent_back, ..Sources::default() };
        let before = self.places.route(&resource.id).cloned();
        let kept = before.as_ref().map_or(&[][..], |before| &before.sources.inline);
        let default = self.default_of(parsed, service, kept, &mut sources);
        let config = split_config(Some(parsed), service.map(|service| &service.service));
        let digest = digest(&resource.value, service, config);
        let epoch =
            before.as_ref().filter(|before| before.digest == digest).map_or(revision, |before| before.epoch);
        let service_id = parsed.service_id.as_deref().unwrap_or_default();
        let names = Names { route: &parsed.id, service: service_id, epoch, kept };
        sources.held = self.held_of(service_id);
        let split =
            config.map(|config| self.compile_split(config, &default, &names, &mut sources)).transpose()?;
        let held = sources.held;
        let of_rules =
            split.iter().flatten().flat_map(|split| &split.rules).find_map(|rule| rule.hold.as_ref());
        let held = of_rules.map_or(held, |hold| hold.rule.requests);
        let tallies = self.tallies(names.owner(), held);
        let remote_addrs = parsed.remote_addrs.iter().map(|block| {
            // A block that is left out would open the route, in the end to everyone.
            Cidr::parse(block).ok_or_else(|| format!("remote_addr {block} is neither an address nor a block"))
        });
        Ok(Route {
            id: parsed.id.clone(),
            name: parsed.name.clone(),
            service: names.service.to_owned(),
            service_name: service.map(|service| service.service.name.clone()).unwrap_or_default(),
            methods: parsed.methods.iter().map(|method| method.as_str().into()).collect(),
            remote_addrs: remote_addrs.collect::<Result<_, _>>()?,
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
            plugins: Plan::default(),
            drain_timeout_ms: parsed.drain_timeout_ms,
            total_timeout_ms: parsed.total_timeout_ms,
            tallies,
            digest,
            sources,
        })
    }

    /// The upstream of the route, else of its service.
    fn default_of(
        &mut self,
        route: &model::route::Route,
        service: Option<&EffectiveService>,
        kept: &[InlineTarget],
        sources: &mut Sources,
    ) -> RouteDefault {
        if route.service_id.is_some() && service.is_none() {
            return RouteDefault::ServiceGone;
        }
        if let Some(upstream) = &route.upstream {
            return RouteDefault::Target(self.inline(&route.id, upstream, kept, sources));
        }
        if let Some(id) = &route.upstream_id {
            return self.named(id, sources).map_or(RouteDefault::UpstreamGone, RouteDefault::Target);
        }
        let Some(service) = service else { return RouteDefault::NotConfigured };
        match (&service.inline, &service.service.upstream_id) {
            (Some(inline), _) => RouteDefault::Target(Arc::clone(&inline.target)),
            (None, Some(id)) => {
                self.named(id, sources).map_or(RouteDefault::UpstreamGone, RouteDefault::Target)
            }
            (None, None) => RouteDefault::NotConfigured,
        }
    }

    /// An upstream that is written inside the route, or inside a rule of its split.
    fn inline(
        &mut self,
        route: &str,
        upstream: &Upstream,
        kept: &[InlineTarget],
        sources: &mut Sources,
    ) -> Arc<Target> {
        let inline = self.target(&format!("routes/{route}"), upstream, kept);
        let target = Arc::clone(&inline.target);
        sources.inline.push(inline);
        target
    }

    fn named(&self, id: &str, sources: &mut Sources) -> Option<Arc<Target>> {
        sources.upstreams.push((id.to_owned(), self.uid(id)));
        self.targets.get(id).map(|named| Arc::clone(&named.target))
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
        let told = rules.iter().flat_map(|rule| &rule.left_out);
        let told =
            told.map(|what| format!("{what}; the rule holds without it (has a newer version written it?)"));
        sources.left_out.extend(told);
        let rules = rules.iter().map(|rule| self.compile_rule(rule, default, names, sources));
        let rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        Ok(Some(Split { held: self.held_series(names, &rules), rules }))
    }

    fn compile_rule(
        &mut self,
        rule: &traffic_split::Rule,
        default: &RouteDefault,
        names: &Names<'_>,
        sources: &mut Sources,
    ) -> Result<Rule, String> {
        let extension = &rule.extension;
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
                    let target = self.inline(names.route, upstream, names.kept, sources);
                    (ChoiceKey::Inline(number), RouteDefault::Target(target))
                }
                traffic_split::Choice::Default => (ChoiceKey::Default, default.clone()),
            };
            let series = self.series_of(names, &default, lane);
            let goal = match default {
                RouteDefault::Target(target) => Goal::Target(target),
                nowhere => Goal::Nowhere(nowhere),
            };
            let upstream = match &key {
                ChoiceKey::Id(id) => Some(id.as_str()),
                ChoiceKey::Inline(_) | ChoiceKey::Default => None,
            };
            let examination =
                extension.answers.as_ref().and_then(|answers| Examination::new(answers, upstream));
            if let Some(answers) = &extension.answers {
                series.name_checks(answers.checks.iter().map(|check| check.name.as_str()));
            }
            let choice =
                Choice { goal, weight: weighted.weight, series, examination, seat: None, shadow: None };
            // As in APISIX, a repeated key overwrites: the last weight wins.
            match choices.iter_mut().find(|(other, _)| *other == key) {
                Some((_, other)) => *other = choice,
                None => choices.push((key, choice)),
            }
        }
        let is_new = |key: &ChoiceKey| {
            extension.guard.as_ref().is_some_and(|guard| *key == ChoiceKey::Id(guard.new.clone()))
        };
        let is_new: Vec<bool> = choices.iter().map(|(key, _)| is_new(key)).collect();
        let to = extension.shadow.as_ref().map(|shadow| ChoiceKey::Id(shadow.to.clone()));
        let is_live: Vec<bool> = choices.iter().map(|(key, _)| to.as_ref() != Some(key)).collect();
        let mut choices: Vec<Choice> = choices.into_iter().map(|(_, choice)| choice).collect();
        let mut extension = extension.clone();
        if let Some(rule) = extension.guard.take() {
            let guard =
                self.guards.guard(&rule.id).ok_or("tealgate.guard: is for the split of a service only")?;
            show(&guard, &self.series, &mut choices, &is_new, (names.route, names.epoch));
            if heed(&guard, &mut choices, &is_new) {
                extension = Extension::default();
            }
        }
        if let Some(rule) = &extension.shadow {
            let to = self.named(&rule.to, sources);
            cast(&self.shadows, rule, to, &mut choices, &is_live, self.threads);
        }
        let weights: Vec<u32> = choices.iter().map(|choice| choice.weight).collect();
        let matches = rule.matches.as_ref().map(|matches| matches.iter().map(Matcher::compile).collect());
        let hold = extension.hold.as_ref().and_then(|rule| {
            let tallies = self.tallies(names.owner(), rule.requests)?;
            Some(self.hold(rule, &tallies))
        });
        Ok(Rule { matches, missing, turns: self.turns(&extension, &weights), hold, choices })
    }

    /// How a rule chooses; a single choice is always made, as in APISIX.
    fn turns(&mut self, extension: &Extension, weights: &[u32]) -> Turns {
        let sticky = extension.sticky.as_ref().filter(|_| weights.len() > 1);
        if let Some(assignment) = sticky.and_then(|sticky| self.assigner.assignment(sticky, weights)) {
            return Turns::Assigned(Box::new(assignment));
        }
        let seed = extension.shuffle.as_ref().map(|seed| FixedState::default().hash_one(seed));
        match seed.and_then(|seed| Shuffled::new(weights, self.threads, seed)) {
            Some(shuffled) => Turns::Shuffled(shuffled),
            None => Turns::Wheel(Wheel::new(weights, self.threads)),
        }
    }

    fn series_of(&self, names: &Names<'_>, default: &RouteDefault, lane: Lane) -> Arc<Series> {
        match default {
            RouteDefault::Target(target) => self.counters(names, &target.app, target.answerer, lane),
            _ => self.counters(names, "", Answerer::Gate, lane),
        }
    }

    /// What waits in a hold is the app's already, also if no colour ever gets it: a release accounts for it.
    fn held_series(&self, names: &Names<'_>, rules: &[Rule]) -> Option<Arc<Series>> {
        rules.iter().find(|rule| rule.hold.is_some())?;
        let apps = rules.iter().flat_map(|rule| &rule.choices).filter_map(|choice| match &choice.goal {
            Goal::Target(target) => Some(target.app.as_str()),
            Goal::Nowhere(_) => None,
        });
        let app = apps.into_iter().find(|app| !app.is_empty()).unwrap_or_default();
        Some(self.counters(names, app, Answerer::Gate, Lane::Share))
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

/// What the counters of a route are named by, and what is kept of its last form.
struct Names<'a> {
    route: &'a str,
    service: &'a str,
    epoch: Revision,
    /// Inline upstreams of the route's last form.
    kept: &'a [InlineTarget],
}

impl Names<'_> {
    /// Whose requests are counted together.
    fn owner(&self) -> &str {
        if self.service.is_empty() { self.route } else { self.service }
    }
}

/// By what a choice is told from the others of its rule (APISIX §2.4).
#[derive(PartialEq)]
enum ChoiceKey {
    Id(String),
    Inline(usize),
    Default,
}

/// The configuration of `traffic-split` that holds for a route: its own, else its service's (APISIX §3.4).
pub(super) fn split_config<'a>(
    route: Option<&'a model::route::Route>,
    service: Option<&'a Service>,
) -> Option<&'a Value> {
    let own = route.and_then(|route| route.plugins.get("traffic-split"));
    let config = own.or_else(|| service.and_then(|service| service.plugins.get("traffic-split")))?;
    let disabled = config.pointer("/_meta/disable").and_then(Value::as_bool).unwrap_or(false);
    (!disabled).then_some(config)
}

/// What decides between upstreams, as text: while it stays the same, so does the epoch.
fn digest(route: &Value, service: Option<&EffectiveService>, split: Option<&Value>) -> String {
    let text = |value: Option<&Value>| value.map(Value::to_string).unwrap_or_default();
    let of_service = service.map(|service| {
        let inline = service.inline.as_ref().map_or(0, |inline| inline.target.uid);
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
