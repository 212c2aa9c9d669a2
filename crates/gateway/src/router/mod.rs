//! Which route a request belongs to (APISIX §3.1, §3.2, router `radixtree_host_uri`).
//!
//! Hosts first: an exact host beats a wildcard, a longer wildcard a shorter one, and any of them a route without
//! host. Within a host: exact paths before prefixes, longer prefixes before shorter; on the same path by priority.
//! The first candidate whose other conditions hold is the match; otherwise the walk goes on.

mod hosts;
mod paths;
mod trie;

pub use hosts::Router;

/// What the router knows of a route: its place in the table and where it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Index of the route in the table.
    pub route: u32,
    /// Host patterns; empty: any host.
    pub hosts: Vec<String>,
    /// Path patterns.
    pub uris: Vec<String>,
    /// Higher first on the same path.
    pub priority: i64,
}
