//! The effective split of every route: whether what a release writes into the service decides for the route, too.
//!
//! APISIX merges plugins by place, the route before the service, each configuration as a whole; so a route can
//! bypass its service. A release that moved only part of the traffic without saying so would lie in its report.

use super::Refusal;
use model::resource::{Kind, Resource};
use model::route::{drain_timeout_ms, optional_id, plugins};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// One route that names the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePath {
    /// The route's id.
    pub route: String,
    /// Its paths and hosts, for people.
    pub matches: String,
    /// Who decides.
    pub path: Path,
}

/// Who decides where a route's requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// The service: what the release writes holds for this route.
    Service,
    /// The route's own traffic-split.
    OwnSplit,
    /// The route's own upstream.
    OwnUpstream,
    /// Nobody: the route is switched off (`status: 0`).
    Disabled,
}

/// The routes that name `service`, switched off or not.
pub(super) fn of_service<'a>(
    service: &'a str,
    resources: &'a [Arc<Resource>],
) -> impl Iterator<Item = &'a Arc<Resource>> {
    resources.iter().filter(move |resource| {
        resource.kind == Kind::Route && optional_id(&resource.value, "service_id").as_deref() == Some(service)
    })
}

/// Lists the routes that name `service`, in the order of their ids.
pub(super) fn routes_of(service: &str, resources: &[Arc<Resource>]) -> Vec<RoutePath> {
    let mut routes: Vec<RoutePath> = of_service(service, resources)
        .map(|resource| RoutePath {
            route: resource.id.clone(),
            matches: matches(&resource.value),
            path: path(&resource.value),
        })
        .collect();
    routes.sort_by(|a, b| a.route.cmp(&b.route));
    routes
}

/// The routes that bypass the service, as refusals.
pub(super) fn bypasses(service: &str, routes: &[RoutePath]) -> Vec<Refusal> {
    let service = service.to_owned();
    let refusal = |route: &RoutePath| {
        let (route, service, path) = (route.route.clone(), service.clone(), route.path);
        match path {
            Path::OwnSplit => Some(Refusal::RouteSplits { route, service }),
            Path::OwnUpstream => Some(Refusal::RouteUpstream { route, service }),
            Path::Service | Path::Disabled => None,
        }
    };
    routes.iter().filter_map(refusal).collect()
}

/// The longest time that one of these routes lets its streams stay, milliseconds; 0: none says so itself.
pub(super) fn longest_drain_ms(routes: &[RoutePath], resources: &[Arc<Resource>]) -> u64 {
    let of_route = |route: &RoutePath| {
        let resource = resources.iter().find(|one| one.kind == Kind::Route && one.id == route.route)?;
        drain_timeout_ms(&resource.value)
    };
    let decided = routes.iter().filter(|route| route.path == Path::Service);
    decided.filter_map(of_route).max().unwrap_or(0)
}

/// The first plain host that leads to the service, for checks that go through the gateway.
pub(super) fn host_of(service: &Value, service_id: &str, resources: &[Arc<Resource>]) -> Option<String> {
    let of_routes = of_service(service_id, resources).flat_map(|resource| hosts(&resource.value));
    of_routes.chain(hosts(service)).find(|host| !host.starts_with('*'))
}

/// Who decides for a route.
pub(super) fn path(route: &Value) -> Path {
    if route.get("status").and_then(Value::as_i64) == Some(0) {
        Path::Disabled
    } else if plugins(route).contains_key("traffic-split") {
        Path::OwnSplit
    } else if route.get("upstream").is_some() || route.get("upstream_id").is_some() {
        Path::OwnUpstream
    } else {
        Path::Service
    }
}

fn matches(route: &Value) -> String {
    let mut words = uris(route);
    words.extend(hosts(route).into_iter().map(|host| format!("host {host}")));
    words.join(", ")
}

/// The paths of a route.
pub(super) fn uris(route: &Value) -> Vec<String> {
    one_or_many(route, "uri", "uris")
}

fn hosts(owner: &Value) -> Vec<String> {
    one_or_many(owner, "host", "hosts")
}

fn one_or_many(owner: &Value, one: &str, many: &str) -> Vec<String> {
    match owner.get(one).and_then(Value::as_str) {
        Some(text) => vec![text.to_owned()],
        None => model::route::texts(owner, many),
    }
}
