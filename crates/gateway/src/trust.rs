//! Whose word counts about where a request comes from: proxies in front of the gate.
//!
//! A header that names the client is written by whoever wants to. So it is read only on connections of trusted
//! addresses, and from its end: each proxy appends who connected to it, and the first address that is not a trusted proxy's is the
//! client's. What stands before it the client may have made up.

use crate::request::Connection;
use http1::{Known, RequestHead};
use model::cidr::{Cidr, parse_ip};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// Which proxies are trusted, and where they say who the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Their addresses; none: nobody is trusted.
    pub addresses: Vec<Cidr>,
    /// The header in which they name the client, lower case.
    pub header: String,
}

impl Default for Trust {
    fn default() -> Self {
        Trust { addresses: Vec::new(), header: "x-forwarded-for".to_owned() }
    }
}

/// What is thought of whoever connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody is trusted, and nobody was asked about: what `X-Forwarded-For` says is passed on, and not used.
    Unknown,
    /// Not one of the trusted: nothing that it says of others is passed on.
    Stranger,
    /// A trusted proxy.
    Trusted,
}

/// Who sends a request, where that is not who connected.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) ip: IpAddr,
    pub(crate) text: String,
}

impl Trust {
    /// Whether an address is a trusted one.
    pub(crate) fn covers(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|block| block.contains(ip))
    }

    /// What is thought of an address.
    pub(crate) fn standing(&self, ip: IpAddr) -> Standing {
        match (self.addresses.is_empty(), self.covers(ip)) {
            (true, _) => Standing::Unknown,
            (false, false) => Standing::Stranger,
            (false, true) => Standing::Trusted,
        }
    }

    /// Who sends a request, as a trusted peer says; `None`: it does not say.
    pub(crate) fn origin(&self, head: &RequestHead) -> Option<Origin> {
        let ip = if self.header == "x-forwarded-for" {
            self.first_untrusted(head.values(Known::XForwardedFor).collect())
        } else {
            let named = head.headers().filter(|header| header.name.eq_ignore_ascii_case(&self.header));
            self.first_untrusted(named.map(|header| header.value).collect())
        };
        ip.map(|ip| Origin { ip, text: ip.to_string() })
    }

    /// The last address that is not trusted; the first one, if all are. What is no address ends the list: behind it nobody
    /// vouches for anything.
    fn first_untrusted(&self, lines: SmallVec<[&[u8]; 4]>) -> Option<IpAddr> {
        let mut found = None;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let Some(ip) = address(entry) else { return found };
            found = Some(ip);
            if !self.covers(ip) {
                return found;
            }
        }
        found
    }
}

/// `1.2.3.4`, `::1`, `[::1]`, each but the second also with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let ip = parse_ip(text).or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(ip.to_canonical())
}

/// The value of a field that says how the client asked (`X-Forwarded-Proto`, ...), if the peer is trusted and says it once.
pub(crate) fn said<'a>(connection: &Connection, head: &'a RequestHead, known: Known) -> Option<&'a [u8]> {
    if connection.standing != Standing::Trusted || !head.has(known) {
        return None;
    }
    let mut values = head.values(known);
    let value = values.next().filter(|value| !value.is_empty());
    value.filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(header: &str) -> Trust {
        let addresses = ["10.0.0.0/8", "fd00::/8"].map(|block| Cidr::parse(block).unwrap());
        Trust { addresses: addresses.into(), header: header.to_owned() }
    }

    fn origin(header: &str, fields: &str) -> Option<String> {
        let mut head = RequestHead::default();
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        head.parse(text.as_bytes(), &http1::Limits::default()).unwrap();
        trust(header).origin(&head).map(|origin| origin.text)
    }

    fn forwarded_for(value: &str) -> Option<String> {
        origin("x-forwarded-for", &format!("X-Forwarded-For: {value}\r\n"))
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxys_is_the_clients() {
        assert_eq!(forwarded_for("1.1.1.1").as_deref(), Some("1.1.1.1"));
        assert_eq!(forwarded_for("6.6.6.6, 1.1.1.1, 10.0.0.1").as_deref(), Some("1.1.1.1"));
        assert_eq!(forwarded_for("6.6.6.6,2001:db8::1,fd00::1,10.1.2.3").as_deref(), Some("2001:db8::1"));
        assert_eq!(forwarded_for("[2001:db8::1]:443, 10.0.0.1:80").as_deref(), Some("2001:db8::1"));
        assert_eq!(forwarded_for("::ffff:1.2.3.4").as_deref(), Some("1.2.3.4"));
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines =
            "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1, 10.0.0.2\r\nX-Forwarded-For: 10.0.0.1\r\n";
        assert_eq!(origin("x-forwarded-for", lines).as_deref(), Some("1.1.1.1"));
    }

    #[test]
    fn a_list_of_trusted_proxies_begins_with_the_client() {
        assert_eq!(forwarded_for("10.0.0.3, 10.0.0.2").as_deref(), Some("10.0.0.3"));
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        assert_eq!(forwarded_for("6.6.6.6, unknown, 10.0.0.2").as_deref(), Some("10.0.0.2"));
        for nothing in ["", ",", "unknown", "1.2.3", "1.1.1.1,"] {
            assert_eq!(forwarded_for(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn another_header_can_name_the_client() {
        let fields = "X-Forwarded-For: 6.6.6.6\r\nCF-Connecting-IP: 1.1.1.1\r\n";
        assert_eq!(origin("cf-connecting-ip", fields).as_deref(), Some("1.1.1.1"));
        assert_eq!(origin("x-client", fields), None);
    }
}
