//! The compiled configuration: immutable, shared by all threads, replaced as a whole.
//!
//! A table is built off the request threads from the parts of the one before: what did not change is the same object
//! again, so that one change among many routes costs what one route costs. Each thread gets it through its mailbox and
//! keeps it as its current one.

mod compile;
mod consumers;
mod pinned;
mod route;
mod split;
mod target;

pub use crate::balance::budget::BudgetRule;
pub use crate::balance::picker::{NoNode, Turn};
pub(crate) use compile::is_header;
pub use compile::{Certificate, Compiler, Problem};
pub use consumers::{Consumer, Consumers, Identity};
pub(crate) use pinned::Pinned;
pub use route::{Route, RouteDefault};
pub use split::{Choice, Goal, Rule, Split, Turns, Verdict};
pub(crate) use target::Ground;
pub use target::{Node, Target};

use crate::hold::Hold;
use crate::router::{Router, Trie};
use crate::tls::Names;
use crate::upstream::client_certificate::ClientCertificates;
use foldhash::HashSet;
use model::resource::Revision;
use std::sync::Arc;

/// The compiled configuration at one revision.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The store's revision that it was built from.
    pub revision: Revision,
    router: Router<Arc<Route>>,
    by_id: Trie<Arc<Route>>,
    reachable: Arc<HashSet<u64>>,
    /// Who may send requests.
    pub consumers: Arc<Consumers>,
    holds: Arc<[Arc<Hold>]>,
    tls: Arc<Names>,
    client_certificates: Arc<ClientCertificates>,
}

impl Table {
    /// The table before the first configuration: no route matches.
    #[must_use]
    pub fn empty() -> Table {
        Table::default()
    }

    /// The route with an id.
    #[must_use]
    pub fn route(&self, id: &str) -> Option<&Arc<Route>> {
        self.by_id.get(id.as_bytes())
    }

    /// The first route for `host` (lower case, without port) and `path` (normalised) that `accept` takes.
    pub fn find(
        &self,
        host: &str,
        path: &[u8],
        mut accept: impl FnMut(&Route) -> bool,
    ) -> Option<&Arc<Route>> {
        self.router.find(host, path, |route| accept(route))
    }

    /// Whether requests of a route can still come to a target: a stream on another one is to be drained.
    #[must_use]
    pub fn leads_to(&self, route: &str, target: u64) -> bool {
        self.route(route).is_some_and(|route| route.leads_to(target))
    }

    /// The holds of all rules.
    pub(crate) fn holds(&self) -> &[Arc<Hold>] {
        &self.holds
    }

    /// Certificates by name.
    pub(crate) fn tls(&self) -> &Arc<Names> {
        &self.tls
    }

    /// The same table with other certificates.
    fn with_tls(self, tls: &Arc<Names>, clients: &Arc<ClientCertificates>) -> Table {
        Table { tls: Arc::clone(tls), client_certificates: Arc::clone(clients), ..self }
    }

    /// Certificates that upstreams name by their ids.
    pub(crate) fn client_certificates(&self) -> &ClientCertificates {
        &self.client_certificates
    }

    /// The targets that requests of any route can come to.
    #[must_use]
    pub fn reachable(&self) -> &Arc<HashSet<u64>> {
        &self.reachable
    }
}
