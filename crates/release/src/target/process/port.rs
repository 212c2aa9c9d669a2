//! Which port an instance listens on.
//!
//! Without a range of its own an instance gets a port *below* those that the kernel hands to outgoing connections:
//! the gateway itself opens thousands of those, and one of them would keep a crashed instance off its port.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Where ports are looked for when the spec names no range, if the kernel's own range lies above.
const QUIET_FIRST: u16 = 20_000;
/// How many ports there are tried at random before the kernel is asked for one.
const TRIES: u32 = 64;

/// The ports that this Tealgate has handed out.
#[derive(Debug, Default)]
pub(super) struct Ports {
    taken: Mutex<HashSet<u16>>,
}

impl Ports {
    /// Reserves a port that nobody listens on: the one before, if it still is free, else one of the range, else any.
    /// It is bound for a moment to make sure; then the instance must bind it.
    ///
    /// # Errors
    /// When no port is free, or the address is not this machine's.
    pub(super) fn reserve(
        &self,
        address: IpAddr,
        range: Option<[u16; 2]>,
        before: Option<u16>,
    ) -> io::Result<u16> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |port: &u16| !taken.contains(port) && TcpListener::bind((address, *port)).is_ok();
        let allowed = |port: &u16| range.is_none_or(|[first, last]| (first..=last).contains(port));
        let port = match (before.filter(allowed).filter(free), range) {
            (Some(port), _) => port,
            (None, Some([first, last])) => (first..=last).find(free).ok_or_else(|| {
                io::Error::new(io::ErrorKind::AddrInUse, format!("no port from {first} to {last} is free"))
            })?,
            (None, None) => match quiet_port(&free) {
                Some(port) => port,
                None => any_port(address, &taken)?,
            },
        };
        taken.insert(port);
        Ok(port)
    }

    /// Notes the port of an instance that was adopted.
    pub(super) fn keep(&self, port: u16) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
    }

    /// Gives a port back.
    pub(super) fn release(&self, port: u16) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&port);
    }
}

fn quiet_port(free: &dyn Fn(&u16) -> bool) -> Option<u16> {
    let first_outgoing = first_outgoing_port()?;
    let span = first_outgoing.checked_sub(QUIET_FIRST).filter(|span| *span >= 1_000)?;
    (0..TRIES).find_map(|_| {
        let random = u16::try_from(getrandom::u32().ok()? % u32::from(span)).ok()?;
        Some(QUIET_FIRST + random).filter(free)
    })
}

/// The first port that the kernel gives to outgoing connections (ip(7), `ip_local_port_range`).
fn first_outgoing_port() -> Option<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_ascii_whitespace().next()?.parse().ok()
}

fn any_port(address: IpAddr, taken: &HashSet<u16>) -> io::Result<u16> {
    for _ in 0..TRIES {
        let port = TcpListener::bind((address, 0))?.local_addr()?.port();
        if !taken.contains(&port) {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_stays_if_it_is_free_and_changes_if_it_is_not() {
        let ports = Ports::default();
        let port = ports.reserve(LOOPBACK, None, None).unwrap();
        assert_ne!(ports.reserve(LOOPBACK, None, Some(port)).unwrap(), port, "it is reserved");
        ports.release(port);
        assert_eq!(ports.reserve(LOOPBACK, None, Some(port)).unwrap(), port);
        ports.release(port);
        let _stranger = TcpListener::bind((LOOPBACK, port)).unwrap();
        assert_ne!(ports.reserve(LOOPBACK, None, Some(port)).unwrap(), port, "a stranger listens there");
    }

    #[test]
    fn no_port_is_one_that_an_outgoing_connection_may_take() {
        let Some(first_outgoing) = first_outgoing_port().filter(|first| *first > QUIET_FIRST + 1_000) else {
            return;
        };
        let ports = Ports::default();
        let port = ports.reserve(LOOPBACK, None, None).unwrap();
        assert!((QUIET_FIRST..first_outgoing).contains(&port), "{port}");
    }

    #[test]
    fn a_range_that_is_used_up_is_an_error_that_names_it() {
        let ports = Ports::default();
        let held = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let error = ports.reserve(LOOPBACK, Some([port, port]), None).unwrap_err();
        assert_eq!(error.to_string(), format!("no port from {port} to {port} is free"));
    }
}
