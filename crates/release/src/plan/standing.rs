//! Where an app stands: its service as it holds, and which environment serves.
//!
//! The service says who is live, not the journal: a person may have switched with `curl` since the last release.

use super::reach::reach;
use super::{BeforeImage, OldSide};
use crate::target::EnvironmentSpec;
use model::app::App;
use model::colour::{Colour, LABEL_VERSION, upstream_id};
use model::overlay::{Overlay, Owned, effective};
use model::resource::{Kind, Origin, Resource};
use model::target::Target;
use model::upstream::{Upstream, id_text, labels};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The version that is shown when no release brought what serves.
pub(super) const UNKNOWN_VERSION: &str = "unknown";

/// An app's service as it holds now.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The stored service, without the overlay.
    pub service: Arc<Resource>,
    /// The overlay, if there is one, with its resource.
    pub overlay: Option<(Arc<Resource>, Overlay)>,
    /// The owned fields that hold: the service's, or the overlay's.
    pub owned: Owned,
}

/// Finds where a service stands; `None` if it does not exist.
#[must_use]
pub fn standing(service: &str, resources: &[Arc<Resource>]) -> Option<Standing> {
    let find = |kind: Kind| {
        resources.iter().find(|resource| resource.kind == kind && resource.id == service).cloned()
    };
    let service = find(Kind::Service)?;
    let overlay = find(Kind::Overlay).and_then(|resource| {
        let overlay = read_overlay(&resource)?;
        Some((resource, overlay))
    });
    let owned = Owned::of(&effective(&service.value, overlay.as_ref().map(|(_, overlay)| overlay)));
    Some(Standing { service, overlay, owned })
}

/// `None`: it cannot be read, so it does not hold.
pub(super) fn read_overlay(resource: &Resource) -> Option<Overlay> {
    serde_json::from_value(without_id(&resource.value)).ok()
}

/// The store writes `id` (and the times) into every resource; an overlay's own fields are the rest.
fn without_id(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        for key in ["id", "create_time", "update_time"] {
            object.shift_remove(key);
        }
    }
    value
}

impl Standing {
    /// The before-image of what a release will own.
    #[must_use]
    pub fn before(&self) -> BeforeImage {
        BeforeImage {
            owned: self.owned.clone(),
            overlay: self.overlay.as_ref().map(|(_, overlay)| overlay.clone()),
        }
    }

    /// Whose the service is.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.service.origin
    }

    /// The colours that user traffic can reach, by whatever service, route, rule or address; not by one of `previews`,
    /// the preview rules of the app's own releases.
    #[must_use]
    pub fn serving(
        &self,
        app: &str,
        target: &Target,
        previews: &[Value],
        resources: &[Arc<Resource>],
    ) -> Vec<Colour> {
        let reach = reach(self, previews, resources);
        let is_colour = |id: &str| Colour::BOTH.iter().any(|colour| upstream_id(app, *colour) == id);
        // An upstream of another name may hold the same addresses; that of another app's environment cannot.
        let others = resources.iter().filter(|resource| {
            resource.kind == Kind::Upstream
                && resource.origin != Origin::Release
                && reach.ids.contains(&resource.id)
                && !is_colour(&resource.id)
        });
        let mut nodes: BTreeSet<_> = others.flat_map(|other| addresses_of(&other.value)).collect();
        nodes.extend(reach.nodes);
        let by_address = self.colour_by_address(target, resources);
        let reached = |colour: &Colour| {
            let id = upstream_id(app, *colour);
            let overlaps = || {
                let stored = upstream_value(resources, &id).map(|stored| addresses_of(&stored));
                stored.into_iter().flatten().any(|node| nodes.contains(&node))
            };
            reach.ids.contains(&id) || by_address == Some(*colour) || overlaps()
        };
        Colour::BOTH.into_iter().filter(reached).collect()
    }

    /// The colour that the default upstream is.
    fn live_colour(&self, app: &App, resources: &[Arc<Resource>]) -> Option<Colour> {
        let id = self.owned.upstream_id.as_ref().map(|id| id_text(Some(id)));
        let by_id =
            id.and_then(|id| Colour::BOTH.into_iter().find(|colour| upstream_id(&app.id, *colour) == id));
        by_id.or_else(|| self.colour_by_address(&app.target, resources))
    }

    /// An upstream target tells its colours by their addresses, before any release has named them.
    fn colour_by_address(&self, target: &Target, resources: &[Arc<Resource>]) -> Option<Colour> {
        let Target::Upstream(target) = target else { return None };
        let default = match (&self.owned.upstream, &self.owned.upstream_id) {
            (Some(inline), _) => inline.clone(),
            (None, Some(id)) => upstream_value(resources, &id_text(Some(id)))?,
            (None, None) => return None,
        };
        let nodes = addresses_of(&default);
        let same = |value: &Value| !nodes.is_empty() && addresses_of(value) == nodes;
        match (same(&target.blue), same(&target.green)) {
            (true, false) => Some(Colour::Blue),
            (false, true) => Some(Colour::Green),
            _ => None,
        }
    }

    /// The side that is live now.
    #[must_use]
    pub fn live(
        &self,
        app: &App,
        resources: &[Arc<Resource>],
        environments: &BTreeMap<Colour, EnvironmentSpec>,
        base_dir: &str,
    ) -> Option<OldSide> {
        let colour = self.live_colour(app, resources)?;
        if let Some(environment) = environments.get(&colour) {
            let version = environment.version.clone();
            return Some(OldSide { colour, version, environment: Some(environment.clone()) });
        }
        let labelled = upstream_value(resources, &upstream_id(&app.id, colour))
            .and_then(|upstream| labels(&upstream).remove(LABEL_VERSION));
        let version = labelled.unwrap_or_else(|| UNKNOWN_VERSION.to_owned());
        // Addresses that someone else runs need no release to be known; processes of unknown origin are not ours.
        let environment = matches!(app.target, Target::Upstream(_)).then(|| EnvironmentSpec {
            app: app.id.clone(),
            colour,
            version: version.clone(),
            release: String::new(),
            target: app.target.clone(),
            base_dir: base_dir.to_owned(),
        });
        Some(OldSide { colour, version, environment })
    }
}

fn upstream_value(resources: &[Arc<Resource>], id: &str) -> Option<Value> {
    let found = resources.iter().find(|resource| resource.kind == Kind::Upstream && resource.id == id)?;
    Some((*found.value).clone())
}

fn addresses_of(upstream: &Value) -> Vec<(String, Option<u16>)> {
    addresses(Upstream::from_value(upstream, false))
}

/// The hosts and ports of an upstream, in order; `localhost` is the address that processes listen on.
pub(super) fn addresses(upstream: Upstream) -> Vec<(String, Option<u16>)> {
    let standard = upstream.scheme.standard_port();
    let host = |host: String| if host == "localhost" { "127.0.0.1".to_owned() } else { host };
    let mut nodes: Vec<_> = upstream
        .nodes
        .into_iter()
        .map(|node| (host(node.host), Some(node.port.unwrap_or(standard))))
        .collect();
    nodes.sort();
    nodes
}
