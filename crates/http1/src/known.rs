//! The field names that a proxy acts on, recognised once while a head is parsed.
//!
//! So the request path compares a byte instead of a string, and one bit says whether a field is there at all.

use crate::syntax;

/// A header field name that framing, forwarding or routing cares about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
#[expect(missing_docs, reason = "each variant is the field name it spells")]
pub enum Known {
    #[default]
    Other,
    Authorization,
    CacheControl,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentType,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    KeepAlive,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Server,
    SetCookie,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    Via,
    XConsumerCustomId,
    XConsumerUsername,
    XCredentialIdentifier,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRealIp,
    XTealgateShadow,
    /// No name of its own: one of `X-Forwarded-*` and `X-Real-IP` with an underscore for a dash. Behind CGI and its likes the two
    /// are the same, so whoever does not believe a client's own must not pass this on. It is never read as what it looks like.
    Lookalike,
}

/// All that have a name.
const ALL: [Known; 31] = [
    Known::Authorization,
    Known::CacheControl,
    Known::Connection,
    Known::ContentEncoding,
    Known::ContentLength,
    Known::ContentType,
    Known::Cookie,
    Known::Date,
    Known::Expect,
    Known::Forwarded,
    Known::Host,
    Known::KeepAlive,
    Known::ProxyAuthenticate,
    Known::ProxyAuthorization,
    Known::ProxyConnection,
    Known::Server,
    Known::SetCookie,
    Known::Te,
    Known::Trailer,
    Known::TransferEncoding,
    Known::Upgrade,
    Known::Via,
    Known::XConsumerCustomId,
    Known::XConsumerUsername,
    Known::XCredentialIdentifier,
    Known::XForwardedFor,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedProto,
    Known::XRealIp,
    Known::XTealgateShadow,
];

const PLACES: usize = 64;

/// Where each of them has its place, with its name; that no two share one is found while this is compiled.
const BY_PLACE: [(Known, &[u8]); PLACES] = {
    let mut table: [(Known, &[u8]); PLACES] = [(Known::Other, b""); PLACES];
    let mut at = 0;
    while at < ALL.len() {
        let name = ALL[at].name().as_bytes();
        let place = place(name.len(), name[0], [name[name.len() - 2], name[name.len() - 1]]);
        assert!(
            matches!(table[place].0, Known::Other),
            "two names have the same place: choose other factors"
        );
        table[place] = (ALL[at], name);
        at += 1;
    }
    table
};

/// The place of a name of two bytes or more, by its length, its first byte and its last two, whatever their case.
const fn place(len: usize, first: u8, end: [u8; 2]) -> usize {
    const CASE: u8 = 0x20;
    let [before, last] = [(end[0] | CASE) as usize, (end[1] | CASE) as usize];
    (last * 101 + before * 11 + len * 32 + (first | CASE) as usize) % PLACES
}

impl Known {
    /// The lower-case field name; empty for [`Known::Other`] and [`Known::Lookalike`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other | Self::Lookalike => "",
            Self::Authorization => "authorization",
            Self::CacheControl => "cache-control",
            Self::Connection => "connection",
            Self::ContentEncoding => "content-encoding",
            Self::ContentLength => "content-length",
            Self::ContentType => "content-type",
            Self::Cookie => "cookie",
            Self::Date => "date",
            Self::Expect => "expect",
            Self::Forwarded => "forwarded",
            Self::Host => "host",
            Self::KeepAlive => "keep-alive",
            Self::ProxyAuthenticate => "proxy-authenticate",
            Self::ProxyAuthorization => "proxy-authorization",
            Self::ProxyConnection => "proxy-connection",
            Self::Server => "server",
            Self::SetCookie => "set-cookie",
            Self::Te => "te",
            Self::Trailer => "trailer",
            Self::TransferEncoding => "transfer-encoding",
            Self::Upgrade => "upgrade",
            Self::Via => "via",
            Self::XConsumerCustomId => "x-consumer-custom-id",
            Self::XConsumerUsername => "x-consumer-username",
            Self::XCredentialIdentifier => "x-credential-identifier",
            Self::XForwardedFor => "x-forwarded-for",
            Self::XForwardedHost => "x-forwarded-host",
            Self::XForwardedPort => "x-forwarded-port",
            Self::XForwardedProto => "x-forwarded-proto",
            Self::XRealIp => "x-real-ip",
            Self::XTealgateShadow => "x-tealgate-shadow",
        }
    }

    /// Recognises a field name, whatever its case.
    ///
    /// A place in a table, without a branch, leaves one candidate.
    pub fn of(name: &[u8]) -> Self {
        let (Some(&first), Some(&end)) = (name.first(), name.last_chunk()) else { return Self::Other };
        let (candidate, lower) = BY_PLACE[place(name.len(), first, end)];
        if name.len() != lower.len() {
            return Self::Other;
        }
        // Behind CGI and its likes a dash and an underscore are the same: none may say who sends a request, or that it is a copy.
        let is_same = |(letter, lower): (&u8, &u8)| {
            letter.eq_ignore_ascii_case(lower) || (*letter == b'_' && *lower == b'-')
        };
        if syntax::is_name(name, lower) {
            return candidate;
        }
        let looks_alike = |known: Self| {
            (known.is_the_gates_word() || known.says_who_asked()) && name.iter().zip(lower).all(is_same)
        };
        match looks_alike(candidate) {
            true if candidate.says_who_asked() => Self::Lookalike,
            true => candidate,
            false => Self::Other,
        }
    }

    /// The fields in which proxies tell upstreams who asked whom, and which are believed if the right one sends them.
    const fn says_who_asked(self) -> bool {
        matches!(
            self,
            Self::XForwardedFor
                | Self::XForwardedHost
                | Self::XForwardedPort
                | Self::XForwardedProto
                | Self::XRealIp
        )
    }

    /// The fields in which a gateway tells upstreams who sends a request, and that it is a copy.
    const fn is_the_gates_word(self) -> bool {
        matches!(
            self,
            Self::XConsumerCustomId
                | Self::XConsumerUsername
                | Self::XCredentialIdentifier
                | Self::XTealgateShadow
        )
    }

    /// The fields that concern one connection only, whether or not `Connection` names them (RFC 9110 section 7.6.1,
    /// and section 11.7 for the two that speak to a proxy).
    ///
    /// `Trailer` is not among them: trailers are forwarded, and so is their announcement.
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }

    /// The fields that frame or manage an HTTP/1 connection. In HTTP/2 a message with one of them is malformed (RFC 9113
    /// section 8.2.2).
    pub(crate) const fn is_of_http1_connections(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }

    /// The fields that `Connection` must not name: taking them away on the peer's word would change framing, routing,
    /// identity or meaning of a message (RFC 9110 section 7.6.1, last paragraph).
    pub(crate) const fn is_end_to_end(self) -> bool {
        matches!(
            self,
            Self::Authorization
                | Self::CacheControl
                | Self::ContentEncoding
                | Self::ContentLength
                | Self::ContentType
                | Self::Cookie
                | Self::Date
                | Self::Expect
                | Self::Forwarded
                | Self::Host
                | Self::Server
                | Self::SetCookie
                | Self::TransferEncoding
                | Self::Via
                | Self::XConsumerCustomId
                | Self::XConsumerUsername
                | Self::XCredentialIdentifier
                | Self::XForwardedFor
                | Self::XForwardedHost
                | Self::XForwardedPort
                | Self::XForwardedProto
                | Self::XRealIp
                | Self::XTealgateShadow
        )
    }

    pub(crate) const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Known};

    #[test]
    fn every_known_name_is_recognised_in_any_case() {
        for known in ALL {
            assert_eq!(Known::of(known.name().as_bytes()), known);
            assert_eq!(Known::of(known.name().to_uppercase().as_bytes()), known);
        }
    }

    #[test]
    fn who_sends_a_request_cannot_be_said_with_underscores_either() {
        assert_eq!(Known::of(b"X_Consumer_Username"), Known::XConsumerUsername);
        assert_eq!(Known::of(b"x-credential_identifier"), Known::XCredentialIdentifier);
        for name in
            ["x_forwarded_for", "X_Forwarded-Host", "x-forwarded_port", "X_FORWARDED_PROTO", "x_real_ip"]
        {
            assert_eq!(Known::of(name.as_bytes()), Known::Lookalike, "{name}");
        }
        assert_eq!(Known::of(b"x_forwarded_fox"), Known::Other);
    }

    #[test]
    fn a_name_of_the_same_shape_is_not_mistaken_for_a_known_one() {
        for known in ALL {
            let mut name = known.name().as_bytes().to_vec();
            if name.len() > 2 {
                name[1] = b'~';
                assert_eq!(Known::of(&name), Known::Other);
            }
            name.push(b'x');
            assert_eq!(Known::of(&name), Known::Other);
        }
        for known in ALL {
            let name = known.name();
            let shorter = (1..name.len()).map(|len| name[..len].to_owned());
            let longer =
                [format!("{name}{name}"), format!("x{name}"), format!("{name}-ame"), format!("{name}_ame")];
            for other in shorter.chain(longer) {
                assert_ne!(Known::of(other.as_bytes()), known, "{other}");
            }
        }
        assert_eq!(Known::of(b""), Known::Other);
        assert_eq!(Known::of(b"x\x0dforwarded-host"), Known::Other);
    }
}
