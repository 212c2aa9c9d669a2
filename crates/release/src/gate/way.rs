//! One way to a version, direct or through the gateway, and what is sent on it.

use super::GateContext;
use crate::clock;
use crate::target::authority;
use crate::target::request::{Answer, send, send_secure};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longest that one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// One way to a version.
#[derive(Debug)]
pub(super) struct Way<'a> {
    /// `direct` or `through the gate`.
    pub(super) name: &'static str,
    host: String,
    port: u16,
    is_secure: bool,
    /// What `Host` says, unless the request sets it.
    authority: String,
    preview: Option<&'a (String, String)>,
}

impl<'a> Way<'a> {
    /// To an instance itself.
    pub(super) fn direct(host: &str, port: u16, is_secure: bool) -> Way<'a> {
        let (host, authority) = (host.to_owned(), authority(host, port));
        Way { name: "direct", host, port, is_secure, authority, preview: None }
    }

    /// Through the gateway: to the new version with a preview, where users go without.
    pub(super) fn through_gate(
        gateway: SocketAddr,
        context: &GateContext,
        preview: Option<&'a (String, String)>,
    ) -> Way<'a> {
        Way {
            name: "through the gate",
            host: gateway.ip().to_string(),
            port: gateway.port(),
            is_secure: false,
            authority: context.host.clone().unwrap_or_else(|| gateway.to_string()),
            preview,
        }
    }

    /// Where it leads, as in a URL.
    pub(super) fn address(&self) -> String {
        authority(&self.host, self.port)
    }

    /// A request as it goes this way; `agent` is what it calls itself.
    pub(super) fn request(
        &self,
        agent: &str,
        (method, path): (&str, &str),
        headers: &BTreeMap<String, String>,
        body: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut builder = Request::builder().method(method).uri(path);
        let sets =
            |name: &header::HeaderName| headers.keys().any(|key| key.eq_ignore_ascii_case(name.as_str()));
        let defaults = [
            (header::HOST, self.authority.as_str()),
            (header::USER_AGENT, agent),
            (header::CONNECTION, "close"),
        ];
        for (name, value) in defaults {
            if !sets(&name) {
                builder = builder.header(name, value);
            }
        }
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        if let Some((name, token)) = self.preview {
            builder = builder.header(name, token);
        }
        let body = body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
        builder.body(Full::new(body.unwrap_or_default()))
    }

    /// Sends it and waits for the whole answer. Why there is none is said in words.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Answer, String> {
        let answer = async {
            match self.is_secure {
                true => send_secure(&self.host, self.port, request).await,
                false => send(&self.host, self.port, request).await,
            }
        };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        }
    }
}

/// How long one more request of a gate that `began` then may take; `None`: its time is over.
pub(super) fn limit(context: &GateContext, began: Instant) -> Option<Duration> {
    let took = clock::monotonic().saturating_duration_since(began);
    let left = Duration::from_millis(context.timeout_ms).checked_sub(took).filter(|left| !left.is_zero());
    left.map(|left| left.min(REQUEST_LIMIT))
}

/// A path without its query: secrets travel there, too.
pub(crate) fn without_query(path: &str) -> String {
    match path.split_once('?') {
        Some((path, _)) => format!("{path}?..."),
        None => path.to_owned(),
    }
}
