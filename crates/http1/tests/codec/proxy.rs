//! PROXY headers of both versions: what is taken, what is refused, and that never a byte too much is asked for.

use http1::proxy::{Announced, MAX_BYTES, Progress, ProxyError, parse};
use proptest::prelude::*;
use std::net::SocketAddr;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn relayed(source: &str, destination: &str) -> Announced {
    Announced::Relayed { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

fn v2(version_and_command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family], &length, content].concat()
}

fn v2_inet(source: [u8; 4], from: u16, destination: [u8; 4], to: u16, more: &[u8]) -> Vec<u8> {
    let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
    v2(0x21, 0x11, &[&source[..], &destination, &ports, more].concat())
}

/// Reads a header as the gateway does: exactly what is asked for, each time.
fn read(bytes: &[u8]) -> Result<(Announced, usize), ProxyError> {
    let mut have = 0;
    loop {
        match parse(&bytes[..have])? {
            Progress::Whole(announced, length) => {
                assert_eq!(length, have, "more was asked for than belongs to the header");
                return Ok((announced, length));
            }
            Progress::Needs(more) => {
                assert!(more > 0);
                have += more;
                assert!(have <= bytes.len(), "it wants {have} of {} bytes", bytes.len());
            }
        }
    }
}

#[test]
fn a_line_says_who_connected_to_what() {
    for (line, expected) in [
        ("PROXY TCP4 1.2.3.4 5.6.7.8 56324 443", relayed("1.2.3.4:56324", "5.6.7.8:443")),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0", relayed("0.0.0.0:0", "0.0.0.0:0")),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
            relayed("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        ("PROXY TCP6 :: :: 0 0", relayed("[::]:0", "[::]:0")),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2", relayed("[2001:db8::1]:1", "[2001:db8::2]:2")),
        ("PROXY UNKNOWN", Announced::Own),
        ("PROXY UNKNOWN what ever this is", Announced::Own),
    ] {
        let line = format!("{line}\r\n");
        assert_eq!(read(line.as_bytes()), Ok((expected, line.len())), "{line:?}");
    }
}

#[test]
fn a_line_that_is_not_exactly_so_is_refused() {
    for line in [
        "PROXY TCP4 1.2.3.4 5.6.7.8 56324 443\n",
        "PROXY TCP4 1.2.3.4  5.6.7.8 56324 443\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 56324\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 56324 443 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 56324 65536\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 056324 443\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +5632 443\r\n",
        "PROXY TCP4 01.2.3.4 5.6.7.8 5632 443\r\n",
        "PROXY TCP4 ::1 ::1 5632 443 \r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 5632 443\r\n",
        "PROXY TCP6 [::1] ::1 5632 443\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(ProxyError::Malformed), "{line:?}");
    }
    assert_eq!(parse(b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n"), Err(ProxyError::Unknown));
    assert_eq!(parse(b"PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n"), Err(ProxyError::Unknown));
    for other in ["GET / HTTP/1.1\r\n", "proxy TCP4", "\r\n\r\nGET", "\x16\x03\x01"] {
        assert_eq!(parse(other.as_bytes()), Err(ProxyError::Missing), "{other:?}");
    }
}

#[test]
fn a_line_without_an_end_is_refused_at_its_bound() {
    let line = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert_eq!(read(line.as_bytes()), Err(ProxyError::TooLong));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
    assert_eq!(read(longest.as_bytes()), Ok((Announced::Own, 107)));
}

#[test]
fn a_binary_header_says_the_same_and_its_extensions_are_skipped() {
    let expected = relayed("1.2.3.4:56324", "5.6.7.8:443");
    for extensions in [&b""[..], b"\x03\0\x04abcd", &[0; 300]] {
        let header = v2_inet([1, 2, 3, 4], 56_324, [5, 6, 7, 8], 443, extensions);
        assert_eq!(read(&header), Ok((expected, header.len())));
    }
    let addresses = [&[0x20, 1][..], &[0; 13], &[1], &[0x20, 2], &[0; 13], &[1], &[0, 7, 1, 0xbb]].concat();
    let header = v2(0x21, 0x21, &addresses);
    assert_eq!(read(&header), Ok((relayed("[2001::1]:7", "[2002::1]:443"), header.len())));
}

#[test]
fn a_binary_header_without_an_address_of_ours_leaves_the_sockets() {
    for header in [
        v2(0x20, 0x00, b""),
        v2(0x20, 0x11, &[9; 12]),
        v2(0x20, 0x11, b"odd"),
        v2(0x21, 0x00, b"anything"),
        v2(0x21, 0x31, &[7; 216]),
        v2(0x21, 0x12, &[7; 12]),
    ] {
        assert_eq!(read(&header), Ok((Announced::Own, header.len())), "{header:?}");
    }
}

#[test]
fn a_binary_header_that_is_not_exactly_so_is_refused() {
    for (header, error) in [
        (v2(0x11, 0x11, &[0; 12]), ProxyError::Unknown),
        (v2(0x22, 0x11, &[0; 12]), ProxyError::Unknown),
        (v2(0x21, 0x41, &[0; 12]), ProxyError::Unknown),
        (v2(0x21, 0x13, &[0; 12]), ProxyError::Unknown),
        (v2(0x21, 0x11, &[0; 11]), ProxyError::Malformed),
        (v2(0x21, 0x21, &[0; 35]), ProxyError::Malformed),
        (v2(0x21, 0x31, &[0; 215]), ProxyError::Malformed),
        (v2(0x21, 0x11, &[0; MAX_BYTES - 15]), ProxyError::TooLong),
    ] {
        assert_eq!(parse(&header), Err(error), "{header:?}");
    }
    assert!(read(&v2(0x21, 0x11, &[0; MAX_BYTES - 16])).is_ok(), "the bound itself");
}

fn address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
        any::<([u8; 16], u16)>().prop_map(SocketAddr::from)
    ]
}

proptest! {
    #[test]
    fn what_was_written_in_either_version_is_read_and_what_follows_is_left(
        source in address(), destination in address(), rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        prop_assume!(source.is_ipv4() == destination.is_ipv4());
        let expected = Announced::Relayed { source, destination };
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let (from, to) = (source.port(), destination.port());
        let line = format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip());
        let octets = |address: SocketAddr| match address {
            SocketAddr::V4(address) => address.ip().octets().to_vec(),
            SocketAddr::V6(address) => address.ip().octets().to_vec(),
        };
        let content = [octets(source), octets(destination), from.to_be_bytes().into(), to.to_be_bytes().into()];
        let binary = v2(0x21, if source.is_ipv4() { 0x11 } else { 0x21 }, &content.concat());
        for header in [line.into_bytes(), binary] {
            let all = [header.clone(), rest.clone()].concat();
            prop_assert_eq!(read(&all), Ok((expected, header.len())));
            prop_assert_eq!(parse(&all), Ok(Progress::Whole(expected, header.len())));
        }
    }

    #[test]
    fn no_bytes_panic_and_none_that_are_asked_for_are_beyond_the_bound(
        start in prop_oneof![Just(&b""[..]), Just(SIGNATURE), Just(&b"PROXY "[..]), Just(&b"PROXY TCP4 "[..])],
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &bytes].concat();
        match parse(&bytes) {
            Ok(Progress::Needs(more)) => prop_assert!(more > 0 && bytes.len() + more <= MAX_BYTES),
            Ok(Progress::Whole(_, length)) => prop_assert!(length <= bytes.len()),
            Err(_) => {}
        }
    }
}
