//! Names to addresses, cached per thread.
//!
//! The system's resolver tells no time to live, so an answer is used for a fixed time, and while a newer one is
//! being asked for. A name that was known is never unknown because the resolver is slow or gone. Names that
//! connections lead to are asked for again by themselves: a connection to an address that the name has left carries
//! no further request.
//!
//! A resolver that does not answer costs requests little: a name is asked for once at a time, each request waits a bounded
//! time counted from when the asking began, and who can go to another node is told to ([`Resolver::leads_nowhere`]).

use super::name::Name;
use super::names::NameSource;
use crate::clock;
use foldhash::HashMap;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Most names that are kept; when full, those that no connection leads to are forgotten.
const MAX_NAMES: usize = 4_096;
/// How long a name that could not be resolved is not asked for again, and an answer that did not help is not doubted.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// How long an address that took no connection is asked after the others, before it is tried again.
pub(super) const LAST_FOR: Duration = Duration::from_secs(10);
/// How long a name is waited for by those who have something else to try.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// How long a name is waited for that could not be resolved the last time.
const LITTLE_PATIENCE: Duration = Duration::from_millis(250);
/// How long after its last failure a name that nobody asks for any more is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// A name has no address that is known.
#[derive(Debug, thiserror::Error)]
#[error("name cannot be resolved")]
pub(super) struct Unresolved;

/// How the addresses of a name are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The address whose turn it is, where that has been found already.
    pub(crate) first: Option<IpAddr>,
    /// How long a name of which nothing is known is waited for at most, from when it was asked for.
    pub(crate) wait: Duration,
}

/// The names of one thread.
#[derive(Debug)]
pub(crate) struct Resolver {
    valid: Duration,
    names: RefCell<HashMap<String, Rc<Name>>>,
    /// Whether a name may be among them that is not known.
    some_unknown: Cell<bool>,
    source: Arc<dyn NameSource>,
}

impl Wanted {
    /// Any address, waited for as long as the caller does.
    pub(crate) const ANY: Wanted = Wanted { first: None, wait: Duration::MAX };
}

impl Resolver {
    /// Asks `source`, whose answers are good for so long.
    pub(crate) fn new(valid: Duration, source: Arc<dyn NameSource>) -> Rc<Resolver> {
        Rc::new(Resolver { valid, names: RefCell::default(), some_unknown: Cell::new(false), source })
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
        let name = Rc::new(Name::unknown(host, clock::now()));
        // With as many in use, a further one is asked for each time.
        if names.len() < MAX_NAMES {
            names.insert(host.to_owned(), Rc::clone(&name));
        }
        name
    }

    /// The addresses of a name, in the order in which they are to be tried. Who has waited for long enough gets an error, and the
    /// name is asked for on.
    ///
    /// # Errors
    /// When none is known.
    pub(crate) async fn addresses(
        self: &Rc<Resolver>,
        name: &Rc<Name>,
        wanted: Wanted,
    ) -> io::Result<Vec<IpAddr>> {
        if name.until.get() <= clock::now() {
            self.refresh(name);
        }
        if name.is_unknown() {
            let wait = if name.has_failed.get() { wanted.wait.min(LITTLE_PATIENCE) } else { wanted.wait };
            wait_for_answer(name, wait).await;
        }
        let addresses = name.in_turn(wanted.first);
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, Unresolved));
        }
        Ok(addresses)
    }

    /// Waits a moment for an answer that is newer than what is known, unless that is new itself.
    pub(crate) async fn ask_again(self: &Rc<Resolver>, name: &Rc<Name>) {
        let is_new = |at: Instant| clock::now().saturating_duration_since(at) < UNKNOWN_FOR;
        if name.asking_since.get().is_none() && name.answered_at.get().is_some_and(is_new) {
            return;
        }
        self.refresh(name);
        wait_for_answer(name, PATIENCE).await;
    }

    /// Whether there may be names that are not known: while there are none, nobody needs to ask for each.
    pub(crate) fn has_unknown(&self) -> bool {
        self.some_unknown.get()
    }

    /// Whether who has something else to try should do so: the name could not be resolved, or is being waited for too long
    /// already. Asks for it again, if it is time.
    pub(crate) fn leads_nowhere(self: &Rc<Resolver>, host: &str, now: Instant) -> bool {
        let name = self.names.borrow().get(host).cloned();
        let Some(name) = name.filter(|name| name.is_unknown()) else { return false };
        if name.until.get() <= now {
            self.refresh(&name);
        }
        let is_slow = |since: Instant| now.saturating_duration_since(since) >= PATIENCE;
        name.has_failed.get() || name.asking_since.get().is_some_and(is_slow)
    }

    /// Asks for the names anew that connections lead to and whose answers are old, tries addresses again that took no
    /// connection, and forgets names that lead nowhere and that nobody wants.
    pub(crate) fn sweep(self: &Rc<Resolver>) {
        let now = clock::now();
        let is_wanted = |name: &Rc<Name>| {
            Rc::strong_count(name) > 1 || !name.is_unknown() || now < name.until.get() + FORGOTTEN_AFTER
        };
        self.names.borrow_mut().retain(|_, name| is_wanted(name));
        let names: Vec<Rc<Name>> = self.names.borrow().values().cloned().collect();
        self.some_unknown.set(names.iter().any(|name| name.is_unknown()));
        // One is the cache's, one is this list's.
        for name in names.iter().filter(|name| Rc::strong_count(name) > 2) {
            if name.until.get() <= now {
                self.refresh(name);
            }
            for address in name.due(now) {
                tokio::task::spawn_local(try_again(Rc::clone(name), address));
            }
        }
    }

    fn refresh(self: &Rc<Resolver>, name: &Rc<Name>) {
        if name.asking_since.get().is_some() {
            return;
        }
        name.asking_since.set(Some(clock::now()));
        if name.is_unknown() {
            self.some_unknown.set(true);
        }
        let answer = self.source.ask(name.host.clone());
        let (valid, name) = (self.valid, Rc::clone(name));
        tokio::task::spawn_local(async move {
            let answer = answer.await;
            name.take_answer(answer, clock::now(), valid, UNKNOWN_FOR);
        });
    }
}

/// Waits for the answer that has been asked for, until that has taken so long: those who come later wait for less.
async fn wait_for_answer(name: &Name, wait: Duration) {
    let Some(since) = name.asking_since.get() else { return };
    // Made before anything is waited for, so that no answer is missed.
    let answered = name.answered.notified();
    let left = wait.saturating_sub(clock::now().saturating_duration_since(since));
    if left.is_zero() {
        return;
    }
    tokio::select! {
        () = answered => {}
        () = clock::pause(left) => {}
    }
}

/// Whether an address takes connections again.
async fn try_again(name: Rc<Name>, address: SocketAddr) {
    tokio::select! {
        connected = TcpStream::connect(address) => {
            if connected.is_ok() {
                name.took(address.ip());
            }
        }
        () = clock::pause(PATIENCE) => {}
    }
}
