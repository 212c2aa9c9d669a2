//! Why the gate did not let a connection, a handshake, a head or a request through, as one short token each.
//!
//! The tokens stand in the access log (`response_code_details`, the name that Envoy has for it) and as labels in the metrics.
//! Each list is closed, so that a label has a bounded number of values. What is told to clients, and what to do about it, stands
//! elsewhere.

/// A closed list of reasons: the enum, all of its values in order, and their tokens.
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $token:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All, in the order of the declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// Their tokens, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($token,)*];

            /// The token in logs and labels.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $token,)*
                }
            }
        }
    };
}

reasons! {
    /// Why the gate itself answered a request, or ended its answer.
    Reason {
        /// The target is none that can be matched.
        MalformedRequest = "malformed_request",
        /// The framing of the request's body is broken.
        MalformedBody = "malformed_body",
        /// The body is larger than `limits.body_bytes`.
        BodyTooLarge = "body_too_large",
        /// No piece of the body for `limits.body_timeout_ms`, or it came below the least rate.
        BodyTimeout = "body_timeout",
        /// CONNECT or TRACE.
        MethodNotAllowed = "method_not_allowed",
        /// The host asks for a client certificate, and the connection has shown none.
        ClientCertificateMissing = "client_certificate_missing",
        /// It has shown one that the host does not take.
        ClientCertificateInvalid = "client_certificate_invalid",
        /// The connection was made for another host.
        Misdirected = "misdirected",
        /// What clients of the host must show has changed, and the connection has not shown it.
        ClientRuleChanged = "client_rule_changed",
        /// No route matches.
        RouteNotFound = "route_not_found",
        /// The route's service is not there.
        ServiceNotFound = "service_not_found",
        /// An upstream that the route, its service or a split names is not there.
        UpstreamNotFound = "upstream_not_found",
        /// Neither the route nor its service has an upstream.
        NoUpstream = "no_upstream",
        /// The upstream's `type` is not known.
        UnknownBalancer = "unknown_balancer",
        /// The upstream's `scheme` is not spoken.
        UnsupportedScheme = "unsupported_scheme",
        /// A plugin answered.
        Plugin = "plugin",
        /// More requests in work than `limits.requests`.
        Overload = "overload",
        /// The upstream has no node that could be tried.
        NoNode = "no_node",
        /// No stream of HTTP/2 was free at the node.
        NoStream = "no_stream",
        /// More connections to the node are being made than `limits.connecting_per_node`.
        TooManyConnecting = "too_many_connecting",
        /// The node's name could not be resolved.
        DnsFailed = "dns_failed",
        /// The node refused the connection.
        ConnectRefused = "connect_refused",
        /// No way leads to the node.
        ConnectUnreachable = "connect_unreachable",
        /// The node ended the connection while it was being made, handshake of TLS included.
        ConnectReset = "connect_reset",
        /// The connection, handshake of TLS included, was not made in time.
        ConnectTimeout = "connect_timeout",
        /// It could not be made for another reason.
        ConnectFailed = "connect_failed",
        /// The handshake of TLS failed, not for the node's certificate.
        TlsFailed = "tls_failed",
        /// The node demands a certificate of ours, and none was shown.
        ClientCertificateRequired = "client_certificate_required",
        /// The node refuses the certificate that we showed, or that we showed none.
        ClientCertificateRefused = "client_certificate_refused",
        /// The certificate of ours that the upstream is to be shown is not there, or cannot be used.
        ClientCertificateUnusable = "client_certificate_unusable",
        /// The node's certificate is not valid any more.
        CertificateExpired = "certificate_expired",
        /// It is not valid yet.
        CertificateNotYetValid = "certificate_not_yet_valid",
        /// It is for other names than the one that was asked for.
        CertificateNameMismatch = "certificate_name_mismatch",
        /// No authority that is trusted has issued it.
        CertificateUnknownIssuer = "certificate_unknown_issuer",
        /// It is that of an authority, which a server must not show as its own.
        CertificateIsCa = "certificate_is_ca",
        /// It was revoked.
        CertificateRevoked = "certificate_revoked",
        /// A signature in its chain is wrong.
        CertificateBadSignature = "certificate_bad_signature",
        /// Something else is wrong with it.
        CertificateInvalid = "certificate_invalid",
        /// The request cannot be said in HTTP/2.
        NotHttp2 = "not_http2",
        /// The upstream closed the connection before it had answered, or in the middle of its answer; or a WebSocket without a close
        /// frame.
        UpstreamClosed = "upstream_closed",
        /// The same with a reset of TCP.
        UpstreamReset = "upstream_reset",
        /// The upstream reset the stream of HTTP/2.
        UpstreamStreamReset = "upstream_stream_reset",
        /// What the upstream answered breaks HTTP.
        MalformedAnswer = "malformed_answer",
        /// The head of the upstream's answer is beyond `limits.head_bytes` or `limits.headers`.
        AnswerHeadTooLarge = "answer_head_too_large",
        /// The upstream sent more interim answers (1xx) than 64.
        TooManyInterim = "too_many_interim",
        /// The upstream took nothing more of the request for its timeout `send`.
        SendTimeout = "timeout_send",
        /// The upstream sent nothing for its timeout `read`.
        ReadTimeout = "timeout_read",
        /// `limits.total_timeout_ms`, or the deadline of a call of gRPC, has passed.
        TotalTimeout = "timeout_total",
        /// Traffic has left the upstream, and the time of its streams was over.
        Drained = "drained",
        /// Nothing moved on a WebSocket for too long.
        StreamIdle = "stream_idle",
        /// The client went away, from a WebSocket without a close frame.
        ClientClosed = "client_closed",
        /// The client took nothing more of the answer for `limits.write_timeout_ms`, or took it below the least rate.
        ClientTooSlow = "client_too_slow",
    }
}

reasons! {
    /// Why a connection was not served.
    ConnectionReason {
        /// More connections than `limits.connections`.
        TooMany = "too_many",
        /// More of one address than `limits.connections_per_address`.
        TooManyOfAddress = "too_many_of_address",
        /// On a listener for it: no PROXY header, a wrong or late one, or one from an address that is not trusted.
        ProxyHeader = "proxy_header",
    }
}

reasons! {
    /// Why a head was refused before there was a request.
    HeadReason {
        /// It is malformed or ambiguous (400).
        Malformed = "malformed",
        /// It was not complete in time (408).
        Timeout = "timeout",
        /// Its target is too long (414).
        TargetTooLong = "target_too_long",
        /// It expects what is not known (417).
        Expectation = "expectation",
        /// Its fields are too large or too many (431).
        TooLarge = "too_large",
        /// A transfer coding other than `chunked` (501).
        TransferCoding = "transfer_coding",
        /// A version of HTTP that is not spoken there (505).
        Version = "version",
        /// Over HTTP/2: too many frames that ask for nothing; the connection was ended.
        Flood = "flood",
    }
}

reasons! {
    /// Why a TLS handshake of a client failed.
    HandshakeReason {
        /// It took longer than `limits.handshake_timeout_ms`, or for so long that it made room for another one.
        Timeout = "timeout",
        /// More were under way than `limits.handshakes`.
        TooMany = "too_many",
        /// The client ended the connection.
        ClientClosed = "client_closed",
        /// What the client sent is no TLS.
        NotTls = "not_tls",
        /// No SSL resource is for the name, or for none.
        UnknownName = "unknown_name",
        /// No version of TLS is common.
        NoCommonVersion = "no_common_version",
        /// No protocol above TLS is common (ALPN).
        NoCommonProtocol = "no_common_protocol",
        /// No suite, group or signature is common.
        NoCommonSuite = "no_common_suite",
        /// The client showed no certificate where one is required.
        ClientCertificateMissing = "client_certificate_missing",
        /// Its certificate is not valid any more, or not yet.
        ClientCertificateExpired = "client_certificate_expired",
        /// Its certificate is of no authority that is trusted.
        ClientCertificateUnknownIssuer = "client_certificate_unknown_issuer",
        /// Something else is wrong with its certificate.
        ClientCertificateInvalid = "client_certificate_invalid",
        /// The client does not take our certificate.
        OurCertificateRefused = "our_certificate_refused",
        /// The client ended the handshake with another alert.
        Alert = "alert",
        /// Anything else.
        Other = "other",
    }
}

impl HeadReason {
    /// The one whose answer has this status.
    #[must_use]
    pub const fn of_status(status: u16) -> HeadReason {
        match status {
            408 => HeadReason::Timeout,
            414 => HeadReason::TargetTooLong,
            417 => HeadReason::Expectation,
            431 => HeadReason::TooLarge,
            501 => HeadReason::TransferCoding,
            505 => HeadReason::Version,
            _ => HeadReason::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_token_is_one_word_that_stands_for_one_reason() {
        for list in [Reason::NAMES, ConnectionReason::NAMES, HeadReason::NAMES, HandshakeReason::NAMES] {
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
            let is_plain = |token: &&str| {
                token.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            };
            assert!(list.iter().all(is_plain), "{list:?}");
        }
    }

    #[test]
    fn the_place_of_a_reason_is_its_place_in_the_list() {
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
    }
}
