//! What becomes of users while both colours serve: who stays with which, and whether that can work on the routes at hand.

use super::{Path, Refusal, RoutePath};
use model::policy::{HeldRequests, Hold, ReleasePolicy, Sticky, StickyBy};
use model::resource::{Kind, Resource};
use model::route::plugins;
use model::traffic_split::{Extension, StickyRule};
use serde_json::Value;
use std::sync::Arc;

/// How the names of plugins that find out who a consumer is end.
const AUTHENTICATION: &str = "-auth";

/// What the rule of the shares says besides them. The id of the release is what tells it from every other one.
pub(super) fn assignment(app: &str, release: &str, policy: &ReleasePolicy) -> Extension {
    match &policy.sticky {
        Some(sticky) => Extension { sticky: Some(rule(app, release, sticky)), ..Extension::default() },
        None => Extension { shuffle: Some(release.to_owned()), ..Extension::default() },
    }
}

fn rule(app: &str, release: &str, sticky: &Sticky) -> StickyRule {
    let is_cookie = sticky.by == StickyBy::Cookie;
    // Not one name for all apps: two of them on one host would overwrite each other's.
    let name = match sticky.name.as_str() {
        "" if is_cookie => format!("tealgate_{app}"),
        name => name.to_owned(),
    };
    let max_age_s = if is_cookie { sticky.lifetime_ms / 1_000 } else { 0 };
    StickyRule { by: sticky.by, name, salt: release.to_owned(), max_age_s }
}

/// Routes of the service on which nobody is authenticated, of those that the release decides for.
fn anonymous<'a>(service: &Value, routes: &'a [RoutePath], resources: &[Arc<Resource>]) -> Vec<&'a str> {
    let asks = |owner: &Value| plugins(owner).keys().any(|name| name.ends_with(AUTHENTICATION));
    let by_service = asks(service);
    let by_route = |id: &str| {
        let route = resources.iter().find(|resource| resource.kind == Kind::Route && resource.id == id);
        route.is_some_and(|route| asks(&route.value))
    };
    let decided = routes.iter().filter(|route| route.path == Path::Service);
    decided.map(|route| route.route.as_str()).filter(|id| !by_service && !by_route(id)).collect()
}

/// What keeps a share from moving while requests wait for those under way: whatever stays open for long.
pub(super) fn held(hold: &Hold, scheme: &str) -> String {
    let Hold { requests, budget_ms, tries, .. } = hold;
    let (requests, what) = match (requests, scheme) {
        (HeldRequests::All, _) => ("all", "a download, a stream of events or a gRPC stream"),
        (_, "grpc" | "grpcs") => ("writes", "a gRPC stream (each call is a POST)"),
        _ => ("writes", "a slow upload or a gRPC stream (each call is a POST)"),
    };
    format!(
        "requests wait while the share moves (hold: {requests}): what stays open on the old version for longer than {budget_ms} ms, such \
         as {what}, keeps it from moving, and after {tries} tries the release goes back"
    )
}

/// What cannot work, and what works otherwise than someone might think.
pub(super) fn judged(
    policy: &ReleasePolicy,
    service: &Value,
    routes: &[RoutePath],
    resources: &[Arc<Resource>],
) -> (Option<Refusal>, Option<String>) {
    if policy.sticky.as_ref().is_none_or(|sticky| sticky.by != StickyBy::Consumer) {
        return (None, None);
    }
    let anonymous = anonymous(service, routes, resources);
    let decided = routes.iter().filter(|route| route.path == Path::Service).count();
    match anonymous.as_slice() {
        [] => (None, None),
        all if all.len() == decided => {
            let what = "consumer, but no route of the service has a plugin that authenticates (such as \
                        key-auth): add one, or assign by cookie, header or address";
            (Some(Refusal::policy("sticky.by", what)), None)
        }
        some => {
            let note =
                "nobody is authenticated on these routes, so there users are assigned by their address";
            (None, Some(format!("{note}: {}", some.join(", "))))
        }
    }
}
