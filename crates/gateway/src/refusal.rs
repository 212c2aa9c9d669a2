//! The one table in which everything the gate refuses, or could not get answered, becomes a response.

use crate::grpc;
use crate::plugin::Answer;
use crate::upstream::broken::Broken;
use http1::RequestError;
use model::reason::Reason;
use percent_encoding::{AsciiSet, CONTROLS};
use std::sync::Arc;

/// What `grpc-message` encodes: all but visible ASCII and blanks, and `%` itself.
const NOT_IN_GRPC_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Why the gate answers by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Head(#[from] RequestError),
    #[error("{0}")]
    Target(#[from] http1::target::TargetError),
    #[error("request body: {0}")]
    Body(http1::BodyError),
    #[error("request head was not complete in time")]
    HeadTimeout,
    #[error("request body did not arrive in time")]
    BodyTimeout,
    #[error("request body is larger than the limit")]
    BodyTooLarge,
    #[error("method is not allowed")]
    MethodNotAllowed,
    #[error("404 Route Not Found")]
    RouteNotFound,
    #[error("service of the route not found")]
    ServiceGone,
    #[error("failed to fetch upstream info by upstream id: {0}")]
    SplitUpstreamMissing(String),
    #[error("balancer type of the upstream is not known")]
    UnknownBalancer,
    #[error("scheme of the upstream is not supported")]
    UnsupportedScheme,
    #[error("upstream of the route not found")]
    UpstreamGone,
    #[error("cannot connect to the upstream")]
    Connect(Reason),
    #[error("upstream closed the connection before it answered")]
    UpstreamClosed,
    #[error("upstream reset the connection before it answered")]
    UpstreamReset,
    #[error("upstream reset the stream before it answered")]
    StreamReset,
    #[error("{}", .0.told())]
    BadAnswer(Broken),
    #[error("missing upstream configuration in Route or Service")]
    NoUpstream,
    #[error("request cannot be sent over HTTP/2")]
    NotHttp2,
    #[error("upstream has no node to try")]
    NoNode,
    #[error("too many requests wait for a stream to the upstream")]
    NoStream,
    #[error("too many connections to the upstream are being made already")]
    TooManyConnecting,
    #[error("client certificate was not present")]
    ClientCertificateMissing,
    #[error("client certificate verification is not passed")]
    ClientCertificateInvalid,
    #[error("the connection was made for another host")]
    Misdirected,
    #[error("what clients must show here has changed since the connection was made: connect again")]
    ClientRuleChanged,
    #[error("upstream is being drained")]
    Drained,
    #[error("too many connections")]
    TooManyConnections,
    #[error("too many requests at a time")]
    TooManyRequests,
    #[error("upstream did not answer in time")]
    UpstreamTimeout(Reason),
    #[error("refused with status {}", .0.status)]
    Plugin(Arc<Answer>),
}

impl Refusal {
    /// The status that says it (RFC 9110, section 15; APISIX §3.3).
    pub(crate) fn status(&self) -> u16 {
        match self {
            Refusal::Head(error) => error.status(),
            Refusal::Body(error) => error.status(),
            Refusal::Target(_)
            | Refusal::NotHttp2
            | Refusal::ClientCertificateMissing
            | Refusal::ClientCertificateInvalid => 400,
            Refusal::Misdirected | Refusal::ClientRuleChanged => 421,
            Refusal::RouteNotFound | Refusal::ServiceGone => 404,
            Refusal::MethodNotAllowed => 405,
            Refusal::HeadTimeout | Refusal::BodyTimeout => 408,
            Refusal::BodyTooLarge => 413,
            Refusal::SplitUpstreamMissing(_) | Refusal::UnknownBalancer => 500,
            Refusal::UpstreamGone
            | Refusal::Connect(_)
            | Refusal::UpstreamClosed
            | Refusal::UpstreamReset
            | Refusal::StreamReset
            | Refusal::BadAnswer(_)
            | Refusal::UnsupportedScheme => 502,
            Refusal::NoUpstream
            | Refusal::NoNode
            | Refusal::NoStream
            | Refusal::Drained
            | Refusal::TooManyConnecting
            | Refusal::TooManyConnections
            | Refusal::TooManyRequests => 503,
            Refusal::UpstreamTimeout(_) => 504,
            Refusal::Plugin(answer) => answer.status,
        }
    }

    /// The same as a token, for the log and the metrics.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Refusal::Head(_) | Refusal::HeadTimeout | Refusal::Target(_) => Reason::MalformedRequest,
            Refusal::Body(_) => Reason::MalformedBody,
            Refusal::BodyTimeout => Reason::BodyTimeout,
            Refusal::BodyTooLarge => Reason::BodyTooLarge,
            Refusal::MethodNotAllowed => Reason::MethodNotAllowed,
            Refusal::RouteNotFound => Reason::RouteNotFound,
            Refusal::ServiceGone => Reason::ServiceNotFound,
            Refusal::SplitUpstreamMissing(_) | Refusal::UpstreamGone => Reason::UpstreamNotFound,
            Refusal::UnknownBalancer => Reason::UnknownBalancer,
            Refusal::UnsupportedScheme => Reason::UnsupportedScheme,
            Refusal::Connect(reason) | Refusal::UpstreamTimeout(reason) => *reason,
            Refusal::UpstreamClosed => Reason::UpstreamClosed,
            Refusal::UpstreamReset => Reason::UpstreamReset,
            Refusal::StreamReset => Reason::UpstreamStreamReset,
            Refusal::BadAnswer(broken) => broken.reason(),
            Refusal::NoUpstream => Reason::NoUpstream,
            Refusal::NotHttp2 => Reason::NotHttp2,
            Refusal::NoNode => Reason::NoNode,
            Refusal::NoStream => Reason::NoStream,
            Refusal::TooManyConnecting => Reason::TooManyConnecting,
            Refusal::ClientCertificateMissing => Reason::ClientCertificateMissing,
            Refusal::ClientCertificateInvalid => Reason::ClientCertificateInvalid,
            Refusal::Misdirected => Reason::Misdirected,
            Refusal::ClientRuleChanged => Reason::ClientRuleChanged,
            Refusal::Drained => Reason::Drained,
            Refusal::TooManyConnections | Refusal::TooManyRequests => Reason::Overload,
            Refusal::Plugin(_) => Reason::Plugin,
        }
    }

    /// The same as a status of gRPC (gRPC, "HTTP to gRPC Status Code Mapping"; what goes beyond a bound of ours, or a quota, has a
    /// status of its own there).
    pub(crate) fn grpc_status(&self) -> u8 {
        if let Refusal::Plugin(answer) = self
            && let Some(said) = &answer.grpc
        {
            return said.status;
        }
        match self.status() {
            _ if matches!(self, Refusal::UpstreamTimeout(_)) => grpc::DEADLINE_EXCEEDED,
            // Over another connection the call may succeed, and this one ends.
            _ if matches!(self, Refusal::ClientRuleChanged) => grpc::UNAVAILABLE,
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            413 | 414 | 429 | 431 => grpc::RESOURCE_EXHAUSTED,
            502..=504 => grpc::UNAVAILABLE,
            _ => 2,
        }
    }

    /// What `grpc-message` says of it, in a plugin's own words if it has any: percent-encoded (gRPC over HTTP/2, "Responses").
    pub(crate) fn grpc_message(&self) -> String {
        let of_plugin = |answer: &Answer| {
            let body: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
            let member = |name: &str| body.as_ref()?.get(name)?.as_str();
            let said = answer.grpc.as_ref().map(|said| said.message.as_str());
            let message = said.or_else(|| member("message")).or_else(|| member("error_msg"));
            message.map(str::to_owned).unwrap_or_else(|| answer.body.trim().to_owned())
        };
        let message = match self {
            Refusal::Plugin(answer) => Some(of_plugin(answer)).filter(|message| !message.is_empty()),
            _ => None,
        };
        let message = message.unwrap_or_else(|| self.to_string());
        percent_encoding::utf8_percent_encode(&message, NOT_IN_GRPC_MESSAGE).to_string()
    }

    /// Whether a connection of HTTP/1 cannot go on: what follows on it is not known to be a request, or would be refused as well.
    pub(crate) fn closes(&self) -> bool {
        matches!(
            self,
            Refusal::Head(_)
                | Refusal::Body(_)
                | Refusal::HeadTimeout
                | Refusal::BodyTimeout
                | Refusal::BodyTooLarge
                | Refusal::TooManyConnections
                | Refusal::Misdirected
                | Refusal::ClientRuleChanged
        )
    }

    /// The type of the body and the body: JSON and a line's end, but plain text where APISIX's is. Both are empty if a
    /// plugin answers without a body.
    pub(crate) fn body(&self) -> (&'static str, String) {
        match self {
            Refusal::Plugin(answer) => (answer.content_type, answer.body.clone()),
            Refusal::SplitUpstreamMissing(_) => ("text/plain; charset=utf-8", self.to_string()),
            _ => {
                let text = serde_json::Value::String(self.to_string());
                ("application/json", format!("{{\"error_msg\":{text}}}\n"))
            }
        }
    }

    /// Fields of the answer besides those that every answer has.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        match self {
            Refusal::Plugin(answer) => &answer.headers,
            _ => &[],
        }
    }

    /// `Retry-After` in seconds, where coming again helps.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        matches!(self, Refusal::TooManyConnections | Refusal::TooManyRequests).then_some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plugin_speaks_to_clients_of_grpc_in_its_own_words() {
        let message = |answer: Answer| Refusal::Plugin(Arc::new(answer)).grpc_message();
        assert_eq!(message(Answer::json(401, &json!({"message": "Missing API key"}))), "Missing API key");
        assert_eq!(message(Answer::text(503, "100 % busy\n")), "100 %25 busy");
        assert_eq!(message(Answer::json(500, &json!({"error_msg": "failed"}))), "failed");
        assert_eq!(message(Answer::empty(503)), "refused with status 503");
        assert_eq!(message(Answer::empty(503).for_quota("enough")), "enough");
    }

    #[test]
    fn a_quota_is_exhausted_whatever_its_status_of_http() {
        let status = |answer: Answer| Refusal::Plugin(Arc::new(answer)).grpc_status();
        assert_eq!([429, 413, 503, 401].map(|code| status(Answer::empty(code))), [8, 8, 14, 16]);
        assert_eq!(status(Answer::empty(503).for_quota("enough")), 8);
    }
}
