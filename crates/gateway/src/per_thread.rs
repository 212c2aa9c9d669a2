//! One value for each gateway thread, inside data that all threads share.
//!
//! The request path writes no memory that another thread reads often. What belongs to a shared object but changes
//! with each request (a round-robin cursor, say) is kept once per thread, on cache lines of its own.

/// A value per thread, each on its own cache lines. A thread uses only its own.
#[derive(Debug)]
pub(crate) struct PerThread<T> {
    slots: Box<[Slot<T>]>,
}

#[derive(Debug)]
#[repr(align(64))]
struct Slot<T>(T);

impl<T> PerThread<T> {
    /// Makes the values of `threads` threads (at least one).
    pub(crate) fn new(threads: usize, mut make: impl FnMut(usize) -> T) -> PerThread<T> {
        PerThread { slots: (0..threads.max(1)).map(|thread| Slot(make(thread))).collect() }
    }

    /// The values of all threads.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|slot| &slot.0)
    }

    /// The value of a thread; threads are numbered from 0.
    pub(crate) fn get(&self, thread: usize) -> &T {
        &self.slots[thread % self.slots.len()].0
    }
}
