//! A request as routing and forwarding see it: the parsed head, and what was derived from it once.

use crate::grpc;
use crate::plugin::Run;
use crate::table::Identity;
use crate::tls::Session;
use crate::trust::{Origin, Standing, Trust};
use crate::vars;
use http1::target::TargetError;
use http1::{Known, RequestHead, Version};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

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
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// What is thought of the client.
    pub(crate) standing: Standing,
    /// What its TLS handshake has shown.
    pub(crate) tls: Option<Box<Session>>,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr) -> Connection {
        Connection {
            peer,
            peer_text: peer.ip().to_canonical().to_string(),
            local,
            local_port_text: local.port().to_string(),
            scheme: "http",
            standing: Standing::Unknown,
            tls: None,
        }
    }

    /// The connection that a proxy in front has relayed to us, as it says.
    pub(crate) fn is_relayed(&mut self, source: SocketAddr, destination: SocketAddr) {
        (self.peer, self.local) = (source, destination);
        self.peer_text = source.ip().to_canonical().to_string();
        self.local_port_text = destination.port().to_string();
    }

    /// The same connection after its TLS handshake.
    pub(crate) fn secure(&mut self, session: Session) {
        self.scheme = "https";
        self.tls = Some(Box::new(session));
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) connection: &'a Connection,
    /// The query as it came, without `?`.
    pub(crate) query: Option<&'a str>,
    /// What plugins have done to it; `None`: its route has none.
    pub(crate) run: Option<Box<Run<'a>>>,
    path: Result<Cow<'a, [u8]>, TargetError>,
    host: Cow<'a, str>,
    /// Who sends it, where a trusted proxy says that it is someone else.
    origin: Option<Box<Origin>>,
}

impl<'a> Request<'a> {
    /// Normalises the path, which is matched and forwarded, and the host.
    pub(crate) fn new(head: &'a RequestHead, connection: &'a Connection) -> Request<'a> {
        let host = head.host_name();
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        Request {
            head,
            connection,
            query: head.query(),
            run: None,
            path: normal_path(head.path()),
            host,
            origin: None,
        }
    }

    /// The same, whose sender is found by the word of a trusted proxy, if one has sent it.
    pub(crate) fn from_behind(
        head: &'a RequestHead,
        connection: &'a Connection,
        trust: &Trust,
    ) -> Request<'a> {
        let mut request = Request::new(head, connection);
        if connection.standing == Standing::Trusted {
            request.origin = trust.origin(head).map(Box::new);
        }
        request
    }

    /// The address of who sends it.
    pub(crate) fn client_ip(&self) -> IpAddr {
        match &self.origin {
            None => self.connection.peer.ip().to_canonical(),
            Some(origin) => origin.ip,
        }
    }

    /// The same as text.
    pub(crate) fn client_text(&self) -> &str {
        match &self.origin {
            None => &self.connection.peer_text,
            Some(origin) => &origin.text,
        }
    }

    /// The normalised path; as it came, if it has no normal form.
    pub(crate) fn path(&self) -> &[u8] {
        self.path.as_deref().unwrap_or(self.head.path().as_bytes())
    }

    /// Why the path has no normal form, if it has none: such a request is refused.
    pub(crate) fn path_error(&self) -> Option<TargetError> {
        self.path.as_ref().err().copied()
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
            Ok(Cow::Owned(path)) => http1::target::encode(path, out),
            _ => out.extend_from_slice(self.path()),
        }
        let query = match self.run.as_ref().and_then(|run| run.query()) {
            Some(rewritten) => Some(rewritten).filter(|query| !query.is_empty()),
            None => self.query,
        };
        if let Some(query) = query {
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

    /// The value of a cookie, the first with this name.
    pub(crate) fn cookie(&self, name: &str) -> Option<&'a str> {
        self.cookies(name).next()
    }

    /// The values of all cookies with this name, in their order: those of longer paths come first (RFC 6265, section 5.4).
    pub(crate) fn cookies<'b>(&self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        let lines = self.head.headers().filter(|header| header.known == Known::Cookie);
        let pairs =
            lines.filter_map(|line| std::str::from_utf8(line.value).ok()).flat_map(|line| line.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The path as text.
    pub(crate) fn logged_path(&self) -> Cow<'_, str> {
        match &self.path {
            // Mostly it is as it came, and that is text already.
            Ok(Cow::Borrowed(_)) | Err(_) => self.head.path().into(),
            Ok(Cow::Owned(path)) => String::from_utf8_lossy(path),
        }
    }

    /// The query as it may be logged: without what a plugin says is a secret.
    pub(crate) fn logged_query(&self) -> Cow<'a, str> {
        let query = self.query.unwrap_or_default();
        let secret = self.run.as_ref().and_then(|run| run.secret_argument());
        let Some(secret) = secret.filter(|_| !query.is_empty()) else {
            return query.into();
        };
        let shown = |pair: &'a str| match pair.split_once('=') {
            Some((name, _)) if vars::decoded(name) == secret => format!("{name}=***"),
            _ => pair.to_owned(),
        };
        query.split('&').map(shown).collect::<Vec<_>>().join("&").into()
    }

    /// Who sends it, once a plugin has found out.
    pub(crate) fn identity(&self) -> Option<Identity<'a>> {
        self.run.as_ref()?.identity()
    }

    /// The name of the consumer that sends it, once a plugin has found out.
    pub(crate) fn consumer_name(&self) -> Option<&str> {
        self.run.as_ref()?.consumer_name()
    }

    /// Whether it is a call of gRPC, which tells errors by trailers instead of by status.
    pub(crate) fn is_grpc(&self) -> bool {
        self.head.version() == Version::Http2 && self.head.values(Known::ContentType).any(grpc::is_kind)
    }

    /// Whether sending it twice does what sending it once does (RFC 9110, section 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self.head.method(), "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
    }
}

fn normal_path(path: &str) -> Result<Cow<'_, [u8]>, TargetError> {
    if http1::target::is_normal(path) {
        return Ok(Cow::Borrowed(path.as_bytes()));
    }
    let mut normal = Vec::with_capacity(path.len());
    http1::target::normalize(path, &mut normal)?;
    Ok(Cow::Owned(normal))
}
