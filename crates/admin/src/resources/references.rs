//! References between resources (APISIX §1.6): what a write names must exist, and what is used is not deleted.

use crate::resources::view::{self, Shown};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::colour::{Colour, upstream_id};
use model::resource::Kind;
use model::route::optional_id;
use serde_json::Value;

/// Checks that what a value names exists. As in APISIX, the `upstream_id`s of a traffic-split are not looked up: a
/// missing one shows at run time.
pub(crate) async fn must_exist(state: &AdminState, kind: Kind, value: &Value) -> Result<(), Problem> {
    let named: &[(Kind, &str)] = match kind {
        Kind::Route => &[(Kind::Upstream, "upstream_id"), (Kind::Service, "service_id")],
        Kind::Service => &[(Kind::Upstream, "upstream_id")],
        Kind::App => &[(Kind::Service, "service_id")],
        Kind::Upstream | Kind::Ssl | Kind::Consumer | Kind::Credential | Kind::Overlay => &[],
    };
    for (kind, key) in named {
        let Some(id) = optional_id(value, key) else { continue };
        if state.store.get(*kind, &id).await?.is_none() {
            return Err(missing(kind.singular(), &id));
        }
    }
    // Kinds that do not exist here: whatever names one names nothing.
    if let Some(id) = optional_id(value, "plugin_config_id") {
        return Err(missing("plugin config", &id));
    }
    if let Some(id) = optional_id(value, "group_id").filter(|_| kind == Kind::Consumer) {
        return Err(missing("consumer group", &id));
    }
    let inline = value.get("upstream");
    for upstream in [Some(value), inline].into_iter().flatten() {
        if let Some(id) = upstream.get("tls").and_then(|tls| optional_id(tls, "client_cert_id")) {
            let ssl = state.store.get(Kind::Ssl, &id).await?.ok_or_else(|| missing("ssl", &id))?;
            if ssl.value.get("type").and_then(Value::as_str) != Some("client") {
                return Err(Problem::invalid("wrong ssl type"));
            }
        }
    }
    Ok(())
}

fn missing(what: &str, id: &str) -> Problem {
    Problem::Invalid(format!("failed to fetch {what} info by {what} id [{id}], response code: 404"))
}

/// Checks that nothing uses the resource.
pub(crate) async fn must_be_unused(state: &AdminState, kind: Kind, id: &str) -> Result<(), Problem> {
    match kind {
        Kind::Upstream => {
            let users =
                [view::all(state, Kind::Route).await?, view::all(state, Kind::Service).await?].concat();
            let by_id = users.iter().find(|user| names(user, "upstream_id", id));
            if let Some(user) = by_id {
                return Err(in_use("this upstream", user.kind.singular(), &user.id));
            }
            match users.iter().find(|user| splits_to(&user.value, id)) {
                Some(user) => {
                    Err(in_use("this upstream", &format!("plugin in {}", user.kind.singular()), &user.id))
                }
                None => Ok(()),
            }
        }
        Kind::Service => {
            for user in [view::all(state, Kind::Route).await?, view::all(state, Kind::App).await?].concat() {
                if names(&user, "service_id", id) {
                    return Err(in_use("this service directly", user.kind.singular(), &user.id));
                }
            }
            Ok(())
        }
        // In APISIX a certificate may go while an upstream names it, and each request there fails from then on.
        Kind::Ssl => {
            for kind in [Kind::Upstream, Kind::Service, Kind::Route, Kind::App] {
                let users = state.store.list(kind).await?;
                if let Some(user) = users.iter().find(|user| shows(&user.value, id)) {
                    return Err(in_use("this ssl", kind.singular(), &user.id));
                }
            }
            Ok(())
        }
        Kind::Route | Kind::Consumer | Kind::Credential | Kind::App | Kind::Overlay => Ok(()),
    }
}

/// The app that an upstream is an environment of. Such an upstream stays while its app does, whatever `force` says:
/// the live environment must not vanish.
pub(crate) async fn app_of_upstream(state: &AdminState, upstream: &str) -> Result<Option<String>, Problem> {
    let apps = state.store.list(Kind::App).await?;
    let owner = apps.iter().find(|app| is_environment(upstream, &app.id));
    Ok(owner.map(|app| app.id.clone()))
}

/// Whether an upstream is an environment of an app.
pub(crate) fn is_environment(upstream: &str, app: &str) -> bool {
    Colour::BOTH.iter().any(|colour| upstream_id(app, *colour) == upstream)
}

/// The app that moves a service's traffic.
pub(crate) async fn app_of_service(state: &AdminState, service: &str) -> Result<Option<String>, Problem> {
    let apps = state.store.list(Kind::App).await?;
    let owner = apps.iter().find(|app| optional_id(&app.value, "service_id").as_deref() == Some(service));
    Ok(owner.map(|app| app.id.clone()))
}

pub(crate) fn in_use(what: &str, user: &str, id: &str) -> Problem {
    Problem::Invalid(format!("can not delete {what}, {user} [{id}] is still using it now"))
}

fn names(user: &Shown, key: &str, id: &str) -> bool {
    optional_id(&user.value, key).as_deref() == Some(id)
}

/// Whether an upstream shows this certificate to its nodes, wherever it stands in a resource.
fn shows(value: &Value, ssl: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| shows(item, ssl)),
        Value::Object(object) => {
            let named = object.get("tls").and_then(|tls| optional_id(tls, "client_cert_id"));
            named.as_deref() == Some(ssl) || object.values().any(|value| shows(value, ssl))
        }
        _ => false,
    }
}

/// Whether a traffic-split of a route or service sends requests to an upstream.
fn splits_to(value: &Value, upstream: &str) -> bool {
    let rules = value.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
    rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get("weighted_upstreams")?.as_array())
        .flatten()
        .any(|choice| optional_id(choice, "upstream_id").as_deref() == Some(upstream))
}
