//! An upstream in typed form, read from JSON that the schema has accepted (APISIX §1.7, §2.5, §2.6).

pub mod checks;

use crate::colour::{self, Colour};
use crate::label;
use crate::secret::SecretText;
use crate::ssl::Pair;
use checks::Checks;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where requests go.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its id; empty for an inline upstream.
    pub id: String,
    /// The addresses, in the order given.
    pub nodes: Vec<Node>,
    /// How one of the nodes is chosen.
    pub balancer: Balancer,
    /// Protocol towards the nodes.
    pub scheme: Scheme,
    /// What the `Host` header says.
    pub pass_host: PassHost,
    /// Retries after the first try; `None`: nodes − 1.
    pub retries: Option<u32>,
    /// Bound on all tries together, milliseconds; 0: none.
    pub retry_timeout_ms: u64,
    /// Time limits; `None`: the defaults.
    pub timeouts: Option<Timeouts>,
    /// Idle connections that are kept.
    pub keepalive: KeepalivePool,
    /// Health checks; `None`: none. One inside a traffic-split rule has none, as in APISIX.
    pub checks: Option<Checks>,
    /// `tls.verify`: whether the certificate of an https node is checked.
    pub tls_verify: bool,
    /// `tls.client_cert` and its key: what nodes are shown.
    pub client_cert: Option<Pair>,
    /// `tls.client_cert_id`: the same by the id of an SSL resource.
    pub client_cert_id: Option<String>,
    /// Labels; the colour is one of them.
    pub labels: BTreeMap<String, String>,
    /// Whether it was written inside a traffic-split rule; such an upstream ignores some fields (APISIX §2.5).
    pub inline: bool,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Port; `None`: the scheme's standard port.
    pub port: Option<u16>,
    /// Share within its priority, 0 or more.
    pub weight: u32,
    /// Higher first; lower only when all higher were tried.
    pub priority: i32,
}

/// How a node is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balancer {
    /// Weighted round robin.
    RoundRobin,
    /// Consistent hashing (ketama ring).
    Chash {
        /// Where the key comes from.
        hash_on: HashOn,
        /// The name of the variable, header or cookie, or the combination.
        key: String,
    },
    /// Lower decayed response time of two at random.
    Ewma,
    /// Fewest open requests for its weight.
    LeastConn,
    /// Any other name: a 500 at run time, as in APISIX.
    Unknown(String),
}

/// What a consistent hash takes as its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HashOn {
    Vars,
    Header,
    Cookie,
    Consumer,
    VarsCombinations,
}

/// Protocol towards the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scheme {
    Http,
    Https,
    /// HTTP/2 without TLS, from the first byte on (RFC 9113, section 3.3).
    Grpc,
    /// HTTP/2 over TLS.
    Grpcs,
    /// `tcp`, `tls`, `udp`, `kafka`: accepted by the schema, answered with 502 at run time.
    Unsupported,
}

/// Which version of HTTP is spoken with the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, and nothing else.
    Http2,
    /// HTTP/2 if the node chooses it in the TLS handshake (ALPN), else HTTP/1.1.
    Negotiated,
}

impl Scheme {
    /// The port that is meant when none is written.
    #[must_use]
    pub fn standard_port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }

    /// Whether TLS is spoken with the nodes.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Grpcs)
    }
}

/// What the `Host` header towards the node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassHost {
    /// The client's.
    Pass,
    /// The node's host, with the port unless it is the scheme's standard one.
    Node,
    /// A fixed one (`upstream_host`).
    Rewrite(String),
}

/// Limits on one try, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Timeouts {
    pub connect_ms: u64,
    pub send_ms: u64,
    pub read_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { connect_ms: 60_000, send_ms: 60_000, read_ms: 60_000 }
    }
}

impl Timeouts {
    /// Reads `timeout` of a route or an upstream: seconds, fractions allowed.
    #[must_use]
    pub fn from_value(owner: &Value) -> Option<Timeouts> {
        let timeout = owner.get("timeout")?;
        let ms = |key: &str| timeout.get(key).and_then(Value::as_f64).map_or(60_000, seconds_to_ms);
        Some(Timeouts { connect_ms: ms("connect"), send_ms: ms("send"), read_ms: ms("read") })
    }
}

/// Idle connections kept to one upstream, per gateway thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepalivePool {
    /// Most idle connections.
    pub size: usize,
    /// How long one may be idle, milliseconds.
    pub idle_timeout_ms: u64,
    /// Requests on one connection before it is closed.
    pub requests: u64,
}

impl Default for KeepalivePool {
    fn default() -> Self {
        KeepalivePool { size: 320, idle_timeout_ms: 60_000, requests: 1_000 }
    }
}

impl Upstream {
    /// Reads an upstream that the schema has accepted. What the schema forbids is read as if it were absent.
    #[must_use]
    pub fn from_value(value: &Value, inline: bool) -> Upstream {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let full = !inline;
        Upstream {
            id: if inline { String::new() } else { id_text(value.get("id")) },
            nodes: value.get("nodes").map(nodes).unwrap_or_default(),
            balancer: balancer(value),
            scheme: match text("scheme").unwrap_or("http") {
                "http" => Scheme::Http,
                "https" => Scheme::Https,
                "grpc" => Scheme::Grpc,
                "grpcs" => Scheme::Grpcs,
                _ => Scheme::Unsupported,
            },
            pass_host: match text("pass_host").unwrap_or("pass") {
                "node" => PassHost::Node,
                "rewrite" => PassHost::Rewrite(text("upstream_host").unwrap_or_default().to_owned()),
                _ => PassHost::Pass,
            },
            retries: value
                .get("retries")
                .filter(|_| full)
                .and_then(as_integer)
                .and_then(|retries| u32::try_from(retries).ok()),
            retry_timeout_ms: value
                .get("retry_timeout")
                .filter(|_| full)
                .and_then(Value::as_f64)
                .map_or(0, seconds_to_ms),
            timeouts: Timeouts::from_value(value),
            keepalive: value.get("keepalive_pool").filter(|_| full).map(keepalive).unwrap_or_default(),
            checks: value.get("checks").filter(|_| full).and_then(Checks::from_value),
            tls_verify: full && value.pointer("/tls/verify").and_then(Value::as_bool).unwrap_or(false),
            client_cert: value.get("tls").filter(|_| full).and_then(client_cert),
            client_cert_id: value.pointer("/tls/client_cert_id").filter(|_| full).map(|id| id_text(Some(id))),
            labels: labels(value),
            inline,
        }
    }

    /// The colour that the label says, if it says one.
    #[must_use]
    pub fn colour(&self) -> Option<Colour> {
        self.labels.get(colour::LABEL_COLOUR).and_then(|text| Colour::parse(text))
    }

    /// Which version of HTTP is spoken with the nodes: by the scheme; for http and https also by the label.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        let asks_for_h2 = || self.labels.get(colour::LABEL_PROTOCOL).is_some_and(|label| label == "h2");
        match self.scheme {
            Scheme::Grpc | Scheme::Grpcs => Protocol::Http2,
            Scheme::Http if asks_for_h2() => Protocol::Http2,
            Scheme::Https if asks_for_h2() => Protocol::Negotiated,
            Scheme::Http | Scheme::Https | Scheme::Unsupported => Protocol::Http1,
        }
    }

    /// How long a stream may stay after traffic has left this upstream; `None`: the gateway's default.
    #[must_use]
    pub fn drain_timeout_ms(&self) -> Option<u64> {
        label::parse_ms(self.labels.get(colour::LABEL_DRAIN_TIMEOUT_MS)?)
    }

    /// How long the share of a node that comes up grows until it is whole, milliseconds; 0: it is whole at once.
    #[must_use]
    pub fn slow_start_ms(&self) -> u64 {
        let label = self.labels.get(colour::LABEL_SLOW_START_MS).filter(|_| !self.inline);
        label.and_then(|text| label::parse_ms(text)).unwrap_or(0)
    }
}

fn client_cert(tls: &Value) -> Option<Pair> {
    let text = |key: &str| tls.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Pair { cert: text("client_cert")?, key: SecretText(text("client_key")?) })
}

/// An id that may be written as a text or as an integer; ids are compared as texts.
#[must_use]
pub fn id_text(id: Option<&Value>) -> String {
    match id {
        Some(Value::String(text)) => text.clone(),
        Some(number) => as_integer(number).map(|n| n.to_string()).unwrap_or_default(),
        None => String::new(),
    }
}

/// An integer in the sense of APISIX: `1.0` is one, too.
#[must_use]
pub fn as_integer(value: &Value) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and in range before")]
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9.0e15).map(|f| f as i64))
}

/// Labels of a resource: texts by name.
#[must_use]
pub fn labels(value: &Value) -> BTreeMap<String, String> {
    let Some(labels) = value.get("labels").and_then(Value::as_object) else { return BTreeMap::new() };
    labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range before")]
fn seconds_to_ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).clamp(0.0, 1.0e12).round() as u64
}

fn nodes(value: &Value) -> Vec<Node> {
    match value {
        Value::Object(map) => {
            map.iter().filter_map(|(address, weight)| node_of_pair(address, weight)).collect()
        }
        Value::Array(list) => list.iter().filter_map(node_of_object).collect(),
        _ => Vec::new(),
    }
}

fn node_of_pair(address: &str, weight: &Value) -> Option<Node> {
    let (host, port) = split_address(address)?;
    let weight = u32::try_from(as_integer(weight)?).ok()?;
    Some(Node { host: host.to_owned(), port, weight, priority: 0 })
}

fn node_of_object(value: &Value) -> Option<Node> {
    let integer = |key: &str| value.get(key).and_then(as_integer);
    let host = value.get("host")?.as_str()?;
    Some(Node {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: integer("port").and_then(|port| u16::try_from(port).ok()),
        weight: u32::try_from(integer("weight")?).ok()?,
        priority: integer("priority").and_then(|priority| i32::try_from(priority).ok()).unwrap_or(0),
    })
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; `None` if the port is no port.
#[must_use]
pub fn split_address(address: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match address.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((address, None)),
    }
}

fn balancer(value: &Value) -> Balancer {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match text("type").unwrap_or("roundrobin") {
        "roundrobin" => Balancer::RoundRobin,
        "ewma" => Balancer::Ewma,
        "least_conn" => Balancer::LeastConn,
        "chash" => Balancer::Chash {
            hash_on: match text("hash_on").unwrap_or("vars") {
                "header" => HashOn::Header,
                "cookie" => HashOn::Cookie,
                "consumer" => HashOn::Consumer,
                "vars_combinations" => HashOn::VarsCombinations,
                _ => HashOn::Vars,
            },
            key: text("key").unwrap_or_default().to_owned(),
        },
        other => Balancer::Unknown(other.to_owned()),
    }
}

fn keepalive(value: &Value) -> KeepalivePool {
    let default = KeepalivePool::default();
    let integer = |key: &str| value.get(key).and_then(as_integer).and_then(|n| u64::try_from(n).ok());
    KeepalivePool {
        size: integer("size").and_then(|n| usize::try_from(n).ok()).unwrap_or(default.size),
        idle_timeout_ms: value
            .get("idle_timeout")
            .and_then(Value::as_f64)
            .map_or(default.idle_timeout_ms, seconds_to_ms),
        requests: integer("requests").unwrap_or(default.requests),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_are_read_from_both_forms() {
        let upstream = Upstream::from_value(
            &json!({"id": 7, "nodes": {"a:81": 1, "[::1]:82": 2, "b": 0}, "scheme": "https"}),
            false,
        );
        assert_eq!(upstream.id, "7");
        let addresses: Vec<_> = upstream.nodes.iter().map(|n| (n.host.as_str(), n.port, n.weight)).collect();
        assert_eq!(addresses, [("a", Some(81), 1), ("::1", Some(82), 2), ("b", None, 0)]);
        let upstream = Upstream::from_value(
            &json!({"nodes": [{"host": "a", "port": 1.0, "weight": 3, "priority": -1}]}),
            true,
        );
        assert_eq!(upstream.nodes, [Node { host: "a".to_owned(), port: Some(1), weight: 3, priority: -1 }]);
    }

    #[test]
    fn the_version_of_http_is_said_by_the_scheme_and_the_label() {
        let read = |scheme: &str, label: &str| {
            let json = json!({"nodes": {"a": 1}, "scheme": scheme, "labels": {"tealgate.protocol": label}});
            let upstream = Upstream::from_value(&json, false);
            (upstream.protocol(), upstream.scheme.standard_port())
        };
        assert_eq!([read("grpc", "x"), read("grpcs", "x")], [(Protocol::Http2, 80), (Protocol::Http2, 443)]);
        assert_eq!([read("http", "h2"), read("http", "h1")], [(Protocol::Http2, 80), (Protocol::Http1, 80)]);
        let negotiated = (Protocol::Negotiated, 443);
        assert_eq!([read("https", "h2"), read("https", "")], [negotiated, (Protocol::Http1, 443)]);
        assert_eq!(read("tcp", "h2").0, Protocol::Http1);
    }

    #[test]
    fn an_inline_upstream_ignores_what_apisix_does_not_copy() {
        let json = json!({"nodes": {"a:1": 1}, "retries": 5, "tls": {"verify": true}, "keepalive_pool": {"size": 1},
                          "timeout": {"connect": 0.5, "send": 1, "read": 2}});
        let inline = Upstream::from_value(&json, true);
        assert_eq!((inline.retries, inline.tls_verify, inline.keepalive.size), (None, false, 320));
        assert_eq!(inline.timeouts, Some(Timeouts { connect_ms: 500, send_ms: 1_000, read_ms: 2_000 }));
        let full = Upstream::from_value(&json, false);
        assert_eq!((full.retries, full.tls_verify, full.keepalive.size), (Some(5), true, 1));
    }
}
