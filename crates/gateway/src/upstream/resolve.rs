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
use tokio::sync::Notify;

/// Most names that are kept; when full, the cache is emptied.
const MAX_NAMES: usize = 4_096;
/// How long a name that could not be resolved is not asked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// The names of one thread.
#[derive(Debug)]
pub(crate) struct Resolver {
    valid: Duration,
    names: RefCell<HashMap<String, Name>>,
}

#[derive(Debug)]
struct Name {
    /// Empty: not known.
    addresses: Rc<[IpAddr]>,
    until: Instant,
    /// An answer is being waited for; everyone who wants it waits for the same one.
    asking: bool,
    answered: Rc<Notify>,
    /// Whose turn it is among several addresses.
    turn: usize,
}

/// What is known of a name right now.
enum Lookup {
    /// Its addresses; none if it cannot be resolved.
    Known(Vec<IpAddr>),
    /// To be looked up again when this says so.
    Asked(Rc<Notify>),
}

impl Resolver {
    pub(crate) fn new(valid: Duration) -> Rc<Resolver> {
        Rc::new(Resolver { valid, names: RefCell::default() })
    }

    /// The addresses of a name, the one whose turn it is first.
    pub(crate) async fn resolve(self: &Rc<Resolver>, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        loop {
            match self.look_up(host) {
                Lookup::Known(addresses) if addresses.is_empty() => {
                    return Err(io::Error::new(io::ErrorKind::NotFound, "name cannot be resolved"));
                }
                Lookup::Known(addresses) => {
                    return Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
                }
                Lookup::Asked(answered) => answered.notified().await,
            }
        }
    }

    fn look_up(self: &Rc<Resolver>, host: &str) -> Lookup {
        let mut names = self.names.borrow_mut();
        if names.len() >= MAX_NAMES && !names.contains_key(host) {
            names.clear();
        }
        if !names.contains_key(host) {
            names.insert(host.to_owned(), Name::unknown());
        }
        let Some(name) = names.get_mut(host) else { return Lookup::Known(Vec::new()) };
        if !name.asking && name.until <= clock::now() {
            name.asking = true;
            tokio::task::spawn_local(Rc::clone(self).refresh(host.to_owned(), Rc::clone(&name.answered)));
        }
        if name.addresses.is_empty() && name.asking {
            return Lookup::Asked(Rc::clone(&name.answered));
        }
        name.turn = name.turn.wrapping_add(1);
        let mut addresses = name.addresses.to_vec();
        let turn = name.turn % addresses.len().max(1);
        addresses.rotate_left(turn);
        Lookup::Known(addresses)
    }

    async fn refresh(self: Rc<Resolver>, host: String, answered: Rc<Notify>) {
        let addresses = ask(&host).await;
        if let Some(name) = self.names.borrow_mut().get_mut(&host) {
            name.asking = false;
            match addresses {
                Ok(addresses) => {
                    name.addresses = addresses.into();
                    name.until = clock::now() + self.valid;
                }
                Err(error) if name.addresses.is_empty() => {
                    tracing::warn!(host, %error, "name cannot be resolved");
                    name.until = clock::now() + UNKNOWN_FOR;
                }
                Err(error) => {
                    tracing::warn!(host, %error, "name cannot be resolved again; its last addresses are used on");
                    name.until = clock::now() + self.valid;
                }
            }
        }
        answered.notify_waiters();
    }
}

impl Name {
    /// A name that is to be asked for at once.
    fn unknown() -> Name {
        Name {
            addresses: Rc::default(),
            until: clock::now(),
            asking: false,
            answered: Rc::default(),
            turn: 0,
        }
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
