//! `uri-host [ ":" port ]` (RFC 3986 section 3.2, RFC 9110 section 7.2), narrower than the grammar.
//!
//! Names are letters, digits, `-`, `.`, `_` and `~`. The grammar would also allow percent-encoding and `!$&'()*+,;=`,
//! and user information; no DNS name needs the first two, a list in disguise (`a,b`) would pass, and the last is a
//! known trick (RFC 9110 section 4.2.4). An empty port (`host:`) is refused too.

use crate::syntax;
use std::net::Ipv6Addr;

/// The parts of an authority, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Authority {
    name_len: u32,
    pub(super) port: Option<u16>,
}

impl Authority {
    /// `None` if `text` is no valid authority.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let name_len = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, _) = rest.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                address.len() + 2
            }
            None => match text.bytes().position(|byte| !syntax::is_host_byte(byte)) {
                Some(0) => return None,
                end => end.unwrap_or(text.len()),
            },
        };
        let port = match text.get(name_len..)? {
            "" if name_len > 0 => None,
            rest => Some(port(rest.strip_prefix(':')?)?),
        };
        Some(Self { name_len: u32::try_from(name_len).ok()?, port })
    }

    /// The host of the authority `text`, an IPv6 address with its brackets.
    pub(super) fn name(self, text: &str) -> &str {
        text.get(..self.name_len as usize).unwrap_or_default()
    }
}

/// One to five digits, at most 65535.
fn port(digits: &str) -> Option<u16> {
    let valid = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if valid { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::Authority;

    fn parts(text: &str) -> Option<(&str, Option<u16>)> {
        Authority::parse(text).map(|authority| (authority.name(text), authority.port))
    }

    #[test]
    fn names_and_addresses_are_split_from_their_ports() {
        assert_eq!(parts("example.com"), Some(("example.com", None)));
        assert_eq!(parts("EXAMPLE.com:8080"), Some(("EXAMPLE.com", Some(8080))));
        assert_eq!(parts("127.0.0.1:1"), Some(("127.0.0.1", Some(1))));
        assert_eq!(parts("[::1]"), Some(("[::1]", None)));
        assert_eq!(parts("[2001:db8::1]:443"), Some(("[2001:db8::1]", Some(443))));
        assert_eq!(parts("a_b-c~.d."), Some(("a_b-c~.d.", None)));
    }

    #[test]
    fn what_is_no_host_with_an_optional_port_is_refused() {
        for text in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:+1",
            "a:65536",
            "a:123456",
            "a b",
            "a,b",
            "a/b",
            "u@a",
            "a%41",
            "a:1:2",
            "::1",
            "[]",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[g::1]",
            "[1.2.3.4]",
            "[::1%25eth0]",
            "[v1.a]",
            "a\tb",
            "a\u{e9}",
        ] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }
}
