//! How many client connections there are over all threads, in all and by address.
//!
//! Written when a connection comes and goes, never by a request.

use foldhash::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections beyond a bound that are answered before they are closed: so many at least, and one more for so many
/// within it. Being told costs a connection, too.
const REFUSED_AT_LEAST: usize = 16;
const REFUSED_PER_ACCEPTED: usize = 8;

/// What becomes of one connection more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It is served.
    Welcome,
    /// It is answered, and closed.
    Refused,
    /// It is closed.
    Ignored,
}

/// The client connections of all threads.
#[derive(Debug, Default)]
pub(crate) struct Census {
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Census {
    /// Counts a connection in, against a bound.
    pub(super) fn enter(&self, most: usize) -> Verdict {
        verdict(self.open.fetch_add(1, Relaxed) + 1, most)
    }

    /// Counts it out.
    pub(super) fn leave(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    /// Counts a connection in for its address, against a bound.
    pub(super) fn enter_from(&self, origin: IpAddr, most: usize) -> Verdict {
        let mut by_address = self.by_address();
        let count = by_address.entry(origin).or_default();
        *count += 1;
        verdict(*count, most)
    }

    /// Counts it out.
    pub(super) fn leave_from(&self, origin: IpAddr) {
        let mut by_address = self.by_address();
        if let Some(count) = by_address.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&origin);
            }
        }
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that connections are counted by: a whole /64 of IPv6, which one client can have for itself (RFC 6177).
pub(super) fn counted_as(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

fn verdict(open: usize, most: usize) -> Verdict {
    if open <= most {
        Verdict::Welcome
    } else if open <= most.saturating_add(most / REFUSED_PER_ACCEPTED).saturating_add(REFUSED_AT_LEAST) {
        Verdict::Refused
    } else {
        Verdict::Ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_some_are_told_and_more_are_not() {
        let census = Census::default();
        let came: Vec<_> = (0..30).map(|_| census.enter(8)).collect();
        let count = |wanted| came.iter().filter(|verdict| **verdict == wanted).count();
        assert_eq!((count(Verdict::Welcome), count(Verdict::Refused), count(Verdict::Ignored)), (8, 17, 5));
        (0..30).for_each(|_| census.leave());
        assert_eq!(census.enter(8), Verdict::Welcome);
    }

    #[test]
    fn each_address_has_a_bound_of_its_own_and_leaves_nothing_behind() {
        let census = Census::default();
        let origin = |text: &str| counted_as(text.parse().unwrap());
        assert_eq!(origin("::ffff:1.2.3.4"), origin("1.2.3.4"));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::2:3"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        for address in ["1.2.3.4", "1.2.3.5"] {
            assert_eq!(census.enter_from(origin(address), 1), Verdict::Welcome);
            assert_eq!(census.enter_from(origin(address), 1), Verdict::Refused);
        }
        for address in ["1.2.3.4", "1.2.3.5"] {
            census.leave_from(origin(address));
            assert_eq!(census.enter_from(origin(address), 1), Verdict::Refused);
            (0..2).for_each(|_| census.leave_from(origin(address)));
        }
        assert!(census.by_address().is_empty());
    }
}
