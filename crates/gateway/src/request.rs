//! A request as routing and forwarding see it: the parsed head, and what was derived from it once.

use http1::{Known, RequestHead};
use std::borrow::Cow;
use std::net::SocketAddr;

/// What is known of the client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The client.
    pub(crate) peer: SocketAddr,
    /// Its address as text, without port.
    pub(crate) peer_text: String,
    /// Our end.
    pub(crate) local: SocketAddr,
    /// Our port as text.
    pub(crate) local_port_text: String,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr) -> Connection {
        Connection {
            peer,
            peer_text: peer.ip().to_canonical().to_string(),
            local,
            local_port_text: local.port().to_string(),
        }
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) connection: &'a Connection,
    /// The query as it came, without `?`.
    pub(crate) query: Option<&'a str>,
    path: Cow<'a, [u8]>,
    host: Cow<'a, str>,
}

impl<'a> Request<'a> {
    /// Normalises the path, which is matched and forwarded, and the host.
    ///
    /// # Errors
    /// When the path has no normal form.
    pub(crate) fn new(
        head: &'a RequestHead,
        connection: &'a Connection,
    ) -> Result<Request<'a>, http1::target::TargetError> {
        let path = if http1::target::is_normal(head.path()) {
            Cow::Borrowed(head.path().as_bytes())
        } else {
            let mut path = Vec::with_capacity(head.path().len());
            http1::target::normalize(head.path(), &mut path)?;
            Cow::Owned(path)
        };
        let host = host_name(head.host());
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        Ok(Request { head, connection, query: head.query(), path, host })
    }

    /// The normalised path.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The host, lower case, without port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The host as the client wrote it, with port.
    pub(crate) fn authority(&self) -> &'a str {
        self.head.host()
    }

    /// Writes the target that is forwarded: the normalised path, and the query as it came.
    pub(crate) fn write_target(&self, out: &mut Vec<u8>) {
        match &self.path {
            Cow::Borrowed(path) => out.extend_from_slice(path),
            Cow::Owned(path) => http1::target::encode(path, out),
        }
        if let Some(query) = self.query {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
    }

    /// The target that is forwarded, as text.
    pub(crate) fn normalised_uri(&self) -> String {
        let mut out = Vec::new();
        self.write_target(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The value of a cookie, the first with this name (RFC 6265, section 4.2.1).
    pub(crate) fn cookie(&self, name: &str) -> Option<&'a str> {
        let lines = self.head.headers().filter(|header| header.known == Known::Cookie);
        let pairs =
            lines.filter_map(|line| std::str::from_utf8(line.value).ok()).flat_map(|line| line.split(';'));
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Whether sending it twice does what sending it once does (RFC 9110, section 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self.head.method(), "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
    }
}

/// The host without its port; an IPv6 address keeps its brackets.
fn host_name(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}
