//! The switch of our own gateway: the same resources that a person would write through the Admin API, written through
//! the store with compare-and-swap under the lease's fence.
//!
//! A service that came through the Admin API is written itself. A service that a file says is left alone, and what
//! the release owns of it is put into an overlay beside it.

use super::owned::{Position, difference, owned_at, preview_rules};
use super::{Applied, Seen, Switch, SwitchError, Write};
use crate::counters::{Gateways, spread};
use crate::failpoint::{Deed, Failpoints};
use crate::lease::LEASE;
use crate::machine::Spread;
use crate::plan::{Component, Plan, Standing, standing};
use async_trait::async_trait;
use model::colour::{Colour, upstream_id};
use model::overlay::{Overlay, Owned};
use model::resource::{Kind, Origin, Resource, Revision};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Expect, Store, StoreError};

/// How often a write is tried again because someone changed another field of the service meanwhile.
const MAX_TRIES: u32 = 8;

/// Moves traffic in our gateway.
#[derive(Clone)]
pub struct GatewaySwitch {
    store: Arc<dyn Store>,
    live_within_ms: i64,
    failpoints: Failpoints,
}

impl GatewaySwitch {
    /// A switch on a store; a gateway counts as alive while its report is at most `live_within_ms` old.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, live_within_ms: i64, failpoints: Failpoints) -> GatewaySwitch {
        GatewaySwitch { store, live_within_ms, failpoints }
    }

    /// Brings the upstreams of environments up to date with their addresses, outside of any switch.
    ///
    /// # Errors
    /// What the store says; a lost race is none, the next look finds it.
    pub async fn sync_endpoints(
        &self,
        app: &str,
        endpoints: &BTreeMap<Colour, Value>,
        fence: u64,
    ) -> Result<Option<Revision>, StoreError> {
        let mut known = Vec::new();
        for colour in endpoints.keys() {
            known.extend(self.store.get(Kind::Upstream, &upstream_id(app, *colour)).await?);
        }
        let writes = upstream_writes(app, endpoints, &known);
        if writes.is_empty() {
            return Ok(None);
        }
        let deed = || Deed::Write { of: app.to_owned(), what: "endpoints".to_owned() };
        self.commit(deed, writes, fence).await
    }

    /// Writes under the lease. `None`: someone else was faster.
    async fn commit(
        &self,
        deed: impl FnOnce() -> Deed,
        writes: Vec<store::Write>,
        fence: u64,
    ) -> Result<Option<Revision>, StoreError> {
        let committing = self.store.commit(writes, Some((LEASE, fence)));
        match self.failpoints.around(deed, committing).await {
            Ok(committed) => Ok(Some(committed.revision)),
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn try_to_apply(&self, write: &Write<'_>) -> Result<Option<Applied>, SwitchError> {
        let component = write.component;
        let resources = self.store.snapshot().await?.resources;
        let Some(standing) = standing(&component.service, &resources) else {
            let service = component.service.clone();
            // Where there is no service, no user reaches the new version: that is what going back is for.
            return match write.position {
                Position::Before => {
                    let overwrote = Some(format!("service {service} was deleted"));
                    Ok(Some(Applied { revision: *self.store.watch().borrow(), overwrote }))
                }
                _ => Err(SwitchError::ServiceGone { service }),
            };
        };
        let wanted = owned_at(write.plan, component, write.position);
        let should = write.expected.first().unwrap_or(&wanted);
        let is_expected = standing.owned == wanted || write.expected.contains(&standing.owned);
        let edit = if is_expected { None } else { difference(write.plan, should, &standing.owned) };
        if let Some(diff) = &edit
            && !write.overwrite
        {
            return Err(SwitchError::Foreign { service: component.service.clone(), diff: diff.clone() });
        }
        let mut writes = upstream_writes(&component.app, write.endpoints, &resources);
        if standing.owned != wanted {
            writes.push(service_write(component, &standing, wanted.clone()));
        }
        if writes.is_empty() {
            let untouched = wanted == component.before.owned;
            let now = *self.store.watch().borrow();
            let revision = if untouched { now } else { revision_of(&standing) };
            return Ok(Some(Applied { revision, overwrote: edit }));
        }
        let (of, what) = (&write.plan.release, write.position);
        let deed = || Deed::Write { of: of.clone(), what: what.to_string() };
        let written = self.commit(deed, writes, write.fence).await?;
        Ok(written.map(|revision| Applied { revision, overwrote: edit }))
    }
}

#[async_trait]
impl Switch for GatewaySwitch {
    async fn observe(&self, plan: &Plan, component: &Component) -> Result<Seen, SwitchError> {
        // Any service or route may send users to an environment, so all of them are looked at, at one revision.
        let resources = self.store.snapshot().await?.resources;
        let Some(standing) = standing(&component.service, &resources) else { return Ok(Seen::default()) };
        let serving =
            standing.serving(&component.app, &component.new.target, &preview_rules(plan), &resources);
        Ok(Seen { owned: Some(standing.owned), serving })
    }

    async fn apply(&self, write: &Write<'_>) -> Result<Applied, SwitchError> {
        let new = write.component.new.colour;
        let needs_new = write.position != Position::Before;
        let known = upstream_id(&write.component.app, new);
        if needs_new
            && !write.endpoints.contains_key(&new)
            && self.store.get(Kind::Upstream, &known).await?.is_none()
        {
            return Err(SwitchError::NoAddress { app: write.component.app.clone(), colour: new });
        }
        for _ in 0..MAX_TRIES {
            if let Some(applied) = self.try_to_apply(write).await? {
                return Ok(applied);
            }
        }
        Err(SwitchError::Busy { service: write.component.service.clone(), tries: MAX_TRIES })
    }

    async fn verify(&self, revision: Revision) -> Spread {
        match self.store.reports().await {
            Ok(reports) => {
                spread(&Gateways::alive(&reports, crate::clock::now_ms(), self.live_within_ms), revision)
            }
            Err(_) => Spread::CannotTell,
        }
    }
}

/// The revision from which on it holds that nothing needs to be written: the last change of what holds it.
fn revision_of(standing: &Standing) -> Revision {
    let overlay = standing.overlay.as_ref().map_or(0, |(resource, _)| resource.modified);
    standing.service.modified.max(overlay)
}

fn upstream_writes(
    app: &str,
    endpoints: &BTreeMap<Colour, Value>,
    resources: &[Arc<Resource>],
) -> Vec<store::Write> {
    let mut writes = Vec::new();
    for (colour, value) in endpoints {
        let id = upstream_id(app, *colour);
        let known = resources.iter().find(|resource| resource.kind == Kind::Upstream && resource.id == id);
        if known.is_some_and(|known| same_but_for_bookkeeping(&known.value, value)) {
            continue;
        }
        writes.push(store::Write::Put {
            kind: Kind::Upstream,
            id: Some(id),
            value: value.clone(),
            origin: Origin::Release,
            expect: known.map_or(Expect::Absent, |known| Expect::Modified(known.modified)),
        });
    }
    writes
}

/// The store and the Admin API add members of their own.
fn same_but_for_bookkeeping(stored: &Value, wanted: &Value) -> bool {
    let (Some(stored), Some(wanted)) = (stored.as_object(), wanted.as_object()) else { return false };
    let is_ours = |key: &str| !["id", "create_time", "update_time"].contains(&key);
    let count = |object: &serde_json::Map<String, Value>| object.keys().filter(|key| is_ours(key)).count();
    count(stored) == count(wanted)
        && wanted.iter().filter(|(key, _)| is_ours(key)).all(|(key, value)| stored.get(key) == Some(value))
}

fn service_write(component: &Component, standing: &Standing, wanted: Owned) -> store::Write {
    let service = &standing.service;
    if service.origin != Origin::File {
        let mut value = (*service.value).clone();
        wanted.apply(&mut value);
        return store::Write::Put {
            kind: Kind::Service,
            id: Some(service.id.clone()),
            value,
            origin: service.origin,
            expect: Expect::Modified(service.modified),
        };
    }
    let base = Owned::of(&service.value);
    let known = standing.overlay.as_ref().map(|(resource, _)| resource.modified);
    let expect = known.map_or(Expect::Absent, Expect::Modified);
    let (kind, id) = (Kind::Overlay, component.service.clone());
    if wanted == base && known.is_some() {
        return store::Write::Delete { kind, id, expect };
    }
    let overlay = Overlay { app: component.app.clone(), base, owned: wanted };
    let value = serde_json::to_value(overlay).unwrap_or(Value::Null);
    store::Write::Put { kind, id: Some(id), value, origin: Origin::Release, expect }
}
