//! Why a file cannot become the desired state: something in it is another's, or something it leaves out is still
//! needed.

use crate::config::Loaded;
use crate::config::error::ConfigErrors;
use crate::config::references;
use crate::config::typed::Finding;
use model::overlay::{Overlay, Owned};
use model::resource::{Kind, Origin, Resource};
use model::upstream::id_text;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use store::Snapshot;

/// Checks a file against the store.
///
/// # Errors
/// All conflicts.
pub(super) fn check(snapshot: &Snapshot, loaded: &Loaded) -> Result<(), ConfigErrors> {
    let view = View::new(snapshot, loaded);
    let mut findings = Vec::new();
    view.ids_of_others(&mut findings);
    view.still_in_use(&mut findings);
    for resource in snapshot.resources.iter().filter(|resource| resource.kind == Kind::Overlay) {
        match Overlay::from_value(&resource.value) {
            Ok(overlay) => view.overlay(&resource.id, &overlay, &mut findings),
            Err(error) => findings.push(at(
                "",
                format!("the overlay of the service `{}` is unreadable: {error}", resource.id),
                "",
            )),
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let mut errors: Vec<_> = findings.iter().map(|finding| loaded.error(finding)).collect();
    errors.sort_by_key(|error| (error.line, error.column));
    Err(ConfigErrors(errors))
}

/// The store as it is and the file as it should become.
struct View<'a> {
    stored: HashMap<(Kind, &'a str), &'a Resource>,
    wanted: HashMap<(Kind, &'a str), (&'a str, &'a Value)>,
    /// Resources of the file that the new file leaves out.
    vanishing: HashSet<(Kind, &'a str)>,
}

impl<'a> View<'a> {
    fn new(snapshot: &'a Snapshot, loaded: &'a Loaded) -> View<'a> {
        let stored: HashMap<_, _> = snapshot
            .resources
            .iter()
            .map(|resource| ((resource.kind, resource.id.as_str()), resource.as_ref()))
            .collect();
        let wanted: HashMap<_, _> = loaded
            .resources
            .iter()
            .map(|resource| {
                ((resource.kind, resource.id.as_str()), (resource.pointer.as_str(), &resource.value))
            })
            .collect();
        let vanishing = stored
            .iter()
            .filter(|(key, resource)| resource.origin == Origin::File && !wanted.contains_key(*key))
            .map(|(key, _)| *key)
            .collect();
        View { stored, wanted, vanishing }
    }

    /// An id that belongs to the Admin API or to a release.
    fn ids_of_others(&self, findings: &mut Vec<Finding>) {
        for (key, (pointer, _)) in &self.wanted {
            let Some(stored) = self.stored.get(key).filter(|stored| stored.origin != Origin::File) else {
                continue;
            };
            let (kind, id) = (stored.kind, &stored.id);
            let collection = kind.collection();
            let hint = match stored.origin {
                Origin::Release => "choose another id: this one belongs to the releases of an app".to_owned(),
                _ => format!(
                    "choose another id, or delete that one first: DELETE /apisix/admin/{collection}/{id}"
                ),
            };
            let message =
                format!("the {} `{id}` already exists, made by the Admin API or a release", kind.singular());
            findings.push(Finding { pointer: format!("{pointer}/id"), message, hint });
        }
    }

    /// What the Admin API or a release made may need what the file leaves out.
    fn still_in_use(&self, findings: &mut Vec<Finding>) {
        for user in self.stored.values().filter(|user| user.origin != Origin::File) {
            for reference in references::of(user.kind, &user.value) {
                if self.vanishing.contains(&(reference.kind, reference.id.as_str())) {
                    let (kind, id) = (reference.kind, &reference.id);
                    let message = format!(
                        "the {} `{id}` is no longer in this file, but the {} `{}` uses it",
                        kind.singular(),
                        user.kind.singular(),
                        user.id
                    );
                    let hint = format!(
                        "keep the {} in the file, or change the {} first",
                        kind.singular(),
                        user.kind.singular()
                    );
                    findings.push(at(&format!("/{}", kind.collection()), message, &hint));
                }
            }
        }
    }

    /// What a release owns of a service of the file.
    fn overlay(&self, service_id: &str, overlay: &Overlay, findings: &mut Vec<Finding>) {
        let app = &overlay.app;
        let owns = format!("releases of the app `{app}` own the live colour of the service `{service_id}`");
        let Some((service_at, service)) = self.wanted.get(&(Kind::Service, service_id)) else {
            let message = format!("the service `{service_id}` is no longer in this file, but {owns}");
            findings.push(at(
                "/services",
                message,
                "put the service back; remove it together with its app through the Admin API",
            ));
            return;
        };
        match self.wanted.get(&(Kind::App, app.as_str())) {
            Some((_, value)) if id_text(value.get("service_id")) == service_id => {}
            Some((app_at, _)) => {
                let message =
                    format!("the app `{app}` names another service, but it still owns `{service_id}`");
                findings.push(at(
                    &format!("{app_at}/service_id"),
                    message,
                    &format!("write `service_id: {service_id}`"),
                ));
            }
            None if self
                .stored
                .get(&(Kind::App, app.as_str()))
                .is_some_and(|stored| stored.origin != Origin::File) => {}
            None => {
                let message = format!("the app `{app}` is no longer in this file, but {owns}");
                findings.push(at("/apps", message, "put the app back"));
            }
        }
        self.owned_fields(service_at, service, overlay, findings);
        self.owned_upstreams(service_at, &overlay.owned, app, findings);
    }

    /// The file must go on saying of the owned fields what it said when the overlay was made.
    fn owned_fields(
        &self,
        service_at: &str,
        service: &Value,
        overlay: &Overlay,
        findings: &mut Vec<Finding>,
    ) {
        let says = Owned::of(service);
        let fields = [
            ("/upstream_id", &says.upstream_id, &overlay.base.upstream_id),
            ("/upstream", &says.upstream, &overlay.base.upstream),
            ("/plugins/traffic-split", &says.traffic_split, &overlay.base.traffic_split),
        ];
        for (field, says, said) in fields {
            if says == said {
                continue;
            }
            let name = field.trim_start_matches('/').replace('/', ".");
            let message =
                format!("`{name}` was changed, but the releases of the app `{}` own it now", overlay.app);
            let hint = match said {
                Some(said) => format!("put back what it said: {}", shortened(said)),
                None => format!("leave `{name}` out, as before; to move traffic, start a release"),
            };
            findings.push(at(&format!("{service_at}{field}"), message, &hint));
        }
    }

    /// Where the release sent the traffic must still exist.
    fn owned_upstreams(&self, service_at: &str, owned: &Owned, app: &str, findings: &mut Vec<Finding>) {
        let mut service = Value::Object(serde_json::Map::new());
        owned.apply(&mut service);
        for reference in references::of(Kind::Service, &service) {
            if self.vanishing.contains(&(reference.kind, reference.id.as_str())) {
                let id = &reference.id;
                let message = format!(
                    "the upstream `{id}` is no longer in this file, but the app `{app}` sends traffic to it"
                );
                findings.push(at(service_at, message, &format!("put the upstream `{id}` back")));
            }
        }
    }
}

fn at(pointer: &str, message: String, hint: &str) -> Finding {
    Finding { pointer: pointer.to_owned(), message, hint: hint.to_owned() }
}

/// The beginning of a value's JSON, for messages.
fn shortened(value: &Value) -> String {
    const LONGEST: usize = 200;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
