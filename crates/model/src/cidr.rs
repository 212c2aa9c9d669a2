//! IP addresses and CIDR blocks (RFC 4632, RFC 4291), as they stand in `ipmatch`, `remote_addrs` and preview lists.
//!
//! Parsed once when a configuration is read, compared for each request without an allocation.

use std::net::{IpAddr, Ipv6Addr};

/// A block of addresses: all that share the first `prefix` bits of `network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `::1/128`, or one address, with or without brackets if it is an IPv6 one. Bits behind
    /// the prefix are ignored, as APISIX does. An IPv4-mapped IPv6 block is read as the IPv4 block it stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (parse_ip(address)?, Some(parse_prefix(prefix)?)),
            None => (parse_ip(text)?, None),
        };
        let width = width(address);
        let prefix = prefix.unwrap_or(width);
        if prefix > width {
            return None;
        }
        match address.to_canonical() {
            canonical @ IpAddr::V4(_) if address.is_ipv6() => {
                Some(Cidr { network: canonical, prefix: prefix.checked_sub(96)? })
            }
            canonical => Some(Cidr { network: canonical, prefix }),
        }
    }

    /// Whether the address lies in the block. An IPv4-mapped IPv6 address counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

/// Reads one address; an IPv6 address may stand in brackets.
#[must_use]
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// Decimal digits only: `+8` and an empty text are no prefix.
fn parse_prefix(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(block: &str, address: &str) -> bool {
        Cidr::parse(block).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_block_holds_what_shares_its_prefix() {
        assert!(contains("10.0.0.0/8", "10.255.1.2"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(contains("fe80::/32", "fe80::1"));
        assert!(!contains("fe80::/32", "fe81::1"));
        assert!(contains("::/0", "ffff::1"));
        assert!(contains("127.0.0.1/16", "127.0.9.9"), "bits behind the prefix do not matter");
    }

    #[test]
    fn one_address_is_a_block_of_itself() {
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("[::1]", "::1"));
    }

    #[test]
    fn the_families_do_not_mix_but_mapped_addresses_are_ipv4() {
        assert!(!contains("::/0", "1.2.3.4"));
        assert!(contains("1.2.3.0/24", "::ffff:1.2.3.4"));
        assert!(contains("::ffff:1.2.3.0/120", "1.2.3.4"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in [
            "",
            "/",
            "1.2.3.4/",
            "1.2.3.4/33",
            "1.2.3.4/+8",
            "1.2.3",
            "::1/129",
            "[1.2.3.4]",
            "a",
            "::ffff:1.2.3.4/8",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
