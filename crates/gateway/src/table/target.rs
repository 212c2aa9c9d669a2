//! A compiled upstream.

use crate::balance::budget::{BudgetRule, RetryBudget};
use crate::balance::picker::{NoNode, Picker, Turn};
use crate::health::{Failed, Load, Registry, Standing};
use crate::upstream::client_certificate::Shown;
use crate::upstream::complaint::{Complaint, Verified};
use model::colour;
use model::record::Answerer;
use model::upstream::{HashOn, KeepalivePool, PassHost, Protocol, Scheme, Timeouts, Upstream};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

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
    /// Which version of HTTP is spoken with them.
    pub protocol: Protocol,
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
    /// The certificate that nodes are shown.
    pub(crate) shown: Shown,
    /// What was told of its nodes' certificates.
    pub(crate) complaint: Complaint,
    picker: Picker,
    /// How the nodes stand, where that is looked at.
    pub(crate) standing: Option<Standing>,
    /// Retries that may be spent; `None`: there is no other node.
    pub(crate) budget: Option<RetryBudget>,
}

/// What a target is compiled with besides its upstream.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    /// Unique per compiled upstream.
    pub(crate) uid: u64,
    /// Where the upstream is written: `upstreams/ID`, `services/ID` or `routes/ID`.
    pub(crate) owner: &'a str,
    /// Whether certificates are checked whatever the upstream says.
    pub(crate) always_verify: bool,
    /// Gateway threads.
    pub(crate) threads: usize,
    /// Retries that each thread may spend.
    pub(crate) retries: BudgetRule,
    /// The certificate that nodes are shown.
    pub(crate) shown: Shown,
}

/// A request that is open at a node, as far as the choice of nodes counts that; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct OpenAt<'a>(Option<&'a Load>);

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

impl Target {
    /// Compiles an upstream.
    #[must_use]
    pub(crate) fn new(ground: &Ground<'_>, upstream: &Upstream, health: &mut Registry) -> Target {
        // Of the schemes, an upstream inside a rule takes over no other than https (APISIX §2.5). The gRPC ones we do
        // take over: HTTP/1.1 to a gRPC server is no answer that anyone could rely on.
        let scheme = match upstream.scheme {
            Scheme::Unsupported if upstream.inline => Scheme::Http,
            scheme => scheme,
        };
        let bare_host = upstream.inline && scheme == Scheme::Http;
        let nodes: Box<[Node]> =
            upstream.nodes.iter().map(|node| Node::new(node, scheme, bare_host)).collect();
        let addresses: Vec<(&str, u16)> = nodes.iter().map(|node| (node.host.as_str(), node.port)).collect();
        let picker = Picker::new(upstream, &addresses, ground.uid, ground.threads);
        let standing = health.standing(ground.owner, upstream, &addresses, picker.nodes().count());
        let budget = (nodes.len() > 1).then(|| RetryBudget::new(ground.retries, ground.threads));
        let default_retries = u32::try_from(nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let verified = match (ground.always_verify, upstream.tls_verify) {
            (true, _) => Verified::Always,
            (false, true) => Verified::ByUpstream,
            (false, false) => Verified::Not,
        };
        Target {
            uid: ground.uid,
            app: upstream.colour().and(upstream.labels.get(colour::LABEL_APP)).cloned().unwrap_or_default(),
            answerer: upstream.colour().map_or(Answerer::Upstream, Answerer::from),
            scheme,
            protocol: upstream.protocol(),
            pass_host: upstream.pass_host.clone(),
            retries: upstream.retries.unwrap_or(default_retries),
            retry_timeout_ms: upstream.retry_timeout_ms,
            timeouts: upstream.timeouts.unwrap_or_default(),
            keepalive: upstream.keepalive,
            verify: verified != Verified::Not,
            drain_timeout_ms: upstream.drain_timeout_ms(),
            shown: ground.shown.clone(),
            complaint: Complaint::new(ground.owner, verified),
            picker,
            standing,
            budget,
            nodes,
        }
    }

    /// Whether health checks have found all of its nodes down.
    pub(crate) fn is_down(&self) -> bool {
        let standing = self.standing.as_ref().filter(|_| self.has_checks());
        let mut usable = self.usable().peekable();
        usable.peek().is_some() && standing.is_some_and(|standing| usable.all(|node| !standing.is_up(node)))
    }

    /// The node for the next try of a request, among those that were not tried.
    ///
    /// # Errors
    /// When there is none.
    pub fn pick(
        &self,
        turn: &Turn<'_>,
        hash_key: impl FnOnce(HashOn, &str) -> Vec<u8>,
    ) -> Result<usize, NoNode> {
        self.picker.pick(turn, self.standing.as_ref(), hash_key)
    }

    /// A try at a node begins; it ends when what this gives is dropped.
    pub(crate) fn open_at(&self, thread: usize, node: usize) -> OpenAt<'_> {
        let counted = self.standing.as_ref().filter(|_| self.picker.counts_open());
        let load = counted.and_then(|standing| standing.load(node, thread));
        if let Some(load) = load {
            load.open.store(load.open.load(Relaxed).saturating_add(1), Relaxed);
        }
        OpenAt(load)
    }

    /// A node has answered with a status, `took_us` microseconds after the try began.
    pub(crate) fn answered(&self, thread: usize, node: usize, status: u16, took_us: u64, now: Instant) {
        if let Some(standing) = &self.standing {
            standing.answered(thread, node, status, took_us, now);
        }
    }

    /// A try at a node has failed, `took_us` microseconds after it began.
    pub(crate) fn failed(&self, thread: usize, node: usize, failed: Failed, took_us: u64, now: Instant) {
        if let Some(standing) = &self.standing {
            standing.failed(thread, node, failed, took_us, now);
        }
    }

    /// The name that TLS is spoken with, if that is the host that a client has asked for.
    pub(crate) fn name_by_client<'a>(&self, host: &'a str) -> Option<&'a str> {
        (self.scheme.is_tls() && self.pass_host == PassHost::Pass).then_some(host)
    }

    /// Whether its nodes are to be checked.
    pub(crate) fn has_checks(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.checks.is_some())
    }

    /// The nodes that can get requests at all.
    pub(crate) fn usable(&self) -> impl Iterator<Item = usize> {
        self.picker.nodes()
    }
}

impl Drop for OpenAt<'_> {
    fn drop(&mut self) {
        if let Some(load) = self.0 {
            load.open.store(load.open.load(Relaxed).saturating_sub(1), Relaxed);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compiled(value: &serde_json::Value, inline: bool) -> Target {
        let retries = BudgetRule::default();
        let ground = Ground {
            uid: 1,
            owner: "upstreams/u",
            always_verify: false,
            threads: 1,
            retries,
            shown: Shown::Nothing,
        };
        Target::new(&ground, &Upstream::from_value(value, inline), &mut Registry::new(1))
    }

    fn target(value: &serde_json::Value) -> Target {
        compiled(value, false)
    }

    fn pick(target: &Target, tried: &[usize]) -> Result<usize, NoNode> {
        target.pick(&Turn { thread: 0, tried, now: crate::clock::now() }, |_, _| b"key".to_vec())
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
    fn a_node_that_fails_quickly_is_not_the_quick_one() {
        for (status, picked) in [(500, 0), (503, 0), (499, 1), (200, 1)] {
            let target = target(&json!({"type": "ewma", "nodes": {"a:1": 1, "b:1": 1}}));
            let now = crate::clock::now();
            target.answered(0, 0, 200, 50_000, now);
            target.answered(0, 1, status, 1_000, now);
            assert_eq!([pick(&target, &[]), pick(&target, &[])], [Ok(picked); 2], "{status}");
        }
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
        let host = |json: &serde_json::Value, inline| compiled(json, inline).nodes[0].host_header.clone();
        assert_eq!([host(&json, true), host(&json, false)], ["localhost", "localhost:1981"]);
        let https = json!({"scheme": "https", "nodes": {"localhost:1981": 1}});
        assert_eq!(host(&https, true), "localhost:1981");
    }

    #[test]
    fn an_inline_upstream_takes_over_the_schemes_that_are_http() {
        let scheme = |scheme: &str| {
            let json = json!({"scheme": scheme, "nodes": {"a": 1}});
            compiled(&json, true).scheme
        };
        let taken = ["http", "https", "grpc", "grpcs", "tcp"].map(scheme);
        assert_eq!(taken, [Scheme::Http, Scheme::Https, Scheme::Grpc, Scheme::Grpcs, Scheme::Http]);
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
