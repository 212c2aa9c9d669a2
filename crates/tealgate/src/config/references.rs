//! References between the resources of a file: each must lead to something in the same file.
//!
//! The two upstreams of an app (`shop-blue`, `shop-green`) are made by its releases; they may be named before they
//! exist.

use crate::config::resources::FileResource;
use crate::config::suggest::nearest;
use crate::config::typed::Finding;
use model::colour::{Colour, upstream_id};
use model::resource::Kind;
use model::upstream::id_text;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// One reference from a resource to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where it stands, as a JSON pointer into the resource.
    pub pointer: String,
    /// The kind that it names.
    pub kind: Kind,
    /// The id that it names.
    pub id: String,
}

/// All references that a resource makes.
#[must_use]
pub fn of(kind: Kind, value: &Value) -> Vec<Reference> {
    let mut references = Vec::new();
    let mut push = |pointer: &str, kind: Kind| {
        if let Some(id) = value.pointer(pointer) {
            references.push(Reference { pointer: pointer.to_owned(), kind, id: id_text(Some(id)) });
        }
    };
    match kind {
        Kind::Route => {
            push("/service_id", Kind::Service);
            push("/upstream_id", Kind::Upstream);
        }
        Kind::Service => push("/upstream_id", Kind::Upstream),
        Kind::App => push("/service_id", Kind::Service),
        Kind::Upstream => push("/tls/client_cert_id", Kind::Ssl),
        Kind::Ssl | Kind::Consumer | Kind::Credential | Kind::Overlay => {}
    }
    if matches!(kind, Kind::Route | Kind::Service) {
        push("/upstream/tls/client_cert_id", Kind::Ssl);
    }
    references.extend(split_references(value));
    references
}

/// `plugins.traffic-split.rules[].weighted_upstreams[].upstream_id`.
fn split_references(value: &Value) -> Vec<Reference> {
    let rules = value.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
    let mut references = Vec::new();
    for (rule, content) in rules.into_iter().flatten().enumerate() {
        let choices = content.get("weighted_upstreams").and_then(Value::as_array);
        for (choice, content) in choices.into_iter().flatten().enumerate() {
            if let Some(id) = content.get("upstream_id") {
                let pointer =
                    format!("/plugins/traffic-split/rules/{rule}/weighted_upstreams/{choice}/upstream_id");
                references.push(Reference { pointer, kind: Kind::Upstream, id: id_text(Some(id)) });
            }
        }
    }
    references
}

/// Checks every reference of a file.
pub fn check(resources: &[FileResource], findings: &mut Vec<Finding>) {
    let made = made_by_releases(resources);
    let known: HashSet<(Kind, &str)> =
        resources.iter().map(|resource| (resource.kind, resource.id.as_str())).collect();
    for resource in resources {
        for reference in of(resource.kind, &resource.value) {
            let exists = known.contains(&(reference.kind, reference.id.as_str()))
                || (reference.kind == Kind::Upstream && made.contains(&reference.id));
            if !exists {
                findings.push(dangling(resource, &reference, &known));
            }
        }
    }
    one_app_per_service(resources, findings);
    names_that_releases_need(resources, &made, findings);
}

/// The ids of the upstreams that the releases of the file's apps make.
fn made_by_releases(resources: &[FileResource]) -> HashSet<String> {
    let apps = resources.iter().filter(|resource| resource.kind == Kind::App);
    apps.flat_map(|app| Colour::BOTH.map(|colour| upstream_id(&app.id, colour))).collect()
}

fn dangling(resource: &FileResource, reference: &Reference, known: &HashSet<(Kind, &str)>) -> Finding {
    let (kind, id) = (reference.kind, &reference.id);
    let candidates = known.iter().filter(|(candidate, _)| *candidate == kind).map(|(_, id)| *id);
    let hint = match nearest(id, candidates) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("add it under `{}`", kind.collection()),
    };
    let message = format!("there is no {} `{id}` in this file", kind.singular());
    Finding { pointer: format!("{}{}", resource.pointer, reference.pointer), message, hint }
}

fn one_app_per_service(resources: &[FileResource], findings: &mut Vec<Finding>) {
    let mut owners: HashMap<String, &str> = HashMap::new();
    for app in resources.iter().filter(|resource| resource.kind == Kind::App) {
        let service = id_text(app.value.get("service_id"));
        if let Some(owner) = owners.insert(service.clone(), &app.id) {
            findings.push(Finding {
                pointer: format!("{}/service_id", app.pointer),
                message: format!("the service `{service}` already belongs to the app `{owner}`"),
                hint: "give each app a service of its own".to_owned(),
            });
        }
    }
}

fn names_that_releases_need(resources: &[FileResource], made: &HashSet<String>, findings: &mut Vec<Finding>) {
    for upstream in
        resources.iter().filter(|resource| resource.kind == Kind::Upstream && made.contains(&resource.id))
    {
        findings.push(Finding {
            pointer: format!("{}/id", upstream.pointer),
            message: format!("the releases of an app make the upstream `{}` themselves", upstream.id),
            hint:
                "remove it here; an environment that you run yourself is given in the app's `target.upstream`"
                    .to_owned(),
        });
    }
}
