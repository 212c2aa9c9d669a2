//! Bodies that are kept beside those that are streamed, bounded each and all together.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use telemetry::report::LeftOut;

/// The memory that all kept bodies of a gateway share.
#[derive(Debug)]
pub(crate) struct Memory {
    used: AtomicUsize,
    limit: usize,
}

/// A body as it passed, unless it was too large.
pub(crate) struct Kept {
    memory: Arc<Memory>,
    bytes: Vec<u8>,
    /// What `bytes` has room for, taken of the memory.
    room: usize,
    limit: u64,
    lost: Option<LeftOut>,
}

/// What a stream adds to while another holds it.
#[derive(Clone, Debug)]
pub(crate) struct Tee {
    kept: Rc<RefCell<Kept>>,
    /// Another one keeps it, too, within bounds of its own.
    also: Option<Rc<RefCell<Kept>>>,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Memory {
        Memory { used: AtomicUsize::new(0), limit }
    }

    fn take(&self, count: usize) -> bool {
        let more = |used: usize| used.checked_add(count).filter(|used| *used <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    fn give(&self, count: usize) {
        self.used.fetch_sub(count, Relaxed);
    }

    #[cfg(test)]
    fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

impl Kept {
    /// Nothing yet, and at most `limit` bytes.
    pub(crate) fn new(memory: &Arc<Memory>, limit: u64) -> Kept {
        Kept { memory: Arc::clone(memory), bytes: Vec::new(), room: 0, limit, lost: None }
    }

    /// The same, to be added to by a stream.
    pub(crate) fn tee(self) -> Tee {
        Tee { kept: Rc::new(RefCell::new(self)), also: None }
    }

    /// Adds what passes. What has no room makes all of it be let go.
    pub(crate) fn add(&mut self, payload: &[u8]) {
        if self.lost.is_some() {
            return;
        }
        let needed = self.bytes.len() + payload.len();
        if needed as u64 > self.limit {
            self.lose(LeftOut::Size);
        } else if needed <= self.room || self.grow(needed) {
            self.bytes.extend_from_slice(payload);
        } else {
            self.lose(LeftOut::Memory);
        }
    }

    /// Makes room for so many bytes, and as many again as there are, if the memory has them: the threads share it, and
    /// write to it seldom.
    fn grow(&mut self, needed: usize) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let ample = needed.max(self.room.saturating_mul(2)).min(limit);
        let room = [ample, needed].into_iter().find(|room| self.memory.take(room - self.room));
        let Some(room) = room else { return false };
        self.bytes.reserve_exact(room - self.bytes.len());
        self.room = room;
        true
    }

    /// All of it, or why it was let go.
    pub(crate) fn body(&self) -> Result<&[u8], LeftOut> {
        self.lost.map_or(Ok(&self.bytes), Err)
    }

    /// Takes it out of what a stream added to.
    pub(crate) fn take(tee: &Tee) -> Kept {
        let mut kept = tee.kept.borrow_mut();
        let empty = Kept::new(&kept.memory, 0);
        std::mem::replace(&mut kept, empty)
    }

    fn lose(&mut self, why: LeftOut) {
        self.memory.give(std::mem::take(&mut self.room));
        self.bytes = Vec::new();
        self.lost = Some(why);
    }
}

impl Tee {
    /// Adds what passes.
    pub(crate) fn add(&self, payload: &[u8]) {
        self.kept.borrow_mut().add(payload);
        if let Some(also) = &self.also {
            also.borrow_mut().add(payload);
        }
    }

    /// One that adds to both, if there are both; else to the one that there is.
    pub(crate) fn both(one: Option<Tee>, other: Option<Tee>) -> Option<Tee> {
        let (Some(one), Some(other)) = (&one, &other) else { return one.or(other) };
        Some(Tee { kept: Rc::clone(&one.kept), also: Some(Rc::clone(&other.kept)) })
    }

    /// What was kept until now.
    pub(crate) fn kept(&self) -> Ref<'_, Kept> {
        self.kept.borrow()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.memory.give(self.room);
    }
}

/// Bodies hold what is nobody's business.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("bytes", &self.bytes.len()).field("lost", &self.lost).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_beyond_its_bound_is_let_go_and_its_memory_is_given_back() {
        let memory = Arc::new(Memory::new(100));
        let mut kept = Kept::new(&memory, 5);
        kept.add(b"abc");
        kept.add(b"de");
        assert_eq!((kept.body(), memory.used()), (Ok(&b"abcde"[..]), 5));
        kept.add(b"f");
        kept.add(b"");
        assert_eq!((kept.body(), memory.used()), (Err(LeftOut::Size), 0));
    }

    #[test]
    fn what_grows_takes_its_room_ahead_up_to_its_bound_and_gives_all_of_it_back() {
        let memory = Arc::new(Memory::new(100));
        let mut kept = Kept::new(&memory, 50);
        let rooms: Vec<usize> = [20, 1, 19, 1, 9]
            .map(|count| {
                kept.add(&vec![0; count]);
                memory.used()
            })
            .into();
        assert_eq!((rooms, kept.body().map(<[u8]>::len)), (vec![20, 40, 40, 50, 50], Ok(50)));
        drop(kept);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn two_keep_the_same_stream_each_within_its_own_bounds() {
        let memory = Arc::new(Memory::new(100));
        for limits in [[2, 9], [9, 2]] {
            let [one, two] = limits.map(|limit| Kept::new(&memory, limit).tee());
            let both = Tee::both(Some(Tee::clone(&one)), Some(Tee::clone(&two))).unwrap();
            both.add(b"ab");
            both.add(b"c");
            let lost = [&one, &two].map(|kept| kept.kept().body() == Err(LeftOut::Size));
            assert_eq!(lost, limits.map(|limit| limit == 2));
        }
        assert!(
            Tee::both(None, None).is_none() && Tee::both(None, Some(Kept::new(&memory, 1).tee())).is_some()
        );
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn all_together_have_a_bound() {
        let memory = Arc::new(Memory::new(8));
        let (mut one, mut two) = (Kept::new(&memory, 10), Kept::new(&memory, 10));
        one.add(b"abcde");
        two.add(b"abc");
        one.add(b"f");
        assert_eq!((one.body(), two.body()), (Err(LeftOut::Memory), Ok(&b"abc"[..])));
        let taken = Kept::take(&two.tee());
        assert_eq!((taken.body(), memory.used()), (Ok(&b"abc"[..]), 3));
        drop(taken);
        assert_eq!(memory.used(), 0);
    }
}
