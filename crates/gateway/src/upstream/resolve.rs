//! Names to addresses, through the system's resolver (so `/etc/hosts` comes first), cached per thread.
//!
//! The system's resolver tells no time to live, so an answer is used for a fixed time, and while a newer one is
//! being asked for. A name that was known is never unknown because the resolver is slow or gone. Names that
//! connections lead to are asked for again by themselves: a connection to an address that the name has left carries
//! no further request.

use crate::clock;
use foldhash::HashMap;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Most names that are kept; when full, those that no connection leads to are forgotten.
const MAX_NAMES: usize = 4_096;
/// How long a name that could not be resolved is not asked for again, and an answer that did not help is not doubted.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// How long an address that took no connection is asked after the others.
const LAST_FOR: Duration = Duration::from_secs(10);

/// Asks for the addresses of a name.
type Ask = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>>>>>;

/// A name has no address that is known.
#[derive(Debug, thiserror::Error)]
#[error("name cannot be resolved")]
pub(super) struct Unresolved;

/// The names of one thread.
pub(crate) struct Resolver {
    valid: Duration,
    names: RefCell<HashMap<String, Rc<Name>>>,
    ask: Ask,
}

/// What is known of a name. Whoever holds it keeps it up to date.
#[derive(Debug)]
pub(crate) struct Name {
    host: String,
    /// Empty: not known.
    addresses: RefCell<Rc<[IpAddr]>>,
    /// When the answer came; `None`: there was none.
    answered_at: Cell<Option<Instant>>,
    until: Cell<Instant>,
    /// An answer is being waited for; everyone who wants it waits for the same one.
    asking: Cell<bool>,
    answered: Notify,
    /// Whose turn it is among several addresses.
    turn: Cell<usize>,
    /// Addresses that took no connection, and until when that counts.
    failed: RefCell<Vec<(IpAddr, Instant)>>,
}

impl Resolver {
    /// Asks the system.
    pub(crate) fn new(valid: Duration) -> Rc<Resolver> {
        Resolver::asking(valid, Box::new(|host| Box::pin(ask_system(host))))
    }

    pub(super) fn asking(valid: Duration, ask: Ask) -> Rc<Resolver> {
        Rc::new(Resolver { valid, names: RefCell::default(), ask })
    }

    /// A name, asked for or not.
    pub(crate) fn name(&self, host: &str) -> Rc<Name> {
        let mut names = self.names.borrow_mut();
        if let Some(name) = names.get(host) {
            return Rc::clone(name);
        }
        if names.len() >= MAX_NAMES {
            names.retain(|_, name| Rc::strong_count(name) > 1);
        }
        let name = Rc::new(Name::unknown(host));
        // With as many in use, a further one is asked for each time.
        if names.len() < MAX_NAMES {
            names.insert(host.to_owned(), Rc::clone(&name));
        }
        name
    }

    /// The addresses of a name, the one whose turn it is first, and those that took no connection lately last.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) async fn addresses(self: &Rc<Resolver>, name: &Rc<Name>) -> io::Result<Vec<IpAddr>> {
        loop {
            let now = clock::now();
            if name.until.get() <= now {
                self.refresh(name);
            }
            // Made before it is looked whether an answer is there, so that none is missed.
            let answered = name.answered.notified();
            if name.addresses.borrow().is_empty() && name.asking.get() {
                answered.await;
                continue;
            }
            let addresses = name.in_turn(now);
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, Unresolved));
            }
            return Ok(addresses);
        }
    }

    /// Waits for an answer that is newer than a moment.
    pub(crate) async fn ask_again(self: &Rc<Resolver>, name: &Rc<Name>) {
        let is_new = |at: Instant| clock::now().saturating_duration_since(at) < UNKNOWN_FOR;
        if !name.asking.get() && name.answered_at.get().is_some_and(is_new) {
            return;
        }
        self.refresh(name);
        let answered = name.answered.notified();
        if name.asking.get() {
            answered.await;
        }
    }

    /// Asks for the names anew that connections lead to and whose answers are old.
    pub(crate) fn sweep(self: &Rc<Resolver>) {
        let now = clock::now();
        let due = |name: &&Rc<Name>| Rc::strong_count(name) > 1 && name.until.get() <= now;
        let due: Vec<Rc<Name>> = self.names.borrow().values().filter(due).cloned().collect();
        due.iter().for_each(|name| self.refresh(name));
    }

    fn refresh(self: &Rc<Resolver>, name: &Rc<Name>) {
        if !name.asking.replace(true) {
            let (resolver, name) = (Rc::clone(self), Rc::clone(name));
            tokio::task::spawn_local(async move {
                let answer = (resolver.ask)(name.host.clone()).await;
                name.take_answer(answer, resolver.valid);
            });
        }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("valid", &self.valid)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Name {
    /// A name that is to be asked for at once.
    fn unknown(host: &str) -> Name {
        Name {
            host: host.to_owned(),
            addresses: RefCell::default(),
            answered_at: Cell::new(None),
            until: Cell::new(clock::now()),
            asking: Cell::new(false),
            answered: Notify::new(),
            turn: Cell::new(0),
            failed: RefCell::default(),
        }
    }

    /// Whether an address is one of its own.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.addresses.borrow().contains(&ip)
    }

    /// An address took no connection.
    pub(super) fn failed(&self, ip: IpAddr) {
        let mut failed = self.failed.borrow_mut();
        failed.retain(|(other, _)| *other != ip);
        failed.push((ip, clock::now() + LAST_FOR));
    }

    fn in_turn(&self, now: Instant) -> Vec<IpAddr> {
        let mut addresses = self.addresses.borrow().to_vec();
        self.turn.set(self.turn.get().wrapping_add(1));
        let turn = self.turn.get() % addresses.len().max(1);
        addresses.rotate_left(turn);
        let mut failed = self.failed.borrow_mut();
        failed.retain(|(ip, until)| *until > now && addresses.contains(ip));
        addresses.sort_by_key(|ip| failed.iter().any(|(other, _)| other == ip));
        addresses
    }

    fn take_answer(&self, answer: io::Result<Vec<IpAddr>>, valid: Duration) {
        let now = clock::now();
        let host = self.host.as_str();
        self.asking.set(false);
        match answer {
            Ok(addresses) => {
                let known = self.addresses.replace(addresses.into());
                let addresses = self.addresses.borrow();
                let same = known.len() == addresses.len() && known.iter().all(|ip| addresses.contains(ip));
                if !known.is_empty() && !same {
                    tracing::info!(host, ?known, ?addresses, "name leads elsewhere now");
                }
                self.answered_at.set(Some(now));
                self.until.set(now + valid);
            }
            Err(error) if self.addresses.borrow().is_empty() => {
                tracing::warn!(host, %error, "name cannot be resolved");
                self.until.set(now + UNKNOWN_FOR);
            }
            Err(error) => {
                tracing::warn!(host, %error, "name cannot be resolved again; its last addresses are used on");
                self.until.set(now + valid);
            }
        }
        self.answered.notify_waiters();
    }
}

async fn ask_system(host: String) -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in tokio::net::lookup_host((host.as_str(), 0)).await? {
        // The system may tell an address once for each kind of socket.
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "name has no address"));
    }
    Ok(addresses)
}
