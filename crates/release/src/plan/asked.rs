//! Whether what gates ask through the gateway can reach the new version: its preview only holds on routes of the service. Pure.

use super::routes::{Path, of_service, path, uris};
use model::policy::{Check, Gate, SmokeRequest};
use model::resource::Resource;
use model::route::texts;
use serde_json::Value;
use std::sync::Arc;

/// Warns of requests that no route of the service matches. Hosts and conditions are not looked at.
pub(super) fn unreachable(
    gates: &[Gate],
    has_preview: bool,
    service: &str,
    resources: &[Arc<Resource>],
) -> Vec<String> {
    let routes = of_service(service, resources).map(|route| &*route.value);
    let routes: Vec<&Value> = routes.filter(|route| path(route) != Path::Disabled).collect();
    // That there is no route at all is said anyway.
    if routes.is_empty() || !has_preview {
        return Vec::new();
    }
    let of_gate = |gate: &Gate| -> Vec<String> {
        let Check::Smoke { requests, through_gate: true } = &gate.check else { return Vec::new() };
        let lost = requests.iter().filter(|request| routes.iter().all(|route| misses(route, request)));
        lost.map(|request| warning(gate, request, service, &routes)).collect()
    };
    gates.iter().flat_map(of_gate).collect()
}

fn warning(gate: &Gate, request: &SmokeRequest, service: &str, routes: &[&Value]) -> String {
    let mut paths: Vec<String> = routes.iter().flat_map(|route| uris(route)).collect();
    paths.sort();
    paths.dedup();
    let (name, method, path) = (&gate.name, &request.method, path_of(request));
    let paths = paths.join(", ");
    format!(
        "gate {name} asks {method} {path} through the gateway, too, and no route of service {service} matches that \
         ({paths}): so another route answers, or none; ask what a route matches"
    )
}

/// Whether a route certainly does not match. A path that is normalised before it is matched may become another one.
fn misses(route: &Value, request: &SmokeRequest) -> bool {
    let path = path_of(request);
    let is_plain = !path.contains('%') && !path.contains("//") && !path.contains("/.");
    let methods = texts(route, "methods");
    let other_method = !methods.is_empty() && !methods.contains(&request.method);
    other_method || (is_plain && !uris(route).iter().any(|uri| matches(uri, path)))
}

fn path_of(request: &SmokeRequest) -> &str {
    request.path.split('?').next().unwrap_or_default()
}

/// Whether a route's pattern matches a path; each `*` stands for anything (APISIX §3).
fn matches(pattern: &str, path: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(mut left) = path.strip_prefix(prefix) else { return false };
    let mut literals: Vec<&str> = rest.split('*').collect();
    let last = literals.pop().unwrap_or_default();
    for literal in literals {
        let Some((_, after)) = left.split_once(literal) else { return false };
        left = after;
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::resource;
    use model::resource::Kind;
    use serde_json::json;

    fn warnings(route: Value, request: Value) -> Vec<String> {
        let check = json!({"smoke": {"requests": [request]}});
        let gate: Gate = serde_json::from_value(json!({"name": "smoke", "check": check})).unwrap();
        let other = resource(Kind::Route, "b", json!({"uri": "/*", "service_id": "other"}));
        let off = resource(Kind::Route, "c", json!({"uri": "/*", "service_id": "shop", "status": 0}));
        let routes = [resource(Kind::Route, "a", route), other, off];
        assert_eq!(unreachable(std::slice::from_ref(&gate), false, "shop", &routes), Vec::<String>::new());
        unreachable(&[gate], true, "shop", &routes)
    }

    #[test]
    fn what_no_route_of_the_service_matches_is_told_with_what_they_match() {
        let route = json!({"uris": ["/shop/*", "/cart"], "methods": ["GET"], "service_id": "shop"});
        assert_eq!(
            warnings(route.clone(), json!({"path": "/healthz?full=1"})),
            [
                "gate smoke asks GET /healthz through the gateway, too, and no route of service shop matches that \
              (/cart, /shop/*): so another route answers, or none; ask what a route matches"
            ]
        );
        for right in ["/shop/", "/shop/a/b?c", "/cart", "/sho%70/x", "//cart", "/x/../cart"] {
            assert_eq!(warnings(route.clone(), json!({"path": right})), Vec::<String>::new(), "{right}");
        }
        assert_eq!(warnings(route.clone(), json!({"path": "/cart", "method": "POST"})).len(), 1);
        assert_eq!(warnings(route, json!({"path": "/cart/"})).len(), 1);
    }

    #[test]
    fn each_star_of_a_pattern_stands_for_anything() {
        let fits =
            [("/*", "/"), ("/a", "/a"), ("/a*c", "/abc"), ("/*/b/*.css", "/x/b/y.css"), ("/a*a", "/aa")];
        assert!(fits.iter().all(|(pattern, path)| matches(pattern, path)));
        let not =
            [("/a", "/ab"), ("/a/*", "/a"), ("/a*c", "/abcd"), ("/*/b/*.css", "/b/y.css"), ("/a*a", "/a")];
        assert!(not.iter().all(|(pattern, path)| !matches(pattern, path)));
    }
}
