//! The metrics of nodes of upstreams with health checks.

use super::{escaped, head};
use crate::health::HealthReport;
use std::fmt::Write;

/// Nodes that are shown one by one; beyond it, healthy ones are left out first, and
/// `tealgate_upstream_nodes_left_out` says how many.
const MAX_NODES: usize = 2_000;

/// Renders them; nothing while no upstream has health checks.
#[must_use]
pub fn render_nodes(health: &HealthReport) -> String {
    let mut out = String::new();
    if health.upstreams.is_empty() {
        return out;
    }
    let health = health.clone().bounded(MAX_NODES);
    let name = "tealgate_upstream_node_healthy";
    head(&mut out, name, "gauge", "Whether a node gets requests (1), or is taken to be down (0).");
    for upstream in &health.upstreams {
        let of = escaped(&upstream.upstream);
        for node in &upstream.nodes {
            let (host, port, up) = (escaped(&node.host), node.port, u8::from(node.is_up()));
            // Writing to a `String` cannot fail, here and below.
            let _ = writeln!(out, "{name}{{upstream=\"{of}\",host=\"{host}\",port=\"{port}\"}} {up}");
        }
    }
    let name = "tealgate_upstream_nodes_left_out";
    head(&mut out, name, "gauge", "Nodes that are not shown because there are too many.");
    let _ = writeln!(out, "{name} {}", health.left_out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{NodeHealth, UpstreamHealth};

    #[test]
    fn each_node_is_up_or_down() {
        let node = |port, status: &str| NodeHealth {
            host: "a\"b".to_owned(),
            port,
            status: status.to_owned(),
            since_ms: 0,
            why: String::new(),
            last_error: String::new(),
            successes: 0,
            http_failures: 0,
            tcp_failures: 0,
            timeouts: 0,
        };
        let upstream = UpstreamHealth {
            upstream: "upstreams/u".to_owned(),
            check: "http".to_owned(),
            nodes: vec![node(1, "mostly_healthy"), node(2, "unhealthy")],
        };
        let text = render_nodes(&HealthReport { upstreams: vec![upstream], left_out: 0 });
        for line in [
            r#"tealgate_upstream_node_healthy{upstream="upstreams/u",host="a\"b",port="1"} 1"#,
            r#"tealgate_upstream_node_healthy{upstream="upstreams/u",host="a\"b",port="2"} 0"#,
            "tealgate_upstream_nodes_left_out 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{text}");
        }
        assert_eq!(render_nodes(&HealthReport::default()), "");
    }
}
