//! A compiled upstream.

use crate::balance::ring::Ring;
use crate::balance::wheel::Wheel;
use model::colour;
use model::record::Answerer;
use model::upstream::{Balancer, HashOn, KeepalivePool, PassHost, Scheme, Timeouts, Upstream};
use std::net::{IpAddr, SocketAddr};

/// Where requests go: an upstream, ready to pick nodes from.
#[derive(Debug)]
pub struct Target {
    /// Unique per compiled upstream; kept while its resource does not change. Names pools of connections.
    pub uid: u64,
    /// The app that it is an environment of; empty without a colour.
    pub app: String,
    /// Its colour, or that it has none.
    pub answerer: Answerer,
    /// The nodes, in the order given.
    pub nodes: Box<[Node]>,
    /// Protocol towards the nodes.
    pub scheme: Scheme,
    /// What `Host` says.
    pub pass_host: PassHost,
    /// Tries after the first one.
    pub retries: u32,
    /// Bound on all tries together, milliseconds; 0: none.
    pub retry_timeout_ms: u64,
    /// Time limits of one try; a route's own beat them.
    pub timeouts: Timeouts,
    /// Idle connections.
    pub keepalive: KeepalivePool,
    /// Whether the certificate is checked.
    pub verify: bool,
    /// How long a stream may stay after traffic has left, milliseconds; `None`: the gateway's setting.
    pub drain_timeout_ms: Option<u64>,
    picker: Picker,
}

/// One address of a target.
#[derive(Debug)]
pub struct Node {
    /// Host name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The socket address, if the host is an IP address.
    pub address: Option<SocketAddr>,
    /// `host:port` for logs; without the port where it is the scheme's standard one.
    pub authority: String,
    /// What `Host` says with `pass_host: node`: the authority, but without any port for an http upstream that was
    /// written inside a rule, as in APISIX (§2.5).
    pub host_header: String,
}

#[derive(Debug)]
enum Picker {
    /// One node is taken whatever the balancer and its weight, as in APISIX (§2.5).
    Single,
    /// Groups of nodes with the same priority, highest first.
    RoundRobin(Vec<Group>),
    Chash {
        ring: Ring,
        hash_on: HashOn,
        key: String,
    },
    Unknown,
}

#[derive(Debug)]
struct Group {
    members: Box<[usize]>,
    wheel: Wheel,
}

/// Why no node could be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNode {
    /// There is none, or none is left to try.
    Exhausted,
    /// The balancer's type is not known.
    UnknownBalancer,
}

impl Target {
    /// Compiles an upstream.
    #[must_use]
    pub fn new(uid: u64, upstream: &Upstream, always_verify: bool, threads: usize) -> Target {
        // Of the schemes, an upstream inside a rule takes over no other than https (APISIX §2.5).
        let scheme = match upstream.scheme {
            Scheme::Unsupported if upstream.inline => Scheme::Http,
            scheme => scheme,
        };
        let bare_host = upstream.inline && scheme == Scheme::Http;
        let nodes: Box<[Node]> =
            upstream.nodes.iter().map(|node| Node::new(node, scheme, bare_host)).collect();
        let picker = picker(upstream, &nodes, threads);
        let default_retries = u32::try_from(nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
        Target {
            uid,
            app: upstream.colour().and(upstream.labels.get(colour::LABEL_APP)).cloned().unwrap_or_default(),
            answerer: upstream.colour().map_or(Answerer::Upstream, Answerer::from),
            scheme,
            pass_host: upstream.pass_host.clone(),
            retries: upstream.retries.unwrap_or(default_retries),
            retry_timeout_ms: upstream.retry_timeout_ms,
            timeouts: upstream.timeouts.unwrap_or_default(),
            keepalive: upstream.keepalive,
            verify: always_verify || upstream.tls_verify,
            drain_timeout_ms: upstream.drain_timeout_ms(),
            picker,
            nodes,
        }
    }

    /// The node for the next try of a request: by turn or by key, among those that were not `tried`.
    ///
    /// # Errors
    /// When there is none.
    pub fn pick(
        &self,
        thread: usize,
        tried: &[usize],
        hash_key: impl FnOnce(HashOn, &str) -> Vec<u8>,
    ) -> Result<usize, NoNode> {
        match &self.picker {
            Picker::Single => tried.is_empty().then_some(0).ok_or(NoNode::Exhausted),
            Picker::RoundRobin(groups) => {
                groups.iter().find_map(|group| group.pick(thread, tried)).ok_or(NoNode::Exhausted)
            }
            Picker::Chash { ring, hash_on, key } => {
                let key = hash_key(*hash_on, key);
                ring.nodes_for(&key).find(|node| !tried.contains(node)).ok_or(NoNode::Exhausted)
            }
            Picker::Unknown => Err(NoNode::UnknownBalancer),
        }
    }
}

impl Group {
    fn pick(&self, thread: usize, tried: &[usize]) -> Option<usize> {
        if tried.is_empty() {
            return self.members.get(self.wheel.next(thread)?).copied();
        }
        // A retry: the wheel goes on, skipping what was tried; if its weights hide a node, take that one at last.
        let turns =
            (0..self.members.len()).filter_map(|_| self.members.get(self.wheel.next(thread)?).copied());
        turns.chain(self.members.iter().copied()).find(|node| !tried.contains(node))
    }
}

impl Node {
    fn new(node: &model::upstream::Node, scheme: Scheme, bare_host: bool) -> Node {
        let port = node.port.unwrap_or_else(|| scheme.standard_port());
        let ip = node.host.parse::<IpAddr>().ok();
        let host = match ip {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => node.host.clone(),
        };
        let authority = if port == scheme.standard_port() { host.clone() } else { format!("{host}:{port}") };
        let host_header = if bare_host { host } else { authority.clone() };
        let address = ip.map(|ip| SocketAddr::new(ip, port));
        Node { host: node.host.clone(), port, address, authority, host_header }
    }
}

fn picker(upstream: &Upstream, nodes: &[Node], threads: usize) -> Picker {
    match &upstream.balancer {
        _ if nodes.len() == 1 => Picker::Single,
        Balancer::Chash { hash_on, key } => {
            let weighted: Vec<_> = nodes
                .iter()
                .zip(&upstream.nodes)
                .map(|(node, given)| (node.host.as_str(), node.port, given.weight))
                .collect();
            Picker::Chash { ring: Ring::new(&weighted), hash_on: *hash_on, key: key.clone() }
        }
        // `ewma` and `least_conn` take turns until health and latencies are tracked.
        Balancer::RoundRobin | Balancer::Ewma | Balancer::LeastConn => {
            Picker::RoundRobin(groups(upstream, threads))
        }
        Balancer::Unknown(_) => Picker::Unknown,
    }
}

fn groups(upstream: &Upstream, threads: usize) -> Vec<Group> {
    let mut priorities: Vec<i32> = upstream.nodes.iter().map(|node| node.priority).collect();
    priorities.sort_unstable_by_key(|priority| std::cmp::Reverse(*priority));
    priorities.dedup();
    let group = |priority: i32| {
        let members: Box<[usize]> =
            (0..upstream.nodes.len()).filter(|at| upstream.nodes[*at].priority == priority).collect();
        let weights: Vec<u32> = members.iter().map(|at| upstream.nodes[*at].weight).collect();
        Group { wheel: Wheel::new(&weights, threads), members }
    };
    priorities.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(value: &serde_json::Value) -> Target {
        Target::new(1, &Upstream::from_value(value, false), false, 1)
    }

    fn pick(target: &Target, tried: &[usize]) -> Result<usize, NoNode> {
        target.pick(0, tried, |_, _| b"key".to_vec())
    }

    #[test]
    fn lower_priorities_are_asked_when_all_higher_ones_were_tried() {
        let target = target(&json!({"nodes": [
            {"host": "a", "port": 1, "weight": 1, "priority": 0},
            {"host": "b", "port": 1, "weight": 1, "priority": -1}]}));
        assert_eq!([pick(&target, &[]), pick(&target, &[]), pick(&target, &[0])], [Ok(0), Ok(0), Ok(1)]);
        assert_eq!(pick(&target, &[0, 1]), Err(NoNode::Exhausted));
    }

    #[test]
    fn a_retry_takes_a_node_that_was_not_tried() {
        let target = target(&json!({"nodes": {"a:1": 100, "b:1": 1}}));
        assert_eq!(pick(&target, &[0]), Ok(1));
        assert_eq!(target.retries, 1);
    }

    #[test]
    fn the_authority_leaves_out_the_standard_port() {
        let target = target(&json!({"scheme": "https", "nodes": {"a:443": 1, "[::1]:444": 1}}));
        let authorities: Vec<_> = target.nodes.iter().map(|node| node.authority.as_str()).collect();
        assert_eq!(authorities, ["a", "[::1]:444"]);
    }

    #[test]
    fn an_inline_http_upstream_names_its_node_without_port() {
        let json = json!({"pass_host": "node", "nodes": {"localhost:1981": 1}});
        let host = |json: &serde_json::Value, inline| {
            let target = Target::new(1, &Upstream::from_value(json, inline), false, 1);
            target.nodes[0].host_header.clone()
        };
        assert_eq!([host(&json, true), host(&json, false)], ["localhost", "localhost:1981"]);
        let https = json!({"scheme": "https", "nodes": {"localhost:1981": 1}});
        assert_eq!(host(&https, true), "localhost:1981");
    }

    #[test]
    fn an_unknown_balancer_is_said_at_run_time() {
        assert_eq!(
            pick(&target(&json!({"type": "magic", "nodes": {"a:1": 1, "b:1": 1}})), &[]),
            Err(NoNode::UnknownBalancer)
        );
        assert_eq!(pick(&target(&json!({"type": "magic", "nodes": {"a:1": 0}})), &[]), Ok(0));
    }
}
