//! The compiled configuration: immutable, shared by all threads, replaced as a whole.
//!
//! A table is built off the request threads from the parts of the one before: what did not change is the same object
//! again. Each thread gets it through its mailbox and keeps it as its current one.

mod compile;
mod pinned;
mod route;
mod split;
mod target;

pub use compile::{Compiler, Problem};
pub(crate) use pinned::Pinned;
pub use route::{Route, RouteDefault};
pub use split::{Choice, Goal, Rule, Split, Verdict};
pub use target::{NoNode, Node, Target};

use crate::router::{Entry, Router};
use foldhash::{HashMap, HashSet};
use model::resource::Revision;
use std::sync::Arc;

/// The compiled configuration at one revision.
#[derive(Debug)]
pub struct Table {
    /// The store's revision that it was built from.
    pub revision: Revision,
    router: Router,
    routes: Vec<Arc<Route>>,
    by_id: HashMap<Box<str>, u32>,
    reachable: HashSet<u64>,
}

impl Table {
    /// The table before the first configuration: no route matches.
    #[must_use]
    pub fn empty() -> Table {
        Table::new(0, [], Vec::new())
    }

    /// The table of routes, each with its entry in the router.
    fn new<'a>(
        revision: Revision,
        entries: impl IntoIterator<Item = &'a Entry>,
        routes: Vec<Arc<Route>>,
    ) -> Table {
        let by_id = (0u32..).zip(&routes).map(|(place, route)| (route.id.as_str().into(), place)).collect();
        let reachable = routes.iter().flat_map(|route| route.reachable()).collect();
        Table { revision, router: Router::new(entries), routes, by_id, reachable }
    }

    /// The route at a place that [`Table::find`] or [`Table::place`] gave.
    #[must_use]
    pub fn route(&self, place: u32) -> Option<&Arc<Route>> {
        self.routes.get(place as usize)
    }

    /// Where the route with an id stands.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The first route for `host` (lower case, without port) and `path` (normalised) that `accept` takes.
    pub fn find(&self, host: &str, path: &[u8], mut accept: impl FnMut(&Route) -> bool) -> Option<u32> {
        self.router.find(host, path, |place| self.route(place).is_some_and(|route| accept(route)))
    }

    /// All routes.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// Whether requests of a route can still come to a target: a stream on another one is to be drained.
    #[must_use]
    pub fn leads_to(&self, route: &str, target: u64) -> bool {
        self.place(route).and_then(|place| self.route(place)).is_some_and(|route| route.leads_to(target))
    }

    /// The targets that requests of any route can come to.
    #[must_use]
    pub fn reachable(&self) -> &HashSet<u64> {
        &self.reachable
    }
}
