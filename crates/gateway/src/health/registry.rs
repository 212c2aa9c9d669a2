//! Keeps the states of nodes over changes of the configuration, while upstream and node stay the same.

use super::node::NodeState;
use super::standing::Standing;
use crate::clock;
use foldhash::HashMap;
use model::upstream::{Balancer, Upstream};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// The states of nodes that some table still uses.
#[derive(Debug)]
pub(crate) struct Registry {
    threads: usize,
    origin: Instant,
    owners: HashMap<Arc<str>, Owner>,
}

/// What is kept of an upstream.
#[derive(Debug)]
struct Owner {
    changes: Arc<AtomicU64>,
    /// By host and port.
    nodes: HashMap<(String, u16), Weak<NodeState>>,
}

impl Registry {
    pub(crate) fn new(threads: usize) -> Registry {
        Registry { threads, origin: clock::now(), owners: HashMap::default() }
    }

    /// How the nodes of an upstream stand; `None` if nothing of it needs to be known. `nodes` are host and port of
    /// each, `usable` how many of them can get requests at all.
    pub(crate) fn standing(
        &mut self,
        owner: &str,
        upstream: &Upstream,
        nodes: &[(&str, u16)],
        usable: usize,
    ) -> Option<Standing> {
        let slow_start_ms = upstream.slow_start_ms();
        let by_load = matches!(upstream.balancer, Balancer::Ewma | Balancer::LeastConn);
        if usable < 2 || !(upstream.checks.is_some() || slow_start_ms > 0 || by_load) {
            return None;
        }
        let name: Arc<str> = Arc::from(owner);
        // An upstream inside a rule has no name: its nodes are known as long as it stays as it is.
        let mut unnamed = Owner::new();
        let kept = match upstream.inline {
            true => &mut unnamed,
            false => self.owners.entry(Arc::clone(&name)).or_insert_with(Owner::new),
        };
        let states = kept.states(&name, nodes, self.threads, self.origin);
        let changes = Arc::clone(&kept.changes);
        let checks = upstream.checks.clone().map(Arc::new);
        let samples = upstream.balancer == Balancer::Ewma;
        Some(Standing::new(states, changes, checks, slow_start_ms, self.origin, samples))
    }

    /// Lets go of the upstreams that no table uses any more.
    pub(crate) fn sweep(&mut self) {
        self.owners.retain(|_, owner| {
            owner.nodes.retain(|_, state| state.strong_count() > 0);
            !owner.nodes.is_empty()
        });
    }
}

impl Owner {
    fn new() -> Owner {
        Owner { changes: Arc::default(), nodes: HashMap::default() }
    }

    /// The states of nodes, those that are known taken over. Others come up now, unless they are the first.
    fn states(
        &mut self,
        name: &Arc<str>,
        nodes: &[(&str, u16)],
        threads: usize,
        origin: Instant,
    ) -> Box<[Arc<NodeState>]> {
        let runs = self.nodes.values().any(|state| state.strong_count() > 0);
        let comes_up = runs.then(clock::now);
        let mut states = Vec::with_capacity(nodes.len());
        for (host, port) in nodes {
            let key = ((*host).to_owned(), *port);
            let state = self.nodes.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
                let address =
                    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
                let changes = Arc::clone(&self.changes);
                Arc::new(NodeState::new(Arc::clone(name), address, changes, threads, origin, comes_up))
            });
            self.nodes.insert(key, Arc::downgrade(&state));
            states.push(state);
        }
        states.into()
    }
}
