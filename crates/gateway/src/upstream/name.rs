//! What is known of one name: its addresses, whose turn it is, which of them take no connections, and whether an answer is
//! being waited for. One thread's; no I/O.

use super::resolve::LAST_FOR;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A name. Whoever holds it keeps it up to date.
#[derive(Debug)]
pub(crate) struct Name {
    pub(super) host: String,
    /// In order, each once. Empty: not known.
    addresses: RefCell<Rc<[IpAddr]>>,
    /// When it is to be asked for again.
    pub(super) until: Cell<Instant>,
    /// Since when an answer is being waited for; everyone who wants it waits for the same one.
    pub(super) asking_since: Cell<Option<Instant>>,
    /// When the last answer came, or that there is none.
    pub(super) answered_at: Cell<Option<Instant>>,
    pub(super) answered: Notify,
    /// It is not known although it was asked for.
    pub(super) has_failed: Cell<bool>,
    /// Whose turn it is among several addresses.
    turn: Cell<usize>,
    /// Addresses that took no connection.
    failed: RefCell<Vec<Failed>>,
}

/// An address that took no connection when it was last tried.
#[derive(Clone, Copy, Debug)]
struct Failed {
    address: SocketAddr,
    /// When it is to be tried again, without a request.
    again_at: Instant,
}

impl Name {
    /// A name that is to be asked for at once.
    pub(super) fn unknown(host: &str, now: Instant) -> Name {
        Name {
            host: host.to_owned(),
            addresses: RefCell::default(),
            until: Cell::new(now),
            asking_since: Cell::new(None),
            answered_at: Cell::new(None),
            answered: Notify::new(),
            has_failed: Cell::new(false),
            turn: Cell::new(0),
            failed: RefCell::default(),
        }
    }

    /// Whether no address of it is known.
    pub(super) fn is_unknown(&self) -> bool {
        self.addresses.borrow().is_empty()
    }

    /// Whether an address is one of its own.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.addresses.borrow().contains(&ip)
    }

    /// The address whose turn it is, if there are several; one that took no connection lately has none, while others did.
    pub(super) fn next(&self) -> Option<IpAddr> {
        let addresses = self.addresses.borrow();
        if addresses.len() < 2 {
            return None;
        }
        let failed = self.failed.borrow();
        let is_up = |ip: &&IpAddr| failed.iter().all(|failed| failed.address.ip() != **ip);
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        match addresses.iter().filter(is_up).count() {
            0 => addresses.get(turn % addresses.len()).copied(),
            up => addresses.iter().filter(is_up).nth(turn % up).copied(),
        }
    }

    /// All addresses: `first`, if it is one, else the one whose turn it is; then the others, those last that took no
    /// connection lately.
    pub(super) fn in_turn(&self, first: Option<IpAddr>) -> Vec<IpAddr> {
        let first = first.filter(|ip| self.has(*ip)).or_else(|| self.next());
        let mut addresses = self.addresses.borrow().to_vec();
        let at = addresses.iter().position(|ip| Some(*ip) == first).unwrap_or(0);
        addresses.rotate_left(at);
        let failed = self.failed.borrow();
        addresses
            .sort_by_key(|ip| Some(*ip) != first && failed.iter().any(|failed| failed.address.ip() == *ip));
        addresses
    }

    /// An address took no connection.
    pub(super) fn failed(&self, address: SocketAddr, now: Instant) {
        self.took(address.ip());
        self.failed.borrow_mut().push(Failed { address, again_at: now + LAST_FOR });
    }

    /// An address took a connection.
    pub(super) fn took(&self, ip: IpAddr) {
        self.failed.borrow_mut().retain(|failed| failed.address.ip() != ip);
    }

    /// The addresses that are to be tried again now; the next time comes later.
    pub(super) fn due(&self, now: Instant) -> Vec<SocketAddr> {
        let mut failed = self.failed.borrow_mut();
        let due = failed.iter_mut().filter(|failed| failed.again_at <= now);
        due.map(|failed| {
            failed.again_at = now + LAST_FOR;
            failed.address
        })
        .collect()
    }

    /// Takes an answer, which is good for so long; without one the last addresses stay, or it is asked for again soon.
    pub(super) fn take_answer(
        &self,
        answer: io::Result<Vec<IpAddr>>,
        now: Instant,
        valid: Duration,
        unknown_for: Duration,
    ) {
        let host = self.host.as_str();
        self.asking_since.set(None);
        self.answered_at.set(Some(now));
        let answer = answer.and_then(|addresses| match addresses.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "name has no address")),
            false => Ok(addresses),
        });
        match answer {
            Ok(mut addresses) => {
                // The system may tell an address once for each kind of socket, and servers change the order.
                addresses.sort_unstable();
                addresses.dedup();
                self.failed.borrow_mut().retain(|failed| addresses.contains(&failed.address.ip()));
                let known = self.addresses.replace(addresses.into());
                let addresses = self.addresses.borrow();
                if !known.is_empty() && known != *addresses {
                    tracing::info!(host, ?known, ?addresses, "name leads elsewhere now");
                } else if self.has_failed.get() {
                    tracing::info!(host, ?addresses, "name can be resolved now");
                }
                self.has_failed.set(false);
                self.until.set(now + valid);
            }
            Err(error) if self.is_unknown() => {
                if !self.has_failed.replace(true) {
                    tracing::warn!(host, %error, "name cannot be resolved");
                }
                self.until.set(now + unknown_for);
            }
            Err(error) => {
                tracing::warn!(host, %error, "name cannot be resolved again; its last addresses are used on");
                self.until.set(now + valid);
            }
        }
        self.answered.notify_waiters();
    }
}
