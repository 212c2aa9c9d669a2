//! Which port an instance listens on.
//!
//! Without a range of its own an instance gets a port *below* those that the kernel hands to outgoing connections:
//! the gateway itself opens thousands of those, and one of them would keep a crashed instance off its port.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// Where ports are looked for when the spec names no range, if the kernel's own range lies above.
const QUIET_FIRST: u16 = 20_000;
/// How many ports there are tried at random before the kernel is asked for one.
const TRIES: u32 = 64;

/// The ports that this Tealgate has handed out.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    taken: Arc<Mutex<HashSet<u16>>>,
}

/// A port that no other instance gets as long as this lives.
#[derive(Debug)]
pub(super) struct Held {
    port: u16,
    taken: Arc<Mutex<HashSet<u16>>>,
}

impl Ports {
    /// Takes a port that nobody listens on: the one before, if it still is free, else one of the range, else any.
    /// It is bound for a moment to make sure; then the instance must bind it.
    ///
    /// # Errors
    /// When no port is free, or the address is not this machine's.
    pub(super) fn take(
        &self,
        address: IpAddr,
        range: Option<[u16; 2]>,
        before: Option<u16>,
    ) -> io::Result<Held> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |port: &u16| !taken.contains(port) && is_free(address, *port);
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
        Ok(Held { port, taken: Arc::clone(&self.taken) })
    }

    /// Takes the port that an adopted instance listens on.
    pub(super) fn hold(&self, port: u16) -> Held {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        Held { port, taken: Arc::clone(&self.taken) }
    }
}

impl Held {
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.port);
    }
}

/// Whether nobody listens on it.
pub(super) fn is_free(address: IpAddr, port: u16) -> bool {
    TcpListener::bind((address, port)).is_ok()
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
        let held = ports.take(LOOPBACK, None, None).unwrap();
        let port = held.port();
        assert_ne!(ports.take(LOOPBACK, None, Some(port)).unwrap().port(), port, "it is held");
        drop(held);
        assert_eq!(ports.take(LOOPBACK, None, Some(port)).unwrap().port(), port);
        let _stranger = TcpListener::bind((LOOPBACK, port)).unwrap();
        assert_ne!(ports.take(LOOPBACK, None, Some(port)).unwrap().port(), port, "a stranger listens there");
    }

    #[test]
    fn no_port_is_one_that_an_outgoing_connection_may_take() {
        let Some(first_outgoing) = first_outgoing_port().filter(|first| *first > QUIET_FIRST + 1_000) else {
            return;
        };
        let port = Ports::default().take(LOOPBACK, None, None).unwrap().port();
        assert!((QUIET_FIRST..first_outgoing).contains(&port), "{port}");
    }

    #[test]
    fn ports_come_from_the_range_and_a_range_that_is_used_up_is_an_error_that_names_it() {
        let ports = Ports::default();
        let stranger = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let port = stranger.local_addr().unwrap().port();
        let range = Some([port, port]);
        let error = ports.take(LOOPBACK, range, Some(port - 1)).unwrap_err();
        assert_eq!(error.to_string(), format!("no port from {port} to {port} is free"));
        drop(stranger);
        let held = ports.take(LOOPBACK, range, Some(port - 1)).unwrap();
        assert_eq!(held.port(), port);
        assert!(ports.take(LOOPBACK, range, None).is_err(), "it is held");
    }

    #[test]
    fn the_port_of_an_adopted_instance_is_nobody_elses() {
        let ports = Ports::default();
        let port = ports.take(LOOPBACK, None, None).unwrap().port();
        let _adopted = ports.hold(port);
        assert_ne!(ports.take(LOOPBACK, None, Some(port)).unwrap().port(), port);
    }
}
