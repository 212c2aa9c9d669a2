//! Connections that are being made, counted by node: a node that does not take them in time is not asked for ever more.
//!
//! Without a bound, a node behind which packets vanish would hold one socket for each request of its whole connect
//! timeout, and with them the file descriptors that all others need.

use foldhash::HashMap;
use std::cell::RefCell;

/// A node: the target's uid and its place there.
type Key = (u64, usize);

/// What one thread is connecting to.
#[derive(Debug, Default)]
pub(crate) struct Connecting(RefCell<HashMap<Key, usize>>);

/// A connection that is being made while this is held.
#[derive(Debug)]
pub(crate) struct Attempting<'a> {
    all: &'a Connecting,
    key: Key,
}

impl Connecting {
    /// One more, unless there are `most` already.
    pub(crate) fn begin(&self, key: Key, most: usize) -> Option<Attempting<'_>> {
        let mut all = self.0.borrow_mut();
        let count = all.entry(key).or_default();
        if *count >= most.max(1) {
            return None;
        }
        *count += 1;
        Some(Attempting { all: self, key })
    }
}

impl Drop for Attempting<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.borrow_mut();
        if let Some(count) = all.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_are_made_at_once_to_each_node_and_nothing_is_left_behind() {
        let all = Connecting::default();
        let held: Vec<_> = (0..3).map(|_| all.begin((1, 0), 2)).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        assert!(all.begin((1, 1), 2).is_some(), "another node");
        drop(held);
        assert!(all.begin((1, 0), 1).is_some());
        assert!(all.0.borrow().is_empty());
    }
}
