//! The configuration file's settings as the gateway takes them.

use super::prepare::Prepared;
use crate::config::settings::{Settings, UpstreamTlsVerify};
use gateway::{Listener, Trust};
use model::cidr::Cidr;
use model::secret::{Opener, SecretKey};
use std::num::NonZero;
use std::sync::Arc;
use store::secret::Keyring;

/// What the gateway is started with. Its keys are derived, each by a label of its own.
pub(super) fn of(prepared: &Prepared, keyring: &Arc<Keyring>) -> gateway::Settings {
    let settings = &prepared.settings;
    let limits = &settings.limits;
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    gateway::Settings {
        listen: listeners(settings),
        trust: trust(settings),
        threads: settings.threads.map_or_else(cores, usize::from),
        head: limits.of_heads(),
        max_body_bytes: limits.body_bytes,
        max_connections: limits.connections,
        max_connections_per_address: limits.connections_per_address,
        max_requests: limits.requests,
        max_connecting_per_node: limits.connecting_per_node,
        min_rate_bytes_per_s: limits.min_rate_bytes_per_s,
        min_rate_window_ms: limits.min_rate_window_ms,
        idle_timeout_ms: limits.idle_timeout_ms,
        head_timeout_ms: limits.head_timeout_ms,
        body_timeout_ms: limits.body_timeout_ms,
        write_timeout_ms: limits.write_timeout_ms,
        total_timeout_ms: limits.total_timeout_ms,
        http2_max_streams: limits.http2_max_streams,
        http2_stream_window_bytes: limits.http2_stream_window_bytes,
        http2_connection_window_bytes: limits.http2_connection_window_bytes,
        http2_control_burst: limits.http2_control_burst,
        stream_idle_timeout_ms: limits.stream_idle_timeout_ms,
        drain_timeout_ms: settings.drain_timeout_ms,
        drain_jitter_ms: settings.drain_jitter_ms,
        retry_budget: gateway::table::BudgetRule {
            percent: settings.retry_budget.percent,
            min_per_s: settings.retry_budget.min_per_s,
        },
        dns_valid_ms: settings.dns.valid_ms,
        names: Arc::new(gateway::SystemNames),
        always_verify_upstreams: settings.upstream_tls_verify == UpstreamTlsVerify::Always,
        tls_ca_file: settings.tls_ca_file.clone(),
        plugins: plugins::KINDS,
        limit_keys: limits.limit_keys,
        upstream_http2: settings.upstream_http2.of_gateway(),
        replay_bytes: limits.replay_bytes,
        shadow_memory_bytes: limits.shadow_memory_bytes,
        examined_body_bytes: limits.examined_body_bytes,
        examined_memory_bytes: limits.examined_memory_bytes,
        examined_bytes_per_s: limits.examined_bytes_per_s,
        handshake_timeout_ms: limits.handshake_timeout_ms,
        max_handshakes: limits.handshakes,
        fallback_sni: settings.tls_fallback_sni.as_ref().map(|name| name.to_ascii_lowercase()),
        secrets: Arc::clone(keyring) as Arc<dyn Opener>,
        guard_dir: Some(prepared.data_dir.join("guards")),
        assignment_key: SecretKey(keyring.derive("assignment")),
    }
}

/// Where the gateway listens, and for what.
pub(super) fn listeners(settings: &Settings) -> Vec<Listener> {
    let plain = settings.listen.0.iter().copied().map(Listener::plain);
    let tls = settings.tls_listen.0.iter().copied().map(Listener::tls);
    let proxies = &settings.proxy_protocol;
    let relayed = proxies.listen.0.iter().copied().map(Listener::plain);
    let relayed = relayed.chain(proxies.tls_listen.0.iter().copied().map(Listener::tls));
    plain.chain(tls).chain(relayed.map(|listener| Listener { relayed: true, ..listener })).collect()
}

fn trust(settings: &Settings) -> Trust {
    Trust {
        addresses: settings.trusted_addresses.iter().filter_map(|block| Cidr::parse(block)).collect(),
        header: settings.real_ip_header.to_ascii_lowercase(),
    }
}
