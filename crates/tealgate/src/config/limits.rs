//! What a request and a connection may cost. Every limit has a default and an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a flow-control window may be (RFC 9113, section 6.9.1).
const WINDOWS: std::ops::RangeInclusive<u32> = 65_535..=0x7FFF_FFFF;
const WINDOWS_TEXT: &str = "must be 65535 to 2147483647";

/// What a request and a connection may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest message head, start line and header fields together, 1024 to 1048576 bytes; beyond it: 431.
    #[schemars(range(min = 1024, max = 1048576))]
    pub head_bytes: usize,
    /// Most header fields of a head, and most fields of a trailer section, 8 to 256; beyond it: 431.
    #[schemars(range(min = 8, max = 256))]
    pub headers: usize,
    /// Longest request target, bytes; beyond it: 414.
    #[schemars(range(min = 64, max = 1048576))]
    pub target_bytes: usize,
    /// Longest trailer section, bytes; beyond it: 431.
    #[schemars(range(min = 64, max = 1048576))]
    pub trailer_bytes: usize,
    /// Longest chunk-size line with its extensions, bytes; beyond it: 400.
    #[schemars(range(min = 16, max = 1048576))]
    pub chunk_line_bytes: usize,
    /// Longest request body, bytes; 0: no limit. Beyond it: 413.
    pub body_bytes: u64,
    /// Longest request body that is kept so that an idempotent request can be tried again, bytes.
    #[schemars(range(min = 0, max = 16777216))]
    pub replay_bytes: usize,
    /// Most bytes of bodies that are kept for shadows, of all requests together, from 65536; beyond it a request is not
    /// copied, or bodies are not compared.
    #[schemars(range(min = 65536))]
    pub shadow_memory_bytes: usize,
    /// Longest body of an answer that a check of the business looks into, bytes; longer ones are not examined.
    #[schemars(range(min = 1, max = 1048576))]
    pub examined_body_bytes: u64,
    /// Most bytes of bodies that are kept for that, over all threads, each of which has its part, from 65536; beyond it
    /// answers are not examined.
    #[schemars(range(min = 65536))]
    pub examined_memory_bytes: usize,
    /// Most bytes that each thread looks into in a second, once for every check that asks for a field; beyond it answers
    /// are not examined.
    #[schemars(range(min = 1))]
    pub examined_bytes_per_s: u64,
    /// Most keys (addresses, consumers) that all `limit-count`s together count by at a time; beyond it some other key
    /// begins anew.
    #[schemars(range(min = 64, max = 16777216))]
    pub limit_keys: usize,
    /// Most client connections over all threads; beyond it: 503 and closed.
    #[schemars(range(min = 1))]
    pub connections: usize,
    /// Most client connections from one address (IPv6: from one /64), those of `trusted_addresses` excluded; 0: no limit.
    /// Beyond it: 503 and closed.
    pub connections_per_address: usize,
    /// Most requests in work over all threads, each of which has its part; 0: no limit. Beyond it: 503.
    pub requests: usize,
    /// Most connections that are being made to one upstream node, of each gateway thread, from 1; beyond it: the next
    /// node, or 503.
    #[schemars(range(min = 1))]
    pub connecting_per_node: usize,
    /// What a client must send of a body over HTTP/1, or take of an answer, bytes a second, while nothing else is waited
    /// for; 0: no limit. Less: 408, or cut.
    pub min_rate_bytes_per_s: u64,
    /// The time over which that rate is measured, milliseconds.
    #[schemars(range(min = 1000))]
    pub min_rate_window_ms: u64,
    /// How long a client connection may be idle between two requests, milliseconds; then it is closed.
    #[schemars(range(min = 1))]
    pub idle_timeout_ms: u64,
    /// From a TLS client's connection to the end of its handshake, milliseconds; then it is closed.
    #[schemars(range(min = 1))]
    pub handshake_timeout_ms: u64,
    /// Most TLS handshakes that are under way over all threads, which share them equally; one more is closed.
    #[schemars(range(min = 1))]
    pub handshakes: usize,
    /// From the first byte of a request head to its last, milliseconds; beyond it: 408.
    #[schemars(range(min = 1))]
    pub head_timeout_ms: u64,
    /// Between two pieces of a request body, milliseconds; beyond it: 408.
    #[schemars(range(min = 1))]
    pub body_timeout_ms: u64,
    /// How long a client may take none of an answer's bytes, milliseconds; then the connection is cut.
    #[schemars(range(min = 1))]
    pub write_timeout_ms: u64,
    /// From the head of a request to the end of its answer, milliseconds, streams excluded; 0: no limit. Beyond it:
    /// 504, or a cut if the answer has begun.
    pub total_timeout_ms: u64,
    /// Requests that may be open on one HTTP/2 connection, 1 to 65535; more are refused with REFUSED_STREAM.
    #[schemars(range(min = 1, max = 65535))]
    pub http2_max_streams: u32,
    /// Content of a request that may be on its way or wait here, per HTTP/2 stream, 65535 to 2147483647 bytes; more is
    /// not sent by the client.
    pub http2_stream_window_bytes: u32,
    /// The same, of all streams of an HTTP/2 connection; 0: what all of them may have.
    pub http2_connection_window_bytes: u32,
    /// Control frames that an HTTP/2 client may send beyond what its requests account for, from 100; a reset counts as
    /// two, or as ten. Beyond it: GOAWAY with ENHANCE_YOUR_CALM.
    #[schemars(range(min = 100))]
    pub http2_control_burst: u32,
    /// How long a stream (WebSocket) may be silent in both directions, milliseconds; 0: no limit.
    pub stream_idle_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes: 32 * 1024,
            headers: 128,
            target_bytes: 8 * 1024,
            trailer_bytes: 8 * 1024,
            chunk_line_bytes: 1024,
            body_bytes: 0,
            replay_bytes: 64 * 1024,
            shadow_memory_bytes: 64 << 20,
            examined_body_bytes: 64 << 10,
            examined_memory_bytes: 32 << 20,
            examined_bytes_per_s: 16 << 20,
            limit_keys: 262_144,
            connections: 100_000,
            connections_per_address: 0,
            requests: 100_000,
            connecting_per_node: 1_024,
            min_rate_bytes_per_s: 32,
            min_rate_window_ms: 60_000,
            idle_timeout_ms: 75_000,
            handshake_timeout_ms: 10_000,
            handshakes: 4_096,
            head_timeout_ms: 10_000,
            body_timeout_ms: 60_000,
            write_timeout_ms: 60_000,
            total_timeout_ms: 0,
            http2_max_streams: 128,
            http2_stream_window_bytes: 256 * 1024,
            http2_connection_window_bytes: 0,
            http2_control_burst: 5_000,
            stream_idle_timeout_ms: 0,
        }
    }
}

impl Limits {
    /// What is out of range: the field and what it must be.
    #[must_use]
    pub fn out_of_range(&self) -> Vec<(&'static str, &'static str)> {
        let most = http1::MAX_HEAD_BYTES;
        let checks = [
            ((1024..=most).contains(&self.head_bytes), "head_bytes", "must be 1024 to 1048576"),
            ((8..=http1::MAX_HEADERS).contains(&self.headers), "headers", "must be 8 to 256"),
            ((64..=most).contains(&self.target_bytes), "target_bytes", "must be 64 to 1048576"),
            ((64..=most).contains(&self.trailer_bytes), "trailer_bytes", "must be 64 to 1048576"),
            ((16..=most).contains(&self.chunk_line_bytes), "chunk_line_bytes", "must be 16 to 1048576"),
            (self.replay_bytes <= 16 << 20, "replay_bytes", "must be at most 16777216"),
            (self.shadow_memory_bytes >= 1 << 16, "shadow_memory_bytes", "must be at least 65536"),
            (
                (1..=1 << 20).contains(&self.examined_body_bytes),
                "examined_body_bytes",
                "must be 1 to 1048576",
            ),
            (self.examined_memory_bytes >= 1 << 16, "examined_memory_bytes", "must be at least 65536"),
            (self.examined_bytes_per_s > 0, "examined_bytes_per_s", "must be at least 1"),
            ((64..=1 << 24).contains(&self.limit_keys), "limit_keys", "must be 64 to 16777216"),
            (self.connections > 0, "connections", "must be at least 1"),
            (self.connecting_per_node > 0, "connecting_per_node", "must be at least 1"),
            (self.min_rate_window_ms >= 1_000, "min_rate_window_ms", "must be at least 1000"),
            (self.idle_timeout_ms > 0, "idle_timeout_ms", "must be at least 1"),
            (self.handshake_timeout_ms > 0, "handshake_timeout_ms", "must be at least 1"),
            (self.handshakes > 0, "handshakes", "must be at least 1"),
            (self.head_timeout_ms > 0, "head_timeout_ms", "must be at least 1"),
            (self.body_timeout_ms > 0, "body_timeout_ms", "must be at least 1"),
            ((1..=65_535).contains(&self.http2_max_streams), "http2_max_streams", "must be 1 to 65535"),
            (WINDOWS.contains(&self.http2_stream_window_bytes), "http2_stream_window_bytes", WINDOWS_TEXT),
            (
                self.http2_connection_window_bytes == 0
                    || WINDOWS.contains(&self.http2_connection_window_bytes),
                "http2_connection_window_bytes",
                "must be 0 or 65535 to 2147483647",
            ),
            (self.http2_control_burst >= 100, "http2_control_burst", "must be at least 100"),
            (self.write_timeout_ms > 0, "write_timeout_ms", "must be at least 1"),
        ];
        checks.into_iter().filter(|(holds, ..)| !holds).map(|(_, field, text)| (field, text)).collect()
    }

    /// The part that the codec knows.
    #[must_use]
    pub fn of_heads(&self) -> http1::Limits {
        http1::Limits {
            head_bytes: self.head_bytes,
            headers: self.headers,
            target_bytes: self.target_bytes,
            trailer_bytes: self.trailer_bytes,
            chunk_line_bytes: self.chunk_line_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range_and_the_codecs() {
        assert!(Limits::default().out_of_range().is_empty());
        assert_eq!(Limits::default().of_heads(), http1::Limits::default());
    }
}
