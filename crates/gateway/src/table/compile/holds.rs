//! Which requests may have to wait: by the policies of apps, and by the rules that say so now.

use super::Compiler;
use super::changes::Changes;
use crate::hold::{Hold, Tallies};
use model::policy::HeldRequests;
use model::resource::{Kind, Resource};
use model::traffic_split::HoldRule;
use std::sync::Arc;

impl Compiler {
    /// Reads the policies of all apps again when one has changed.
    pub(super) fn read_holds(&mut self, changes: &Changes<'_>, resources: &[Arc<Resource>]) {
        if changes.of(Kind::App).next().is_some() {
            let apps = resources.iter().filter(|resource| resource.kind == Kind::App);
            self.held = apps.filter_map(|app| held_by(app)).collect();
        }
    }

    /// Which requests the policy of a service's app holds.
    pub(super) fn held_of(&self, service: &str) -> HeldRequests {
        self.held.get(service).copied().unwrap_or_default()
    }

    /// The counters of a service (or of a route without one) of what a hold would wait for. They stay the same ones while
    /// the same requests are counted, so that nothing that is under way is forgotten.
    pub(super) fn tallies(&mut self, owner: &str, requests: HeldRequests) -> Option<Arc<Tallies>> {
        if requests == HeldRequests::None {
            return None;
        }
        let known = self.tallies.get(owner).filter(|known| known.requests == requests);
        let tallies = known.map_or_else(|| self.holds.tallies(requests), Arc::clone);
        self.tallies.insert(owner.to_owned(), Arc::clone(&tallies));
        Some(tallies)
    }

    /// Forgets the counters that no route uses any more.
    pub(super) fn forget_unused_tallies(&mut self) {
        self.tallies.retain(|_, tallies| Arc::strong_count(tallies) > 1);
    }

    /// The hold of a rule. One that stood before this gateway did is over.
    pub(super) fn hold(&self, rule: &HoldRule, tallies: &Arc<Tallies>) -> Arc<Hold> {
        self.holds.hold(rule, tallies, !self.has_compiled)
    }
}

/// The service of an app and which requests its policy holds, if it does.
fn held_by(app: &Resource) -> Option<(String, HeldRequests)> {
    let service = app.value.get("service_id")?.as_str()?;
    let requests = app.value.pointer("/release/hold/requests")?.clone();
    let requests: HeldRequests = serde_json::from_value(requests).ok()?;
    (requests != HeldRequests::None).then(|| (service.to_owned(), requests))
}
