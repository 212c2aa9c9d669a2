//! Whether the port is answered by the instance itself: a stranger on the port is not ready.
//!
//! The kernel lists listening sockets by inode in `/proc/net/tcp{,6}`; the instance's processes hold theirs in
//! `/proc/<pid>/fd`. Both must agree before an answer on the port is believed.

use super::session::Session;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Checks the owner of one instance's port, and remembers what was found: as long as the same sockets listen, there
/// is nothing to look up again.
#[derive(Debug, Default)]
pub(super) struct OwnerCheck {
    verified: Vec<u64>,
}

impl OwnerCheck {
    /// Says why an answer on `address:port` must not be believed, if so.
    pub(super) async fn check(
        &mut self,
        session: &mut Session,
        address: IpAddr,
        port: u16,
    ) -> Result<(), String> {
        let listening = tokio::task::spawn_blocking(move || listening_inodes(address, port)).await;
        let listening = listening
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| format!("cannot see who listens on port {port}: {error}"))?;
        if listening.is_empty() {
            return Err(format!("nothing listens on port {port}"));
        }
        if listening == self.verified {
            return Ok(());
        }
        let owned = session.owned_sockets().await.map_err(|error| {
            format!("cannot see whether the listener on port {port} is this instance's process: {error}")
        })?;
        if listening.iter().any(|inode| !owned.contains(inode)) {
            return Err(format!("a stranger listens on port {port}: it is not a process of this instance"));
        }
        self.verified = listening;
        Ok(())
    }
}

/// The listening sockets that a connection to `address:port` can reach: those bound to the address itself, else those
/// bound to any address. Sorted.
fn listening_inodes(address: IpAddr, port: u16) -> io::Result<Vec<u64>> {
    let mut sockets = listening_sockets("/proc/net/tcp", port)?;
    // A kernel without IPv6 has no such file.
    sockets.extend(listening_sockets("/proc/net/tcp6", port).unwrap_or_default());
    Ok(reachable(&sockets, address))
}

fn reachable(sockets: &[(IpAddr, u64)], address: IpAddr) -> Vec<u64> {
    let inodes = |wanted: &dyn Fn(IpAddr) -> bool| -> Vec<u64> {
        sockets.iter().filter(|(bound, _)| wanted(*bound)).map(|(_, inode)| *inode).collect()
    };
    let mut found = inodes(&|bound| bound.to_canonical() == address);
    if found.is_empty() {
        // `::` takes IPv4 connections, too, unless it was told not to.
        found = inodes(&|bound| bound.is_unspecified() && (bound.is_ipv6() || address.is_ipv4()));
    }
    found.sort_unstable();
    found
}

/// Reads the listening sockets of one port. The kernel lists them before all others, so reading stops there: a busy
/// gateway has many thousands of others.
fn listening_sockets(path: &str, port: u16) -> io::Result<Vec<(IpAddr, u64)>> {
    let mut sockets = Vec::new();
    for line in BufReader::new(File::open(path)?).lines().skip(1) {
        match parse_line(&line?) {
            Some((bound, bound_port, inode)) if bound_port == port => sockets.push((bound, inode)),
            Some(_) => {}
            None => break,
        }
    }
    Ok(sockets)
}

/// One line of `/proc/net/tcp{,6}`; `None` if it is no listening socket.
fn parse_line(line: &str) -> Option<(IpAddr, u16, u64)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    if state != "0A" {
        return None;
    }
    Some((parse_address(address)?, u16::from_str_radix(port, 16).ok()?, inode))
}

/// Addresses are printed as 32-bit words in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let text = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(text, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_is_found_and_an_established_connection_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let found = listening_inodes(IpAddr::V4(Ipv4Addr::LOCALHOST), port).unwrap();
        assert_eq!(found.len(), 1);
        assert!(super::super::proc_fs::socket_inodes(std::process::id()).unwrap().contains(&found[0]));
        let client_port = client.local_addr().unwrap().port();
        assert!(listening_inodes(IpAddr::V4(Ipv4Addr::LOCALHOST), client_port).unwrap().is_empty());
    }

    #[test]
    fn an_exact_address_hides_the_listener_on_all_addresses() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let any_v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let any_v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let other = "10.0.0.1".parse().unwrap();
        assert_eq!(reachable(&[(any_v4, 1), (loopback, 2), (any_v6, 3)], loopback), [2]);
        assert_eq!(reachable(&[(any_v6, 3), (any_v4, 1), (other, 2)], loopback), [1, 3]);
        assert_eq!(reachable(&[(any_v4, 1)], IpAddr::V6(Ipv6Addr::LOCALHOST)), Vec::<u64>::new());
    }

    #[test]
    fn words_are_read_in_the_byte_order_of_the_machine() {
        let written = format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 1]));
        assert_eq!(parse_address(&written), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let last = format!("{:024}{:08X}", 0, u32::from_ne_bytes([0, 0, 0, 1]));
        assert_eq!(parse_address(&last), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(parse_address("7F"), None);
    }
}
