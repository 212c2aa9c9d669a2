//! The places of all routes: the table that is to come, changed route by route.

use crate::hold::Hold;
use crate::router::Entry;
use crate::table::{Consumers, Route, Table};
use foldhash::{HashMap, HashSet};
use model::resource::{Resource, Revision};
use std::sync::Arc;

/// Where every route stands.
#[derive(Debug, Default)]
pub(super) struct Places {
    table: Table,
    by_id: HashMap<String, Place>,
    next_order: u64,
    /// How many ways of routes lead to each target.
    ways: HashMap<u64, usize>,
    /// The holds of routes, one for each of their rules.
    holds: Vec<Arc<Hold>>,
}

/// Of one route; one that is left out keeps its place in the order.
#[derive(Debug)]
pub(super) struct Place {
    created: Revision,
    order: u64,
    entry: Option<Entry>,
}

impl Places {
    /// The table as it stands, with these consumers.
    pub(super) fn table(&self, revision: Revision, consumers: Arc<Consumers>) -> Table {
        Table { revision, consumers, ..self.table.clone() }
    }

    /// The targets that requests can come to.
    pub(super) fn reachable(&self) -> &HashSet<u64> {
        &self.table.reachable
    }

    /// The route with an id, if it is in the table.
    pub(super) fn route(&self, id: &str) -> Option<&Arc<Route>> {
        self.table.route(id)
    }

    /// Puts a route in its place, in which the one before stood if it is the same resource; `None` leaves it out.
    pub(super) fn put(&mut self, resource: &Resource, route: Option<(Entry, Arc<Route>)>) {
        // First, so that a target that both lead to stays reachable in between.
        route.iter().for_each(|(_, route)| self.count_ways(route));
        let before = self.forget(&resource.id);
        let order = before.filter(|before| before.created == resource.created).map(|before| before.order);
        let order = order.unwrap_or_else(|| {
            self.next_order += 1;
            self.next_order
        });
        let entry = route.map(|(entry, route)| {
            let entry = Entry { order, ..entry };
            self.table.router.insert(&entry, &route);
            self.table.by_id.change(resource.id.as_bytes(), |slot| *slot = Some(route));
            entry
        });
        self.by_id.insert(resource.id.clone(), Place { created: resource.created, order, entry });
    }

    /// Takes a route out of its place.
    pub(super) fn forget(&mut self, id: &str) -> Option<Place> {
        let place = self.by_id.remove(id)?;
        if let Some(entry) = &place.entry {
            self.table.router.remove(entry);
        }
        self.table.by_id.change(id.as_bytes(), |slot| {
            let before = slot.take();
            for hold in before.iter().flat_map(|route| route.holds()) {
                let place = self.holds.iter().position(|other| Arc::ptr_eq(other, hold));
                place.map(|place| self.holds.swap_remove(place));
                self.table.holds = self.holds.as_slice().into();
            }
            for target in before.iter().flat_map(|route| route.reachable()) {
                let Some(ways) = self.ways.get_mut(&target) else { continue };
                *ways -= 1;
                if *ways == 0 {
                    self.ways.remove(&target);
                    Arc::make_mut(&mut self.table.reachable).remove(&target);
                }
            }
        });
        Some(place)
    }

    fn count_ways(&mut self, route: &Route) {
        for hold in route.holds() {
            self.holds.push(Arc::clone(hold));
            self.table.holds = self.holds.as_slice().into();
        }
        for target in route.reachable() {
            let ways = self.ways.entry(target).or_default();
            *ways += 1;
            if *ways == 1 {
                Arc::make_mut(&mut self.table.reachable).insert(target);
            }
        }
    }
}
