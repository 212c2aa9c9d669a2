//! Every bound of the request path, with its default. The status that answers a broken bound stands in
//! [`crate::refusal`].

use crate::plugin::PluginKind;
use crate::table::BudgetRule;
use crate::trust::Trust;
use crate::upstream::names::{NameSource, SystemNames};
use model::secret::{Opener, SecretKey, Unsealed};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// How the gateway runs. Times are milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where connections are accepted; at least one.
    pub listen: Vec<Listener>,
    /// Whose word counts about who sends a request.
    pub trust: Trust,
    /// Threads, each with its own listener, pools, counters and log buffer; at least 1.
    pub threads: usize,
    /// Bounds of one request head: bytes, count and length of its parts.
    pub head: http1::Limits,
    /// Largest request body in bytes; 0: no bound. Beyond it: 413.
    pub max_body_bytes: u64,
    /// Client connections over all threads; beyond it a connection is answered with 503 and closed.
    pub max_connections: usize,
    /// Client connections from one address (IPv6: from one /64), trusted ones excluded; beyond it a connection is
    /// answered with 503 and closed. 0: no bound.
    pub max_connections_per_address: usize,
    /// Requests in work over all threads, each of which has its part; beyond it a request is answered with 503. 0: no
    /// bound.
    pub max_requests: usize,
    /// What a client must send of a body (over HTTP/1) or take of an answer, bytes a second, while nothing else is waited
    /// for; then 408 or a cut. 0: no bound.
    pub min_rate_bytes_per_s: u64,
    /// The time over which that rate is measured.
    pub min_rate_window_ms: u64,
    /// How long a connection may be idle between two requests; then it is closed.
    pub idle_timeout_ms: u64,
    /// From the first byte of a head to its last; then 408.
    pub head_timeout_ms: u64,
    /// Between two pieces of a request body; then 408.
    pub body_timeout_ms: u64,
    /// How long a client may take none of an answer's bytes; then the connection is cut.
    pub write_timeout_ms: u64,
    /// From the head of a request to the end of its answer, streams excluded; 0: no bound. Then 504 or a cut.
    pub total_timeout_ms: u64,
    /// Requests that may be open on one HTTP/2 connection; more are refused with REFUSED_STREAM.
    pub http2_max_streams: u32,
    /// Bytes of a request's content that may be on their way or wait here, per HTTP/2 stream; up to 2^31 - 1.
    pub http2_stream_window_bytes: u32,
    /// The same, of all streams of an HTTP/2 connection; up to 2^31 - 1. 0: what all of them may have. With less, as many
    /// streams as fill it hold up all others while their upstreams take nothing.
    pub http2_connection_window_bytes: u32,
    /// Control frames that an HTTP/2 client may send beyond what its requests, their content and time account for. A reset
    /// counts as two; as ten, if it comes within 100 ms of its request and most requests end so. Beyond it: GOAWAY with
    /// ENHANCE_YOUR_CALM.
    pub http2_control_burst: u32,
    /// How long an upgraded connection (WebSocket) may be silent in both directions; 0: no bound.
    pub stream_idle_timeout_ms: u64,
    /// How long a stream may stay on an upstream that traffic has left, unless its label says otherwise.
    pub drain_timeout_ms: u64,
    /// Streams on an upstream that traffic has left end in so long a window before their drain time is over, so that
    /// clients do not come back all at once; never in more than half of that time.
    pub drain_jitter_ms: u64,
    /// How long a resolved name is used before it is asked for again.
    pub dns_valid_ms: u64,
    /// Who is asked for the addresses of names.
    pub names: Arc<dyn NameSource>,
    /// Whether certificates of https upstreams are always checked, whatever `tls.verify` says.
    pub always_verify_upstreams: bool,
    /// Further certificate authorities for https upstreams, a PEM file.
    pub tls_ca_file: Option<PathBuf>,
    /// Connections that may be under way to one node, of each thread, where requests do not share them; one more is a
    /// failed try: the next node, or a 503.
    pub max_connecting_per_node: usize,
    /// Retries that an upstream gets in each second over all threads; beyond it the last failure is the answer.
    pub retry_budget: BudgetRule,
    /// The plugins that routes, services and consumers may configure.
    pub plugins: &'static [PluginKind],
    /// Keys that all `limit-count`s together count by at a time; beyond it some other key begins anew.
    pub limit_keys: usize,
    /// Largest request body, in bytes, that is kept so that an idempotent request can be tried again.
    pub replay_bytes: usize,
    /// Bytes that the bodies of all requests and answers take which are kept for shadows; beyond it a request is not
    /// copied, or bodies are not compared.
    pub shadow_memory_bytes: usize,
    /// Longest body of an answer that is kept so that checks of the business can look into it, bytes; longer ones are
    /// not examined.
    pub examined_body_bytes: u64,
    /// Bytes that all bodies take which are kept so, over all threads, each of which has its part; beyond it answers are
    /// not examined.
    pub examined_memory_bytes: usize,
    /// Bytes of such bodies that each thread looks into in a second, each once for every check; beyond it answers are
    /// not examined.
    pub examined_bytes_per_s: u64,
    /// Bounds of HTTP/2 towards upstreams.
    pub upstream_http2: UpstreamHttp2,
    /// From a TLS client's connection to the end of its handshake; then the connection is closed.
    pub handshake_timeout_ms: u64,
    /// TLS handshakes under way over all threads, which share them equally, each from the first byte of the client's hello;
    /// beyond it the oldest is ended if it has taken a tenth of its time, else the newest.
    pub max_handshakes: usize,
    /// The name that stands for TLS clients that name no host, or one that no SSL resource is for; without it they are
    /// refused.
    pub fallback_sni: Option<String>,
    /// Opens the private keys of resources.
    pub secrets: Arc<dyn Opener>,
    /// Where the latches of guards are kept; without it no guard can be armed, and what it guards stays where it is.
    pub guard_dir: Option<PathBuf>,
    /// Signs what says which colour a user was assigned to. The same in all gateways of a data directory.
    pub assignment_key: SecretKey,
}

/// Bounds of HTTP/2 towards each node of an upstream, per gateway thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamHttp2 {
    /// Connections; at least 1.
    pub connections: usize,
    /// Streams at once on one connection, where the node allows as many; at least 1.
    pub streams: usize,
    /// Requests that wait for a stream when all connections are full; beyond it: 503.
    pub waiting: usize,
    /// Bytes of an answer that a stream may hold for a client that does not take them; 16 KiB to 16 MiB.
    pub stream_window_bytes: u32,
}

impl Default for UpstreamHttp2 {
    fn default() -> Self {
        UpstreamHttp2 { connections: 64, streams: 100, waiting: 1_024, stream_window_bytes: 128 * 1024 }
    }
}

/// An address that is listened on, and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether every connection begins with a TLS handshake.
    pub tls: bool,
    /// Whether every connection begins with a PROXY header of a trusted peer, before all else.
    pub relayed: bool,
}

impl Listener {
    /// Plain HTTP.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Listener {
        Listener { address, tls: false, relayed: false }
    }

    /// HTTP over TLS, with the certificates of the `ssls`.
    #[must_use]
    pub fn tls(address: SocketAddr) -> Listener {
        Listener { address, tls: true, relayed: false }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: vec![Listener::plain(SocketAddr::from(([127, 0, 0, 1], 9080)))],
            trust: Trust::default(),
            threads: 1,
            head: http1::Limits::default(),
            max_body_bytes: 0,
            max_connections: 100_000,
            max_connections_per_address: 0,
            max_requests: 100_000,
            min_rate_bytes_per_s: 32,
            min_rate_window_ms: 60_000,
            idle_timeout_ms: 75_000,
            head_timeout_ms: 10_000,
            body_timeout_ms: 60_000,
            write_timeout_ms: 60_000,
            total_timeout_ms: 0,
            http2_max_streams: 128,
            http2_stream_window_bytes: 256 << 10,
            http2_connection_window_bytes: 0,
            http2_control_burst: 5_000,
            stream_idle_timeout_ms: 0,
            drain_timeout_ms: 30_000,
            drain_jitter_ms: 10_000,
            dns_valid_ms: 10_000,
            names: Arc::new(SystemNames),
            always_verify_upstreams: false,
            tls_ca_file: None,
            max_connecting_per_node: 1_024,
            retry_budget: BudgetRule::default(),
            plugins: &[],
            limit_keys: 262_144,
            replay_bytes: 64 * 1024,
            shadow_memory_bytes: 64 << 20,
            examined_body_bytes: 64 << 10,
            examined_memory_bytes: 32 << 20,
            examined_bytes_per_s: 16 << 20,
            upstream_http2: UpstreamHttp2::default(),
            handshake_timeout_ms: 10_000,
            max_handshakes: 4_096,
            fallback_sni: None,
            secrets: Arc::new(Unsealed),
            guard_dir: None,
            assignment_key: SecretKey([0; 32]),
        }
    }
}
