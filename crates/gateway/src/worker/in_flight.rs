//! How many requests a thread has in work. Each thread has its part of the bound: nothing that others write is touched.

use super::Worker;
use std::cell::Cell;

/// A request in work. It is counted while this lives.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    count: &'a Cell<usize>,
    /// There are more than there may be: this one is to be refused.
    pub(crate) is_too_many: bool,
}

impl Worker {
    /// Counts a request in.
    pub(crate) fn begin_request(&self) -> InFlight<'_> {
        let count = self.in_flight.get() + 1;
        self.in_flight.set(count);
        InFlight { count: &self.in_flight, is_too_many: count > self.most_requests }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

/// A thread's part of a bound over all threads; 0: no bound.
pub(super) fn part_of(most: usize, threads: usize) -> usize {
    if most == 0 { usize::MAX } else { most.div_ceil(threads.max(1)) }
}
