//! Which route a request belongs to (APISIX §3.1, §3.2, router `radixtree_host_uri`).
//!
//! Hosts first: an exact host beats a wildcard, a longer wildcard a shorter one, and any of them a route without
//! host. Within a host: exact paths before prefixes, longer prefixes before shorter; on the same path by priority.
//! The first candidate whose other conditions hold is the match; otherwise the walk goes on.

mod hosts;
mod paths;
mod trie;

pub use hosts::Router;
pub(crate) use trie::Trie;

/// Where a route stands in the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unique to the route; lower first among routes with the same path and priority.
    pub order: u64,
    /// Host patterns; empty: any host.
    pub hosts: Vec<String>,
    /// Path patterns.
    pub uris: Vec<String>,
    /// Higher first on the same path.
    pub priority: i64,
}
