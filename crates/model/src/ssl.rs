//! An SSL resource in typed form, read from JSON that the schema has accepted (APISIX §1.7).

use crate::pattern::{self, PatternError};
use crate::secret::SecretText;
use crate::upstream::{as_integer, id_text};
use regex::bytes::Regex;
use serde_json::Value;

/// Certificates for names, or a certificate of our own towards upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssl {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub usage: Usage,
    /// `status: 0` is not used.
    pub enabled: bool,
    /// The names, lower case; `*.example.com` stands for one further label, `*` for every name.
    pub snis: Vec<String>,
    /// Certificate chains with their keys; the first is the one of `cert` and `key`.
    pub pairs: Vec<Pair>,
    /// What clients must show.
    pub client: Option<Client>,
    /// The versions of TLS that may be spoken; empty: all that are safe.
    pub protocols: Vec<Protocol>,
}

/// Who a certificate is shown to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To clients of the gateway.
    Server,
    /// To upstreams.
    Client,
}

/// A certificate chain and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// PEM, the leaf first.
    pub cert: String,
    /// PEM, maybe sealed.
    pub key: SecretText,
}

/// What clients must show (mutual TLS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// PEM of the authorities that clients' certificates come from.
    pub ca: String,
    /// Most certificates between a client's and an authority's.
    pub depth: usize,
    /// Patterns of paths that need no certificate.
    pub skip_mtls_uri_regex: Vec<String>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Not spoken: it is not safe (RFC 8996).
    Tls11,
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Ssl {
    /// Reads an SSL resource that the schema has accepted.
    #[must_use]
    pub fn from_value(value: &Value) -> Ssl {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let first = text("cert").zip(text("key")).map(|(cert, key)| Pair { cert, key: SecretText(key) });
        let certs = texts(value.get("certs"));
        let further = certs.into_iter().zip(texts(value.get("keys")));
        let further = further.map(|(cert, key)| Pair { cert, key: SecretText(key) });
        let names = text("sni").map_or_else(|| texts(value.get("snis")), |name| vec![name]);
        Ssl {
            id: id_text(value.get("id")),
            usage: if text("type").as_deref() == Some("client") { Usage::Client } else { Usage::Server },
            enabled: value.get("status").and_then(as_integer).unwrap_or(1) != 0,
            snis: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            pairs: first.into_iter().chain(further).collect(),
            client: value.get("client").map(client),
            protocols: texts(value.get("ssl_protocols")).iter().filter_map(|name| protocol(name)).collect(),
        }
    }
}

fn client(value: &Value) -> Client {
    let depth = value.get("depth").and_then(as_integer);
    Client {
        ca: value.get("ca").and_then(Value::as_str).unwrap_or_default().to_owned(),
        depth: depth.and_then(|depth| usize::try_from(depth).ok()).unwrap_or(1),
        skip_mtls_uri_regex: texts(value.get("skip_mtls_uri_regex")),
    }
}

fn protocol(name: &str) -> Option<Protocol> {
    match name {
        "TLSv1.1" => Some(Protocol::Tls11),
        "TLSv1.2" => Some(Protocol::Tls12),
        "TLSv1.3" => Some(Protocol::Tls13),
        _ => None,
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

/// Patterns of paths, compiled; a path matches if one of them is found in it.
#[derive(Clone, Debug, Default)]
pub struct PathPatterns(Vec<Regex>);

impl PathPatterns {
    /// Compiles them.
    ///
    /// # Errors
    /// The first one that does not compile, with the reason.
    pub fn compile(patterns: &[String]) -> Result<PathPatterns, String> {
        let compiled = patterns.iter().map(|pattern| pattern::compile(pattern, false));
        compiled.collect::<Result<_, PatternError>>().map(PathPatterns).map_err(|error| error.to_string())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is found in the path.
    #[must_use]
    pub fn match_path(&self, path: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn certificates_are_paired_with_their_keys_in_order() {
        let ssl = Ssl::from_value(&json!({
            "id": 7, "snis": ["A.example.com", "*.b"], "cert": "c0", "key": "k0",
            "certs": ["c1", "c2"], "keys": ["k1", "k2"], "ssl_protocols": ["TLSv1.3"], "status": 0,
        }));
        let pairs: Vec<_> = ssl.pairs.iter().map(|pair| (pair.cert.as_str(), pair.key.0.as_str())).collect();
        assert_eq!(pairs, [("c0", "k0"), ("c1", "k1"), ("c2", "k2")]);
        assert_eq!((ssl.id.as_str(), ssl.enabled, ssl.usage), ("7", false, Usage::Server));
        assert_eq!(ssl.snis, ["a.example.com", "*.b"]);
        assert_eq!(ssl.protocols, [Protocol::Tls13]);
    }

    #[test]
    fn debug_shows_no_key() {
        let ssl = Ssl::from_value(
            &json!({"sni": "a", "cert": "c", "key": "hush", "certs": ["d"], "keys": ["hush"]}),
        );
        assert!(!format!("{ssl:?}").contains("hush"), "{ssl:?}");
    }

    #[test]
    fn what_a_client_must_show_has_apisixs_defaults() {
        let client = |value| Ssl::from_value(&json!({"client": value})).client.unwrap();
        assert_eq!(client(json!({"ca": "x"})).depth, 1);
        assert_eq!(client(json!({"ca": "x", "depth": 0})).depth, 0);
        let patterns = PathPatterns::compile(&["^/open".to_owned(), "[.]css$".to_owned()]).unwrap();
        let matched: Vec<_> =
            ["/open/x", "/a.css", "/a/open"].map(|path| patterns.match_path(path.as_bytes())).into();
        assert_eq!(matched, [true, true, false]);
        assert!(PathPatterns::compile(&["(".to_owned()]).is_err());
    }
}
