//! The bounds of HTTP/2 towards upstreams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// HTTP/2 towards each node of an upstream, per gateway thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamHttp2 {
    /// Connections to a node, 1 to 10000.
    pub connections: usize,
    /// Streams at once on a connection, 1 to 10000, where the node allows as many.
    pub streams: usize,
    /// Requests that wait for a stream when all connections are full; beyond it: 503.
    pub waiting: usize,
    /// Bytes of an answer that may be on the way to a client that does not take them, per stream, 16384 to 16777216.
    pub stream_window_bytes: u32,
}

impl Default for UpstreamHttp2 {
    fn default() -> Self {
        let gateway::UpstreamHttp2 { connections, streams, waiting, stream_window_bytes } =
            Default::default();
        UpstreamHttp2 { connections, streams, waiting, stream_window_bytes }
    }
}

impl UpstreamHttp2 {
    /// What is out of range: the field and what it must be.
    #[must_use]
    pub fn out_of_range(&self) -> Vec<(&'static str, &'static str)> {
        let window = 16 * 1024..=16 * 1024 * 1024;
        let checks = [
            ((1..=10_000).contains(&self.connections), "connections", "must be 1 to 10000"),
            ((1..=10_000).contains(&self.streams), "streams", "must be 1 to 10000"),
            (window.contains(&self.stream_window_bytes), "stream_window_bytes", "must be 16384 to 16777216"),
        ];
        checks.into_iter().filter(|(holds, ..)| !holds).map(|(_, field, text)| (field, text)).collect()
    }

    /// The same as the gateway takes them.
    #[must_use]
    pub fn of_gateway(&self) -> gateway::UpstreamHttp2 {
        let UpstreamHttp2 { connections, streams, waiting, stream_window_bytes } = *self;
        gateway::UpstreamHttp2 { connections, streams, waiting, stream_window_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert!(UpstreamHttp2::default().out_of_range().is_empty());
    }
}
