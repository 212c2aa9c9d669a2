//! How the nodes of upstreams with health checks are, as one gateway sees them.

use serde::{Deserialize, Serialize};

/// All upstreams with health checks that requests can come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// By name.
    pub upstreams: Vec<UpstreamHealth>,
    /// Nodes that are not listed because there are too many; healthy ones are left out first.
    #[serde(default)]
    pub left_out: usize,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamHealth {
    /// Where it is written: `upstreams/ID`, `services/ID` or `routes/ID`.
    pub upstream: String,
    /// What active checks ask: `http`, `https` or `tcp`.
    pub check: String,
    /// In the order of the configuration.
    pub nodes: Vec<NodeHealth>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHealth {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `healthy`, `mostly_healthy`, `mostly_unhealthy` or `unhealthy`.
    pub status: String,
    /// Since when, milliseconds since the Unix epoch; 0: since it is looked at.
    pub since_ms: i64,
    /// What was seen last that changed the status; empty: nothing yet.
    pub why: String,
    /// Why the last active check failed; empty: it did not.
    #[serde(default)]
    pub last_error: String,
    /// Successes in a row.
    pub successes: u8,
    /// Failing statuses since the last success.
    pub http_failures: u8,
    /// Connections that failed or broke since then.
    pub tcp_failures: u8,
    /// Timeouts since then.
    pub timeouts: u8,
}

impl NodeHealth {
    /// Whether it gets requests.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.status.as_str(), "healthy" | "mostly_healthy")
    }
}

impl HealthReport {
    /// The same with at most so many nodes: those that are down first, then those whose status is not settled. The
    /// order of what is left stays.
    #[must_use]
    pub fn bounded(mut self, max_nodes: usize) -> HealthReport {
        let total: usize = self.upstreams.iter().map(|upstream| upstream.nodes.len()).sum();
        let mut excess = total.saturating_sub(max_nodes);
        for status in ["healthy", "mostly_healthy", "mostly_unhealthy", "unhealthy"] {
            for upstream in self.upstreams.iter_mut().rev() {
                upstream.nodes.retain(|node| {
                    let leaves = excess > 0 && node.status == status;
                    excess -= usize::from(leaves);
                    !leaves
                });
            }
        }
        self.upstreams.retain(|upstream| !upstream.nodes.is_empty());
        self.left_out += total.saturating_sub(max_nodes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str, statuses: &[&str]) -> UpstreamHealth {
        let node = |(port, status): (u16, &&str)| NodeHealth {
            host: "h".to_owned(),
            port,
            status: (*status).to_owned(),
            since_ms: 0,
            why: String::new(),
            last_error: String::new(),
            successes: 0,
            http_failures: 0,
            tcp_failures: 0,
            timeouts: 0,
        };
        let nodes = (0..).zip(statuses).map(node).collect();
        UpstreamHealth { upstream: name.to_owned(), check: "http".to_owned(), nodes }
    }

    #[test]
    fn who_is_down_is_listed_before_who_is_not() {
        let upstreams =
            vec![upstream("a", &["healthy"; 3]), upstream("b", &["healthy", "unhealthy", "mostly_healthy"])];
        let all = HealthReport { upstreams, left_out: 0 };
        assert_eq!(all.clone().bounded(6), all);
        let two = all.clone().bounded(2);
        assert_eq!((two.left_out, two.upstreams.len()), (4, 1));
        let statuses: Vec<_> = two.upstreams[0].nodes.iter().map(|node| node.status.as_str()).collect();
        assert_eq!(statuses, ["unhealthy", "mostly_healthy"]);
        assert_eq!(all.bounded(0).upstreams, []);
    }
}
