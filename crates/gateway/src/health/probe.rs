//! One active check of one node: what is asked, and what came of it.

use super::standing::Failed;
use crate::table::{Target, is_header};
use crate::upstream::dial::dial;
use crate::upstream::fault::{in_words, of_handshake, unverified};
use crate::upstream::resolve::{Resolver, Wanted};
use crate::upstream::tls::Connectors;
use http1::{Parsed, ResponseHead};
use model::upstream::checks::{ActiveChecks, CheckKind};
use model::upstream::{PassHost, Scheme};
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes of an answer that are read; only its status matters.
const ANSWER_BYTES: usize = 64 * 1024;

/// What is asked of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) kind: CheckKind,
    host: String,
    port: u16,
    /// The socket address, if the host is an IP address.
    address: Option<SocketAddr>,
    /// The whole request.
    request: Vec<u8>,
    /// The name that TLS is spoken with.
    tls_name: String,
    verify: bool,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The port took the connection; nothing else was asked.
    Connected,
    /// The status of its answer.
    Status(u16),
    /// Nothing that counts as an answer, and why.
    Failed(Failed, String),
}

impl Question {
    /// What the checks of a target ask of one of its nodes. Of other schemes than http and https only whether the
    /// port takes a connection.
    pub(super) fn new(target: &Target, node: &crate::table::Node, checks: &ActiveChecks) -> Question {
        let kind = match target.scheme {
            Scheme::Http | Scheme::Https => checks.kind,
            _ => CheckKind::Tcp,
        };
        let port = checks.port.unwrap_or(node.port);
        let host = match (&checks.host, &target.pass_host) {
            (Some(host), _) | (None, PassHost::Rewrite(host)) => host.clone(),
            (None, _) => node.authority.clone(),
        };
        let tls_name = match (&checks.host, &target.pass_host) {
            (Some(host), _) | (None, PassHost::Rewrite(host)) => bare(host).to_owned(),
            (None, _) => node.host.clone(),
        };
        Question {
            kind,
            host: node.host.clone(),
            port,
            address: node.address.map(|address| SocketAddr::new(address.ip(), port)),
            request: request(&host, checks),
            tls_name,
            verify: checks.verify_certificate,
        }
    }

    /// Asks. The caller bounds the time.
    pub(super) async fn ask(&self, resolver: &Rc<Resolver>, tls: &Connectors) -> Answer {
        let result = async {
            let (socket, _) = dial(resolver, &self.host, self.port, self.address, Wanted::ANY).await?;
            match self.kind {
                CheckKind::Tcp => Ok(Answer::Connected),
                CheckKind::Http => self.exchange(socket).await,
                CheckKind::Https => {
                    let name = ServerName::try_from(self.tls_name.clone())
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                    let connector = tls.connector(self.verify);
                    self.exchange(connector.connect(name, socket).await?).await
                }
            }
        };
        result.await.unwrap_or_else(|error: io::Error| {
            tracing::debug!(host = self.host, port = self.port, %error, "a health check has failed");
            Answer::Failed(Failed::Tcp, reason(&error, self.kind))
        })
    }

    /// Sends the request and reads the answer's head; interim ones are passed over.
    async fn exchange(&self, mut io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Answer> {
        io.write_all(&self.request).await?;
        let mut head = ResponseHead::default();
        let mut bytes = Vec::new();
        let mut piece = [0u8; 4096];
        loop {
            let count = io.read(&mut piece).await?;
            if count == 0 || bytes.len() > ANSWER_BYTES {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
            while let Some(consumed) = parsed(&mut head, &bytes)? {
                if !head.is_interim() {
                    return Ok(Answer::Status(head.status()));
                }
                bytes.drain(..consumed.min(bytes.len()));
            }
        }
    }
}

/// Why there was no answer, for whoever is to mend it.
fn reason(error: &io::Error, kind: CheckKind) -> String {
    match unverified(error) {
        Some(fault) => {
            format!("the node's certificate {}; or set https_verify_certificate to false", in_words(fault))
        }
        None => match of_handshake(error) {
            Some(words) => format!("the node {words}"),
            None if kind == CheckKind::Https && error.kind() == io::ErrorKind::UnexpectedEof => {
                "the node closed the connection in the handshake of TLS or before its answer: does it speak TLS on \
                 this port?"
                    .to_owned()
            }
            None => error.to_string(),
        },
    }
}

/// How long the head at the begin of `bytes` is, if it is whole.
fn parsed(head: &mut ResponseHead, bytes: &[u8]) -> io::Result<Option<usize>> {
    match head.parse(bytes, &http1::Limits::default()) {
        Ok(Parsed::Complete { consumed }) => Ok(Some(consumed)),
        Ok(Parsed::Partial) => Ok(None),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

/// The request of a check. Lines of `req_headers` take the place of ours with the same name; a line or a path with
/// control characters is left out, so that no header can be smuggled in.
fn request(host: &str, checks: &ActiveChecks) -> Vec<u8> {
    let no_controls = |path: &&str| !path.bytes().any(|byte| byte.is_ascii_control());
    let path = Some(checks.http_path.as_str()).filter(no_controls).filter(|path| path.starts_with('/'));
    let path = path.unwrap_or("/").replace(' ', "%20");
    let given: Vec<&str> =
        checks.req_headers.iter().map(String::as_str).filter(|line| is_header(line)).collect();
    let is_given = |name: &str| given.iter().any(|line| is_of(line, name));
    let ours = [("Host", host), ("User-Agent", "tealgate-health-check"), ("Accept", "*/*")];
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    for (name, value) in ours.into_iter().filter(|(name, _)| !is_given(name)) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    for line in given.into_iter().filter(|line| !is_of(line, "connection")) {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("Connection: close\r\n\r\n");
    request.into_bytes()
}

fn is_of(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(other, _)| other.trim().eq_ignore_ascii_case(name))
}

/// A host without its port.
pub(crate) fn bare(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        // More than one colon is an address.
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::upstream::checks::Checks;
    use serde_json::json;

    fn request_of(active: &serde_json::Value) -> String {
        let checks = Checks::from_value(&json!({"active": active})).expect("active checks");
        String::from_utf8(request("a:81", &checks.active)).expect("text")
    }

    #[test]
    fn a_check_asks_for_the_path_of_the_host() {
        assert_eq!(
            request_of(&json!({"http_path": "/up?full=1"})),
            "GET /up?full=1 HTTP/1.1\r\nHost: a:81\r\nUser-Agent: tealgate-health-check\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn given_lines_take_the_place_of_ours() {
        let text = request_of(&json!({"req_headers": ["host: other", "X-Key: 1", "Connection: keep-alive"]}));
        assert!(!text.contains("Host: a:81") && text.contains("host: other\r\nX-Key: 1\r\n"), "{text}");
        assert!(text.ends_with("Connection: close\r\n\r\n") && !text.contains("keep-alive"), "{text}");
    }

    #[test]
    fn nothing_that_is_configured_can_end_a_line() {
        let text = request_of(&json!({"http_path": "/\r\nA: b", "req_headers": ["C: d\r\nE: f", "G"]}));
        assert!(text.starts_with("GET / HTTP/1.1\r\n"), "{text}");
        assert!(!["A:", "C:", "E:", "G\r"].iter().any(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn the_name_for_tls_has_no_port() {
        assert_eq!([bare("h:443"), bare("h"), bare("[::1]:443"), bare("::1")], ["h", "h", "::1", "::1"]);
    }
}
