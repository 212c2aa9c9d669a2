//! The health checks of an upstream in typed form, with APISIX's fields and defaults (APISIX §1.7).

use super::{as_integer, seconds_to_ms};
use serde_json::Value;

/// `checks` of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// What is asked of the nodes.
    pub active: ActiveChecks,
    /// What is counted of real requests; `None`: nothing.
    pub passive: Option<PassiveChecks>,
}

/// Requests that the gateway makes itself to see how its nodes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveChecks {
    /// What is asked.
    pub kind: CheckKind,
    /// Bound on one check, milliseconds, at least 1.
    pub timeout_ms: u64,
    /// Most checks of this upstream at the same time, at least 1.
    pub concurrency: usize,
    /// What `Host` and the TLS name say; `None`: what requests say.
    pub host: Option<String>,
    /// The port that is asked; `None`: the node's.
    pub port: Option<u16>,
    /// The path that is asked for.
    pub http_path: String,
    /// Whether the certificate is checked (`https` only).
    pub verify_certificate: bool,
    /// Further header lines, `Name: value`.
    pub req_headers: Vec<String>,
    /// Between two checks of a healthy node, milliseconds, at least 1.
    pub healthy_interval_ms: u64,
    /// Between two checks of an unhealthy node, milliseconds, at least 1.
    pub unhealthy_interval_ms: u64,
    /// What counts, and how often it must come.
    pub thresholds: Thresholds,
}

/// What is counted of real requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassiveChecks {
    /// With `Tcp`, statuses are not counted.
    pub kind: CheckKind,
    /// What counts, and how often it must come.
    pub thresholds: Thresholds,
}

/// What an active check asks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A GET over plain HTTP.
    Http,
    /// A GET over TLS.
    Https,
    /// That the port takes a connection.
    Tcp,
}

impl CheckKind {
    /// As it is written in `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CheckKind::Http => "http",
            CheckKind::Https => "https",
            CheckKind::Tcp => "tcp",
        }
    }
}

/// What counts for and against a node, and how often it must come until the node's status changes; 0: never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Statuses that count as a success.
    pub healthy_statuses: StatusSet,
    /// Statuses that count as a failure.
    pub unhealthy_statuses: StatusSet,
    /// Successes until an unhealthy node is healthy.
    pub successes: u8,
    /// Failing statuses until a healthy node is unhealthy.
    pub http_failures: u8,
    /// Connections that failed or broke, likewise.
    pub tcp_failures: u8,
    /// Timeouts, likewise.
    pub timeouts: u8,
}

/// A set of HTTP statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet([u64; 10]);

impl StatusSet {
    /// Whether a status is in it.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.get(usize::from(status / 64)).is_some_and(|word| word & (1 << (status % 64)) != 0)
    }
}

impl FromIterator<u16> for StatusSet {
    /// Statuses from 640 on do not exist and are left out.
    fn from_iter<I: IntoIterator<Item = u16>>(statuses: I) -> Self {
        let mut set = StatusSet::default();
        for status in statuses {
            if let Some(word) = set.0.get_mut(usize::from(status / 64)) {
                *word |= 1 << (status % 64);
            }
        }
        set
    }
}

impl Checks {
    /// Reads `checks` that the schema has accepted; `None` without active ones, which APISIX refuses.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Checks> {
        let active = value.get("active")?;
        Some(Checks {
            active: ActiveChecks::from_value(active),
            passive: value.get("passive").map(PassiveChecks::from_value),
        })
    }
}

impl ActiveChecks {
    fn from_value(value: &Value) -> ActiveChecks {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let seconds = |pointer: &str| {
            value.pointer(pointer).and_then(Value::as_f64).map_or(1_000, seconds_to_ms).max(1)
        };
        let integer = |key: &str| value.get(key).and_then(as_integer);
        let headers = value.get("req_headers").and_then(Value::as_array);
        ActiveChecks {
            kind: kind(value),
            timeout_ms: seconds("/timeout"),
            concurrency: integer("concurrency").and_then(|n| usize::try_from(n).ok()).unwrap_or(10).max(1),
            host: text("host"),
            port: integer("port").and_then(|port| u16::try_from(port).ok()),
            http_path: text("http_path").unwrap_or_else(|| "/".to_owned()),
            verify_certificate: value
                .get("https_verify_certificate")
                .and_then(Value::as_bool)
                .unwrap_or(true),
            req_headers: headers
                .into_iter()
                .flatten()
                .filter_map(|line| Some(line.as_str()?.to_owned()))
                .collect(),
            healthy_interval_ms: seconds("/healthy/interval"),
            unhealthy_interval_ms: seconds("/unhealthy/interval"),
            thresholds: Thresholds {
                healthy_statuses: statuses(value, "/healthy/http_statuses", &[200, 302]),
                unhealthy_statuses: statuses(
                    value,
                    "/unhealthy/http_statuses",
                    &[429, 404, 500, 501, 502, 503, 504, 505],
                ),
                successes: count(value, "/healthy/successes", 2),
                http_failures: count(value, "/unhealthy/http_failures", 5),
                tcp_failures: count(value, "/unhealthy/tcp_failures", 2),
                timeouts: count(value, "/unhealthy/timeouts", 3),
            },
        }
    }
}

impl PassiveChecks {
    fn from_value(value: &Value) -> PassiveChecks {
        let good: Vec<u16> = (200..=208).chain([226]).chain(300..=308).collect();
        PassiveChecks {
            kind: kind(value),
            thresholds: Thresholds {
                healthy_statuses: statuses(value, "/healthy/http_statuses", &good),
                unhealthy_statuses: statuses(value, "/unhealthy/http_statuses", &[429, 500, 503]),
                successes: count(value, "/healthy/successes", 5),
                http_failures: count(value, "/unhealthy/http_failures", 5),
                tcp_failures: count(value, "/unhealthy/tcp_failures", 2),
                timeouts: count(value, "/unhealthy/timeouts", 7),
            },
        }
    }
}

fn kind(value: &Value) -> CheckKind {
    match value.get("type").and_then(Value::as_str) {
        Some("https") => CheckKind::Https,
        Some("tcp") => CheckKind::Tcp,
        _ => CheckKind::Http,
    }
}

fn count(value: &Value, pointer: &str, default: u8) -> u8 {
    let given = value.pointer(pointer).and_then(as_integer);
    given.and_then(|count| u8::try_from(count).ok()).unwrap_or(default)
}

fn statuses(value: &Value, pointer: &str, default: &[u16]) -> StatusSet {
    match value.pointer(pointer).and_then(Value::as_array) {
        Some(given) => given.iter().filter_map(|status| u16::try_from(as_integer(status)?).ok()).collect(),
        None => default.iter().copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_said_is_as_in_apisix() {
        let checks = Checks::from_value(&json!({"active": {}, "passive": {}})).unwrap();
        let active = &checks.active;
        assert_eq!((active.kind, active.timeout_ms, active.concurrency), (CheckKind::Http, 1_000, 10));
        assert_eq!((active.http_path.as_str(), active.verify_certificate), ("/", true));
        assert_eq!((active.healthy_interval_ms, active.unhealthy_interval_ms), (1_000, 1_000));
        let counts = |t: &Thresholds| [t.successes, t.http_failures, t.tcp_failures, t.timeouts];
        assert_eq!(counts(&active.thresholds), [2, 5, 2, 3]);
        let passive = checks.passive.unwrap().thresholds;
        assert_eq!(counts(&passive), [5, 5, 2, 7]);
        let all = |set: &StatusSet| (0..700).filter(|status| set.contains(*status)).collect::<Vec<u16>>();
        assert_eq!(all(&active.thresholds.healthy_statuses), [200, 302]);
        assert_eq!(all(&active.thresholds.unhealthy_statuses), [404, 429, 500, 501, 502, 503, 504, 505]);
        assert_eq!(all(&passive.healthy_statuses).len(), 9 + 1 + 9);
        assert_eq!(all(&passive.unhealthy_statuses), [429, 500, 503]);
    }

    #[test]
    fn what_is_said_is_read() {
        let checks = Checks::from_value(&json!({"active": {
            "type": "https", "timeout": 0.5, "concurrency": 3, "host": "h", "port": 81, "http_path": "/up",
            "https_verify_certificate": false, "req_headers": ["A: b"],
            "healthy": {"interval": 7, "http_statuses": [204], "successes": 1},
            "unhealthy": {"interval": 3, "http_failures": 9, "tcp_failures": 8, "timeouts": 6}}}))
        .unwrap();
        let active = checks.active;
        assert_eq!((active.kind, active.timeout_ms, active.concurrency), (CheckKind::Https, 500, 3));
        assert_eq!((active.host.as_deref(), active.port), (Some("h"), Some(81)));
        assert_eq!((active.healthy_interval_ms, active.unhealthy_interval_ms), (7_000, 3_000));
        assert_eq!((active.req_headers, active.verify_certificate), (vec!["A: b".to_owned()], false));
        let t = active.thresholds;
        assert!(t.healthy_statuses.contains(204) && !t.healthy_statuses.contains(200));
        assert_eq!([t.successes, t.http_failures, t.tcp_failures, t.timeouts], [1, 9, 8, 6]);
        assert_eq!(checks.passive, None);
    }

    #[test]
    fn passive_checks_alone_are_none() {
        assert_eq!(Checks::from_value(&json!({"passive": {}})), None);
    }
}
