//! Names to addresses, through the system's resolver (so `/etc/hosts` comes first), cached per thread.
//!
//! The system's resolver tells no time to live, so an answer is used for a fixed time, and while a newer one is
//! being asked for. A name that was known is never unknown because the resolver is slow or gone.

use crate::clock;
use foldhash::HashMap;
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Most names that are kept; when full, the cache is emptied.
const MAX_NAMES: usize = 4_096;

/// The names of one thread.
#[derive(Debug)]
pub(crate) struct Resolver {
    valid: Duration,
    names: RefCell<HashMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    addresses: Rc<[IpAddr]>,
    until: Instant,
    /// A newer answer is being asked for.
    asking: bool,
    /// Whose turn it is among several addresses.
    turn: usize,
}

impl Resolver {
    pub(crate) fn new(valid: Duration) -> Rc<Resolver> {
        Rc::new(Resolver { valid, names: RefCell::default() })
    }

    /// The addresses of a name, the one whose turn it is first.
    pub(crate) async fn resolve(self: &Rc<Resolver>, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(addresses) = self.known(host) {
            return Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
        }
        let addresses = ask(host).await?;
        self.remember(host, &addresses);
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }

    fn known(self: &Rc<Resolver>, host: &str) -> Option<Vec<IpAddr>> {
        let mut names = self.names.borrow_mut();
        let known = names.get_mut(host)?;
        if !known.asking && known.until <= clock::now() {
            known.asking = true;
            tokio::task::spawn_local(Rc::clone(self).refresh(host.to_owned()));
        }
        known.turn = known.turn.wrapping_add(1);
        let mut addresses = known.addresses.to_vec();
        let turn = known.turn % addresses.len().max(1);
        addresses.rotate_left(turn);
        Some(addresses)
    }

    async fn refresh(self: Rc<Resolver>, host: String) {
        match ask(&host).await {
            Ok(addresses) => self.remember(&host, &addresses),
            Err(error) => {
                tracing::warn!(host, %error, "name cannot be resolved again; its last addresses are used on");
                if let Some(known) = self.names.borrow_mut().get_mut(&host) {
                    known.asking = false;
                    known.until = clock::now() + self.valid;
                }
            }
        }
    }

    fn remember(&self, host: &str, addresses: &[IpAddr]) {
        let mut names = self.names.borrow_mut();
        if names.len() >= MAX_NAMES && !names.contains_key(host) {
            names.clear();
        }
        let turn = names.get(host).map_or(0, |known| known.turn);
        let until = clock::now() + self.valid;
        names.insert(host.to_owned(), Known { addresses: addresses.into(), until, asking: false, turn });
    }
}

async fn ask(host: &str) -> io::Result<Vec<IpAddr>> {
    let addresses: Vec<IpAddr> =
        tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "name has no address"));
    }
    Ok(addresses)
}
