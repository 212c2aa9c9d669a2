//! The settings of `tealgate.yaml`: everything in it that is not a resource. The doc comments are the manual.
//!
//! Each setting has a default, so that Tealgate starts with no file at all. Command-line flags override the file.

use crate::config::limits::Limits;
use crate::config::listen::{FurtherListeners, Listen, Listeners};
use crate::config::upstream_http2::UpstreamHttp2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that is not a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the gateway accepts requests: one `IP:PORT` or a list of them.
    pub listen: Listeners,
    /// Where the gateway accepts requests over TLS, with the certificates of `ssls`: one `IP:PORT`, a list of them, or
    /// `off`. APISIX's port for it (`apisix.ssl.listen`) is 9443.
    pub tls_listen: FurtherListeners,
    /// Where the gateway accepts connections of proxies that speak the PROXY protocol.
    pub proxy_protocol: ProxyProtocol,
    /// Proxies in front, addresses or CIDR blocks: only they are believed about who sends a request.
    pub trusted_addresses: Vec<String>,
    /// The header in which they name the client.
    pub real_ip_header: String,
    /// The name in `ssls` that stands for TLS clients that name no host, or one that is in no `ssls`; without it they
    /// are refused. APISIX's `apisix.ssl.fallback_sni`.
    pub tls_fallback_sni: Option<String>,
    /// The Admin API and the release API.
    pub admin: Admin,
    /// The directory of the store, the keys, the logs of the environments. Default: `/var/lib/tealgate` for root,
    /// else `$XDG_STATE_HOME/tealgate` or `~/.local/state/tealgate`.
    pub data_dir: Option<PathBuf>,
    /// Gateway threads, 1 to 256; default: one for each core.
    #[schemars(range(min = 1, max = 256))]
    pub threads: Option<u16>,
    /// Where the JSON access log is written: a file, or `off`.
    pub access_log: AccessLog,
    /// Tealgate's own log, on stderr.
    pub log: Log,
    /// What a request and a connection may cost.
    pub limits: Limits,
    /// Whether the certificates of https upstreams are verified.
    pub upstream_tls_verify: UpstreamTlsVerify,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// How long requests and streams may stay on an upstream that traffic has left, milliseconds, where the upstream
    /// does not say so itself.
    pub drain_timeout_ms: u64,
    /// Streams end in so long a window before that time is over, milliseconds, so that clients do not come back all at
    /// once; never in more than half of it.
    pub drain_jitter_ms: u64,
    /// How long a shutdown waits for open requests, milliseconds.
    pub shutdown_timeout_ms: u64,
    /// Names of upstream nodes.
    pub dns: Dns,
    /// How often requests to an upstream may be tried again.
    pub retry_budget: RetryBudget,
    /// HTTP/2 towards upstreams.
    pub upstream_http2: UpstreamHttp2,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: Listeners::default(),
            tls_listen: FurtherListeners::default(),
            proxy_protocol: ProxyProtocol::default(),
            trusted_addresses: Vec::new(),
            real_ip_header: "X-Forwarded-For".to_owned(),
            tls_fallback_sni: None,
            admin: Admin::default(),
            data_dir: None,
            threads: None,
            access_log: AccessLog::Off,
            log: Log::default(),
            limits: Limits::default(),
            upstream_tls_verify: UpstreamTlsVerify::AsConfigured,
            tls_ca_file: None,
            drain_timeout_ms: 30_000,
            drain_jitter_ms: 10_000,
            shutdown_timeout_ms: 30_000,
            dns: Dns::default(),
            retry_budget: RetryBudget::default(),
            upstream_http2: UpstreamHttp2::default(),
        }
    }
}

/// Listeners on which every connection begins with a PROXY header, version 1 or 2, of a trusted address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// Plain HTTP behind the header: one `IP:PORT`, a list of them, or `off`.
    pub listen: FurtherListeners,
    /// TLS behind the header: one `IP:PORT`, a list of them, or `off`.
    pub tls_listen: FurtherListeners,
}

/// The Admin API and the release API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Plain HTTP with APISIX's dialect: `IP:PORT` or `off`.
    pub listen: Listen,
    /// TLS with API7's dialect: `IP:PORT` or `off`.
    pub tls_listen: Listen,
    /// Addresses or CIDR blocks that may connect; all others get a 403.
    pub allow: Vec<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Admin {
            listen: Listen::loopback(9180),
            tls_listen: Listen::loopback(7443),
            allow: vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
        }
    }
}

/// A file, or `off`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum AccessLog {
    /// No access log.
    Off,
    /// One JSON object per request, appended to this file.
    File(PathBuf),
}

impl From<String> for AccessLog {
    fn from(text: String) -> Self {
        if text == "off" { AccessLog::Off } else { AccessLog::File(PathBuf::from(text)) }
    }
}

impl From<AccessLog> for String {
    fn from(log: AccessLog) -> Self {
        match log {
            AccessLog::Off => "off".to_owned(),
            AccessLog::File(path) => path.display().to_string(),
        }
    }
}

/// Tealgate's own log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least important level that is still written.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

/// How important a log line is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something was lost or refused.
    Error,
    /// Something needs a look.
    Warn,
    /// What was done.
    #[default]
    Info,
    /// Why it was done.
    Debug,
    /// Each step of it.
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether certificates of https upstreams are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamTlsVerify {
    /// As each upstream's `tls.verify` says; APISIX's default is no. What is off is warned of.
    #[default]
    AsConfigured,
    /// Always, whatever the upstream says.
    Always,
}

/// Names of upstream nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// How long an answer is used before the name is asked for again, milliseconds.
    pub valid_ms: u64,
}

impl Default for Dns {
    fn default() -> Self {
        Dns { valid_ms: 10_000 }
    }
}

/// How often requests to an upstream may be tried again. A retry that brings an answer is not counted. Beyond it the
/// last failure is the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryBudget {
    /// Retries for each 100 requests of a second, 0 to 1000.
    #[schemars(range(min = 0, max = 1000))]
    pub percent: u32,
    /// Retries in each second whatever the number of requests.
    pub min_per_s: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget { percent: 20, min_per_s: 10 }
    }
}
